//! Bans that are imposed, added, imported and lifted: in force, on disk, told, published, in this order.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BanWriter, Bans};
use crate::ledger::ban::{Ban, BanId, By, Clamped, Grounds};
use crate::ledger::forget;
use crate::ledger::pool;
use crate::ledger::record::{Lift, Record, outlasts};
use crate::ledger::rules::{Draft, NotImposed, reaches};
use crate::ledger::subject::{Reach, Subject};
use crate::ledger::table::Inserted;
use crate::moment::Moment;
use crate::policy::BanOrder;

/// A ban after a lift, or after its node was forgotten, is this much younger, so that no node whose clock differs a little voids it.
pub(in crate::ledger) const AFTER_LIFT: Duration = Duration::from_secs(5);

/// An operator's word that lengthens a ban by less than this is the same word.
const SAID_AGAIN: Duration = Duration::from_secs(60);

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

/// What came of forgetting a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenNode {
    /// The node.
    pub node: String,
    /// Its site.
    pub site: String,
    /// What it made until then counts no more, by this node's clock.
    pub at: Moment,
    /// Bans that ended here.
    pub ended: usize,
    /// Whether the others can hear of it already; `None`: no store is shared.
    pub told: Option<bool>,
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
                Inserted::Forgotten => return Err(NotImposed::Forgotten(ban.node.clone())),
            }
            ledger.journal.append(Record::Ban(Arc::clone(&ban)))
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

    /// Ends every ban that a node made until now, here and on every node of the pool, for good. What it makes
    /// afterwards counts again. `site`: its site, if not this one's.
    pub async fn forget_node(&self, node: &str, site: Option<&str>, operator: &str, now: Moment) -> ForgottenNode {
        let ledger = &self.0;
        let site = site.unwrap_or(ledger.rules.site());
        let forget::Done { word, ended, told } = forget::say(ledger, site, node, operator, now).await;
        ForgottenNode { node: word.node, site: word.site, at: word.at, ended, told }
    }

    /// Ends when all that is in force has been written, or the disk would not take it: for whoever stops.
    pub async fn settle(&self) {
        // Told by the writer.
        let _ = self.0.journal.settle().saved().await;
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
            table.purge(&draft.subject, now);
            let mut created = now;
            if let Some(until) = table.forgotten_until(ledger.rules.site(), ledger.rules.node()) {
                created = created.max(until.plus(AFTER_LIFT));
            }
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
                Inserted::Lifted(_) | Inserted::Ended | Inserted::Forgotten => {
                    return Err(NotImposed::Empty(ban.subject.clone()));
                }
            }
            // Under the lock, so that the journal has records of one subject in the order of the table.
            let saving = ledger.journal.append(Record::Ban(Arc::clone(&ban)));
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

/// Policy and digest, or the operator, for the log.
fn signature(by: &By) -> (&str, &str) {
    match by {
        By::Policy { name, digest, .. } => (name, digest),
        By::Operator { name } => (name, "operator"),
    }
}
