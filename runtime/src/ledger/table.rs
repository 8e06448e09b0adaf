//! The bans in force, in memory. Pure: `now` is an argument, nothing is read or written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::ban::{Ban, BanId};
use super::forgotten::Forgettings;
use super::makers::Counts;
use super::places::{Map, Places};
use super::record::{Lift, Record};
use super::subject::Subject;
use crate::moment::Moment;

mod filling;
mod forgetting;

pub use forgetting::Dropped;

/// All bans, found by whom they name. At most `max` bans; a new one is refused when it is full, and no ban
/// in force ever gives way.
#[derive(Debug)]
pub struct Table {
    places: Places,
    ids: BTreeMap<BanId, Arc<Ban>>,
    ends: BTreeSet<(Moment, BanId)>,
    lifts: Map<Subject, Arc<Lift>>,
    lift_ends: BTreeSet<(Moment, Subject)>,
    /// Bans that would hold if the longer ones of their subjects were lifted: made later, they may outlive that.
    second: Map<Subject, Arc<Ban>>,
    /// Bans that are here by another node's clock.
    unsure: Map<Box<str>, BTreeSet<BanId>>,
    made: Counts,
    forgotten: Forgettings,
    len: usize,
    max: usize,
    /// While it is filled, `ids` and `ends` are empty: sorting them once is far quicker than a million
    /// insertions at random places.
    filling: bool,
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
    /// The same; but it was made later than that one, and takes its place if that is lifted.
    Second(Arc<Ban>),
    /// It was lifted before.
    Lifted(Arc<Lift>),
    /// The table is full.
    Full,
    /// This ban of somebody else has its id. Ids are chance: one of the two is made up.
    IdTaken(Arc<Ban>),
    /// It has ended.
    Ended,
    /// Its node was forgotten since it was made.
    Forgotten,
}

impl Table {
    /// Empty, for at most `max` bans.
    pub fn new(max: usize) -> Table {
        Table {
            places: Places::default(),
            ids: BTreeMap::new(),
            ends: BTreeSet::new(),
            lifts: Map::default(),
            lift_ends: BTreeSet::new(),
            second: Map::default(),
            unsure: Map::default(),
            made: Counts::default(),
            forgotten: Forgettings::default(),
            len: 0,
            max,
            filling: false,
        }
    }

    /// Bans in the table, ended ones that were not swept yet among them.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them a node made.
    pub fn made_by(&self, site: &str, node: &str) -> usize {
        self.made.of(site, node)
    }

    /// Whether a ban would take room that no ban of its subject takes yet.
    pub fn takes_room(&self, subject: &Subject) -> bool {
        self.places.entry(subject).is_none()
    }

    /// Whether any class is banned: else nobody needs to ask for an address's classes.
    pub fn bans_classes(&self) -> bool {
        self.places.bans_classes()
    }

    /// The ban that refuses this address: of the host, of a network around it, of one of its classes.
    pub fn on_host<'a>(
        &self,
        ip: IpAddr,
        classes: impl IntoIterator<Item = &'a str>,
        now: Moment,
    ) -> Option<&Arc<Ban>> {
        self.on_host_that(ip, classes, now, |_| true)
    }

    /// The same among the bans that count.
    pub fn on_host_that<'a>(
        &self,
        ip: IpAddr,
        classes: impl IntoIterator<Item = &'a str>,
        now: Moment,
        counts: impl Fn(&Ban) -> bool,
    ) -> Option<&Arc<Ban>> {
        self.places.on_host(ip, classes, now, counts)
    }

    /// The ban that refuses this user from this address, other than one of the address.
    pub fn on_user(&self, user: &str, ip: IpAddr, now: Moment) -> Option<&Arc<Ban>> {
        self.places.on_user(user, ip, now)
    }

    /// The ban that refuses a client by its certificate or by the fingerprint of its TLS.
    pub fn on_tls(&self, certificate: Option<&str>, fingerprint: Option<&str>, now: Moment) -> Option<&Arc<Ban>> {
        self.places.on_tls(certificate, fingerprint, now)
    }

    /// The ban of exactly this subject.
    pub fn exactly(&self, subject: &Subject, now: Moment) -> Option<&Arc<Ban>> {
        self.places.entry(subject).filter(|ban| ban.in_force(now))
    }

    /// The ban that holds for this subject: its own, or a wider one that includes it.
    pub fn find(&self, subject: &Subject, now: Moment) -> Option<&Arc<Ban>> {
        self.exactly(subject, now).or_else(|| match subject {
            Subject::Host(ip) => self.on_host(*ip, [], now),
            Subject::Network(net) => self.places.around(net, now),
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

    /// All lifts that are remembered, soonest to be forgotten first.
    pub fn lifts(&self) -> impl ExactSizeIterator<Item = &Arc<Lift>> {
        self.lift_ends.iter().map(|(_, subject)| &self.lifts[subject])
    }

    /// The remembered lift of a subject.
    pub fn lift_of(&self, subject: &Subject) -> Option<&Arc<Lift>> {
        self.lifts.get(subject)
    }

    /// Puts a ban in. For one subject the ban that ends later stays; a ban that was lifted never returns.
    pub fn insert(&mut self, ban: Arc<Ban>, now: Moment) -> Inserted {
        if !ban.in_force(now) {
            return Inserted::Ended;
        }
        if self.is_forgotten(&ban, now) {
            return Inserted::Forgotten;
        }
        self.purge(&ban.subject, now);
        if let Some(lift) = self.lifts.get(&ban.subject).filter(|lift| lift.voids(&ban)) {
            return Inserted::Lifted(Arc::clone(lift));
        }
        if let Some(other) = self.ids.get(&ban.id).filter(|other| other.subject != ban.subject).cloned() {
            if other.in_force(now) && !self.is_forgotten(&other, now) {
                return Inserted::IdTaken(other);
            }
            self.forget(&other);
        }
        let old = self.places.entry(&ban.subject).cloned();
        match old {
            Some(old) if old.in_force(now) && !ban.outlasts(&old) => {
                if self.is_second(&ban, &old, now) {
                    self.second.insert(ban.subject.clone(), ban);
                    return Inserted::Second(old);
                }
                Inserted::Kept(old)
            }
            Some(old) => {
                let was_in_force = old.in_force(now);
                let second = self.second.remove(&old.subject);
                self.forget(&old);
                for second in second.into_iter().chain(was_in_force.then(|| Arc::clone(&old))) {
                    if self.is_second(&second, &ban, now) {
                        self.second.insert(second.subject.clone(), second);
                    }
                }
                self.put(ban);
                if was_in_force { Inserted::Replaced(old) } else { Inserted::Added }
            }
            None if self.len >= self.max => Inserted::Full,
            None => {
                self.put(ban);
                Inserted::Added
            }
        }
    }

    /// Whether a ban is to be remembered beside the one that holds.
    fn is_second(&self, ban: &Ban, first: &Ban, now: Moment) -> bool {
        let known = self.second.get(&ban.subject).filter(|known| known.in_force(now));
        ban.id != first.id && ban.created > first.created && known.is_none_or(|known| ban.created > known.created)
    }

    /// The bans that are remembered beside longer ones.
    pub fn second(&self) -> impl Iterator<Item = &Arc<Ban>> {
        self.second.values()
    }

    /// The same ban by our clock, if it is here by another's: true, and it takes that one's place.
    pub fn put_right(&mut self, ban: &Arc<Ban>, now: Moment) -> bool {
        let counts = ban.in_force(now) && !self.is_forgotten(ban, now);
        if let Some(second) = self.second.get_mut(&ban.subject).filter(|second| second.id == ban.id) {
            let unsure = second.clock.is_some() && ban.clock.is_none();
            if unsure && counts {
                *second = Arc::clone(ban);
            } else if unsure {
                self.second.remove(&ban.subject);
            }
            return unsure;
        }
        let Some(known) = self.places.entry(&ban.subject).filter(|known| known.id == ban.id).cloned() else {
            return false;
        };
        if ban.clock.is_some() || known.clock.is_none() {
            return false;
        }
        let second = self.second.remove(&ban.subject);
        self.forget(&known);
        if counts {
            self.put(Arc::clone(ban));
        }
        if let Some(second) = second {
            self.insert(second, now);
        }
        true
    }

    /// What is here by the clock of a node.
    pub fn unsure(&self, node: &str) -> Vec<Record> {
        let bans = self.unsure.get(node).into_iter().flatten();
        let second = self.second.values().filter(|ban| ban.clock.as_deref() == Some(node));
        let bans = bans.filter_map(|id| self.ids.get(id)).chain(second).cloned().map(Record::Ban);
        let lifts = self.lifts().filter(|lift| lift.clock.as_deref() == Some(node)).cloned().map(Record::Lift);
        bans.chain(lifts).collect()
    }

    /// Ends a ban of the lift's subject that it voids, and remembers the lift until the ban would have ended.
    /// A ban of the subject that was made later comes into force then. Lifts are bounded as bans are: the soonest to
    /// end gives way.
    pub fn lift(&mut self, lift: Arc<Lift>, now: Moment) -> Option<Arc<Ban>> {
        let ended = self.places.entry(&lift.subject).filter(|ban| lift.voids(ban)).cloned();
        if self.second.get(&lift.subject).is_some_and(|second| lift.voids(second)) {
            self.second.remove(&lift.subject);
        }
        if let Some(ban) = &ended {
            self.end(ban, now);
        }
        let newer = self.lifts.get(&lift.subject).is_none_or(|known| lift.supersedes(known));
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

    fn put(&mut self, ban: Arc<Ban>) {
        self.len += 1;
        self.made.more(&ban.site, &ban.node);
        if !self.filling {
            self.ids.insert(ban.id, Arc::clone(&ban));
            self.ends.extend(ban.held_until().map(|end| (end, ban.id)));
        }
        if let Some(clock) = &ban.clock {
            self.unsure.entry(clock.clone()).or_default().insert(ban.id);
        }
        self.places.put(ban);
    }

    /// Takes out a ban that is in. The one that is remembered beside it comes into force.
    fn end(&mut self, ban: &Ban, now: Moment) -> Option<Arc<Ban>> {
        let second = self.second.remove(&ban.subject);
        self.forget(ban);
        let second = second.filter(|second| second.in_force(now) && !self.ids.contains_key(&second.id))?;
        self.put(Arc::clone(&second));
        Some(second)
    }

    /// Takes out a ban that is in.
    fn forget(&mut self, ban: &Ban) {
        self.len -= 1;
        self.made.less(&ban.site, &ban.node);
        self.ids.remove(&ban.id);
        if let Some(end) = ban.held_until() {
            self.ends.remove(&(end, ban.id));
        }
        if let Some(clock) = &ban.clock
            && let Some(unsure) = self.unsure.get_mut(clock)
        {
            unsure.remove(&ban.id);
            if unsure.is_empty() {
                self.unsure.remove(clock);
            }
        }
        // None that is remembered beside it outlasts it.
        self.second.remove(&ban.subject);
        self.places.remove(&ban.subject);
    }
}

#[cfg(test)]
mod tests;
