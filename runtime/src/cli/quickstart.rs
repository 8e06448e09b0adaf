//! `portcullis quickstart`: everything that is needed is made and kept in the state folder, so that a second
//! start finds the same password and certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::arguments::Quickstart;
use super::complain::Complaint;
use super::reach::quickstart_state;
use super::{Answer, serve};
use crate::auth::{Secret, password::Hash};
use crate::config::{Mistake, plain};
use crate::startup::{Ready, Source, replace, state};

/// What quickstart changes about the defaults.
const CHANGES: &str = include_str!("../config/quickstart.toml");
const WELCOME: &str = include_str!("welcome.txt");
const USER: &str = "demo";

/// Serves until told to stop.
pub fn run(wanted: &Quickstart) -> Result<Answer, Complaint> {
    let place = Place::prepare(wanted)?;
    let source =
        Source::Text { text: place.configuration(wanted.listen), name: "quickstart".into(), base: place.state.clone() };
    let invite = |ready: &Ready, policies: &[String]| place.invitation(wanted, ready, policies);
    let login = Some((USER.to_owned(), place.password.reveal().to_owned()));
    serve::until_stopped(source, login, wanted.ready_file.as_deref(), invite)
}

/// What was found or made.
struct Place {
    state: PathBuf,
    root: PathBuf,
    password: Secret,
}

impl Place {
    fn prepare(wanted: &Quickstart) -> Result<Place, Complaint> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = wanted.state.clone().map_or_else(quickstart_state, Ok)?;
        let folder = absolute(&folder);
        state::prepare(&folder).map_err(|mistake| Complaint::configuration(vec![mistake]))?;
        let root = wanted.root.as_deref().map_or_else(|| folder.join("files"), absolute);
        welcome(&root).map_err(|error| unusable(&root, &error))?;
        let password = password(&folder.join("demo-password")).map_err(|error| unusable(&folder, &error))?;
        let place = Place { state: folder, root, password };
        let users = place.users_file();
        let text = place.users()?;
        replace(&users, text.as_bytes()).map_err(|error| unusable(&users, &error))?;
        Ok(place)
    }

    fn users_file(&self) -> PathBuf {
        self.state.join("quickstart-users.toml")
    }

    /// The file of users, with the demo user alone.
    fn users(&self) -> Result<String, Complaint> {
        let hash = Hash::of(&self.password).map_err(|error| Complaint::failed(error.to_string()))?;
        let user = Table::from_iter([
            ("name".to_owned(), Value::from(USER)),
            ("password".to_owned(), Value::from(hash.text())),
            ("home".to_owned(), text(&self.root)?),
        ]);
        let users = Table::from_iter([("user".to_owned(), Value::Array(vec![Value::Table(user)]))]);
        Ok(format!("# Written by `portcullis quickstart` at every start.\n{users}"))
    }

    /// The configuration: a few lines over the defaults.
    fn configuration(&self, listen: Option<SocketAddr>) -> String {
        let mut changes: Table = CHANGES.parse().expect("the embedded file is TOML: a test reads it");
        let mut set = |section: &str, key: &str, value: Value| {
            let table = changes.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Some(table) = table.as_table_mut() {
                table.insert(key.to_owned(), value);
            }
        };
        if let Some(listen) = listen {
            set("server", "listen", Value::Array(vec![listen.to_string().into()]));
        }
        set("server", "state", self.state.to_string_lossy().into_owned().into());
        set("users", "file", self.users_file().to_string_lossy().into_owned().into());
        changes.to_string()
    }

    /// What is printed once clients may come.
    fn invitation(&self, wanted: &Quickstart, ready: &Ready, policies: &[String]) -> String {
        let address = ready.addresses.first().map(reachable).unwrap_or_default();
        let (certificate, password) = (quoted(&ready.certificate.to_string_lossy()), self.password.reveal());
        let which = wanted
            .state
            .as_ref()
            .map_or_else(String::new, |_| format!(" --state {}", quoted(&self.state.to_string_lossy())));
        format!(
            "\
Portcullis is ready: FTPS with explicit TLS.

  address      {address}
  user         {USER}
  password     {password}
  files        {root}
  certificate  {shown} (self-signed)
  policies     {policies}

Paste one of these:

  curl --ssl-reqd --cacert {certificate} --user {USER}:{password} ftp://{address}/
  echo hello | curl --ssl-reqd --cacert {certificate} --user {USER}:{password} --upload-file - ftp://{address}/hello.txt
  lftp -e 'set ssl:ca-file {bare}; set ftp:ssl-force true; set ftp:ssl-protect-data true; open -u {USER},{password} ftp://{address}/'

Who is banned:  portcullis bans list{which}
Stop:           Ctrl-C
",
            root = self.root.display(),
            shown = ready.certificate.display(),
            bare = lftp_quoted(&ready.certificate.to_string_lossy()),
            policies = if policies.is_empty() { "none".to_owned() } else { policies.join(", ") },
        )
    }
}

/// The address to type: a wildcard is reached by loopback here.
fn reachable(address: &SocketAddr) -> String {
    let mut address = *address;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
        if let Ok(ip) = loopback.parse() {
            address.set_ip(ip);
        }
    }
    address.to_string()
}

/// The password of an earlier start, or a new one: 20 letters and digits that are not mistaken for others.
fn password(file: &Path) -> std::io::Result<Secret> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    match std::fs::read_to_string(file) {
        Ok(known) if !known.trim().is_empty() => return Ok(Secret::new(known.trim().to_owned())),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut random = [0_u8; 20];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| std::io::Error::other("no random bytes"))?;
    let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(5).map(String::from_iter).collect();
    let made = groups.join("-");
    replace(file, format!("{made}\n").as_bytes())?;
    Ok(Secret::new(made))
}

/// Makes the folder that clients see, unless it is there.
fn welcome(root: &Path) -> std::io::Result<()> {
    if root.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(root)?;
    std::fs::write(root.join("WELCOME.txt"), WELCOME)
}

fn unusable(path: &Path, error: &std::io::Error) -> Complaint {
    Complaint::configuration(vec![Mistake {
        what: format!("this cannot be used: {}", plain(error)),
        place: Some(path.display().to_string()),
        remedy: Some("name other folders with --state and --root".to_owned()),
    }])
}

fn text(path: &Path) -> Result<Value, Complaint> {
    let wrong = || Complaint::usage(format!("{} is not UTF-8", path.display()), Some("name another folder"));
    Ok(Value::from(path.to_str().ok_or_else(wrong)?))
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |mark: char| mark.is_ascii_alphanumeric() || "/._-+:@%,".contains(mark);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// For lftp's own words within single quotes of a shell.
fn lftp_quoted(text: &str) -> String {
    let plain = |mark: char| mark.is_ascii_alphanumeric() || "/._-+:@%,".contains(mark);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn wanted(folder: &Path) -> Quickstart {
        Quickstart {
            listen: Some("127.0.0.1:0".parse().expect("address")),
            root: Some(folder.join("root")),
            state: Some(folder.join("it's state")),
            ready_file: None,
        }
    }

    #[test]
    fn a_second_start_has_the_same_password_and_a_usable_configuration() {
        let folder = tempfile::tempdir().expect("dir");
        let first = Place::prepare(&wanted(folder.path())).expect("place");
        let second = Place::prepare(&wanted(folder.path())).expect("place");
        assert_eq!(first.password.reveal(), second.password.reveal());
        assert_eq!(first.password.reveal().len(), 23);
        let kept = std::fs::metadata(first.state.join("demo-password")).expect("kept");
        assert_eq!(kept.permissions().mode() & 0o777, 0o600);
        let text = first.configuration(Some("127.0.0.1:0".parse().expect("address")));
        let loaded = crate::config::parse(&text, "quickstart", &first.state).expect("settings");
        assert!(loaded.settings.tls.self_signed && loaded.settings.server.state.ends_with("it's state"));
        crate::auth::Users::load(&loaded.settings.users).expect("users");
        assert!(folder.path().join("root/WELCOME.txt").is_file());
    }

    #[test]
    fn nothing_is_put_into_a_folder_that_was_there() {
        let folder = tempfile::tempdir().expect("dir");
        std::fs::create_dir(folder.path().join("root")).expect("root");
        Place::prepare(&wanted(folder.path())).expect("place");
        assert_eq!(std::fs::read_dir(folder.path().join("root")).expect("root").count(), 0);
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted("/a b/it's"), "'/a b/it'\\''s'");
        assert_eq!(quoted("/plain/path"), "/plain/path");
    }
}
