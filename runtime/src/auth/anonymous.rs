//! Those who come in without a password of their own.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::keys::{Keys, may_come};
use super::name::{NameError, UserName};
use super::permit::Permit;
use super::secret::Secret;
use super::users::{Folder, User};
use crate::config::{Mistake, plain, settings};
use crate::events::Cause;
use crate::ftp::glob::glob_matches;
use crate::moment::Moment;

/// The one user behind all of their names.
#[derive(Clone, Debug)]
pub(super) struct Anonymous {
    user: Arc<User>,
    /// From the group, if there is one: where they may come from, and until when.
    networks: Option<Vec<IpNet>>,
    expires: Option<Moment>,
    refused: Vec<String>,
}

/// Both from RFC 1635; the first stands for all.
const NAMES: [&str; 2] = ["anonymous", "ftp"];

impl Anonymous {
    /// Checks their home folder. Of a group they have what its users have, but for home and permissions.
    pub(super) fn open(
        settings: &settings::Anonymous,
        group: Keys,
        folders: Vec<Folder>,
    ) -> Result<Anonymous, Mistake> {
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
        let name = Anonymous::canonical().map_err(|fault| wrong(&fault.to_string()))?;
        let user = Arc::new(User { name, home, rights: settings.permissions, folders, limits: group.limits.meant() });
        let refused = settings.refused_passwords.clone();
        Ok(Anonymous { user, networks: group.networks, expires: group.expires, refused })
    }

    /// What events, logs and bans call them.
    pub(super) fn canonical() -> Result<UserName, NameError> {
        UserName::parse(NAMES[0])
    }

    /// Whether they may come in at a moment.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    /// Whether a name means them.
    pub(super) fn is_called(name: &str) -> bool {
        NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// In with any password that no pattern refuses; `longest` bytes are looked at.
    pub(super) fn check(&self, password: &Secret, longest: usize, from: IpAddr, now: Moment) -> Result<Permit, Cause> {
        if !self.stands(now) || !may_come(self.networks.as_deref(), from) {
            return Err(Cause::DeniedByRule);
        }
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
