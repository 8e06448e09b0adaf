//! One ban, whole: whom, why, by what, until when, on what evidence.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::subject::{Reach, Subject};
use crate::moment::Moment;

/// Clocks of different nodes may differ by so much.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(15 * 60);

/// 128 random bits, written as 32 hex digits: unique over all nodes without asking any.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BanId(u128);

impl BanId {
    /// From random bits.
    pub const fn from_bits(bits: u128) -> BanId {
        BanId(bits)
    }

    /// 32 of the random bits, for whatever should differ from ban to ban.
    pub const fn chance(self) -> u32 {
        self.0 as u32
    }

    /// The same as a share, 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.chance()) / f64::from(u32::MAX)
    }
}

impl fmt::Display for BanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for BanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for BanId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<BanId, Self::Err> {
        u128::from_str_radix(text, 16).map(BanId)
    }
}

impl Serialize for BanId {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BanId {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<BanId, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum By {
    /// A policy: the operator's name for it, its own version, SHA-256 of its component and of its settings.
    Policy {
        /// The operator's name for it.
        name: String,
        /// The version that it describes itself with.
        version: String,
        /// SHA-256 of the component, lower-case hex.
        digest: String,
        /// SHA-256 of its settings as JSON, lower-case hex.
        settings: String,
    },
    /// A person at the admin socket, by system user name.
    Operator {
        /// System user name, or `uid N`.
        name: String,
    },
}

/// One fact that led to a ban: an event as it was seen, without secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When.
    pub at: Moment,
    /// Kind of the event.
    pub event: String,
    /// Its facts, as the event's JSON.
    pub facts: serde_json::Value,
}

/// What a decision asked of the store, or wrote into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// As the contract names it: `get`, `increment`, ...
    pub operation: String,
    /// As the policy spells it, cut where it is long.
    pub key: String,
    /// In a few words.
    pub answer: String,
}

/// How a policy came to a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The event that brought it about, with all its facts.
    pub event: Evidence,
    /// What it asked of the store and wrote there, in order, bounded.
    #[serde(default)]
    pub store: Vec<Access>,
    /// What it asked for and did not get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamped: Option<Clamped>,
    /// Open sessions that it ended, on the node that made it.
    #[serde(default)]
    pub ended: u32,
}

/// A ban that the operator's rules made shorter than the policy meant it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clamped {
    /// What the policy asked for; `None`: until lifted.
    pub asked_seconds: Option<u64>,
    /// What it got before ends are spread, in seconds.
    pub given_seconds: u64,
    /// Key path of the rule.
    pub rule: String,
}

impl std::fmt::Display for Clamped {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let span = |seconds| humantime::format_duration(std::time::Duration::from_secs(seconds));
        match self.asked_seconds {
            Some(asked) => write!(out, "from {} to {} by `{}`", span(asked), span(self.given_seconds), self.rule),
            None => write!(out, "from until lifted to {} by `{}`", span(self.given_seconds), self.rule),
        }
    }
}

/// What speaks for a ban.
#[derive(Clone, Debug, Default)]
pub struct Grounds {
    /// The event that brings it about, with all its facts.
    pub event: Option<Evidence>,
    /// What led to it, oldest first.
    pub evidence: Vec<Evidence>,
    /// Open sessions of this node that it ends.
    pub ends: u32,
}

/// A ban in force, or one that was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ban {
    /// Unique over all nodes.
    pub id: BanId,
    /// Whom.
    pub subject: Subject,
    /// How far.
    pub reach: Reach,
    /// For people.
    pub reason: String,
    /// For the client; `%a` address, `%u` user, `%c` class, `%t` time left. `None`: the server's own text.
    pub message: Option<String>,
    /// Who decided.
    pub by: By,
    /// The node that decided.
    pub node: String,
    /// Its site.
    pub site: String,
    /// When.
    pub created: Moment,
    /// Until when; `None`: until lifted.
    pub expires: Option<Moment>,
    /// By whose clock, where it is not the maker's in the store, or not yet ours here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Box<str>>,
    /// What led to it, oldest first, bounded.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// How the policy decided; boxed, as most of a million bans need no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Box<Course>>,
}

impl Ban {
    /// As it is after a restart. A clock that was set back in between would leave it in force for as long as
    /// the clock was set back: a ban that seems to come from the future runs its whole span from now.
    pub fn after_restart(self: Arc<Ban>, now: Moment) -> Arc<Ban> {
        match self.expires {
            // The moments of another node's clock say nothing of ours.
            _ if self.clock.is_some() => self,
            Some(end) if self.created > now.plus(CLOCKS_DIFFER) => {
                let expires = Some(now.plus(self.created.until(end)));
                Arc::new(Ban { expires, ..Ban::clone(&self) })
            }
            _ => self,
        }
    }

    /// Until when it refuses: its end, or as much later as clocks may differ while that end is by the clock of a
    /// node that was not heard of here yet.
    pub fn held_until(&self) -> Option<Moment> {
        held_until(self.expires, self.clock.as_deref())
    }

    /// A ban that ends now no longer refuses.
    pub fn in_force(&self, now: Moment) -> bool {
        self.held_until().is_none_or(|end| now < end)
    }
}

/// When something ceases to matter by our clock whose end is by another's, if that is named.
pub(super) fn held_until(end: Option<Moment>, clock: Option<&str>) -> Option<Moment> {
    end.map(|end| if clock.is_some() { end.plus(CLOCKS_DIFFER) } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_that_ends_now_no_longer_refuses() {
        let ban = Ban {
            id: BanId::from_bits(7),
            subject: Subject::User("alice".into()),
            reach: Reach::Site,
            reason: "test".into(),
            message: None,
            by: By::Operator { name: "root".into() },
            node: "a".into(),
            site: "s".into(),
            created: Moment::from_millis(0),
            expires: Some(Moment::from_millis(1000)),
            clock: None,
            evidence: Vec::new(),
            course: None,
        };
        assert!(ban.in_force(Moment::from_millis(999)));
        assert!(!ban.in_force(Moment::from_millis(1000)));
        let text = serde_json::to_string(&ban).expect("json");
        assert_eq!(serde_json::from_str::<Ban>(&text).expect("ban"), ban);
    }

    #[test]
    fn f_11_a_ban_by_a_clock_that_nobody_knows_is_held_as_long_as_it_may_last() {
        let now = Moment::from_millis(1_000_000_000);
        let ban = crate::ledger::fixtures::ban("192.0.2.7", now, Some(60));
        let unsure = Arc::new(Ban { clock: Some("b".into()), ..Ban::clone(&ban) });
        let end = now.plus(Duration::from_secs(60));
        let held = end.plus(CLOCKS_DIFFER);
        assert!(!ban.in_force(end) && unsure.in_force(end) && !unsure.in_force(held));
        assert_eq!((unsure.expires, unsure.held_until()), (Some(end), Some(held)));
        let early = Moment::from_millis(now.millis() - 2 * CLOCKS_DIFFER.as_millis() as u64);
        assert!(Arc::ptr_eq(&Arc::clone(&unsure).after_restart(early), &unsure), "its moments are not ours");
    }

    #[test]
    fn f_11_a_clock_that_was_set_back_by_a_year_leaves_a_ban_its_own_span() {
        let day = |days: u64| Moment::from_millis(days * 86_400_000);
        let ban = crate::ledger::fixtures::ban("192.0.2.7", day(400), Some(3600));
        let kept = Arc::clone(&ban).after_restart(day(400));
        assert!(Arc::ptr_eq(&kept, &ban));
        let earlier = Arc::clone(&ban).after_restart(day(35));
        assert_eq!(earlier.expires, Some(day(35).plus(Duration::from_secs(3600))));
        let skewed = Moment::from_millis(day(400).millis() - 300_000);
        assert!(Arc::ptr_eq(&Arc::clone(&ban).after_restart(skewed), &ban), "another node's clock may be ahead");
    }
}
