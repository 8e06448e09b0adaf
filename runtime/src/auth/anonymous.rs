//! Those who come in without a password of their own.

use std::sync::Arc;

use super::keys::Limits;
use super::name::UserName;
use super::permit::Permit;
use super::secret::Secret;
use super::users::User;
use crate::config::{Mistake, plain, settings};
use crate::events::Cause;
use crate::ftp::glob::glob_matches;

/// The one user behind all of their names.
#[derive(Clone, Debug)]
pub(super) struct Anonymous {
    user: Arc<User>,
    refused: Vec<String>,
}

/// The first is what events, logs and bans call them (RFC 1635).
const NAMES: [&str; 2] = ["anonymous", "ftp"];

impl Anonymous {
    /// Checks their home folder.
    pub(super) fn open(settings: &settings::Anonymous) -> Result<Anonymous, Mistake> {
        let wrong = |why: &str| Mistake {
            what: format!("`users.anonymous.home`: {} {why}", settings.home.display()),
            place: None,
            remedy: Some("make the folder, or name another".to_owned()),
        };
        let home = std::fs::canonicalize(&settings.home)
            .map_err(|error| wrong(&format!("cannot be used: {}", plain(&error))))?;
        if !home.is_dir() {
            return Err(wrong("is no folder"));
        }
        let name = UserName::parse(NAMES[0]).map_err(|fault| wrong(&fault.to_string()))?;
        let (rights, limits) = (settings.permissions, Limits::default());
        let user = Arc::new(User { name, home, rights, folders: Vec::new(), limits, outside: false });
        Ok(Anonymous { user, refused: settings.refused_passwords.clone() })
    }

    /// Whether a name means them.
    pub(super) fn is_called(name: &str) -> bool {
        NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// In with any password that no pattern refuses; `longest` bytes are looked at.
    pub(super) fn check(&self, password: &Secret, longest: usize) -> Result<Permit, Cause> {
        let password = password.reveal();
        let refused = password.len() > longest || {
            let password = password.to_lowercase();
            self.refused.iter().any(|pattern| glob_matches(pattern, password.as_bytes()))
        };
        if refused { Err(Cause::AnonymousRefused) } else { Ok(Permit::new(self.user.clone())) }
    }

    pub(super) fn name(&self) -> &UserName {
        &self.user.name
    }
}
