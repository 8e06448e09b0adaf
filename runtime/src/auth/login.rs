//! Whether a name and a password open the door, and the cause if not.

use super::name::UserName;
use super::password::Pool;
use super::permit::Permit;
use super::secret::Secret;
use super::users::Users;
use crate::config::settings;
use crate::events::Cause;

/// The door: everybody's logins.
#[derive(Clone, Debug)]
pub struct Login {
    users: Users,
    pool: Pool,
    password_bytes: usize,
}

impl Login {
    /// With `users.hashes-at-once` and `limits.password-bytes` in force.
    pub fn new(users: Users, settings: &settings::Users, limits: &settings::Limits) -> Login {
        Login::with(users, settings.hashes_at_once, limits.password_bytes)
    }

    fn with(users: Users, hashes_at_once: usize, password_bytes: usize) -> Login {
        Login { users, pool: Pool::new(hashes_at_once), password_bytes }
    }

    /// The name that stands for a name as typed in events, counters and bans: users without a password are
    /// one user under all of their names.
    pub fn canonical<'a>(&'a self, typed: &'a str) -> &'a str {
        match UserName::parse(typed) {
            Ok(name) => self.users.anonymous(&name).map_or(typed, |anonymous| anonymous.name().as_str()),
            Err(_) => typed,
        }
    }

    /// Checks a password. Whether the user exists, is disabled or forbidden changes neither the work nor,
    /// so, the time; only the cause tells, and it is for events and logs, never for the client. An empty
    /// password and one over `limits.password-bytes` are refused at once for every name alike.
    ///
    /// # Errors
    /// The `Cause`: a disabled user looks like one who is denied by a rule.
    pub async fn check(&self, name: &UserName, password: &Secret) -> Result<Permit, Cause> {
        if let Some(anonymous) = self.users.anonymous(name).filter(|_| !self.users.is_forbidden(name)) {
            return anonymous.check(password, self.password_bytes);
        }
        let user = self.users.find(name);
        let unhashed = password.reveal().is_empty() || password.reveal().len() > self.password_bytes;
        let hash = user.map_or(self.users.decoy(), |user| &user.hash);
        let fits = !unhashed && self.pool.matches(hash, password).await;
        if self.users.is_forbidden(name) {
            return Err(Cause::ForbiddenUser);
        }
        if password.reveal().is_empty() {
            return Err(Cause::EmptyPassword);
        }
        match user {
            None => Err(Cause::UnknownUser),
            Some(_) if !fits => Err(Cause::WrongPassword),
            Some(user) if !user.enabled => Err(Cause::DeniedByRule),
            Some(account) => Ok(Permit::new(account.user.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::permit::Rights;
    use super::*;

    fn door() -> Login {
        let home = Path::new("/srv");
        let users = [("alice", "open sesame", home, Rights::FULL), ("root", "toor", home, Rights::FULL)];
        Login::with(Users::fixture(&users), 2, 64)
    }

    async fn check(name: &str, password: &str) -> Result<Permit, Cause> {
        door().check(&UserName::parse(name).expect("name"), &Secret::new(password.into())).await
    }

    #[tokio::test]
    async fn the_right_password_gives_a_permit() {
        let permit = check("alice", "open sesame").await.expect("permit");
        assert_eq!(permit.user().as_str(), "alice");
        assert_eq!(permit.home(), Path::new("/srv"));
        assert_eq!(permit.rights(), Rights::FULL);
    }

    #[tokio::test]
    async fn each_refusal_has_its_cause() {
        for (name, password, cause) in [
            ("alice", "open sesame ", Cause::WrongPassword),
            ("Alice", "open sesame", Cause::UnknownUser),
            ("alice", "", Cause::EmptyPassword),
            ("nobody", "", Cause::EmptyPassword),
            ("root", "toor", Cause::ForbiddenUser),
            ("root", "", Cause::ForbiddenUser),
        ] {
            assert_eq!(check(name, password).await.err(), Some(cause), "{name} {password:?}");
        }
    }

    #[tokio::test]
    async fn anonymous_comes_in_with_any_password_that_no_pattern_refuses() {
        let folder = tempfile::tempdir().expect("home");
        let settings = settings::Anonymous {
            home: folder.path().to_owned(),
            permissions: Rights::READ_ONLY,
            refused_passwords: vec!["".into(), "*@example.com".into()],
        };
        let users = Users::fixture(&[("ftp", "own", folder.path(), Rights::FULL)]).with_anonymous(&settings);
        let door = Login::with(users, 2, 64);
        let check = async |name: &str, password: &str| {
            door.check(&UserName::parse(name).expect("name"), &Secret::new(password.into())).await
        };
        let permit = check("Anonymous", "me@home").await.expect("in");
        assert_eq!((permit.user().as_str(), permit.rights()), ("anonymous", Rights::READ_ONLY));
        for refused in ["", "Bot@Example.COM", &"x".repeat(65)] {
            assert_eq!(check("anonymous", refused).await.err(), Some(Cause::AnonymousRefused), "{refused}");
        }
        assert_eq!(door.canonical("ANONYMOUS"), "anonymous");
        assert_eq!(check("ftp", "any").await.err(), Some(Cause::WrongPassword), "a user of the file has that name");
        assert_eq!(super::tests::check("anonymous", "x").await.err(), Some(Cause::UnknownUser), "off");
    }

    #[tokio::test]
    async fn s_14_a_password_over_the_bound_is_never_hashed() {
        // A pool without places would wait for ever.
        let users = Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let door = Login::with(users, 0, 64);
        let name = UserName::parse("alice").expect("name");
        let long = Secret::new("x".repeat(65));
        assert_eq!(door.check(&name, &long).await.err(), Some(Cause::WrongPassword));
    }

    #[tokio::test]
    async fn s_20_unknown_and_forbidden_users_are_hashed_too() {
        let users = Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let door = Login::with(users, 0, 64);
        for name in ["nobody", "root"] {
            let name = UserName::parse(name).expect("name");
            let password = Secret::new("x".into());
            let check = std::pin::pin!(door.check(&name, &password));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::future::Future::poll(check, &mut context).is_pending(), "{name} waits for the pool");
        }
    }
}
