//! Who is banned, what is known of it, and how the ledger stands.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::Bans;
use crate::events::{Label, TlsFacts};
use crate::ledger::ban::{Ban, BanId};
use crate::ledger::filter::Filter;
use crate::ledger::pool;
use crate::ledger::subject::Subject;
use crate::moment::Moment;

/// Bans that a list looks at before it lets others have the table.
const LISTED_AT_ONCE: usize = 1000;

/// What `status` shows of the ledger.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Bans in the table.
    pub bans: usize,
    /// Most bans that fit.
    pub bans_max: usize,
    /// Something in force is not on disk yet.
    pub unsaved: bool,
    /// Records that the store has not confirmed yet.
    pub unpublished: usize,
    /// Bans learnt from the store since start.
    pub learnt: u64,
    /// Look-ups that the store did not answer since start.
    pub unanswered: u64,
    /// Records in the store that could not be read, since start.
    pub strange: u64,
    /// Values in the store that this cluster did not write there, since start.
    #[serde(default)]
    pub forged: u64,
    /// Bans that were not taken in, as their node has as many here as it may, since start.
    #[serde(default)]
    pub over_quota: u64,
    /// Nodes whose bans were forgotten on an operator's word, and are remembered as such.
    #[serde(default)]
    pub forgotten: usize,
    /// Other nodes that were heard of of late.
    #[serde(default)]
    pub peers: usize,
    /// Entries of the pool's journal that never came, since start.
    #[serde(default)]
    pub lost: u64,
    /// How often the pool's journal was read once more, as a clock turned out to differ, since start.
    #[serde(default)]
    pub rewinds: u64,
    /// There is more in the pool's journal than was read.
    #[serde(default)]
    pub behind: bool,
}

impl Bans {
    /// The ban that refuses this address: of the host, of a network around it, of one of its classes.
    pub fn on_host(&self, ip: IpAddr, classes: &[Label], now: Moment) -> Option<Arc<Ban>> {
        self.on_host_of(ip, || classes.iter(), now)
    }

    /// The same among the bans that count.
    pub fn on_host_that(
        &self,
        ip: IpAddr,
        classes: &[Label],
        now: Moment,
        counts: impl Fn(&Ban) -> bool,
    ) -> Option<Arc<Ban>> {
        let ban = self.0.table.read().on_host_that(ip, classes.iter().map(Label::as_str), now, counts).cloned()?;
        if self.0.rules.protects(ip) { None } else { Some(ban) }
    }

    /// The same, with classes that are only looked up if some class is banned. Allocates nothing.
    pub fn on_host_of<'a, I>(&self, ip: IpAddr, classes: impl FnOnce() -> I, now: Moment) -> Option<Arc<Ban>>
    where
        I: IntoIterator<Item = &'a Label>,
    {
        let table = self.0.table.read();
        let classes = table.bans_classes().then(classes).into_iter().flatten().map(Label::as_str);
        let ban = table.on_host(ip, classes, now)?;
        if self.0.rules.protects(ip) { None } else { Some(Arc::clone(ban)) }
    }

    /// The ban that refuses this user from this address: of the user, or of the user there.
    pub fn on_user(&self, user: &str, ip: IpAddr, now: Moment) -> Option<Arc<Ban>> {
        let ban = self.0.table.read().on_user(user, ip, now).cloned()?;
        if self.0.rules.protects(ip) { None } else { Some(ban) }
    }

    /// The ban that refuses this address by the certificate of its client or the fingerprint of its TLS.
    pub fn on_tls(
        &self,
        certificate: Option<&str>,
        fingerprint: Option<&str>,
        ip: IpAddr,
        now: Moment,
    ) -> Option<Arc<Ban>> {
        let ban = self.0.table.read().on_tls(certificate, fingerprint, now).cloned()?;
        if self.0.rules.protects(ip) { None } else { Some(ban) }
    }

    /// The ban that holds for this subject: its own, or a wider one that includes it.
    pub fn find(&self, subject: &Subject, now: Moment) -> Option<Arc<Ban>> {
        self.0.table.read().find(subject, now).cloned()
    }

    /// By id.
    pub fn get(&self, id: BanId) -> Option<Arc<Ban>> {
        self.0.table.read().get(id).cloned()
    }

    /// The bans in force that fit, oldest first. A part of the table at a time, so that nobody who comes to
    /// the gate meanwhile has to wait for a long list.
    pub async fn list(&self, filter: &Filter, now: Moment) -> Vec<Arc<Ban>> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let part: Vec<Arc<Ban>> = self.0.table.read().after(cursor, LISTED_AT_ONCE).cloned().collect();
            let Some(last) = part.last() else { break };
            cursor = Some(last.id);
            found.extend(part.into_iter().filter(|ban| ban.in_force(now) && filter.fits(ban)));
            tokio::task::yield_now().await;
        }
        found.sort_unstable_by_key(|ban| (ban.created, ban.id));
        found
    }

    /// How many bans the table holds; some may have ended a moment ago.
    pub fn len(&self) -> usize {
        self.0.table.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks the store about an address that the ledger does not ban. What it learns is in force here from
    /// then on. A store that is away is a no, at once; a slow one after its deadline.
    pub async fn ask_pool_host(&self, ip: IpAddr, classes: &[Label], now: Moment) -> Option<Arc<Ban>> {
        pool::ask(&self.0, pool::Whom { ip, user: None, classes, tls: None }, now).await
    }

    /// Asks the store about a user from an address, and about what the TLS of that client shows.
    pub async fn ask_pool_user(&self, user: &str, ip: IpAddr, tls: Option<&TlsFacts>, now: Moment) -> Option<Arc<Ban>> {
        pool::ask(&self.0, pool::Whom { ip, user: Some(user), classes: &[], tls }, now).await
    }

    /// Every ban that comes into force here from now on, whether imposed, added or learnt. A receiver that
    /// lags is told so and should look its subjects up again.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Ban>> {
        self.0.news.subscribe()
    }

    /// What `status` shows.
    pub fn standing(&self) -> Standing {
        let (lost, rewinds, behind) = {
            let feed = self.0.sync.feed.lock();
            (feed.lost, feed.rewinds, feed.is_behind())
        };
        let forgotten = self.0.table.read().forgotten_len();
        Standing {
            bans: self.len(),
            bans_max: self.0.bans_max,
            unsaved: self.0.journal.is_behind(),
            unpublished: self.0.unpublished.lock().len(),
            learnt: self.0.learnt.load(Ordering::Relaxed),
            unanswered: self.0.unanswered.load(Ordering::Relaxed),
            strange: self.0.strange.load(Ordering::Relaxed),
            forged: self.0.forged.load(Ordering::Relaxed),
            over_quota: self.0.over_quota.load(Ordering::Relaxed),
            forgotten,
            peers: self.0.sync.peers(self.0.outside.now()),
            lost,
            rewinds,
            behind,
        }
    }
}
