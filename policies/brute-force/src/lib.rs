//! Bans a client after several different failed logins in a window, longer each time.
//!
//! What counts is the different attempt, user and password together: a forgotten job that tries one stale
//! password for weeks stays at one, a guesser who sprays one password over many users does not.
//!
//! Where several users have logged in from a network today, more failures are forgiven: a NAT has many people
//! behind it, and one of them should not get the others banned. Where one user is guessed at from everywhere,
//! each new client is banned as that user after its first guess: never the user, whom everybody could shut out
//! so, nor a client that the user has come from before.
//!
//! A success takes nothing back. Who mistyped twice loses nothing by that, as the window ends by itself; but
//! if it did, an attacker with one account of his own would log in after every fourth guess, for ever.

mod settings;

use portcullis_sdk::host::store::{self, Versioned};
use portcullis_sdk::host::{log, networks};
use portcullis_sdk::{
    About, Ban, Event, EventKind, HostInfo, LoginFailure, Policy, SettingError, Subject, Verdict, setting_error,
};

use settings::Settings;

const MESSAGE: &str = "Too many failed logins. Try again in %t.";

/// The policy.
#[derive(Debug)]
pub struct BruteForce {
    settings: Settings,
}

portcullis_sdk::export_policy!(BruteForce);

impl Policy for BruteForce {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "brute-force",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Bans a client after several different failed logins, longer each time.",
        events: &["login-failed"],
        facts: &["history"],
        settings_schema: include_str!("../settings.json"),
    };

    fn configure(settings: Settings, _: &HostInfo) -> Result<BruteForce, Vec<SettingError>> {
        if settings.longest < settings.ban {
            return Err(vec![setting_error("longest", "is shorter than `ban`, the first one")]);
        }
        Ok(BruteForce { settings })
    }

    fn evaluate(&self, event: &Event) -> Verdict {
        let EventKind::LoginFailed(failure) = &event.kind else { return Verdict::pass() };
        if self.settings.ignores(failure.cause) || self.is_exempt(&event.peer.address) {
            return Verdict::pass();
        }
        let Some(client) = self.client(&event.peer.address) else { return Verdict::pass() };
        self.judge(client, failure, event).unwrap_or_else(|error| {
            log::warn(&format!("a failed login was not counted: the store said {error:?}"));
            Verdict::pass()
        })
    }
}

impl BruteForce {
    fn judge(&self, client: Subject, failure: &LoginFailure, event: &Event) -> Result<Verdict, store::Error> {
        let (Subject::Host(name) | Subject::Network(name)) = client.clone() else { return Ok(Verdict::pass()) };
        let verdict = self.of_client(client, &name, failure, event)?;
        if verdict.bans.is_empty() { self.of_user(&name, failure, event) } else { Ok(verdict) }
    }

    /// One client that fails often.
    fn of_client(
        &self,
        client: Subject,
        name: &str,
        failure: &LoginFailure,
        event: &Event,
    ) -> Result<Verdict, store::Error> {
        let user = event.user.as_deref().unwrap_or_default();
        let record = format!("bans/{name}");
        let earlier = store::get_versioned(&record)?;
        let bans = earlier.as_ref().and_then(number).unwrap_or(0);

        // Each ban opens a new count: who was let out again, by time or by an operator, has the whole budget.
        let attempt = format!("{}:{user}", failure.attempt_tag);
        let failures =
            store::count_distinct(&format!("failures/{name}/{bans}"), &attempt, self.settings.window.seconds())?;
        if failures < self.settings.limit_among(event.history.map_or(0, |past| past.good_users)) {
            return Ok(Verdict::pass());
        }

        // Several nodes may get here at once, with failures that were under way. One of them wins the record;
        // all ask for the same ban, so nobody is punished twice for one series.
        let bans_now = (bans + 1).to_string();
        let recorded = match earlier {
            None => store::add(&record, bans_now.as_bytes(), self.settings.remember.seconds()),
            Some(Versioned { version, .. }) => {
                store::compare_and_swap(&record, bans_now.as_bytes(), version, self.settings.remember.seconds())
            }
        };
        if let Err(error) = recorded {
            log::warn(&format!("a ban was not remembered for repeat offences: the store said {error:?}"));
        }
        Ok(Verdict::pass().ban(self.ban(client, bans, failures)))
    }

    /// One user who is guessed at from many clients. A password that somebody tried before is none of it: a
    /// stale one, on all the machines of its owner.
    fn of_user(&self, client: &str, failure: &LoginFailure, event: &Event) -> Result<Verdict, store::Error> {
        let is_known = event.history.is_some_and(|past| past.last_success.is_some());
        let Some(user) = event.user.as_deref().filter(|_| self.settings.sources > 0 && !is_known) else {
            return Ok(Verdict::pass());
        };
        let window = self.settings.window;
        let tried = format!("tried/{}/{user}", failure.attempt_tag);
        if !store::add(&tried, b"1", window.seconds())? {
            return Ok(Verdict::pass());
        }
        let sources = store::count_distinct(&format!("sources/{user}"), client, window.seconds())?;
        if sources <= self.settings.sources {
            return Ok(Verdict::pass());
        }
        let reason = format!("one of {sources} clients that failed as this user within {window}");
        let ban = Ban::of(Subject::user_at_host(user, &event.peer.address), reason);
        Ok(Verdict::pass().ban(ban.seconds(self.settings.ban.seconds()).message(MESSAGE)))
    }

    fn ban(&self, client: Subject, earlier: u32, failures: u64) -> Ban {
        let factor = self.settings.repeat_factor.saturating_pow(earlier);
        let seconds = self.settings.ban.seconds().saturating_mul(factor).min(self.settings.longest.seconds());
        let repeated = match earlier {
            0 => String::new(),
            1 => ", banned once before".to_owned(),
            n => format!(", banned {n} times before"),
        };
        Ban::of(client, format!("{failures} different failed logins within {}{repeated}", self.settings.window))
            .seconds(seconds)
            .message(MESSAGE)
    }

    fn is_exempt(&self, address: &str) -> bool {
        self.settings.exempt.iter().any(|set| {
            networks::contains(set, address).unwrap_or_else(|| {
                log::warn(&format!("`exempt` names `{set}`, but there is no such set under [networks]"));
                false
            })
        })
    }

    /// One IPv4 address, or the IPv6 network that one customer has. Behind NAT64's prefix each address is
    /// somebody else's IPv4 address.
    fn client(&self, address: &str) -> Option<Subject> {
        if !address.contains(':') || address.starts_with("64:ff9b:") {
            return Some(Subject::host(address));
        }
        networks::around(address, 32, self.settings.ipv6_prefix).map(Subject::Network)
    }
}

fn number(record: &Versioned) -> Option<u32> {
    std::str::from_utf8(&record.value).ok()?.parse().ok()
}
