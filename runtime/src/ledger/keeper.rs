//! Keeps the ledger: answers who is banned, imposes and lifts, and sees to it that disk and store follow.
//!
//! Two handles: [`Bans`] asks; [`BanWriter`] acts, and only the executor of verdicts and the admin socket
//! hold one. A ban is in force in the table first, then on disk, then acknowledged, then published.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::again::Again;
use super::ban::{Ban, BanId, By, Clamped, Grounds};
use super::file::Journal;
use super::filter::Filter;
use super::follow::Sync;
use super::foreign::Foreign;
use super::outside::Outside;
use super::pool;
use super::record::{Lift, Record, outlasts};
use super::rules::{Draft, NotImposed, Rules, reaches};
use super::subject::{Reach, Subject};
use super::table::{Inserted, Table};
use crate::events::{Label, TlsFacts};
use crate::moment::Moment;
use crate::policy::BanOrder;
use crate::store::{Derive, SharedStore};

/// A ban after a lift is this much younger, so that no node whose clock differs a little voids it.
const AFTER_LIFT: Duration = Duration::from_secs(5);

/// An operator's word that lengthens a ban by less than this is the same word.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// Bans that a list looks at before it lets others have the table.
const LISTED_AT_ONCE: usize = 1000;

/// Asks the ledger.
#[derive(Clone, Debug)]
pub struct Bans(pub(super) Arc<Ledger>);

/// Changes the ledger.
#[derive(Clone, Debug)]
pub struct BanWriter(pub(super) Arc<Ledger>);

/// Which bans to lift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The ban with this id.
    Id(BanId),
    /// Whatever names exactly this subject.
    Subject(Subject),
}

/// What came of an operator's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// The ban that is in force.
    pub ban: Arc<Ban>,
    /// It was before: it reaches and lasts at least as far as what was asked for.
    pub already: bool,
}

/// What came of a ban that was read from an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Imported {
    /// It is in force now.
    Added,
    /// The subject is banned at least as long already.
    Kept,
    /// It has been lifted since it was exported.
    Lifted,
    /// It has ended.
    Ended,
}

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

/// What became of a ban that another node made.
#[derive(Debug)]
pub(super) enum Learnt {
    /// This ban is in force here.
    InForce(Arc<Ban>),
    /// It was lifted.
    Lifted(Arc<Lift>),
    /// It has ended, or nothing enforces it.
    Useless,
}

/// The ledger's parts, shared by its handles and its upkeep.
pub(super) struct Ledger {
    pub(super) table: Arc<RwLock<Table>>,
    pub(super) rules: Rules,
    pub(super) journal: Journal,
    pub(super) store: SharedStore,
    pub(super) keys: Arc<dyn Derive>,
    pub(super) store_deadline: Duration,
    pub(super) value_bytes: usize,
    pub(super) unpublished: Mutex<VecDeque<pool::Waiting>>,
    pub(super) sync: Sync,
    pub(super) again: Again,
    pub(super) foreign: Option<Foreign>,
    pub(super) queue: usize,
    pub(super) batch: usize,
    pub(super) learnt: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) strange: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) news: broadcast::Sender<Arc<Ban>>,
    pub(super) bans_max: usize,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ledger").field("bans", &self.table.read().len()).finish_non_exhaustive()
    }
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
        Standing {
            bans: self.len(),
            bans_max: self.0.bans_max,
            unsaved: self.0.journal.is_behind(),
            unpublished: self.0.unpublished.lock().len(),
            learnt: self.0.learnt.load(Ordering::Relaxed),
            unanswered: self.0.unanswered.load(Ordering::Relaxed),
            strange: self.0.strange.load(Ordering::Relaxed),
            forged: self.0.forged.load(Ordering::Relaxed),
            peers: self.0.sync.peers(self.0.outside.now()),
            lost,
            rewinds,
            behind,
        }
    }
}

impl BanWriter {
    /// Carries out a policy's order. In force at once; on disk when this returns, or told and tried again;
    /// published within the store's deadline, or tried again later. Who is banned already stays banned as
    /// he is: trying again does not lengthen it.
    ///
    /// # Errors
    /// Why there is no such ban.
    pub async fn impose(&self, order: BanOrder, grounds: Grounds, now: Moment) -> Result<Arc<Ban>, NotImposed> {
        let id = self.0.random_id();
        let (draft, clamped) = self.0.rules.of_policy(order, grounds, id);
        self.enter(draft, id, now, clamped.as_ref()).await.map(|added| added.ban)
    }

    /// Bans on an operator's word, as long as he says; never shorter than before.
    ///
    /// # Errors
    /// Why there is no such ban.
    pub async fn add(
        &self,
        subject: Subject,
        span: Option<Duration>,
        reason: String,
        reach: Reach,
        operator: &str,
        now: Moment,
    ) -> Result<Added, NotImposed> {
        let by = By::Operator { name: operator.to_owned() };
        let draft = Draft { subject, span, reason, message: None, reach, by, evidence: Vec::new(), course: None };
        self.enter(draft, self.0.random_id(), now, None).await
    }

    /// Takes in a ban that was exported, here or elsewhere, as it is: a second time changes nothing.
    ///
    /// # Errors
    /// Why it may not be in force here.
    pub async fn import(&self, ban: Ban, operator: &str, now: Moment) -> Result<Imported, NotImposed> {
        let ledger = &self.0;
        ledger.rules.permit(&ban.subject)?;
        let ban = Arc::new(Ban { site: ledger.rules.site().to_owned(), ..ban });
        let saving = {
            let mut table = ledger.table.write();
            match table.insert(Arc::clone(&ban), now) {
                Inserted::Added | Inserted::Replaced(_) => {}
                Inserted::Kept(_) | Inserted::Second(_) => return Ok(Imported::Kept),
                Inserted::Lifted(_) => return Ok(Imported::Lifted),
                Inserted::Ended => return Ok(Imported::Ended),
                Inserted::Full => return Err(NotImposed::Full(ledger.bans_max)),
                Inserted::IdTaken(other) => return Err(NotImposed::IdTaken(other.subject.clone())),
            }
            ledger.journal.append(&Record::Ban(Arc::clone(&ban)))
        };
        tracing::info!(
            subject = %ban.subject.to_string().escape_debug(),
            id = %ban.id,
            operator = %operator.escape_debug(),
            "ban.imported"
        );
        ledger.announce(&ban);
        let _ = saving.saved().await;
        pool::publish_or_queue(ledger, Record::Ban(ban)).await;
        Ok(Imported::Added)
    }

    /// Ends bans, here and in the pool, and returns those that were in force.
    pub async fn lift(&self, which: Which, operator: &str, now: Moment) -> Vec<Arc<Ban>> {
        let ledger = &self.0;
        let mut bans: Vec<Arc<Ban>> = match &which {
            Which::Id(id) => ledger.table.read().get(*id).cloned().into_iter().collect(),
            Which::Subject(subject) => ledger.table.read().exactly(subject, now).cloned().into_iter().collect(),
        };
        if let Which::Subject(subject) = &which {
            // One that only other nodes know so far.
            for ban in pool::bans_of(ledger, subject, now).await {
                if bans.iter().all(|known| known.id != ban.id) {
                    bans.push(ban);
                }
            }
        }
        for ban in &bans {
            let lift = Arc::new(Lift::of(ban, now, operator, ledger.rules.node()));
            tracing::info!(
                subject = %ban.subject.to_string().escape_debug(),
                id = %ban.id,
                operator = %operator.escape_debug(),
                "ban.lifted"
            );
            let saving = ledger.lift(Arc::clone(&lift), now);
            // Told by the writer, and written again by the upkeep.
            let _ = saving.saved().await;
            pool::publish_or_queue(ledger, Record::Lift(lift)).await;
        }
        bans
    }

    /// The asking side.
    pub fn bans(&self) -> Bans {
        Bans(Arc::clone(&self.0))
    }

    async fn enter(
        &self,
        mut draft: Draft,
        id: BanId,
        now: Moment,
        clamped: Option<&Clamped>,
    ) -> Result<Added, NotImposed> {
        let ledger = &self.0;
        let by_operator = matches!(draft.by, By::Operator { .. });
        ledger.rules.permit(&draft.subject)?;
        let (ban, saving) = {
            let mut table = ledger.table.write();
            let mut created = now;
            if let Some(lift) = table.lift_of(&draft.subject) {
                created = created.max(lift.at.plus(AFTER_LIFT));
            }
            if let Some(known) = table.exactly(&draft.subject, now) {
                // Who says the same again within a minute has not seen the first answer.
                let slack = |span: Duration| span.saturating_sub(SAID_AGAIN.min(span / 2));
                let end = draft.span.map(|span| created.plus(slack(span)));
                // One by a clock that nobody knows here may have ended.
                let longer = (by_operator || known.clock.is_some()) && outlasts(end, known.expires);
                if reaches(known.reach, draft.reach) && !longer {
                    return Ok(Added { ban: Arc::clone(known), already: true });
                }
                // It takes the other's place: it must outlast it to do so, and reach no less far.
                draft.span = match (draft.span, known.expires) {
                    (Some(span), Some(end)) => Some(span.max(created.until(end) + Duration::from_millis(1))),
                    _ => None,
                };
                if reaches(known.reach, draft.reach) {
                    draft.reach = known.reach;
                }
            }
            let ban = ledger.rules.ban(draft, id, created);
            match table.insert(Arc::clone(&ban), now) {
                Inserted::Added | Inserted::Replaced(_) => {}
                Inserted::Kept(known) | Inserted::Second(known) => return Ok(Added { ban: known, already: true }),
                Inserted::Full => {
                    tracing::error!(bans = ledger.bans_max, subject = %ban.subject.to_string().escape_debug(), "ledger.full");
                    return Err(NotImposed::Full(ledger.bans_max));
                }
                Inserted::IdTaken(other) => return Err(NotImposed::IdTaken(other.subject.clone())),
                Inserted::Lifted(_) | Inserted::Ended => return Err(NotImposed::Empty(ban.subject.clone())),
            }
            // Under the lock, so that the journal has records of one subject in the order of the table.
            let saving = ledger.journal.append(&Record::Ban(Arc::clone(&ban)));
            (ban, saving)
        };
        let (policy, digest) = signature(&ban.by);
        tracing::info!(
            subject = %ban.subject.to_string().escape_debug(),
            id = %ban.id,
            policy = %policy.escape_debug(),
            digest,
            reach = ?ban.reach,
            expires = %ban.expires.map_or_else(|| "never".to_owned(), |end| end.to_string()),
            clamped = clamped.map(tracing::field::display),
            reason = %ban.reason.escape_debug(),
            "ban.imposed"
        );
        ledger.announce(&ban);
        // Told by the writer, and written again by the upkeep: the ban holds all the same.
        let _ = saving.saved().await;
        pool::publish_or_queue(ledger, Record::Ban(Arc::clone(&ban))).await;
        Ok(Added { ban, already: false })
    }
}

impl Ledger {
    /// Ends what a lift ends, durably.
    pub(super) fn lift(&self, lift: Arc<Lift>, now: Moment) -> super::file::Saving {
        let mut table = self.table.write();
        let ended = table.lift(Arc::clone(&lift), now);
        let next = ended.and_then(|ended| table.exactly(&ended.subject, now).cloned());
        let saving = self.journal.append(&Record::Lift(lift));
        drop(table);
        if let Some(next) = next {
            self.announce(&next);
        }
        saving
    }

    /// Takes in by our clock a ban that is here by another's; false if it is not.
    pub(super) fn put_right(&self, ban: &Arc<Ban>, now: Moment) -> bool {
        let mut table = self.table.write();
        let done = table.put_right(ban, now);
        if done {
            self.journal.append(&Record::Ban(Arc::clone(ban))).in_background();
        }
        done
    }

    /// Takes in a ban that another node made.
    pub(super) fn learn(&self, ban: Arc<Ban>, now: Moment) -> Learnt {
        if self.put_right(&ban, now) {
            return if ban.in_force(now) { Learnt::InForce(ban) } else { Learnt::Useless };
        }
        let mut table = self.table.write();
        if let Some(known) = table.get(ban.id).filter(|known| known.in_force(now)) {
            return Learnt::InForce(Arc::clone(known));
        }
        match table.insert(Arc::clone(&ban), now) {
            Inserted::Added | Inserted::Replaced(_) => {}
            Inserted::Kept(known) => return Learnt::InForce(known),
            Inserted::Second(known) => {
                self.journal.append(&Record::Ban(ban)).in_background();
                return Learnt::InForce(known);
            }
            Inserted::Lifted(lift) => return Learnt::Lifted(lift),
            Inserted::Full => {
                tracing::error!(bans = self.bans_max, "ledger.full");
                // It refuses this client all the same.
                return Learnt::InForce(ban);
            }
            Inserted::IdTaken(other) => {
                tracing::warn!(id = %ban.id, node = %ban.node.escape_debug(), ban_of = %other.subject.to_string().escape_debug(), "ledger.id-taken");
                return Learnt::Useless;
            }
            Inserted::Ended => return Learnt::Useless,
        }
        self.journal.append(&Record::Ban(Arc::clone(&ban))).in_background();
        drop(table);
        self.learnt.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            subject = %ban.subject.to_string().escape_debug(),
            id = %ban.id,
            node = %ban.node.escape_debug(),
            site = %ban.site.escape_debug(),
            expires = %ban.expires.map_or_else(|| "never".to_owned(), |end| end.to_string()),
            "ban.learnt"
        );
        self.announce(&ban);
        Learnt::InForce(ban)
    }

    pub(super) fn random_id(&self) -> BanId {
        BanId::from_bits(self.outside.chance())
    }

    pub(super) fn sweep(&self, now: Moment) {
        let held = {
            let mut table = self.table.write();
            table.sweep(now, self.batch);
            table.len() + table.lifts().len()
        };
        self.journal.tidy(held, self.batch);
    }

    fn announce(&self, ban: &Arc<Ban>) {
        // Nobody may be listening.
        drop(self.news.send(Arc::clone(ban)));
    }
}

/// Policy and digest, or the operator, for the log.
fn signature(by: &By) -> (&str, &str) {
    match by {
        By::Policy { name, digest, .. } => (name, digest),
        By::Operator { name } => (name, "operator"),
    }
}

#[cfg(test)]
mod tests;
