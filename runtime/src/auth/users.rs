//! The file of users, checked whole: every mistake at once, each with its line, key path and remedy.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::anonymous::Anonymous;
use super::name::UserName;
use super::password::Hash;
use super::permit::Rights;
use super::secret::Secret;
use crate::config::{Mistake, nearest, plain, settings};

/// The keys of one `[[user]]`.
const KEYS: [&str; 6] = ["name", "password", "home", "permissions", "read-only", "enabled"];

/// One user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: UserName,
    pub(super) home: PathBuf,
    pub(super) rights: Rights,
}

/// How somebody becomes a user.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: Arc<User>,
    pub(super) hash: Hash,
    pub(super) enabled: bool,
}

/// All users, as the file had them when it was read.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: HashMap<UserName, Account>,
    anonymous: Option<Anonymous>,
    forbidden: HashSet<String>,
    decoy: Hash,
}

impl Users {
    /// Reads and checks the file of users: form, names, hashes, homes, and that nobody else can write it.
    ///
    /// # Errors
    /// All mistakes, in the order of the file.
    pub fn load(settings: &settings::Users) -> Result<Users, Vec<Mistake>> {
        let anonymous = settings.anonymous.as_ref().map(Anonymous::open).transpose();
        match (Users::read(&settings.file, &settings.forbidden), anonymous) {
            (Ok(users), Ok(anonymous)) => Ok(Users { anonymous, ..users }),
            (Ok(_), Err(mistake)) => Err(vec![mistake]),
            (Err(mistakes), anonymous) => Err(mistakes.into_iter().chain(anonymous.err()).collect()),
        }
    }

    fn read(file: &Path, forbidden: &[String]) -> Result<Users, Vec<Mistake>> {
        let refused = |what: String, remedy: &str| {
            vec![Mistake { what, place: Some(file.display().to_string()), remedy: Some(remedy.to_owned()) }]
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            refused(
                format!("cannot read the file of users: {}", plain(&error)),
                "`users.file` names it; it is TOML in UTF-8",
            )
        })?;
        let mut book = Book::new(file, &text);
        let mode = std::fs::metadata(file).map(|meta| meta.permissions().mode()).unwrap_or_default();
        if mode & 0o022 != 0 {
            book.mistake(None, "others may write the file of users", "chmod go-w on the file");
        }
        book.users();
        let Book { users, mistakes, .. } = book;
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let decoy = decoy(&users).map_err(|error| refused(error.to_string(), "start again"))?;
        Ok(Users { by_name: users, anonymous: None, forbidden: forbidden.iter().cloned().collect(), decoy })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Users of a test, with hashes that cost next to nothing: name, password, home, rights.
    #[cfg(test)]
    pub fn fixture(users: &[(&str, &str, &Path, Rights)]) -> Users {
        let user = |(name, password, home, rights): &(&str, &str, &Path, Rights)| {
            let name = UserName::parse(name).expect("name");
            let hash = Hash::cheap(password);
            let user = Arc::new(User { name: name.clone(), home: home.to_path_buf(), rights: *rights });
            (name, Account { user, enabled: true, hash })
        };
        let forbidden = HashSet::from(["root".to_owned()]);
        let by_name = users.iter().map(user).collect();
        Users { by_name, anonymous: None, forbidden, decoy: Hash::cheap("decoy of a fixture") }
    }

    /// The same with anonymous users.
    #[cfg(test)]
    pub(super) fn with_anonymous(self, settings: &settings::Anonymous) -> Users {
        Users { anonymous: Some(Anonymous::open(settings).expect("anonymous")), ..self }
    }

    pub(super) fn find(&self, name: &UserName) -> Option<&Account> {
        self.by_name.get(name)
    }

    /// Those who need no password, if `name` is theirs and no user of the file has it.
    pub(super) fn anonymous(&self, name: &UserName) -> Option<&Anonymous> {
        self.anonymous.as_ref().filter(|_| Anonymous::is_called(name.as_str()) && self.find(name).is_none())
    }

    pub(super) fn is_forbidden(&self, name: &UserName) -> bool {
        self.forbidden.contains(name.as_str())
    }

    pub(super) fn decoy(&self) -> &Hash {
        &self.decoy
    }
}

/// Users that do not exist cost as much to check as the costliest that do: with one cost for all, which is
/// what `portcullis user hash` makes, time tells nothing.
fn decoy(users: &HashMap<UserName, Account>) -> Result<Hash, super::password::HashError> {
    match users.values().map(|account| &account.hash).max_by_key(|hash| hash.cost()) {
        Some(hash) => hash.decoy(),
        None => Hash::of(&Secret::new(String::new()))?.decoy(),
    }
}

/// The file while it is read.
struct Book<'a> {
    file: &'a Path,
    text: &'a str,
    users: HashMap<UserName, Account>,
    mistakes: Vec<Mistake>,
}

impl<'a> Book<'a> {
    fn new(file: &'a Path, text: &'a str) -> Book<'a> {
        Book { file, text, users: HashMap::new(), mistakes: Vec::new() }
    }

    fn mistake(&mut self, at: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let file = self.file.display();
        let line = |at| 1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        let place = at.map_or(file.to_string(), |at| format!("{file}:{}", line(at)));
        self.mistakes.push(Mistake { what: what.into(), place: Some(place), remedy: Some(remedy.into()) });
    }

    fn users(&mut self) {
        let (whole, faults) = DeTable::parse_recoverable(self.text);
        for fault in &faults {
            self.mistake(fault.span().map(|span| span.start), fault.message(), "this is not TOML; mend the line");
        }
        if !faults.is_empty() {
            return;
        }
        for (key, value) in whole.get_ref() {
            match (&**key.get_ref(), value.get_ref()) {
                ("user", DeValue::Array(rows)) => {
                    for (index, row) in rows.iter().enumerate() {
                        match row.get_ref() {
                            DeValue::Table(row_keys) => self.user(index, row.span().start, row_keys),
                            _ => self.mistake(Some(row.span().start), "`user` is no list of tables", EXAMPLE),
                        }
                    }
                }
                ("user", _) => self.mistake(Some(key.span().start), "`user` is no list of tables", EXAMPLE),
                (other, _) => self.mistake(Some(key.span().start), format!("unknown key `{other}`"), EXAMPLE),
            }
        }
    }

    fn user(&mut self, index: usize, start: usize, row: &DeTable<'_>) {
        let before = self.mistakes.len();
        for key in row.keys().filter(|key| !KEYS.contains(&&**key.get_ref())) {
            let near = nearest(key.get_ref(), KEYS.into_iter());
            let remedy = near.map_or(EXAMPLE.to_owned(), |near| format!("did you mean `{near}`?"));
            self.mistake(Some(key.span().start), format!("unknown key `user[{index}].{}`", key.get_ref()), remedy);
        }
        let name = self.text_of(index, start, row, "name", "the name that the user types").and_then(|(name, at)| {
            match UserName::parse(name) {
                Ok(name) if self.users.contains_key(&name) => {
                    self.mistake(Some(at), format!("`user[{index}].name`: `{name}` is there twice"), "remove one");
                    None
                }
                Ok(name) => Some(name),
                Err(fault) => {
                    self.mistake(Some(at), format!("`user[{index}].name`: {fault}"), "choose another name");
                    None
                }
            }
        });
        let hash =
            self.text_of(index, start, row, "password", "a hash from `portcullis user hash`").and_then(|(text, at)| {
                Hash::parse(text)
                    .map_err(|fault| {
                        // Never the value: somebody may have put the password itself there.
                        let what = format!("`user[{index}].password` {fault}");
                        self.mistake(Some(at), what, "make one with `portcullis user hash`");
                    })
                    .ok()
            });
        let home =
            self.text_of(index, start, row, "home", "the folder that the user sees as /").and_then(|(home, at)| {
                let beside = self.file.parent().unwrap_or(Path::new(""));
                match std::fs::canonicalize(beside.join(home)) {
                    Ok(home) if home.is_dir() => Some(home),
                    Ok(_) => {
                        self.mistake(Some(at), format!("`user[{index}].home`: `{home}` is no folder"), "name a folder");
                        None
                    }
                    Err(error) => {
                        let what = format!("`user[{index}].home`: cannot use `{home}`: {}", plain(&error));
                        self.mistake(
                            Some(at),
                            what,
                            "make the folder, or name another; relative paths start at this file",
                        );
                        None
                    }
                }
            });
        let rights = self.rights_of(index, row);
        let enabled = self.flag_of(index, row, "enabled", true);
        if let (Some(name), Some(hash), Some(home), true) = (name, hash, home, self.mistakes.len() == before) {
            let user = Arc::new(User { name: name.clone(), home, rights });
            self.users.insert(name, Account { user, hash, enabled });
        }
    }

    /// A list of permissions, or the short form; everything where neither is there.
    fn rights_of(&mut self, index: usize, row: &DeTable<'_>) -> Rights {
        let read_only = self.flag_of(index, row, "read-only", false);
        let Some(value) = row.get("permissions") else {
            return if read_only { Rights::READ_ONLY } else { Rights::FULL };
        };
        let at = value.span().start;
        let key = format!("`user[{index}].permissions`");
        let remedy = format!("it is a list of {}", Rights::WORDS.map(|word| format!("{word:?}")).join(", "));
        if read_only {
            self.mistake(Some(at), format!("{key} and `read-only` are both there"), "remove one of the two");
        }
        let mut rights = Rights::NONE;
        let Some(words) = value.get_ref().as_array() else {
            self.mistake(Some(at), format!("{key} is no list"), remedy);
            return rights;
        };
        for word in words {
            match word.get_ref().as_str() {
                Some(text) if rights.grant(text) => {}
                Some(text) => {
                    let near = nearest(text, Rights::WORDS.into_iter());
                    let remedy = near.map_or(remedy.clone(), |near| format!("did you mean {near:?}?"));
                    self.mistake(Some(word.span().start), format!("{key}: {text:?} is no permission"), remedy);
                }
                None => self.mistake(Some(word.span().start), format!("{key} holds what is no text"), remedy.clone()),
            }
        }
        rights
    }

    fn text_of<'r>(
        &mut self,
        index: usize,
        start: usize,
        row: &'r DeTable<'_>,
        key: &str,
        meaning: &str,
    ) -> Option<(&'r str, usize)> {
        match row.get(key) {
            None => {
                self.mistake(Some(start), format!("`user[{index}].{key}` is missing"), format!("it is {meaning}"));
                None
            }
            Some(value) => {
                let at = value.span().start;
                let text = value.get_ref().as_str();
                if text.is_none() {
                    self.mistake(Some(at), format!("`user[{index}].{key}` is no text"), format!("it is {meaning}"));
                }
                text.map(|text| (text, at))
            }
        }
    }

    /// A flag and what it means when it is not there; the two flags of a user need no file of defaults.
    fn flag_of(&mut self, index: usize, row: &DeTable<'_>, key: &str, absent: bool) -> bool {
        let Some(value) = row.get(key) else { return absent };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.mistake(Some(value.span().start), format!("`user[{index}].{key}` is no flag"), "write true or false");
            absent
        })
    }
}

const EXAMPLE: &str = "the file holds a [[user]] for each user, with `name`, `password` and `home`";

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

    fn load(text: &str) -> Result<Users, Vec<Mistake>> {
        let folder = tempfile::tempdir().expect("dir");
        std::fs::create_dir(folder.path().join("alice")).expect("home");
        let file = folder.path().join("users.toml");
        std::fs::write(&file, text).expect("write");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
        Users::read(&file, &["root".into()])
    }

    #[test]
    fn a_user_has_a_home_beside_the_file_and_full_rights() {
        let text = format!("[[user]]\nname = 'alice'\npassword = '{HASH}'\nhome = 'alice'\n");
        let users = load(&text).expect("users");
        let alice = users.find(&UserName::parse("alice").expect("name")).expect("alice");
        assert!(alice.user.home.is_absolute() && alice.user.home.ends_with("alice"));
        assert_eq!(alice.user.rights, Rights::FULL);
        assert!(alice.enabled);
        assert!(users.is_forbidden(&UserName::parse("root").expect("name")));
    }

    #[test]
    fn read_only_users_may_look_and_download() {
        let text = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\nread-only=true\n");
        let users = load(&text).expect("users");
        assert_eq!(users.find(&UserName::parse("alice").expect("name")).expect("alice").user.rights, Rights::READ_ONLY);
    }

    #[test]
    fn permissions_are_a_list_of_words() {
        let row = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\n");
        let rights = |text: &str| {
            let users = load(&format!("{row}{text}")).map_err(|mistakes| mistakes[0].to_string())?;
            Ok::<_, String>(users.find(&UserName::parse("alice").expect("name")).expect("alice").user.rights)
        };
        let dropbox = Rights { write: true, mkdir: true, ..Rights::NONE };
        assert_eq!(rights("permissions = ['write', 'mkdir']"), Ok(dropbox));
        assert_eq!(rights("permissions = []"), Ok(Rights::NONE));
        for (text, told) in [
            ("permissions = ['wirte']", "did you mean \"write\"?"),
            ("permissions = [7]", "no text"),
            ("permissions = 'write'", "no list"),
            ("permissions = ['list']\nread-only = true", "remove one of the two"),
        ] {
            let mistake = rights(text).expect_err(text);
            assert!(mistake.contains(told) && mistake.contains("users.toml:5"), "{text}: {mistake}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let text = "[[user]]\nname = 'bob '\npasswort = 'x'\npassword = 'hunter2'\nhome = 'nowhere'\n\
                    [[user]]\nread-only = 'yes'\n[server]\n";
        let mistakes = load(text).expect_err("mistakes");
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let expected = [
            (8, "unknown key `server`"),
            (3, "unknown key `user[0].passwort`"),
            (2, "`user[0].name`"),
            (4, "`user[0].password` is not a password hash"),
            (5, "`user[0].home`"),
            (6, "`user[1].name` is missing"),
            (6, "`user[1].password` is missing"),
            (6, "`user[1].home` is missing"),
            (7, "`user[1].read-only` is no flag"),
        ];
        for (line, text) in expected {
            let place = format!("users.toml:{line}");
            let found = mistakes.iter().any(|m| m.what.contains(text) && m.place.as_ref().unwrap().ends_with(&place));
            assert!(found, "{line} {text}: {told:#?}");
        }
        assert_eq!(mistakes.len(), expected.len(), "{told:#?}");
        assert!(told.iter().any(|told| told.contains("did you mean `password`?")), "{told:#?}");
        assert!(!told.iter().any(|told| told.contains("hunter2")), "no value of a password: {told:#?}");
    }

    #[test]
    fn a_name_that_is_there_twice_is_a_mistake() {
        let row = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\n");
        let mistakes = load(&format!("{row}{row}")).expect_err("twice");
        assert!(mistakes[0].what.contains("twice"), "{mistakes:?}");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().expect("dir");
        let file = folder.path().join("users.toml");
        std::fs::write(&file, "").expect("write");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).expect("mode");
        let mistakes = Users::read(&file, &[]).expect_err("writable");
        assert!(mistakes[0].to_string().contains("chmod"), "{mistakes:?}");
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let mistakes = load("[[user]]\nname = \n").expect_err("no TOML");
        assert!(mistakes[0].to_string().contains("users.toml:2"), "{mistakes:?}");
    }
}
