//! A pretend server for native tests: a store in memory, a clock that the test turns, named networks,
//! bans, and the log as a list. One for each thread, so tests do not meet.
//!
//! ```
//! use portcullis_sdk::{host::store, pretend};
//!
//! assert_eq!(store::increment("seen", 1, 60), Ok(1));
//! pretend::turn_clock_to(61_000);
//! assert_eq!(store::increment("seen", 1, 60), Ok(1), "the window is over");
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::host::bans::InForce;
use crate::host::store::Error;
use crate::{Endpoint, Event, EventKind, LoginCause, LoginFailure, SessionFacts};

thread_local! { static SERVER: RefCell<Server> = RefCell::default() }

#[derive(Default)]
struct Server {
    now: u64,
    store_down: bool,
    writes: u64,
    entries: BTreeMap<String, Entry>,
    networks: BTreeMap<String, Vec<(IpAddr, u8)>>,
    bans: Vec<InForce>,
    log: Vec<String>,
    counts: BTreeMap<(String, String), u64>,
}

struct Entry {
    value: Value,
    version: u64,
    ends: Option<u64>,
}

enum Value {
    Bytes(Vec<u8>),
    Items(BTreeSet<String>),
}

/// Turns the clock to a moment, in milliseconds. What ended before is forgotten.
pub fn turn_clock_to(now: u64) {
    SERVER.with_borrow_mut(|server| {
        server.now = now;
        server.entries.retain(|_, entry| entry.ends.is_none_or(|end| now < end));
    });
}

/// From now on every call of the store fails, or none.
pub fn store_is_down(down: bool) {
    SERVER.with_borrow_mut(|server| server.store_down = down);
}

/// Names a set of networks: address and prefix length of each.
pub fn name_networks(set: &str, networks: &[(IpAddr, u8)]) {
    SERVER.with_borrow_mut(|server| server.networks.insert(set.to_owned(), networks.to_vec()));
}

/// A ban is in force from now on.
pub fn ban(ban: InForce) {
    SERVER.with_borrow_mut(|server| server.bans.push(ban));
}

/// The lines of the log so far, oldest first.
pub fn log_lines() -> Vec<String> {
    SERVER.with_borrow(|server| server.log.clone())
}

/// What a counter of the policy's own shows.
pub fn counted(name: &str, label: &str) -> u64 {
    SERVER.with_borrow(|server| server.counts.get(&(name.to_owned(), label.to_owned())).copied().unwrap_or_default())
}

/// An event of an ordinary client at this moment, to be changed where a test cares.
pub fn event(kind: EventKind) -> Event {
    let at = SERVER.with_borrow(|server| server.now);
    Event {
        at,
        site: "site".to_owned(),
        node: "node".to_owned(),
        server: "main".to_owned(),
        connection: 1,
        peer: Endpoint { address: "192.0.2.7".to_owned(), port: 40_000 },
        local: Endpoint { address: "198.51.100.1".to_owned(), port: 21 },
        classes: Vec::new(),
        user: None,
        logged_in: false,
        session: SessionFacts {
            started: at,
            commands: 0,
            unknown_commands: 0,
            failed_logins: 0,
            transfers: 0,
            bytes_in: 0,
            bytes_out: 0,
        },
        tls: None,
        history: None,
        place: None,
        store_degraded: false,
        more: Vec::new(),
        kind,
    }
}

/// A failed login with a wrong password; the tag tells one password from another.
pub fn wrong_password(attempt_tag: u16) -> EventKind {
    EventKind::LoginFailed(LoginFailure { cause: LoginCause::WrongPassword, attempt_tag })
}

fn asked<T>(question: impl FnOnce(&mut Server) -> Result<T, Error>) -> Result<T, Error> {
    SERVER.with_borrow_mut(|server| if server.store_down { Err(Error::Unavailable) } else { question(server) })
}

impl Server {
    fn write(&mut self, key: &str, value: Value, seconds: u32) {
        self.writes += 1;
        let ends = (seconds > 0).then(|| self.now + u64::from(seconds) * 1000);
        self.entries.insert(key.to_owned(), Entry { value, version: self.writes, ends });
    }

    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        match &self.entries.get(key)?.value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            Value::Items(_) => None,
        }
    }
}

/// See [`crate::host::store`].
#[expect(missing_docs, clippy::missing_errors_doc, reason = "each is described in wit/")]
pub mod store {
    use std::collections::BTreeSet;

    use super::{Value, asked};
    use crate::host::store::{Error, Versioned};

    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        asked(|server| Ok(server.bytes(key)))
    }

    pub fn get_many(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        asked(|server| Ok(keys.iter().map(|key| server.bytes(key)).collect()))
    }

    pub fn set(key: &str, value: &[u8], seconds: u32) -> Result<(), Error> {
        asked(|server| {
            server.write(key, Value::Bytes(value.to_vec()), seconds);
            Ok(())
        })
    }

    pub fn add(key: &str, value: &[u8], seconds: u32) -> Result<bool, Error> {
        asked(|server| {
            let free = !server.entries.contains_key(key);
            if free {
                server.write(key, Value::Bytes(value.to_vec()), seconds);
            }
            Ok(free)
        })
    }

    pub fn delete(key: &str) -> Result<bool, Error> {
        asked(|server| Ok(server.entries.remove(key).is_some()))
    }

    pub fn increment(key: &str, by: u64, seconds: u32) -> Result<u64, Error> {
        asked(|server| {
            let text = match server.bytes(key) {
                Some(bytes) => String::from_utf8(bytes).map_err(|_| Error::NotACounter)?,
                None => {
                    server.write(key, Value::Bytes(by.to_string().into_bytes()), seconds);
                    return Ok(by);
                }
            };
            let count = text.parse::<u64>().map_err(|_| Error::NotACounter)?.wrapping_add(by);
            if let Some(entry) = server.entries.get_mut(key) {
                entry.value = Value::Bytes(count.to_string().into_bytes());
            }
            Ok(count)
        })
    }

    pub fn count_distinct(key: &str, item: &str, seconds: u32) -> Result<u64, Error> {
        asked(|server| {
            if !server.entries.contains_key(key) {
                server.write(key, Value::Items(BTreeSet::new()), seconds);
            }
            match server.entries.get_mut(key).map(|entry| &mut entry.value) {
                Some(Value::Items(items)) => {
                    items.insert(item.to_owned());
                    Ok(items.len() as u64)
                }
                _ => Err(Error::NotACounter),
            }
        })
    }

    pub fn get_versioned(key: &str) -> Result<Option<Versioned>, Error> {
        asked(|server| {
            let version = server.entries.get(key).map(|entry| entry.version);
            Ok(server.bytes(key).zip(version).map(|(value, version)| Versioned { value, version }))
        })
    }

    pub fn compare_and_swap(key: &str, value: &[u8], version: u64, seconds: u32) -> Result<bool, Error> {
        asked(|server| {
            let current = server.entries.get(key).is_some_and(|entry| entry.version == version);
            if current {
                server.write(key, Value::Bytes(value.to_vec()), seconds);
            }
            Ok(current)
        })
    }
}

/// See [`crate::host::bans`].
#[expect(missing_docs, reason = "each is described in wit/")]
pub mod bans {
    use super::SERVER;
    use crate::Subject;
    use crate::host::bans::InForce;

    pub fn find(subject: &Subject) -> Option<InForce> {
        SERVER.with_borrow(|server| {
            let in_force = |ban: &&InForce| ban.subject == *subject && ban.expires.is_none_or(|end| server.now < end);
            server.bans.iter().find(in_force).cloned()
        })
    }
}

/// See [`crate::host::networks`].
#[expect(missing_docs, reason = "each is described in wit/")]
pub mod networks {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::SERVER;

    pub fn contains(set: &str, address: &str) -> Option<bool> {
        let address: IpAddr = address.parse().ok()?;
        SERVER.with_borrow(|server| {
            let networks = server.networks.get(set)?;
            Some(networks.iter().any(|&(base, bits)| trunc(address, bits) == trunc(base, bits)))
        })
    }

    pub fn around(address: &str, v4_bits: u8, v6_bits: u8) -> Option<String> {
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { v4_bits } else { v6_bits };
        Some(format!("{}/{bits}", trunc(address, bits)?))
    }

    fn trunc(address: IpAddr, bits: u8) -> Option<IpAddr> {
        let bits = u32::from(bits);
        Some(match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
                Ipv4Addr::from(u32::from(v4) & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
                Ipv6Addr::from(u128::from(v6) & mask).into()
            }
        })
    }
}

/// See [`crate::host::clock`].
#[expect(missing_docs, reason = "each is described in wit/")]
pub mod clock {
    use super::SERVER;

    pub fn now() -> u64 {
        SERVER.with_borrow(|server| server.now)
    }
}

/// See [`crate::host::log`].
#[expect(missing_docs, reason = "each is described in wit/")]
pub mod log {
    use super::SERVER;
    use crate::host::log::Level;

    pub fn write(level: Level, message: &str) {
        SERVER.with_borrow_mut(|server| server.log.push(format!("{level:?}: {message}").to_lowercase()));
    }
}

/// See [`crate::host::metrics`].
#[expect(missing_docs, reason = "each is described in wit/")]
pub mod metrics {
    use super::SERVER;

    pub fn count(name: &str, label: &str, by: u64) {
        SERVER.with_borrow_mut(|server| {
            *server.counts.entry((name.to_owned(), label.to_owned())).or_default() += by;
        });
    }
}
