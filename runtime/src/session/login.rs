//! USER and PASS, from the bans on the name to the opened home folder.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{debug, error};

use super::counters::count;
use super::driver::Driver;
use super::pool;
use super::ruling::{self, No};
use crate::auth::{Permit, Refusal, Secret, UserName, Why};
use crate::events::{Cause, Kind, LoginFailure};
use crate::ftp::effect::LoginAnswer;
use crate::moment::Moment;
use crate::vfs::{Root, VirtualPath};

impl Driver {
    /// Checks a login. Every no takes as long as any other and says as little.
    pub(super) async fn log_in(&mut self, user: &str, password: Secret) -> LoginAnswer {
        let house = self.house().clone();
        let user = house.handles.login.canonical(bounded(user)).into_owned();
        let tag = house.handles.tags.tag(&user, &password);
        if let Err(answer) = self.announce(&user, tag).await {
            return answer;
        }
        let checked = match UserName::parse(&user) {
            Ok(name) => house.handles.login.check(&name, &password, self.entry().peer.ip(), Moment::now()).await,
            // No user has such a name.
            Err(_) => Err(Cause::UnknownUser.into()),
        };
        drop(password);
        match checked {
            Ok(permit) => self.let_in(&permit, tag).await,
            Err(Refusal { why: Why::Cause(cause), pause }) => {
                if cause == Cause::UnknownUser {
                    self.entry().nobody_has_it(house.handles.pseudonyms.of(&user));
                }
                self.refuse_after(pause, cause, tag, None).await
            }
            Err(Refusal { why: Why::Trouble(why), pause }) => {
                // Nobody can tell whether it is a name.
                self.entry().nobody_has_it(house.handles.pseudonyms.of(&user));
                let user = self.entry().shown_user(&house.settings.log);
                error!(connection = self.entry().id, user, why, "login.pam-trouble");
                let failures = self.failed();
                let (entry, pause) = (self.entry().clone(), pause + self.failure_pause(failures));
                entry.pause(pause).await;
                LoginAnswer::Denied
            }
        }
    }

    /// A login by the client's certificate. One that does not name this user is no failure: a password may.
    pub(super) async fn log_in_by_certificate(&mut self, user: &str) -> LoginAnswer {
        let house = self.house().clone();
        let user = bounded(user);
        let named = self.certificate.as_ref().filter(|certificate| certificate.logs_in(user, &house.settings.tls));
        let (Some(certificate), Ok(name)) = (named, UserName::parse(user)) else { return LoginAnswer::PasswordNeeded };
        // The same certificate for the same user is the same attempt.
        let tag = house.handles.tags.tag(user, &Secret::new(certificate.fingerprint.clone()));
        if let Err(answer) = self.announce(user, tag).await {
            return answer;
        }
        match house.handles.login.certified(&name, self.entry().peer.ip(), Moment::now()) {
            Ok(permit) => self.let_in(&permit, tag).await,
            Err(_) => self.refuse(Cause::CertificateRefused, tag, None).await,
        }
    }

    /// The bans on the name and the policies come before any check.
    async fn announce(&mut self, user: &str, tag: u16) -> Result<(), LoginAnswer> {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let pseudonym = house.pseudonym(user);
        entry.name(user, pseudonym.clone());
        let (bans, ip) = (&house.handles.bans, entry.peer.ip());
        let by_pseudonym = || pseudonym.as_deref().and_then(|name| bans.on_user(name, ip, Moment::now()));
        let mut banned = bans.on_user(user, ip, Moment::now()).or_else(by_pseudonym);
        if banned.is_none() {
            banned = pool::ask_user(&house, &entry, pseudonym.as_deref().unwrap_or(user)).await;
        }
        if let Some(ban) = banned {
            debug!(connection = entry.id, ban = %ban.id, "login.user-banned");
            self.failed();
            let text = ruling::told(&house, &entry, &ban, Moment::now());
            return Err(LoginAnswer::Refused { text: Some(text), close: true });
        }
        match ruling::permit(&house, &entry, Kind::LoginAttempt(tag)).await {
            Ok(()) => Ok(()),
            Err(no) => Err(self.refuse(Cause::DeniedByRule, tag, Some(no)).await),
        }
    }

    async fn let_in(&mut self, permit: &Permit, tag: u16) -> LoginAnswer {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let root = match Root::open(permit, &house.handles.files).await {
            Ok(root) => root,
            Err(why) => {
                error!(connection = entry.id, user = %permit.user(), %why, "login.no-home");
                self.failed();
                return LoginAnswer::Denied;
            }
        };
        if let Err(why) = root.count().await {
            error!(connection = entry.id, user = %permit.user(), %why, "login.home-not-counted");
            self.failed();
            return LoginAnswer::Denied;
        }
        let member = match house.members.join(permit, entry.peer.ip()) {
            Ok(member) => member,
            Err(full) => {
                debug!(connection = entry.id, limit = full.name(), "login.too-many");
                ruling::limit_reached(&house, &entry, full.name()).await;
                return LoginAnswer::TooMany;
            }
        };
        if let Err(no) = ruling::permit(&house, &entry, Kind::LoginSucceeded).await {
            return self.refuse(Cause::DeniedByRule, tag, Some(no)).await;
        }
        entry.logged_in(permit.is_outside());
        // The user may have been removed while the password was checked.
        if house.settings.users.end_removed
            && !house.handles.login.stands(permit.user().as_str(), permit.is_outside(), Moment::now())
        {
            entry.name(permit.user().as_str(), None);
            return self.refuse(Cause::DeniedByRule, tag, None).await;
        }
        // A ban may have come as well.
        if let Some(ban) = entry.ban_at_login(&house, Moment::now()) {
            entry.name(permit.user().as_str(), None);
            self.failed();
            let text = ruling::told(&house, &entry, &ban, Moment::now());
            return LoginAnswer::Refused { text: Some(text), close: true };
        }
        count(&house.counters().logins);
        ruling::remember_success(&house, &entry);
        self.is_in(root, member);
        LoginAnswer::Granted { home: VirtualPath::root() }
    }

    async fn refuse(&mut self, cause: Cause, attempt_tag: u16, no: Option<No>) -> LoginAnswer {
        self.refuse_after(Duration::ZERO, cause, attempt_tag, no).await
    }

    /// A failed login: told to the policies, answered after a pause, which is longer by what is `owed`. A ban that
    /// comes of it is in force before the pause begins.
    async fn refuse_after(&mut self, owed: Duration, cause: Cause, attempt_tag: u16, no: Option<No>) -> LoginAnswer {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let failures = self.failed();
        let verdict = ruling::ask(&house, &entry, Kind::LoginFailed(LoginFailure { cause, attempt_tag })).await;
        debug!(connection = entry.id, ?cause, failures, "login.failed");
        let pause = owed + self.failure_pause(failures).max(verdict.delay);
        if !pause.is_zero() {
            entry.pause(pause).await;
        }
        match (verdict.permit(&house, &entry).err(), no) {
            (Some(no), _) if no.close => LoginAnswer::Refused { text: no.text, close: true },
            (_, Some(no)) | (Some(no), None) => LoginAnswer::Refused { text: no.text, close: no.close },
            (None, None) => LoginAnswer::Denied,
        }
    }

    fn failure_pause(&self, failures: u32) -> Duration {
        let users = &self.house().settings.users;
        failure_pause(users.failure_delay, users.failure_delay_longest, failures, random_byte())
    }

    fn failed(&self) -> u32 {
        count(&self.house().counters().failed_logins);
        self.entry().failed_logins.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Longer than any name: nobody's, but events and logs stay bounded.
fn bounded(user: &str) -> &str {
    &user[..user.floor_char_boundary(UserName::BYTES_MAX)]
}

/// Doubles with each failure up to the longest, and a little of chance on top, so that the answer's time
/// tells nothing about the check's.
fn failure_pause(first: Duration, longest: Duration, failures: u32, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let pause = doubled.min(longest);
    pause + pause * u32::from(chance) / 1024
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without randomness the pause is just less varied.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let pauses: Vec<u64> =
            (1..=6).map(|failures| failure_pause(second, second * 8, failures, 0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
        assert_eq!(failure_pause(second, second * 8, u32::MAX, 0), second * 8);
        assert_eq!(failure_pause(Duration::ZERO, second, 3, 255), Duration::ZERO);
        assert!(failure_pause(second, second, 1, 255) < second * 5 / 4);
    }
}
