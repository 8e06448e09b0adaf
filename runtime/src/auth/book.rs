//! The file of users while it is read: every mistake at once, each with its line, key path and remedy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::keys::{self, KEYS, Keys, Said};
use super::name::UserName;
use super::password::Hash;
use super::permit::Rights;
use super::users::{Account, Folder, User};
use crate::config::{Mistake, nearest, plain};

const EXAMPLE: &str =
    "the file holds a [[user]] for each user, with `name`, `password` and `home`, and perhaps [[group]]s";

/// What stands in a home folder for the user's name.
const NAME_MARK: &str = "%u";

/// A folder's text with a user's name in it, as one part of the path that leads nowhere else; `None` if the name
/// cannot be one.
pub(super) fn fill(text: &str, name: &UserName) -> Option<String> {
    let name = name.as_str();
    let fits = !text.contains(NAME_MARK) || !name.contains('/') && !matches!(name, "." | "..");
    fits.then(|| text.replace(NAME_MARK, name))
}

/// One table of the file.
pub(super) struct Row<'r, 'a> {
    /// Its key path.
    pub(super) title: String,
    pub(super) start: usize,
    pub(super) keys: &'r DeTable<'a>,
}

impl Row<'_, '_> {
    /// The path of a key in it.
    pub(super) fn path(&self, key: &str) -> String {
        if self.title.is_empty() { key.to_owned() } else { format!("{}.{key}", self.title) }
    }
}

/// The file while it is read.
pub(super) struct Book<'a> {
    file: &'a Path,
    text: &'a str,
    pub(super) groups: HashMap<String, Keys>,
    pub(super) users: HashMap<UserName, Account>,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Book<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Book<'a> {
        Book { file, text, groups: HashMap::new(), users: HashMap::new(), mistakes: Vec::new() }
    }

    pub(super) fn mistake(&mut self, at: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let file = self.file.display();
        let line = |at| 1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        let place = at.map_or(file.to_string(), |at| format!("{file}:{}", line(at)));
        self.mistakes.push(Mistake { what: what.into(), place: Some(place), remedy: Some(remedy.into()) });
    }

    /// Tells the keys that nobody knows.
    pub(super) fn only(&mut self, row: &Row<'_, '_>, known: &[&str], example: &str) {
        for key in row.keys.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let near = nearest(key.get_ref(), known.iter().copied());
            let remedy = near.map_or(example.to_owned(), |near| format!("did you mean `{near}`?"));
            self.mistake(Some(key.span().start), format!("unknown key `{}`", row.path(key.get_ref())), remedy);
        }
    }

    pub(super) fn read(&mut self) {
        let (whole, faults) = DeTable::parse_recoverable(self.text);
        for fault in &faults {
            self.mistake(fault.span().map(|span| span.start), fault.message(), "this is not TOML; mend the line");
        }
        if !faults.is_empty() {
            return;
        }
        let whole = Row { title: String::new(), start: 0, keys: whole.get_ref() };
        self.only(&whole, &["user", "group"], EXAMPLE);
        for (index, (start, keys)) in keys::tables(self, &whole, "group", EXAMPLE).into_iter().enumerate() {
            self.group(&Row { title: format!("group[{index}]"), start, keys });
        }
        for (index, (start, keys)) in keys::tables(self, &whole, "user", EXAMPLE).into_iter().enumerate() {
            self.user(&Row { title: format!("user[{index}]"), start, keys });
        }
    }

    fn group(&mut self, row: &Row<'_, '_>) {
        let known: Vec<&str> = ["name"].into_iter().chain(KEYS).collect();
        self.only(row, &known, EXAMPLE);
        let name = self.needed(row, "name", "the name that users name as their `group`");
        let keys = Keys::read(self, row);
        if let Some(name) = name
            && self.groups.insert(name.text.clone(), keys).is_some()
        {
            self.mistake(Some(name.at), format!("`{}`: `{}` is there twice", name.key, name.text), "remove one");
        }
    }

    fn user(&mut self, row: &Row<'_, '_>) {
        let before = self.mistakes.len();
        let known: Vec<&str> = ["name", "password", "group"].into_iter().chain(KEYS).collect();
        self.only(row, &known, EXAMPLE);
        let name = self.needed(row, "name", "the name that the user types").and_then(|said| self.name(&said));
        let hash = self.needed(row, "password", "a hash from `portcullis user hash`").and_then(|said| {
            Hash::parse(&said.text)
                .map_err(|fault| {
                    // Never the value: somebody may have put the password itself there.
                    let what = format!("`{}` {fault}", said.key);
                    self.mistake(Some(said.at), what, "make one with `portcullis user hash`");
                })
                .ok()
        });
        let group = keys::text(self, row, "group", "the name of a [[group]]");
        let mut keys = Keys::read(self, row);
        if let Some(said) = &group {
            match self.groups.get(&said.text) {
                Some(group) => keys = keys.over(group),
                None => {
                    let names: Vec<String> = self.groups.keys().cloned().collect();
                    let near = nearest(&said.text, names.iter().map(String::as_str));
                    let remedy = near
                        .map_or("add a [[group]] of that name".to_owned(), |near| format!("did you mean `{near}`?"));
                    self.mistake(Some(said.at), format!("`{}`: there is no group `{}`", said.key, said.text), remedy);
                }
            }
        }
        if keys.home.is_none() && !row.keys.contains_key("home") {
            let what = format!("`{}` is missing", row.path("home"));
            self.mistake(Some(row.start), what, "it is the folder that the user sees as /; a group may name it too");
        }
        let home = keys.home.take().and_then(|home| self.folder(&home, name.as_ref()));
        let rights = keys.rights.unwrap_or(Rights::FULL);
        let folders: Vec<Option<Folder>> = std::mem::take(&mut keys.folders)
            .into_iter()
            .map(|folder| {
                let to = self.folder(&folder.to, name.as_ref())?;
                Some(Folder { path: folder.path, to, rights: folder.rights.unwrap_or(rights) })
            })
            .collect();
        let (Some(name), Some(hash), Some(home)) = (name, hash, home) else { return };
        if self.mistakes.len() > before {
            return;
        }
        let folders = folders.into_iter().flatten().collect();
        let limits = keys.limits.meant();
        let user = User { name: name.clone(), home, rights, folders, limits, outside: false };
        let account = Account {
            user: Arc::new(user),
            hash,
            group: group.map(|said| said.text),
            networks: keys.networks,
            expires: keys.expires,
            enabled: keys.enabled.unwrap_or(true),
        };
        self.users.insert(name, account);
    }

    fn name(&mut self, said: &Said) -> Option<UserName> {
        match UserName::parse(&said.text) {
            Ok(name) if self.users.contains_key(&name) => {
                self.mistake(Some(said.at), format!("`{}`: `{name}` is there twice", said.key), "remove one");
                None
            }
            Ok(name) => Some(name),
            Err(fault) => {
                self.mistake(Some(said.at), format!("`{}`: {fault}", said.key), "choose another name");
                None
            }
        }
    }

    /// A text that must be there.
    fn needed(&mut self, row: &Row<'_, '_>, key: &str, meaning: &str) -> Option<Said> {
        if !row.keys.contains_key(key) {
            self.mistake(Some(row.start), format!("`{}` is missing", row.path(key)), format!("it is {meaning}"));
        }
        keys::text(self, row, key, meaning)
    }

    /// A folder on disk, which is there; the user's name in it is one part of the path and leads nowhere else.
    fn folder(&mut self, said: &Said, name: Option<&UserName>) -> Option<PathBuf> {
        let mut text = said.text.clone();
        if text.contains(NAME_MARK) {
            let name = name?;
            let Some(filled) = fill(&text, name) else {
                let what = format!("`{}`: the name `{name}` cannot stand in a path", said.key);
                self.mistake(Some(said.at), what, "give this user a folder without %u");
                return None;
            };
            text = filled;
        }
        let beside = self.file.parent().unwrap_or(Path::new(""));
        match std::fs::canonicalize(beside.join(&text)) {
            Ok(folder) if folder.is_dir() => Some(folder),
            Ok(_) => {
                self.mistake(Some(said.at), format!("`{}`: `{text}` is no folder", said.key), "name a folder");
                None
            }
            Err(error) => {
                let what = format!("`{}`: cannot use `{text}`: {}", said.key, plain(&error));
                let remedy = "make the folder, or name another; relative paths start at this file";
                self.mistake(Some(said.at), what, remedy);
                None
            }
        }
    }
}
