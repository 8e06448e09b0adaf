//! What the pool remembers of a network and its users, for the fact `history`: who succeeded from there and
//! when, and when somebody there was banned. One bounded record for each network, in the shared store.
//!
//! Trust: the record is a stranger's bytes; one that is no record is none. Names of users are kept as hashes.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digest::sha256;
use super::entries::{Entries, EntryError};
use super::offer::Deps;
use crate::events::{Facts, History};
use crate::ledger::Subject;
use crate::moment::Moment;

/// As the key policy is told; no operator's name for a policy has this form.
const OWNER: &str = "_history";
/// Users of one network that are remembered; the one unheard of longest makes room.
const USERS_MAX: usize = 64;
/// Bans of one network that are remembered; the oldest makes room.
const BANS_MAX: usize = 16;
/// Digits of a user's hash.
const HASH_DIGITS: usize = 16;
/// Tries to write a record that others write as well; then this once it is not remembered.
const TRIES: usize = 4;
const DAY: Duration = Duration::from_secs(86_400);

/// Remembers and tells.
pub(super) struct Memory {
    entries: Entries,
    keep: Duration,
}

/// One network. Short names: it is read and written with each login.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Hash of a user, and its last success.
    #[serde(rename = "u")]
    users: Vec<(String, Moment)>,
    /// When somebody here was banned, oldest first.
    #[serde(rename = "b")]
    bans: Vec<Moment>,
}

impl Memory {
    pub(super) fn new(deps: &Deps, keep: Duration, value_bytes: usize) -> Memory {
        Memory {
            entries: Entries {
                policy: OWNER.to_owned(),
                store: Arc::clone(&deps.store),
                keys: Arc::clone(&deps.keys),
                key_bytes: usize::MAX,
                value_bytes,
            },
            keep,
        }
    }

    /// What is known at `now`; `None` if the store does not answer.
    pub(super) async fn tell(&self, facts: &Facts, now: Moment) -> Option<History> {
        let found = self.entries.get(&key(facts.peer.ip())).await.ok()?;
        let record = found.and_then(|bytes| Record::read(&bytes)).unwrap_or_default();
        Some(record.tell(facts.user.as_deref(), now))
    }

    /// A user is in.
    pub(super) async fn succeeded(&self, ip: IpAddr, user: &str, now: Moment) {
        let user = hash(user);
        self.change(ip, |record| record.succeeded(user.clone(), now)).await;
    }

    /// Somebody there was banned.
    pub(super) async fn banned(&self, subject: &Subject, now: Moment) {
        let ip = match subject {
            Subject::Host(ip) | Subject::UserAtHost(_, ip) => *ip,
            Subject::Network(net) => net.addr(),
            _ => return,
        };
        self.change(ip, |record| record.banned(now)).await;
    }

    async fn change(&self, ip: IpAddr, change: impl Fn(&mut Record)) {
        for _ in 0..TRIES {
            match self.try_change(&key(ip), &change).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(?error, "history.not-kept");
                    return;
                }
            }
        }
    }

    async fn try_change(&self, key: &str, change: &impl Fn(&mut Record)) -> Result<bool, EntryError> {
        let seconds = u32::try_from(self.keep.as_secs()).unwrap_or(u32::MAX);
        let found = self.entries.get_versioned(key).await?;
        let mut record = found.as_ref().and_then(|found| Record::read(&found.value)).unwrap_or_default();
        change(&mut record);
        let Ok(bytes) = serde_json::to_vec(&record) else { return Ok(true) };
        match found {
            None => self.entries.add(key, &bytes, seconds).await,
            Some(found) => self.entries.compare_and_swap(key, &bytes, found.version, seconds).await,
        }
    }
}

impl Record {
    fn read(bytes: &[u8]) -> Option<Record> {
        serde_json::from_slice(bytes).ok()
    }

    fn tell(&self, user: Option<&str>, now: Moment) -> History {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let user = user.map(hash);
        let own = self.users.iter().find(|(known, _)| Some(known) == user.as_ref());
        let since = |at: &Moment, span: Duration| now < at.plus(span);
        History {
            last_success: own.map(|(_, at)| *at),
            good_users: count(self.users.iter().filter(|(_, at)| since(at, DAY)).count()),
            earlier_bans: count(self.bans.iter().filter(|at| since(at, DAY * 7)).count()),
        }
    }

    fn succeeded(&mut self, user: String, now: Moment) {
        self.users.retain(|(known, _)| *known != user);
        if self.users.len() >= USERS_MAX {
            self.users.remove(0);
        }
        self.users.push((user, now));
    }

    fn banned(&mut self, now: Moment) {
        if self.bans.len() >= BANS_MAX {
            self.bans.remove(0);
        }
        self.bans.push(now);
    }
}

/// One IPv6 client has a /64 to choose addresses from.
fn key(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{}/64", Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

fn hash(user: &str) -> String {
    let mut hash = sha256(user.as_bytes());
    hash.truncate(HASH_DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn a_network_is_remembered_by_its_users_and_its_bans() {
        let mut record = Record::default();
        record.succeeded(hash("alice"), at(1));
        record.succeeded(hash("bob"), at(2));
        record.succeeded(hash("alice"), at(3));
        record.banned(at(4));
        let bytes = serde_json::to_vec(&record).expect("json");
        assert!(!String::from_utf8_lossy(&bytes).contains("alice"));
        let record = Record::read(&bytes).expect("read back");
        let told = |user, now| record.tell(user, now);
        assert_eq!(told(Some("alice"), at(5)), History { last_success: Some(at(3)), good_users: 2, earlier_bans: 1 });
        assert_eq!(told(Some("eve"), at(5)).last_success, None);
        assert_eq!(told(None, at(86_403)), History { last_success: None, good_users: 0, earlier_bans: 1 });
        assert_eq!(told(None, at(8 * 86_400)), History::default());
    }

    #[test]
    fn s_12_a_record_is_bounded() {
        let mut record = Record::default();
        for number in 0..1000 {
            record.succeeded(hash(&number.to_string()), at(number));
            record.banned(at(number));
        }
        assert_eq!((record.users.len(), record.bans.len()), (USERS_MAX, BANS_MAX));
        assert!(serde_json::to_vec(&record).expect("json").len() < 8192);
        assert_eq!(record.tell(Some("999"), at(1000)).last_success, Some(at(999)));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for bytes in [&b""[..], b"{}", b"null", b"{\"u\":1,\"b\":[]}", &[0xff; 64]] {
            assert_eq!(Record::read(bytes), None);
        }
        assert_eq!(key("2001:db8::7".parse().expect("ip")), key("2001:db8::9".parse().expect("ip")));
    }
}
