//! The proof that somebody logged in, and what they may do.

use std::path::Path;
use std::sync::Arc;

use super::name::UserName;
use super::users::User;

/// What a user may do with files. Enforced by `vfs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// See the entries of a folder.
    pub list: bool,
    /// Download.
    pub read: bool,
    /// Upload, make folders, change times.
    pub write: bool,
    /// Delete, rename, replace by renaming.
    pub delete: bool,
}

impl Rights {
    /// Everything.
    pub const FULL: Rights = Rights { list: true, read: true, write: true, delete: true };
    /// Looking and downloading.
    pub const READ_ONLY: Rights = Rights { list: true, read: true, write: false, delete: false };
}

/// Proof of a login: only [`super::Login::check`] makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    user: Arc<User>,
}

impl Permit {
    pub(super) fn new(user: Arc<User>) -> Permit {
        Permit { user }
    }

    /// Somebody who logged in, for tests of other rooms.
    #[cfg(test)]
    pub fn fixture(name: &str, home: &Path, rights: Rights) -> Permit {
        let users = super::Users::fixture(&[(name, "", home, rights)]);
        let name = UserName::parse(name).expect("name");
        Permit { user: users.find(&name).expect("the user just made").clone() }
    }

    /// Who logged in.
    pub fn user(&self) -> &UserName {
        &self.user.name
    }

    /// The operator's folder for this user, absolute.
    pub fn home(&self) -> &Path {
        &self.user.home
    }

    /// What the user may do there.
    pub fn rights(&self) -> Rights {
        self.user.rights
    }
}
