//! Where bans stand, so that each is found by whom it names, in constant time or by the length of a prefix.
//! Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::ban::Ban;
use super::subject::Subject;
use super::trie::Trie;
use crate::moment::Moment;

/// Hash maps that peers fill have a random key, so that nobody can choose colliding entries.
pub(super) type Map<K, V> = HashMap<K, V, RandomState>;

type Named = Map<Box<str>, Arc<Ban>>;

const NO_END: Moment = Moment::from_millis(u64::MAX);

/// At most one ban for each subject.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By address, IPv4 and IPv6 apart: the smaller the entries, the fewer cache misses at the gate.
    v4_hosts: Map<u32, Slot>,
    v6_hosts: Map<u128, Slot>,
    networks: Trie<Slot>,
    users: Named,
    users_at_hosts: Map<Box<str>, Map<IpAddr, Arc<Ban>>>,
    classes: Named,
    certificates: Named,
    fingerprints: Named,
}

/// A ban with its end beside it, so that an ended one costs no further look.
#[derive(Debug)]
struct Slot {
    end: Moment,
    ban: Arc<Ban>,
}

impl Slot {
    fn new(ban: Arc<Ban>) -> Slot {
        Slot { end: ban.held_until().unwrap_or(NO_END), ban }
    }

    fn in_force(&self, now: Moment) -> bool {
        now < self.end || self.end == NO_END
    }
}

impl Places {
    /// Whether any class is banned: else nobody needs to ask for an address's classes.
    pub(super) fn bans_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// See [`super::table::Table::on_host_that`].
    pub(super) fn on_host<'a>(
        &self,
        ip: IpAddr,
        classes: impl IntoIterator<Item = &'a str>,
        now: Moment,
        counts: impl Fn(&Ban) -> bool,
    ) -> Option<&Arc<Ban>> {
        let holds = |slot: &&Slot| slot.in_force(now) && counts(&slot.ban);
        let slot = self.host(ip).filter(holds);
        let slot = slot.or_else(|| self.networks.covering(ip).find(holds));
        slot.map(|slot| &slot.ban).or_else(|| {
            let class = |class| self.classes.get(class).filter(|ban| ban.in_force(now) && counts(ban));
            classes.into_iter().find_map(class)
        })
    }

    /// See [`super::table::Table::on_user`].
    pub(super) fn on_user(&self, user: &str, ip: IpAddr, now: Moment) -> Option<&Arc<Ban>> {
        let at_host = self.users_at_hosts.get(user).and_then(|hosts| hosts.get(&ip));
        self.users.get(user).filter(|ban| ban.in_force(now)).or_else(|| at_host.filter(|ban| ban.in_force(now)))
    }

    /// See [`super::table::Table::on_tls`].
    pub(super) fn on_tls(
        &self,
        certificate: Option<&str>,
        fingerprint: Option<&str>,
        now: Moment,
    ) -> Option<&Arc<Ban>> {
        let certificate = certificate.and_then(|digest| self.certificates.get(digest));
        let fingerprint = fingerprint.and_then(|ja4| self.fingerprints.get(ja4));
        certificate.into_iter().chain(fingerprint).find(|ban| ban.in_force(now))
    }

    /// The widest network that includes this one.
    pub(super) fn around(&self, net: &ipnet::IpNet, now: Moment) -> Option<&Arc<Ban>> {
        let around = |ban: &&Arc<Ban>| matches!(&ban.subject, Subject::Network(wide) if wide.contains(net));
        self.networks.covering(net.addr()).filter(|slot| slot.in_force(now)).map(|slot| &slot.ban).find(around)
    }

    /// The ban of exactly this subject, ended or not.
    pub(super) fn entry(&self, subject: &Subject) -> Option<&Arc<Ban>> {
        match subject {
            Subject::Host(ip) => self.host(*ip).map(|slot| &slot.ban),
            Subject::Network(net) => self.networks.get(*net).map(|slot| &slot.ban),
            Subject::User(user) => self.users.get(user.as_str()),
            Subject::UserAtHost(user, ip) => self.users_at_hosts.get(user.as_str())?.get(ip),
            Subject::Class(name) => self.classes.get(name.as_str()),
            Subject::ClientCertificate(digest) => self.certificates.get(digest.as_str()),
            Subject::TlsFingerprint(ja4) => self.fingerprints.get(ja4.as_str()),
        }
    }

    pub(super) fn put(&mut self, ban: Arc<Ban>) {
        match &ban.subject {
            Subject::Host(IpAddr::V4(ip)) => drop(self.v4_hosts.insert((*ip).into(), Slot::new(ban))),
            Subject::Host(IpAddr::V6(ip)) => drop(self.v6_hosts.insert((*ip).into(), Slot::new(ban))),
            Subject::Network(net) => drop(self.networks.insert(*net, Slot::new(ban))),
            Subject::User(user) => drop(self.users.insert(user.as_str().into(), ban)),
            Subject::UserAtHost(user, ip) => {
                let hosts = self.users_at_hosts.entry(user.as_str().into()).or_default();
                hosts.insert(*ip, Arc::clone(&ban));
            }
            Subject::Class(name) => drop(self.classes.insert(name.as_str().into(), ban)),
            Subject::ClientCertificate(digest) => drop(self.certificates.insert(digest.as_str().into(), ban)),
            Subject::TlsFingerprint(ja4) => drop(self.fingerprints.insert(ja4.as_str().into(), ban)),
        }
    }

    pub(super) fn remove(&mut self, subject: &Subject) {
        match subject {
            Subject::Host(IpAddr::V4(ip)) => drop(self.v4_hosts.remove(&(*ip).into())),
            Subject::Host(IpAddr::V6(ip)) => drop(self.v6_hosts.remove(&(*ip).into())),
            Subject::Network(net) => drop(self.networks.remove(*net)),
            Subject::User(user) => drop(self.users.remove(user.as_str())),
            Subject::UserAtHost(user, ip) => {
                if let Some(hosts) = self.users_at_hosts.get_mut(user.as_str()) {
                    hosts.remove(ip);
                    if hosts.is_empty() {
                        self.users_at_hosts.remove(user.as_str());
                    }
                }
            }
            Subject::Class(name) => drop(self.classes.remove(name.as_str())),
            Subject::ClientCertificate(digest) => drop(self.certificates.remove(digest.as_str())),
            Subject::TlsFingerprint(ja4) => drop(self.fingerprints.remove(ja4.as_str())),
        }
    }

    /// All bans, ended ones among them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Ban>> {
        let hosts = self.v4_hosts.values().chain(self.v6_hosts.values());
        let addresses = hosts.chain(self.networks.iter().map(|(_, slot)| slot)).map(|slot| &slot.ban);
        let named = [&self.users, &self.classes, &self.certificates, &self.fingerprints];
        let at_hosts = self.users_at_hosts.values().flat_map(Map::values);
        addresses.chain(named.into_iter().flat_map(Map::values)).chain(at_hosts)
    }

    fn host(&self, ip: IpAddr) -> Option<&Slot> {
        match ip {
            IpAddr::V4(ip) => self.v4_hosts.get(&ip.into()),
            IpAddr::V6(ip) => self.v6_hosts.get(&ip.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    #[test]
    fn what_was_removed_leaves_nothing_behind() {
        let now = Moment::from_millis(1_000_000);
        let mut places = Places::default();
        let subjects = [
            "host:192.0.2.7",
            "host:2001:db8::7",
            "network:192.0.2.0/24",
            "user:eve",
            "user-at-host:bob@192.0.2.9",
            "class:office",
            "client-certificate:ab12",
            "tls-fingerprint:t13d",
        ];
        for subject in subjects {
            places.put(ban(subject, now, Some(60)));
        }
        let mut listed: Vec<String> = places.iter().map(|ban| ban.subject.to_string()).collect();
        listed.sort();
        let mut wanted = subjects.map(str::to_owned);
        wanted.sort();
        assert_eq!(listed, wanted);
        for subject in subjects {
            let subject = Subject::parse(subject).expect("a subject");
            assert!(places.entry(&subject).is_some(), "{subject}");
            places.remove(&subject);
            assert!(places.entry(&subject).is_none(), "{subject}");
        }
        assert_eq!(places.iter().count(), 0);
        assert!(places.users_at_hosts.is_empty());
    }
}
