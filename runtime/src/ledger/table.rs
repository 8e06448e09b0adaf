//! The bans in force, in memory. Pure: `now` is an argument, nothing is read or written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::ban::{Ban, BanId};
use super::record::Lift;
use super::subject::Subject;
use super::trie::Trie;
use crate::moment::Moment;

/// Hash maps that peers fill have a random key, so that nobody can choose colliding entries.
type Map<K, V> = HashMap<K, V, RandomState>;

const NO_END: Moment = Moment::from_millis(u64::MAX);

/// All bans, found by whom they name. At most `max` bans; a new one is refused when it is full, and no ban
/// in force ever gives way.
#[derive(Debug)]
pub struct Table {
    /// By address, IPv4 and IPv6 apart: the smaller the entries, the fewer cache misses at the gate.
    v4_hosts: Map<u32, Slot>,
    v6_hosts: Map<u128, Slot>,
    networks: Trie<Slot>,
    users: Map<String, Arc<Ban>>,
    users_at_hosts: Map<String, Map<IpAddr, Arc<Ban>>>,
    classes: Map<String, Arc<Ban>>,
    ids: BTreeMap<BanId, Arc<Ban>>,
    ends: BTreeSet<(Moment, BanId)>,
    lifts: Map<Subject, Arc<Lift>>,
    lift_ends: BTreeSet<(Moment, Subject)>,
    max: usize,
}

/// A ban with its end beside it, so that an ended one costs no further look.
#[derive(Debug)]
struct Slot {
    end: Moment,
    ban: Arc<Ban>,
}

impl Slot {
    fn new(ban: Arc<Ban>) -> Slot {
        Slot { end: ban.expires.unwrap_or(NO_END), ban }
    }

    fn in_force(&self, now: Moment) -> bool {
        now < self.end || self.end == NO_END
    }
}

/// What became of a ban that was put in.
#[derive(Clone, Debug, PartialEq)]
pub enum Inserted {
    /// It is in force.
    Added,
    /// It is in force, in place of one that ends earlier.
    Replaced(Arc<Ban>),
    /// The subject is banned at least as long already, by this one.
    Kept(Arc<Ban>),
    /// It was lifted before.
    Lifted(Arc<Lift>),
    /// The table is full.
    Full,
    /// Bans of this kind of subject are not enforced, or it has ended.
    Useless,
}

impl Table {
    /// Empty, for at most `max` bans.
    pub fn new(max: usize) -> Table {
        Table {
            v4_hosts: Map::default(),
            v6_hosts: Map::default(),
            networks: Trie::new(),
            users: Map::default(),
            users_at_hosts: Map::default(),
            classes: Map::default(),
            ids: BTreeMap::new(),
            ends: BTreeSet::new(),
            lifts: Map::default(),
            lift_ends: BTreeSet::new(),
            max,
        }
    }

    /// Bans in the table, ended ones that were not swept yet among them.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether any class is banned: else nobody needs to ask for an address's classes.
    pub fn bans_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// The ban that refuses this address: of the host, of a network around it, of one of its classes.
    pub fn on_host<'a>(
        &self,
        ip: IpAddr,
        classes: impl IntoIterator<Item = &'a str>,
        now: Moment,
    ) -> Option<&Arc<Ban>> {
        let slot = self.host(ip).filter(|slot| slot.in_force(now));
        let slot = slot.or_else(|| self.networks.covering(ip).find(|slot| slot.in_force(now)));
        slot.map(|slot| &slot.ban).or_else(|| {
            let class = |class| self.classes.get(class).filter(|ban| ban.in_force(now));
            classes.into_iter().find_map(class)
        })
    }

    /// The ban that refuses this user from this address, other than one of the address.
    pub fn on_user(&self, user: &str, ip: IpAddr, now: Moment) -> Option<&Arc<Ban>> {
        let at_host = self.users_at_hosts.get(user).and_then(|hosts| hosts.get(&ip));
        self.users.get(user).filter(|ban| ban.in_force(now)).or_else(|| at_host.filter(|ban| ban.in_force(now)))
    }

    /// The ban of exactly this subject.
    pub fn exactly(&self, subject: &Subject, now: Moment) -> Option<&Arc<Ban>> {
        self.entry(subject).filter(|ban| ban.in_force(now))
    }

    /// The ban that holds for this subject: its own, or a wider one that includes it.
    pub fn find(&self, subject: &Subject, now: Moment) -> Option<&Arc<Ban>> {
        self.exactly(subject, now).or_else(|| match subject {
            Subject::Host(ip) => self.on_host(*ip, [], now),
            Subject::Network(net) => {
                let around = |ban: &&Arc<Ban>| matches!(&ban.subject, Subject::Network(wide) if wide.contains(net));
                let alive = self.networks.covering(net.addr()).filter(|slot| slot.in_force(now));
                alive.map(|slot| &slot.ban).find(around)
            }
            Subject::UserAtHost(user, ip) => self.on_user(user, *ip, now).or_else(|| self.on_host(*ip, [], now)),
            _ => None,
        })
    }

    /// By id.
    pub fn get(&self, id: BanId) -> Option<&Arc<Ban>> {
        self.ids.get(&id)
    }

    /// All bans in force, in order of id.
    pub fn iter(&self, now: Moment) -> impl Iterator<Item = &Arc<Ban>> {
        self.ids.values().filter(move |ban| ban.in_force(now))
    }

    /// The next `count` bans after `cursor` in order of id, from the start again after the last.
    pub fn after(&self, cursor: Option<BanId>, count: usize) -> impl Iterator<Item = &Arc<Ban>> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.ids.range((cursor.map_or(Unbounded, Excluded), Unbounded)).map(|(_, ban)| ban).take(count)
    }

    /// All lifts that are remembered.
    pub fn lifts(&self) -> impl ExactSizeIterator<Item = &Arc<Lift>> {
        self.lifts.values()
    }

    /// The remembered lift of a subject.
    pub fn lift_of(&self, subject: &Subject) -> Option<&Arc<Lift>> {
        self.lifts.get(subject)
    }

    /// Puts a ban in. For one subject the ban that ends later stays; a ban that was lifted never returns.
    pub fn insert(&mut self, ban: Arc<Ban>, now: Moment) -> Inserted {
        if !ban.in_force(now) || !enforced(&ban.subject) {
            return Inserted::Useless;
        }
        if let Some(lift) = self.lifts.get(&ban.subject).filter(|lift| lift.voids(&ban)) {
            return Inserted::Lifted(Arc::clone(lift));
        }
        let old = self.entry(&ban.subject).cloned();
        match old {
            Some(old) if old.in_force(now) && !ban.outlasts(&old) => Inserted::Kept(old),
            Some(old) => {
                let was_in_force = old.in_force(now);
                self.forget(&old);
                self.put(ban);
                if was_in_force { Inserted::Replaced(old) } else { Inserted::Added }
            }
            None if self.ids.len() >= self.max => Inserted::Full,
            None => {
                self.put(ban);
                Inserted::Added
            }
        }
    }

    /// Ends a ban of the lift's subject that it voids, and remembers the lift until the ban would have ended.
    /// Lifts are bounded as bans are: the soonest to end gives way.
    pub fn lift(&mut self, lift: Arc<Lift>, now: Moment) -> Option<Arc<Ban>> {
        let ended = self.entry(&lift.subject).filter(|ban| lift.voids(ban)).cloned();
        if let Some(ban) = &ended {
            self.forget(ban);
        }
        let newer = self.lifts.get(&lift.subject).is_none_or(|known| known.at < lift.at);
        if newer && lift.matters(now) {
            if let Some(old) = self.lifts.remove(&lift.subject) {
                self.lift_ends.remove(&(old.end(), old.subject.clone()));
            }
            if self.lifts.len() >= self.max
                && let Some((_, subject)) = self.lift_ends.pop_first()
            {
                self.lifts.remove(&subject);
            }
            self.lift_ends.insert((lift.end(), lift.subject.clone()));
            self.lifts.insert(lift.subject.clone(), lift);
        }
        ended
    }

    /// Drops at most `count` bans that have ended, and as many lifts that no longer matter.
    pub fn sweep(&mut self, now: Moment, count: usize) -> usize {
        let mut swept = 0;
        while swept < count
            && let Some((end, id)) = self.ends.first().copied()
            && end <= now
        {
            match self.ids.get(&id).cloned() {
                Some(ban) => self.forget(&ban),
                None => {
                    self.ends.pop_first();
                }
            }
            swept += 1;
        }
        for _ in 0..count {
            match self.lift_ends.first() {
                Some((end, _)) if *end <= now => {
                    if let Some((_, subject)) = self.lift_ends.pop_first() {
                        self.lifts.remove(&subject);
                    }
                }
                _ => break,
            }
        }
        swept
    }

    fn host(&self, ip: IpAddr) -> Option<&Slot> {
        match ip {
            IpAddr::V4(ip) => self.v4_hosts.get(&ip.into()),
            IpAddr::V6(ip) => self.v6_hosts.get(&ip.into()),
        }
    }

    fn entry(&self, subject: &Subject) -> Option<&Arc<Ban>> {
        match subject {
            Subject::Host(ip) => self.host(*ip).map(|slot| &slot.ban),
            Subject::Network(net) => self.networks.get(*net).map(|slot| &slot.ban),
            Subject::User(user) => self.users.get(user),
            Subject::UserAtHost(user, ip) => self.users_at_hosts.get(user)?.get(ip),
            Subject::Class(class) => self.classes.get(class),
            Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => None,
        }
    }

    fn put(&mut self, ban: Arc<Ban>) {
        self.ids.insert(ban.id, Arc::clone(&ban));
        if let Some(end) = ban.expires {
            self.ends.insert((end, ban.id));
        }
        match &ban.subject {
            Subject::Host(IpAddr::V4(ip)) => drop(self.v4_hosts.insert((*ip).into(), Slot::new(ban))),
            Subject::Host(IpAddr::V6(ip)) => drop(self.v6_hosts.insert((*ip).into(), Slot::new(ban))),
            Subject::Network(net) => drop(self.networks.insert(*net, Slot::new(ban))),
            Subject::User(user) => drop(self.users.insert(user.clone(), ban)),
            Subject::UserAtHost(user, ip) => {
                drop(self.users_at_hosts.entry(user.clone()).or_default().insert(*ip, Arc::clone(&ban)));
            }
            Subject::Class(class) => drop(self.classes.insert(class.clone(), ban)),
            Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => {}
        }
    }

    fn forget(&mut self, ban: &Ban) {
        self.ids.remove(&ban.id);
        if let Some(end) = ban.expires {
            self.ends.remove(&(end, ban.id));
        }
        match &ban.subject {
            Subject::Host(IpAddr::V4(ip)) => drop(self.v4_hosts.remove(&(*ip).into())),
            Subject::Host(IpAddr::V6(ip)) => drop(self.v6_hosts.remove(&(*ip).into())),
            Subject::Network(net) => drop(self.networks.remove(*net)),
            Subject::User(user) => drop(self.users.remove(user)),
            Subject::UserAtHost(user, ip) => {
                if let Some(hosts) = self.users_at_hosts.get_mut(user) {
                    hosts.remove(ip);
                    if hosts.is_empty() {
                        self.users_at_hosts.remove(user);
                    }
                }
            }
            Subject::Class(class) => drop(self.classes.remove(class)),
            Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => {}
        }
    }
}

/// Whether this version refuses anybody for a ban of this kind.
pub const fn enforced(subject: &Subject) -> bool {
    !matches!(subject, Subject::ClientCertificate(_) | Subject::TlsFingerprint(_))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::fixtures::ban;

    const START: Moment = Moment::from_millis(1_000_000);

    fn lift(of: &Ban, at: Moment) -> Arc<Lift> {
        Arc::new(Lift::of(of, at, "root", "a"))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn each_kind_of_subject_is_found_by_what_it_names() {
        let mut table = Table::new(100);
        for subject in
            ["host:192.0.2.7", "network:198.51.100.0/24", "class:office", "user:eve", "user-at-host:bob@192.0.2.9"]
        {
            assert_eq!(table.insert(ban(subject, START, Some(60)), START), Inserted::Added);
        }
        let host = |text: &str, class: &str| table.on_host(ip(text), [class], START).map(|ban| ban.subject.to_string());
        assert_eq!(host("192.0.2.7", "").as_deref(), Some("host:192.0.2.7"));
        assert_eq!(host("198.51.100.200", "").as_deref(), Some("network:198.51.100.0/24"));
        assert_eq!(host("203.0.113.1", "office").as_deref(), Some("class:office"));
        assert_eq!(host("203.0.113.1", "home"), None);
        let user = |name: &str, text: &str| table.on_user(name, ip(text), START).is_some();
        assert!(user("eve", "203.0.113.1") && user("bob", "192.0.2.9"));
        assert!(!user("bob", "192.0.2.7") && !user("alice", "192.0.2.9"));
        assert!(table.find(&Subject::parse("network:198.51.100.0/28").expect("net"), START).is_some());
        assert!(table.find(&Subject::parse("network:198.51.0.0/16").expect("net"), START).is_none());
    }

    #[test]
    fn a_ban_that_ends_now_no_longer_refuses_and_is_swept() {
        let mut table = Table::new(100);
        table.insert(ban("host:192.0.2.7", START, Some(60)), START);
        let end = START.plus(Duration::from_secs(60));
        let before = Moment::from_millis(end.millis() - 1);
        assert!(table.on_host(ip("192.0.2.7"), [], before).is_some());
        assert!(table.on_host(ip("192.0.2.7"), [], end).is_none());
        assert_eq!(table.sweep(before, 10), 0);
        assert_eq!(table.sweep(end, 10), 1);
        assert!(table.is_empty() && table.ends.is_empty() && table.v4_hosts.is_empty());
    }

    #[test]
    fn for_one_subject_the_ban_that_ends_later_stays() {
        let mut table = Table::new(100);
        let long = ban("host:192.0.2.7", START, Some(60));
        table.insert(Arc::clone(&long), START);
        assert_eq!(table.insert(ban("host:192.0.2.7", START, Some(30)), START), Inserted::Kept(Arc::clone(&long)));
        assert_eq!(table.insert(ban("host:192.0.2.7", START, None), START), Inserted::Replaced(long));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn s_12_a_full_table_says_so_and_keeps_what_is_in_force() {
        let mut table = Table::new(2);
        table.insert(ban("host:192.0.2.1", START, Some(60)), START);
        table.insert(ban("host:192.0.2.2", START, Some(60)), START);
        assert_eq!(table.insert(ban("host:192.0.2.3", START, None), START), Inserted::Full);
        assert!(matches!(table.insert(ban("host:192.0.2.2", START, None), START), Inserted::Replaced(_)));
        let later = START.plus(Duration::from_secs(61));
        table.sweep(later, 10);
        assert_eq!(table.insert(ban("host:192.0.2.3", later, None), later), Inserted::Added);
    }

    #[test]
    fn f_08_a_lifted_ban_never_returns_but_a_new_one_holds() {
        let mut table = Table::new(10);
        let old = ban("host:192.0.2.7", START, Some(600));
        table.insert(Arc::clone(&old), START);
        let at = START.plus(Duration::from_secs(5));
        let lifted = lift(&old, at);
        assert_eq!(table.lift(Arc::clone(&lifted), at), Some(Arc::clone(&old)));
        assert_eq!(table.insert(old, at), Inserted::Lifted(lifted));
        let later = at.plus(Duration::from_millis(1));
        assert_eq!(table.insert(ban("host:192.0.2.7", later, Some(60)), later), Inserted::Added);
        let over = START.plus(Duration::from_secs(601 + 15 * 60));
        table.sweep(over, 10);
        assert!(table.lifts.is_empty() && table.lift_ends.is_empty());
    }

    #[test]
    fn rounds_over_the_table_meet_every_ban() {
        let mut table = Table::new(100);
        for last in 0..25 {
            table.insert(ban(&format!("host:192.0.2.{last}"), START, None), START);
        }
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let batch: Vec<_> = table.after(cursor, 10).map(|ban| ban.id).collect();
            cursor = batch.last().copied();
            if batch.is_empty() {
                break;
            }
            seen.extend(batch);
        }
        assert_eq!(seen.len(), 25);
    }
}
