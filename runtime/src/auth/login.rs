//! Whether a name and a password open the door, and the cause if not.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::name::UserName;
use super::outside::{Ask, No, Outside};
use super::password::Pool;
use super::permit::Permit;
use super::secret::Secret;
use super::users::Users;
use crate::config::settings;
use crate::events::Cause;
use crate::moment::Moment;

/// The door: everybody's logins. What changes in the file of users changes here, for all who hold a door.
#[derive(Clone, Debug)]
pub struct Login {
    users: Arc<ArcSwap<Users>>,
    changed: watch::Sender<()>,
    pool: Pool,
    password_bytes: usize,
    /// PAM, if it is to be asked.
    outside: Option<Outside>,
}

/// Why somebody does not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For events and logs, never for the client.
    pub why: Why,
    /// How much later the client is to be told, so that the time tells no more than the words.
    pub pause: Duration,
}

/// Whose fault a refusal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The client's, or a rule's.
    Cause(Cause),
    /// The operator's: PAM is in trouble. It counts against nobody.
    Trouble(String),
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Refusal {
        Refusal { why: Why::Cause(cause), pause: Duration::ZERO }
    }
}

impl From<No> for Why {
    fn from(no: No) -> Why {
        match no {
            No::Unknown => Why::Cause(Cause::UnknownUser),
            No::Wrong => Why::Cause(Cause::WrongPassword),
            No::Denied => Why::Cause(Cause::DeniedByRule),
            No::Trouble(why) => Why::Trouble(why),
        }
    }
}

impl Login {
    /// With `[users]`, `limits.password-bytes` and `timeouts.pam` in force.
    pub fn new(
        users: Users,
        settings: &settings::Users,
        limits: &settings::Limits,
        timeouts: &settings::Timeouts,
    ) -> Login {
        let login = Login::with(users, settings.hashes_at_once, limits.password_bytes);
        let outside = settings.pam.as_ref().zip(ASK).map(|(pam, ask)| Outside::new(pam, timeouts, ask));
        Login { outside, ..login }
    }

    fn with(users: Users, hashes_at_once: usize, password_bytes: usize) -> Login {
        let users = Arc::new(ArcSwap::from_pointee(users));
        let pool = Pool::new(hashes_at_once);
        Login { users, changed: watch::Sender::new(()), pool, password_bytes, outside: None }
    }

    /// Puts other users in force: logins from now on go by them, and whoever watches is told.
    pub fn replace(&self, users: Users) {
        self.users.store(Arc::new(users));
        self.changed.send_replace(());
    }

    /// Tells when users were replaced.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether who logged in under a canonical name could do so still, wherever from; `outside`: whether the
    /// system vouched for them ([`Permit::is_outside`]).
    pub fn stands(&self, name: &str, outside: bool, now: Moment) -> bool {
        UserName::parse(name).is_ok_and(|name| self.users.load().stands(&name, outside, now))
    }

    /// Whether somebody has this name, as far as can be told without asking PAM: the file of users names it, or
    /// forbids it, or it is that of users who need no password.
    pub fn knows(&self, name: &str) -> bool {
        let users = self.users.load();
        self.outside.is_some()
            || UserName::parse(name).is_ok_and(|name| {
                users.find(&name).is_some() || users.is_forbidden(&name) || users.anonymous(&name).is_some()
            })
    }

    /// Whether a canonical name is that of users who need no password.
    pub fn is_anonymous(&self, name: &str) -> bool {
        UserName::parse(name).is_ok_and(|name| self.users.load().anonymous(&name).is_some())
    }

    /// The name that stands for a name as typed in events, counters and bans: users without a password are
    /// one user under all of their names.
    pub fn canonical<'a>(&self, typed: &'a str) -> Cow<'a, str> {
        let Ok(name) = UserName::parse(typed) else { return Cow::Borrowed(typed) };
        match self.users.load().anonymous(&name) {
            Some(anonymous) => Cow::Owned(anonymous.name().as_str().to_owned()),
            None => Cow::Borrowed(typed),
        }
    }

    /// Checks a password of somebody who comes from an address: a user of the file by its hash, whoever is not
    /// in the file by PAM, if it is to be asked. Whether the user exists, is disabled or forbidden changes neither
    /// the work nor, with [`Refusal::pause`], the time; only the cause tells, and it is for events and logs, never
    /// for the client. An empty password and one over `limits.password-bytes` are refused at once for every name
    /// alike.
    ///
    /// # Errors
    /// The `Refusal`: a user who is disabled, expired or comes from elsewhere is denied by a rule.
    pub async fn check(
        &self,
        name: &UserName,
        password: &Secret,
        from: IpAddr,
        now: Moment,
    ) -> Result<Permit, Refusal> {
        let users = self.users.load_full();
        let forbidden = users.is_forbidden(name);
        if let Some(anonymous) = users.anonymous(name).filter(|_| !forbidden) {
            return Ok(anonymous.check(password, self.password_bytes)?);
        }
        let account = users.find(name);
        let admitted = account.is_some_and(|account| account.admits(from, now)) && !forbidden;
        let unhashed = password.reveal().is_empty() || password.reveal().len() > self.password_bytes;
        let hash = account.map(|account| &account.hash);
        let fits = !unhashed && self.pool.matches(hash, users.decoys().clone(), password, admitted).await;
        let hashed = Instant::now();
        let why = match (account, &self.outside, users.template()) {
            _ if forbidden => Why::Cause(Cause::ForbiddenUser),
            _ if password.reveal().is_empty() => Why::Cause(Cause::EmptyPassword),
            (None, Some(outside), Some(template)) if !unhashed => {
                match outside.check(template, (name, password), from, now).await {
                    Ok(user) => return Ok(Permit::new(Arc::new(user))),
                    Err(no) => no.into(),
                }
            }
            (None, ..) => Why::Cause(Cause::UnknownUser),
            (Some(_), ..) if !fits => Why::Cause(Cause::WrongPassword),
            (Some(_), ..) if !admitted => Why::Cause(Cause::DeniedByRule),
            (Some(account), ..) => return Ok(Permit::new(account.user.clone())),
        };
        let owed = self.outside.as_ref().filter(|_| !unhashed).map(|outside| outside.owed(hashed));
        Err(Refusal { why, pause: owed.unwrap_or_default() })
    }

    /// The permit of a user whose certificate was verified and is theirs: no password is asked for.
    ///
    /// # Errors
    /// The `Cause`, as of [`Login::check`].
    pub fn certified(&self, name: &UserName, from: IpAddr, now: Moment) -> Result<Permit, Cause> {
        let users = self.users.load();
        if users.is_forbidden(name) {
            return Err(Cause::ForbiddenUser);
        }
        match users.find(name) {
            None => Err(Cause::UnknownUser),
            Some(account) if !account.admits(from, now) => Err(Cause::DeniedByRule),
            Some(account) => Ok(Permit::new(account.user.clone())),
        }
    }
}

/// Who asks PAM; nobody in a server that was built without it, whose settings can name no service.
const ASK: Option<Ask> = {
    #[cfg(feature = "pam")]
    {
        Some(super::pam::ask)
    }
    #[cfg(not(feature = "pam"))]
    {
        None
    }
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::password::{Cost, Hash};
    use super::super::permit::Rights;
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const NOW: Moment = Moment::from_millis(1_000);

    fn door() -> Login {
        let home = Path::new("/srv");
        let users = [("alice", "open sesame", home, Rights::FULL), ("root", "toor", home, Rights::FULL)];
        Login::with(Users::fixture(&users), 2, 64)
    }

    async fn check(name: &str, password: &str) -> Result<Permit, Refusal> {
        door().check(&UserName::parse(name).expect("name"), &Secret::new(password.into()), HERE, NOW).await
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
            assert_eq!(check(name, password).await.err(), Some(cause.into()), "{name} {password:?}");
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
            door.check(&UserName::parse(name).expect("name"), &Secret::new(password.into()), HERE, NOW).await
        };
        let permit = check("Anonymous", "me@home").await.expect("in");
        assert_eq!((permit.user().as_str(), permit.rights()), ("anonymous", Rights::READ_ONLY));
        for refused in ["", "Bot@Example.COM", &"x".repeat(65)] {
            assert_eq!(check("anonymous", refused).await.err(), Some(Cause::AnonymousRefused.into()), "{refused}");
        }
        assert_eq!(door.canonical("ANONYMOUS"), "anonymous");
        assert_eq!(
            check("ftp", "any").await.err(),
            Some(Cause::WrongPassword.into()),
            "a user of the file has that name"
        );
        assert_eq!(super::tests::check("anonymous", "x").await.err(), Some(Cause::UnknownUser.into()), "off");
    }

    #[tokio::test]
    async fn s_14_a_password_over_the_bound_is_never_hashed() {
        // A pool without places would wait for ever.
        let users = Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let door = Login::with(users, 0, 64);
        let name = UserName::parse("alice").expect("name");
        let long = Secret::new("x".repeat(65));
        assert_eq!(door.check(&name, &long, HERE, NOW).await.err(), Some(Cause::WrongPassword.into()));
    }

    #[tokio::test]
    async fn s_20_unknown_and_forbidden_users_are_hashed_too() {
        let users = Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let door = Login::with(users, 0, 64);
        for name in ["nobody", "root"] {
            let name = UserName::parse(name).expect("name");
            let password = Secret::new("x".into());
            let check = std::pin::pin!(door.check(&name, &password, HERE, NOW));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::future::Future::poll(check, &mut context).is_pending(), "{name} waits for the pool");
        }
    }

    #[tokio::test]
    async fn disabled_expired_and_far_away_users_are_denied_by_a_rule() {
        let users = || Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let denied = async |users: Users, from: &str| {
            let door = Login::with(users, 2, 64);
            let name = UserName::parse("alice").expect("name");
            let from = from.parse().expect("address");
            assert_eq!(
                door.check(&name, &Secret::new("y".into()), from, NOW).await.err(),
                Some(Cause::WrongPassword.into())
            );
            door.check(&name, &Secret::new("x".into()), from, NOW).await.err()
        };
        let rule = || Some(Refusal::from(Cause::DeniedByRule));
        assert_eq!(denied(users().with_changed("alice", |alice| alice.enabled = false), "127.0.0.1").await, rule());
        assert_eq!(denied(users().with_changed("alice", |alice| alice.expires = Some(NOW)), "127.0.0.1").await, rule());
        let office = || {
            users().with_changed("alice", |alice| {
                alice.networks = Some(vec!["192.0.2.0/24".parse().expect("network")]);
            })
        };
        assert_eq!(denied(office(), "127.0.0.1").await, rule());
        assert_eq!(denied(office(), "192.0.2.1").await, None);
    }

    #[test]
    fn whoever_was_removed_or_disabled_stands_no_more() {
        let users = || Users::fixture(&[("alice", "x", Path::new("/srv"), Rights::FULL)]);
        let door = Login::with(users(), 2, 64);
        let watcher = door.watch();
        assert!(
            door.stands("alice", false, NOW)
                && !door.stands("bob", false, NOW)
                && !door.stands("anonymous", false, NOW)
        );
        door.clone().replace(users().with_changed("alice", |alice| alice.enabled = false));
        assert!(!door.stands("alice", false, NOW));
        assert!(watcher.has_changed().expect("the door is there"));
    }

    /// The medians of many samples, taken in turns so that a busy machine slows all alike. Users with hashes
    /// of three costs: whoever could tell them apart by time could tell who exists.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn s_20_unknown_disabled_and_wrong_take_the_same_time() {
        const SAMPLES: usize = 60;
        let home = Path::new("/srv");
        let names = ["costly", "cheap", "disabled", "nobody", "root"];
        let users = Users::fixture(&[
            ("costly", "x", home, Rights::FULL),
            ("cheap", "x", home, Rights::FULL),
            ("disabled", "x", home, Rights::FULL),
        ])
        .with_changed("costly", |user| {
            user.hash = Cost::Argon { memory: 4096, passes: 3, lanes: 1 }.decoy().expect("hash");
        })
        .with_changed("cheap", |user| user.hash = Hash::cheap("x"))
        .with_changed("disabled", |user| {
            user.hash = Cost::Bcrypt(5).decoy().expect("hash");
            user.enabled = false;
        });
        let door = Login::with(users, 1, 64);
        let wrong = Secret::new("wrong".into());
        let mut samples = vec![Vec::with_capacity(SAMPLES); names.len()];
        for sample in 0..SAMPLES * names.len() {
            // Each comes behind each other in turn.
            let turn = (sample + sample / names.len()) % names.len();
            let name = UserName::parse(names[turn]).expect("name");
            let started = std::time::Instant::now();
            assert!(door.check(&name, &wrong, HERE, NOW).await.is_err());
            samples[turn].push(started.elapsed());
        }
        let medians: Vec<_> = samples
            .iter_mut()
            .map(|samples| {
                samples.sort_unstable();
                samples[SAMPLES / 2]
            })
            .collect();
        let (least, most) = (medians.iter().min().expect("some"), medians.iter().max().expect("some"));
        // One check of the costly hash takes several times as long as the others together.
        assert!(*most - *least <= *least / 4, "{names:?} {medians:?}");
    }
}
