//! Users whom the system knows and the file of users does not: what they get, and how PAM is asked about them.
//!
//! Trust: none in what PAM's modules do. They run on threads of their own, a bounded number at once, and may
//! hang there for ever: whoever asked waits for the deadline and no longer, and nobody else waits for them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::book::fill;
use super::keys::{Keys, may_come};
use super::name::UserName;
use super::permit::Rights;
use super::secret::Secret;
use super::users::{Folder, User};
use crate::config::{plain, settings};
use crate::moment::Moment;
use crate::threads;
use crate::waits::{self, Wait};

/// One login, as PAM is asked about it.
#[cfg_attr(not(feature = "pam"), allow(dead_code, reason = "PAM reads it"))]
pub(super) struct Question {
    /// What PAM's configuration calls this server.
    pub(super) service: String,
    pub(super) name: UserName,
    pub(super) password: Secret,
    pub(super) from: IpAddr,
}

/// Why somebody does not come in.
#[cfg_attr(not(feature = "pam"), allow(dead_code, reason = "PAM says it"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// There is no such user.
    Unknown,
    /// The password is another.
    Wrong,
    /// The account is expired or locked, or may not come in now or from there.
    Denied,
    /// PAM, or the operator's configuration, is in trouble: it says nothing about the client.
    Trouble(String),
}

/// Asks, and may hang.
pub(super) type Ask = fn(&Question) -> Result<(), No>;

/// What holds for all of them: the keys of a group of the file of users.
#[derive(Clone, Debug)]
pub(super) struct Template {
    keys: Keys,
    /// Where relative folders start.
    beside: PathBuf,
}

impl Template {
    /// Of a group of the file of users; `None` if it names no home.
    pub(super) fn of(group: &Keys, file: &Path) -> Option<Template> {
        let beside = file.parent().unwrap_or(Path::new("")).to_owned();
        group.home.is_some().then(|| Template { keys: group.clone(), beside })
    }

    /// Whether anybody of them could come in at a moment.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.keys.enabled.unwrap_or(true) && self.keys.expires.is_none_or(|end| now < end)
    }

    fn admits(&self, from: IpAddr, now: Moment) -> bool {
        self.stands(now) && may_come(self.keys.networks.as_deref(), from)
    }

    /// One of them, whose folders are there. Looks at the disk.
    fn user(&self, name: &UserName) -> Result<User, No> {
        let folder = |text: &str| {
            let trouble = |why: &str| No::Trouble(format!("the folder `{text}` of the PAM users' group {why}"));
            let path = fill(text, name).ok_or_else(|| trouble("cannot hold this name"))?;
            let path = std::fs::canonicalize(self.beside.join(path))
                .map_err(|error| trouble(&format!("cannot be used: {}", plain(&error))))?;
            if path.is_dir() { Ok(path) } else { Err(trouble("is no folder")) }
        };
        let rights = self.keys.rights.unwrap_or(Rights::FULL);
        let home = folder(self.keys.home.as_ref().map_or("", |said| &said.text))?;
        let folders = self.keys.folders.iter().map(|seen| {
            let (path, rights) = (seen.path.clone(), seen.rights.unwrap_or(rights));
            Ok(Folder { path, to: folder(&seen.to.text)?, rights })
        });
        let folders = folders.collect::<Result<_, No>>()?;
        Ok(User { name: name.clone(), home, rights, folders, limits: self.keys.limits.meant(), outside: true })
    }
}

/// PAM, as far as this server asks it.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    ask: Ask,
    service: String,
    places: Arc<Semaphore>,
    deadline: Duration,
    failure_time: Duration,
}

impl Outside {
    /// With `[users.pam]` and `timeouts.pam` in force.
    pub(super) fn new(settings: &settings::Pam, timeouts: &settings::Timeouts, ask: Ask) -> Outside {
        Outside {
            ask,
            service: settings.service.clone(),
            places: Arc::new(Semaphore::new(settings.at_once)),
            deadline: timeouts.pam,
            failure_time: settings.failure_time,
        }
    }

    /// What of the time that a wrong password takes is left, from when PAM was asked, or would have been.
    pub(super) fn owed(&self, since: Instant) -> Duration {
        self.failure_time.saturating_sub(since.elapsed())
    }

    /// Whether somebody may come in, and as whom. PAM is asked only about names that a system's user can have,
    /// and about clients who may come in.
    pub(super) async fn check(
        &self,
        template: &Arc<Template>,
        (name, password): (&UserName, &Secret),
        from: IpAddr,
        now: Moment,
    ) -> Result<User, No> {
        if !is_plain(name.as_str()) || password.reveal().contains('\0') {
            return Err(No::Unknown);
        }
        if !template.admits(from, now) {
            return Err(No::Denied);
        }
        let question = Question { service: self.service.clone(), name: name.clone(), password: password.copy(), from };
        let (ask, template) = (self.ask, template.clone());
        let asked = threads::run(&self.places, move || {
            ask(&question)?;
            template.user(&question.name)
        });
        match waits::for_at_most(self.deadline, Wait::Pam, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(No::Trouble("the thread that asked PAM ended early".to_owned())),
            Err(_) => Err(No::Trouble("PAM did not answer within `timeouts.pam`".to_owned())),
        }
    }
}

/// Names that modules could take for a path, an option or two fields are nobody's.
fn is_plain(name: &str) -> bool {
    !name.starts_with(['-', '.']) && !name.contains(['/', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const NOW: Moment = Moment::from_millis(1_000);

    /// A PAM that knows alice, whose modules hang for "hang" and fail for "broken".
    fn ask(question: &Question) -> Result<(), No> {
        match (question.name.as_str(), question.password.reveal()) {
            ("alice", "open sesame") => Ok(()),
            ("alice", "hang") => {
                std::thread::sleep(Duration::from_secs(2));
                Ok(())
            }
            ("alice", "broken") => Err(No::Trouble("ServiceError".to_owned())),
            ("alice", _) => Err(No::Wrong),
            ("locked", _) => Err(No::Denied),
            _ => Err(No::Unknown),
        }
    }

    fn outside(at_once: usize) -> Outside {
        Outside {
            ask,
            service: "test".to_owned(),
            places: Arc::new(Semaphore::new(at_once)),
            deadline: Duration::from_millis(200),
            failure_time: Duration::from_secs(3),
        }
    }

    fn template(text: &str, folder: &Path) -> Arc<Template> {
        let file = folder.join("users.toml");
        let mut book = super::super::book::Book::new(&file, text);
        book.read();
        assert!(book.mistakes.is_empty(), "{:?}", book.mistakes);
        Arc::new(Template::of(&book.groups["pam"], &file).expect("a home"))
    }

    async fn check(outside: &Outside, template: &Arc<Template>, name: &str, password: &str) -> Result<User, No> {
        let (name, password) = (UserName::parse(name).expect("name"), Secret::new(password.to_owned()));
        outside.check(template, (&name, &password), HERE, NOW).await
    }

    #[tokio::test]
    async fn whom_pam_knows_gets_what_the_group_says() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("alice")).expect("a home");
        let group = "[[group]]\nname = 'pam'\nhome = '%u'\nread-only = true\nlimits = { sessions = 3 }\n";
        let (outside, template) = (outside(1), template(group, folder.path()));
        let user = check(&outside, &template, "alice", "open sesame").await.expect("in");
        assert_eq!(user.home, folder.path().join("alice").canonicalize().expect("a path"));
        assert_eq!((user.rights, user.limits.sessions, user.outside), (Rights::READ_ONLY, Some(3), true));
        for (name, password, no) in [
            ("alice", "other", No::Wrong),
            ("bob", "other", No::Unknown),
            ("locked", "other", No::Denied),
            ("../alice", "open sesame", No::Unknown),
            ("-alice", "open sesame", No::Unknown),
            ("alice", "open\0sesame", No::Unknown),
        ] {
            assert_eq!(check(&outside, &template, name, password).await.err(), Some(no), "{name} {password:?}");
        }
        std::fs::remove_dir(folder.path().join("alice")).expect("it goes");
        let no = check(&outside, &template, "alice", "open sesame").await.err();
        assert!(matches!(&no, Some(No::Trouble(why)) if why.contains("`%u`")), "{no:?}");
    }

    #[tokio::test]
    async fn pam_is_not_asked_about_who_may_not_come() {
        let folder = tempfile::tempdir().expect("a folder");
        for keys in ["networks = ['192.0.2.0/24']", "expires = 1970-01-01T00:00:00Z", "enabled = false"] {
            let template = template(&format!("[[group]]\nname = 'pam'\nhome = '.'\n{keys}\n"), folder.path());
            // A PAM without places would never answer.
            assert_eq!(check(&outside(0), &template, "alice", "open sesame").await.err(), Some(No::Denied), "{keys}");
        }
    }

    #[tokio::test]
    async fn modules_that_hang_hold_their_places_and_nobody_longer_than_the_deadline() {
        let folder = tempfile::tempdir().expect("a folder");
        let (outside, template) = (outside(1), template("[[group]]\nname = 'pam'\nhome = '.'\n", folder.path()));
        for password in ["hang", "open sesame"] {
            let started = Instant::now();
            let no = check(&outside, &template, "alice", password).await.err();
            assert!(matches!(&no, Some(No::Trouble(why)) if why.contains("timeouts.pam")), "{no:?}");
            assert!(started.elapsed() < Duration::from_secs(1), "{password}");
        }
        assert_eq!(outside.places.available_permits(), 0, "the module is still at it");
        let no = check(&self::outside(1), &template, "alice", "broken").await.err();
        assert_eq!(no, Some(No::Trouble("ServiceError".to_owned())));
    }
}
