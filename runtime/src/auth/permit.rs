//! The proof that somebody logged in, and what they may do.

use std::path::Path;
use std::sync::Arc;

use super::keys::Limits;
use super::name::UserName;
use super::users::{Folder, User};

/// What a user may do with files. Enforced by `vfs/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// See the entries of a folder.
    pub list: bool,
    /// Download.
    pub read: bool,
    /// Upload under a name that is not there yet.
    pub write: bool,
    /// Go on at the end of a file that is there.
    pub append: bool,
    /// Replace or change a file that is there.
    pub overwrite: bool,
    /// Delete files and empty folders.
    pub delete: bool,
    /// Rename and move. Onto a file that is there: with `overwrite` or `delete` only.
    pub rename: bool,
    /// Make folders.
    pub mkdir: bool,
    /// Change modes.
    pub chmod: bool,
}

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights {
        list: false,
        read: false,
        write: false,
        append: false,
        overwrite: false,
        delete: false,
        rename: false,
        mkdir: false,
        chmod: false,
    };
    /// Everything.
    pub const FULL: Rights = Rights {
        list: true,
        read: true,
        write: true,
        append: true,
        overwrite: true,
        delete: true,
        rename: true,
        mkdir: true,
        chmod: true,
    };
    /// Looking and downloading.
    pub const READ_ONLY: Rights = Rights { list: true, read: true, ..Rights::NONE };

    /// The words for them, in the order of the fields.
    pub const WORDS: [&str; 9] = ["list", "read", "write", "append", "overwrite", "delete", "rename", "mkdir", "chmod"];

    /// Grants what a word of [`Rights::WORDS`] names; says whether it is one.
    pub fn grant(&mut self, word: &str) -> bool {
        let right = match word {
            "list" => &mut self.list,
            "read" => &mut self.read,
            "write" => &mut self.write,
            "append" => &mut self.append,
            "overwrite" => &mut self.overwrite,
            "delete" => &mut self.delete,
            "rename" => &mut self.rename,
            "mkdir" => &mut self.mkdir,
            "chmod" => &mut self.chmod,
            _ => return false,
        };
        *right = true;
        true
    }

    /// The words for what is granted.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let granted = [
            self.list,
            self.read,
            self.write,
            self.append,
            self.overwrite,
            self.delete,
            self.rename,
            self.mkdir,
            self.chmod,
        ];
        Rights::WORDS.into_iter().zip(granted).filter(|(_, granted)| *granted).map(|(word, _)| word)
    }

    /// May change what a file holds, and so its times.
    pub const fn upload(self) -> bool {
        self.write || self.append || self.overwrite
    }

    /// May make a file vanish behind another.
    pub const fn replace(self) -> bool {
        self.overwrite || self.delete
    }
}

/// Proof of a login: only [`super::Login::check`] leads to one.
#[derive(Clone, Debug)]
pub struct Permit {
    user: Arc<User>,
}

impl Permit {
    pub(super) fn new(user: Arc<User>) -> Permit {
        Permit { user }
    }

    /// Somebody who logged in, for tests of other rooms.
    #[cfg(any(test, fuzzing))]
    pub fn fixture(name: &str, home: &Path, rights: Rights) -> Permit {
        let users = super::Users::fixture(&[(name, "", home, rights)]);
        let name = UserName::parse(name).expect("name");
        Permit { user: users.find(&name).expect("the user just made").user.clone() }
    }

    /// The same user with virtual folders and bounds, for tests of other rooms.
    #[cfg(test)]
    pub fn with(&self, folders: Vec<Folder>, limits: Limits) -> Permit {
        let (name, home) = (self.user.name.clone(), self.user.home.clone());
        Permit { user: Arc::new(User { name, home, rights: self.user.rights, folders, limits, outside: false }) }
    }

    /// Who logged in.
    pub fn user(&self) -> &UserName {
        &self.user.name
    }

    /// Whether the system vouches for them, and not the file of users.
    pub fn is_outside(&self) -> bool {
        self.user.outside
    }

    /// The operator's folder for this user, absolute.
    pub fn home(&self) -> &Path {
        &self.user.home
    }

    /// What the user may do there.
    pub fn rights(&self) -> Rights {
        self.user.rights
    }

    /// Folders elsewhere that the user sees in the own tree.
    pub fn folders(&self) -> &[Folder] {
        &self.user.folders
    }

    /// The user's bounds.
    pub fn limits(&self) -> Limits {
        self.user.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_grants_its_own_right() {
        let mut all = Rights::NONE;
        for word in Rights::WORDS {
            let before = all;
            assert!(all.grant(word), "{word}");
            assert_ne!(all, before, "{word}");
        }
        assert_eq!(all, Rights::FULL);
        assert!(all.words().eq(Rights::WORDS));
        assert!(Rights::READ_ONLY.words().eq(["list", "read"]));
        assert!(!all.grant("everything"));
    }
}
