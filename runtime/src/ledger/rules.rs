//! What may be banned at all, and how an order becomes a ban: clamped, spread, signed. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::ban::{Ban, BanId, By, CLOCKS_DIFFER, Clamped, Course, Evidence, Grounds};
use super::subject::{Reach, Subject};
use super::trie::Trie;
use crate::config::Settings;
use crate::moment::Moment;
use crate::policy::BanOrder;

/// The well-known prefix of NAT64 (RFC 6052): an IPv4 address in its last 32 bits.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Why a ban was not imposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotImposed {
    /// The operator protects it, or a part of it.
    #[error("{0} is protected: see `bans.protected`")]
    Protected(Subject),
    /// A network that is wider than the operator allows, or holds everything of a kind.
    #[error("{0} is too wide: see `bans.shortest-v4-prefix` and `bans.shortest-v6-prefix`")]
    TooWide(Subject),
    /// A class that the configuration does not have.
    #[error("{0} names no set of `[networks]`")]
    NoSuchClass(Subject),
    /// It would end at once.
    #[error("the ban of {0} would end at once")]
    Empty(Subject),
    /// No room.
    #[error("the table of bans is full at {0}: raise `bans.table`")]
    Full(usize),
    /// Its node was forgotten.
    #[error("the bans that {0} made until then were forgotten, with `portcullis cluster forget`: this is one of them")]
    Forgotten(String),
    /// The ban of this subject has its id: ids are chance, so it was copied.
    #[error("its id is that of the ban of {0}: an id is never made twice, so the line was edited; leave it out")]
    IdTaken(Subject),
}

/// The operator's rules for bans.
#[derive(Debug)]
pub struct Rules {
    protected: Vec<IpNet>,
    protected_trie: Trie<()>,
    longest: Duration,
    spread_percent: u32,
    shortest_v4: u8,
    shortest_v6: u8,
    classes: BTreeSet<String>,
    evidence: usize,
    per_node: usize,
    node: String,
    site: String,
}

/// Everything that makes a ban but its id and its moment.
#[derive(Debug)]
pub struct Draft {
    /// Whom.
    pub subject: Subject,
    /// How long.
    pub span: Option<Duration>,
    /// For people.
    pub reason: String,
    /// For the client.
    pub message: Option<String>,
    /// How far.
    pub reach: Reach,
    /// Who decided.
    pub by: By,
    /// What led to it.
    pub evidence: Vec<Evidence>,
    /// How it was decided.
    pub course: Option<Box<Course>>,
}

impl Rules {
    /// From the settings.
    pub fn new(settings: &Settings) -> Rules {
        let mut protected_trie = Trie::new();
        for net in &settings.bans.protected {
            protected_trie.insert(*net, ());
        }
        Rules {
            protected: settings.bans.protected.clone(),
            protected_trie,
            longest: settings.bans.longest,
            spread_percent: u32::from(settings.bans.spread_percent),
            shortest_v4: settings.bans.shortest_v4_prefix,
            shortest_v6: settings.bans.shortest_v6_prefix,
            classes: settings.networks.keys().cloned().collect(),
            evidence: settings.bans.evidence,
            per_node: settings.bans.table_per_node,
            node: settings.server.node.clone(),
            site: settings.server.site.clone(),
        }
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// This node's site.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Whether bans never refuse this address.
    pub fn protects(&self, ip: IpAddr) -> bool {
        self.protected_trie.covering(ip).next().is_some()
    }

    /// Whether this node made a ban.
    pub fn is_own(&self, ban: &Ban) -> bool {
        ban.node == self.node && ban.site == self.site
    }

    /// Whether the node that made a ban has as many here as one other node may.
    pub fn is_over_quota(&self, ban: &Ban, held: usize) -> bool {
        !self.is_own(ban) && held >= self.per_node
    }

    /// A ban that was made elsewhere, by our clock, as it counts here: a policy's lasts no longer than one that a
    /// policy made here now could, whatever the node that shared it says. Operators are not bound.
    pub fn as_it_counts(&self, ban: Arc<Ban>, now: Moment) -> Arc<Ban> {
        if matches!(ban.by, By::Operator { .. }) {
            return ban;
        }
        let spread = self.longest.mul_f64(f64::from(self.spread_percent) / 100.0);
        let begun = ban.created.min(now.plus(CLOCKS_DIFFER));
        let end = begun.plus(self.longest.saturating_add(spread));
        if ban.expires.is_some_and(|expires| expires <= end) {
            return ban;
        }
        let mut cut = Arc::unwrap_or_clone(ban);
        if let Some(course) = &mut cut.course {
            course.clamped = Some(Clamped {
                asked_seconds: cut.expires.map(|expires| cut.created.until(expires).as_secs()),
                given_seconds: self.longest.as_secs(),
                rule: "bans.longest".to_owned(),
            });
        }
        cut.expires = Some(end);
        Arc::new(cut)
    }

    /// Whether a ban that was made elsewhere reaches this node.
    pub fn reached_by(&self, reach: Reach, site: &str) -> bool {
        match reach {
            Reach::Node => false,
            Reach::Site => site == self.site,
            Reach::Everywhere => true,
        }
    }

    /// Whether a subject may be banned at all.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(&self, subject: &Subject) -> Result<(), NotImposed> {
        match subject {
            Subject::Host(ip) | Subject::UserAtHost(_, ip) if self.protects(*ip) => {
                Err(NotImposed::Protected(subject.clone()))
            }
            Subject::Network(net) if self.too_wide(*net) => Err(NotImposed::TooWide(subject.clone())),
            Subject::Network(net) if self.protected.iter().any(|safe| net.contains(safe) || safe.contains(net)) => {
                Err(NotImposed::Protected(subject.clone()))
            }
            Subject::Class(class) if !self.classes.contains(class) => Err(NotImposed::NoSuchClass(subject.clone())),
            _ => Ok(()),
        }
    }

    fn too_wide(&self, net: IpNet) -> bool {
        match net {
            IpNet::V4(net) => net.prefix_len() < self.shortest_v4 || net.contains(&LOOPBACK),
            IpNet::V6(net) if net.contains(&NAT64) || net.contains(&Ipv6Addr::LOCALHOST) => true,
            IpNet::V6(net) if NAT64.contains(&net) => net.prefix_len() - NAT64.prefix_len() < self.shortest_v4,
            IpNet::V6(net) => net.prefix_len() < self.shortest_v6,
        }
    }

    /// A policy's order as a draft: no longer than the longest ban, its end spread by the id's random bits.
    /// Whether it was shortened stands in the course that led to it, and beside it for whoever logs it.
    pub fn of_policy(&self, order: BanOrder, grounds: Grounds, id: BanId) -> (Draft, Option<Clamped>) {
        let Grounds { event, evidence, ends } = grounds;
        let span = order.span.unwrap_or(Duration::MAX).min(self.longest);
        let clamped = (order.span != Some(span)).then(|| Clamped {
            asked_seconds: order.span.map(|asked| asked.as_secs()),
            given_seconds: span.as_secs(),
            rule: "bans.longest".to_owned(),
        });
        let surplus = evidence.len().saturating_sub(self.evidence);
        let draft = Draft {
            subject: order.subject,
            span: Some(span.saturating_add(self.spread(span, id))),
            reason: order.reason,
            message: order.message,
            reach: order.reach,
            by: By::from(&*order.by),
            evidence: evidence.into_iter().skip(surplus).collect(),
            course: event.map(|event| {
                let store = Vec::clone(&order.accesses);
                Box::new(Course { event, store, clamped: clamped.clone(), ended: ends })
            }),
        };
        (draft, clamped)
    }

    /// The ban. Later than any lift of its subject that this node knows, so that the lift does not void it.
    pub fn ban(&self, draft: Draft, id: BanId, created: Moment) -> Arc<Ban> {
        Arc::new(Ban {
            id,
            subject: draft.subject,
            reach: draft.reach,
            reason: draft.reason,
            message: draft.message,
            by: draft.by,
            node: self.node.clone(),
            site: self.site.clone(),
            created,
            expires: draft.span.map(|span| created.plus(span)),
            clock: None,
            evidence: draft.evidence,
            course: draft.course,
        })
    }

    fn spread(&self, span: Duration, id: BanId) -> Duration {
        let share = id.share() * f64::from(self.spread_percent) / 100.0;
        Duration::try_from_secs_f64(span.as_secs_f64() * share).unwrap_or_default()
    }
}

/// Whether a ban of `mine` reaches at least as far as one of `theirs`.
pub const fn reaches(mine: Reach, theirs: Reach) -> bool {
    matches!(
        (mine, theirs),
        (Reach::Everywhere, _) | (Reach::Site, Reach::Site | Reach::Node) | (Reach::Node, Reach::Node)
    )
}

/// Whether a ban of the subject refuses this address (`user`: this user from it), whatever its TLS shows.
pub fn covers<'a>(
    subject: &Subject,
    ip: IpAddr,
    user: Option<&str>,
    classes: impl IntoIterator<Item = &'a str>,
) -> bool {
    match subject {
        Subject::Host(host) => *host == ip,
        Subject::Network(net) => net.contains(&ip),
        Subject::User(name) => user == Some(name),
        Subject::UserAtHost(name, host) => user == Some(name) && *host == ip,
        Subject::Class(name) => classes.into_iter().any(|class| class == name),
        Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => false,
    }
}

#[cfg(test)]
mod tests;
