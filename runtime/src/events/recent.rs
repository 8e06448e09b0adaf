//! The last few events of each address: the evidence of a ban shows the failures of earlier connections
//! too, not just the event that was one too many.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::event::{Event, Kind};
use crate::config::settings;
use crate::ledger::Evidence;
use crate::moment::Moment;

/// Remembers. Bounded by `bans.evidence` and `bans.evidence-addresses`.
#[derive(Debug)]
pub struct Recent {
    per_address: usize,
    addresses: usize,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    by_address: HashMap<IpAddr, Address, RandomState>,
    /// Who was heard of when, in that order; finds whom to forget.
    order: BTreeMap<u64, IpAddr>,
    next: u64,
}

#[derive(Debug)]
struct Address {
    heard: u64,
    notes: VecDeque<Note>,
}

/// What is kept of an event.
#[derive(Clone, Debug)]
struct Note {
    at: Moment,
    kind: Kind,
    connection: u64,
    port: u16,
    user: Option<Box<str>>,
}

impl Recent {
    /// Remembers nothing yet.
    pub fn new(settings: &settings::Bans) -> Recent {
        Recent { per_address: settings.evidence, addresses: settings.evidence_addresses, memory: Mutex::default() }
    }

    /// Whether an event of this kind is worth remembering.
    pub const fn speaks_against(kind: &Kind) -> bool {
        matches!(
            kind,
            Kind::LoginFailed(_)
                | Kind::CommandUnknown(_)
                | Kind::ProtocolMismatch(_)
                | Kind::TlsFailed(_)
                | Kind::Timeout(_)
                | Kind::LimitReached(_)
        )
    }

    /// Remembers an event. Only those that can speak against a client are worth the room.
    pub fn note(&self, event: &Event) {
        if self.per_address == 0 || self.addresses == 0 || !Recent::speaks_against(&event.kind) {
            return;
        }
        let address = network(event.facts.peer.ip());
        let mut guard = self.memory.lock();
        let memory = &mut *guard;
        memory.next += 1;
        let heard = memory.next;
        if !memory.by_address.contains_key(&address)
            && memory.by_address.len() >= self.addresses
            && let Some((_, longest_ago)) = memory.order.pop_first()
        {
            memory.by_address.remove(&longest_ago);
        }
        let entry = memory.by_address.entry(address).or_insert_with(|| Address { heard, notes: VecDeque::new() });
        memory.order.remove(&entry.heard);
        entry.heard = heard;
        if entry.notes.len() >= self.per_address {
            entry.notes.pop_front();
        }
        entry.notes.push_back(Note::of(event));
        memory.order.insert(heard, address);
    }

    /// An event as evidence, with all that is known of the connection.
    pub fn whole(event: &Event) -> Evidence {
        let mut facts = serde_json::to_value(event).unwrap_or(Value::Null);
        if let Some(mask) = event.mask() {
            mask.value(&mut facts);
        }
        Evidence { at: event.at, event: event.kind.name().to_owned(), facts }
    }

    /// What led to a ban that `event` brought about: what is remembered of its address, oldest first, and
    /// the event itself.
    pub fn evidence(&self, event: &Event) -> Vec<Evidence> {
        let mut notes: Vec<Note> = self
            .memory
            .lock()
            .by_address
            .get(&network(event.facts.peer.ip()))
            .map(|address| address.notes.iter().cloned().collect())
            .unwrap_or_default();
        if !Recent::speaks_against(&event.kind) {
            notes.push(Note::of(event));
        }
        notes.into_iter().map(Note::into_evidence).collect()
    }
}

impl Note {
    fn of(event: &Event) -> Note {
        Note {
            at: event.at,
            kind: event.kind.clone(),
            connection: event.facts.connection,
            port: event.facts.peer.port(),
            user: event.facts.pseudonym.clone().or_else(|| event.facts.user.as_deref().map(Box::from)),
        }
    }

    fn into_evidence(self) -> Evidence {
        let detail = serde_json::to_value(&self.kind)
            .ok()
            .and_then(|mut kind| kind.get_mut("detail").map(Value::take))
            .unwrap_or(Value::Null);
        Evidence {
            at: self.at,
            event: self.kind.name().to_owned(),
            facts: json!({
                "connection": self.connection,
                "port": self.port,
                "user": self.user,
                "detail": detail,
            }),
        }
    }
}

/// One IPv6 client has a /64 to choose addresses from.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Cause, LoginFailure};

    fn recent(per_address: usize, addresses: usize) -> Recent {
        Recent { per_address, addresses, memory: Mutex::default() }
    }

    fn event(peer: &str, millis: u64, kind: Kind) -> Event {
        let mut event = Event::ordinary(kind, peer.parse().expect("address"), Moment::from_millis(millis));
        event.facts.user = Some("alice".into());
        event
    }

    fn failed(peer: &str, millis: u64) -> Event {
        event(peer, millis, Kind::LoginFailed(LoginFailure { cause: Cause::WrongPassword, attempt_tag: 7 }))
    }

    #[test]
    fn failures_of_earlier_connections_are_evidence() {
        let recent = recent(3, 10);
        for at in 1..=5 {
            recent.note(&failed("192.0.2.1:1000", at));
        }
        recent.note(&failed("192.0.2.2:1000", 6));
        let evidence = recent.evidence(&failed("192.0.2.1:1000", 5));
        let moments: Vec<u64> = evidence.iter().map(|fact| fact.at.millis()).collect();
        assert_eq!(moments, [3, 4, 5]);
        assert_eq!(evidence[0].event, "login-failed");
        assert_eq!(evidence[0].facts["detail"]["cause"], "wrong-password");
        assert_eq!(evidence[0].facts["user"], "alice");
    }

    #[test]
    fn the_event_itself_is_evidence_whatever_its_kind() {
        let evidence = recent(3, 10).evidence(&event("192.0.2.1:1", 9, Kind::Connect));
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].event, "connect");
    }

    #[test]
    fn s_12_the_address_unheard_of_longest_is_forgotten() {
        let recent = recent(3, 2);
        for (at, peer) in [(1, "192.0.2.1:1"), (2, "192.0.2.2:1"), (3, "192.0.2.1:1"), (4, "192.0.2.3:1")] {
            recent.note(&failed(peer, at));
        }
        let count = |peer: &str| recent.evidence(&event(peer, 9, Kind::Connect)).len() - 1;
        assert_eq!((count("192.0.2.1:1"), count("192.0.2.2:1"), count("192.0.2.3:1")), (2, 0, 1));
        let memory = recent.memory.lock();
        assert_eq!((memory.order.len(), memory.by_address.len()), (2, 2));
    }

    #[test]
    fn s_21_an_ipv6_client_is_its_64() {
        let recent = recent(3, 2);
        recent.note(&failed("[2001:db8::1]:1", 1));
        assert_eq!(recent.evidence(&failed("[2001:db8::2]:1", 2)).len(), 1);
    }
}
