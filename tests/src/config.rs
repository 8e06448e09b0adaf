//! A server's configuration as a test writes it: a few lines over the defaults, small waits, a scratch folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The user of every test server.
pub const USER: &str = "demo";
/// Its password.
pub const PASSWORD: &str = "Correct-Horse-7-Battery";

/// Another, whose hash costs next to nothing: for tests of many logins whose subject is something else.
pub const CHEAP_PASSWORD: &str = "open-sesame";
const CHEAP_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$uq4lcVhZta6WHtoktOj1zg$Lqf58Z1hcloEca4VoELdZ/Aka9sSDEaNiNsqadf9w1s";

/// A configuration that can still change.
#[derive(Clone, Debug)]
pub struct Config {
    table: Table,
}

impl Config {
    /// One node with everything in `folder`: a self-signed certificate, one user, JSON in the log.
    pub fn in_folder(folder: &Path, password_hash: &str) -> Config {
        let root = folder.join("root");
        fs::create_dir_all(&root).expect("the root can be made");
        let users = write_users(folder, &[USER], password_hash);

        let mut config = Config { table: Table::new() };
        config
            .set("server.listen", vec!["127.0.0.1:0"])
            .set("server.state", text(&folder.join("state")))
            .set("server.node", "node-1")
            .set("tls.self-signed", true)
            .set("users.file", text(&users))
            .set("users.failure-delay", "0ms")
            .set("log.format", "json")
            .set("log.level", "debug");
        config
    }

    /// Nothing at all.
    pub fn none() -> Config {
        Config { table: Table::new() }
    }

    /// Sets the key of a dotted path.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> &mut Config {
        let mut table = &mut self.table;
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().expect("a path has a last part");
        for part in parts {
            let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().expect("the path leads through tables");
        }
        table.insert(last.to_owned(), value.into());
        self
    }

    /// Names the memcached servers of the store.
    pub fn store(&mut self, servers: &[String]) -> &mut Config {
        let servers: Vec<Value> = servers.iter().map(|one| Value::from(one.as_str())).collect();
        self.set("store.servers", servers)
    }

    /// Adds a policy behind those that are there, from TOML text.
    pub fn policy(&mut self, toml: &str) -> &mut Config {
        self.table("policy", toml)
    }

    /// Adds a table to a list of tables such as `[[listener]]`, from TOML text.
    pub fn table(&mut self, list: &str, toml: &str) -> &mut Config {
        let table: Table = toml::from_str(toml).expect("a test's table is TOML");
        let list = self.table.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut().expect("a list of tables").push(Value::Table(table));
        self
    }

    /// Forgets every policy of its own.
    pub fn no_policies(&mut self) -> &mut Config {
        self.table.remove("policy");
        self
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        toml::to_string(&self.table).expect("TOML")
    }

    /// Writes it whole: beside its place first, then over it, as an operator's tool does.
    pub fn write(&self, place: &Path) {
        replace(place, self.text().as_bytes());
    }
}

/// The file of users, who all have this hash and one home.
fn write_users(folder: &Path, names: &[&str], password_hash: &str) -> PathBuf {
    let users = folder.join("users.toml");
    let user = |name: &&str| {
        let mut user = Table::new();
        user.insert("name".into(), (*name).into());
        user.insert("password".into(), password_hash.into());
        user.insert("home".into(), text(&folder.join("root")));
        Value::Table(user)
    };
    let mut file = Table::new();
    file.insert("user".into(), Value::Array(names.iter().map(user).collect()));
    fs::write(&users, toml::to_string(&file).expect("TOML")).expect("the users can be written");
    // Whatever the umask: a file that others may write is refused.
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("the mode can be set");
    users
}

/// Gives the user of a prepared server's folder the cheap password.
pub fn make_password_cheap(folder: &Path) {
    write_users_cheap(folder, &[USER]);
}

/// Puts others in place of the user of a prepared server's folder, all with the cheap password.
pub fn write_users_cheap(folder: &Path, names: &[&str]) {
    write_users(folder, names, CHEAP_HASH);
}

/// Puts a whole file in place of another in one step.
pub fn replace(place: &Path, bytes: &[u8]) {
    let draft = place.with_extension("draft");
    fs::write(&draft, bytes).expect("a draft can be written");
    fs::rename(&draft, place).expect("a file can be replaced");
}

fn text(path: &Path) -> Value {
    Value::from(path.to_str().expect("scratch folders have plain names"))
}

/// Where the configuration of a folder is.
pub fn place(folder: &Path) -> PathBuf {
    folder.join("portcullis.toml")
}
