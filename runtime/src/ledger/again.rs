//! After the store has forgotten, and after a start: compares what this node holds with what stands in the
//! store. What is missing is published again, what was lifted meanwhile ends here. Paced, and every node begins
//! at a place of its own, so that they share the work.
//!
//! A journal that was lost may have been the only one to tell of what this node did last, even where the records
//! themselves stand: so that is told again whatever the store holds. What this node made and the store never had, as
//! it was away until this node was stopped or had no room left to wait, is told however old it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::announce;
use super::foreign;
use super::keeper::Ledger;
use super::pool;
use super::record::Record;
use super::subject::Reach;
use crate::moment::Moment;
use crate::store::{Key, Purpose, StoreError};

/// Keys in one multi-get: well within one deadline.
const KEYS_AT_ONCE: usize = 100;
/// What other nodes may not have heard of yet when the store forgot, or when its maker was stopped.
pub(super) const RECENT: Duration = Duration::from_secs(10 * 60);

/// What is still to be compared.
#[derive(Debug, Default)]
pub(super) struct Again {
    left: Mutex<VecDeque<Record>>,
    untold: Mutex<Untold>,
}

/// Why everything is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// This node has just started.
    Started,
    /// The store has forgotten a journal.
    Forgot,
}

/// What this node made that others may never have heard of, besides what is recent.
#[derive(Debug, Default)]
struct Untold {
    /// Since this moment what the store does not have.
    missing: Option<Moment>,
    /// Since this moment all of it.
    standing: Option<Moment>,
    /// Since this moment some of it found no room to wait for the store.
    no_room: Option<Moment>,
}

fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    one.into_iter().chain(other).min()
}

impl Again {
    /// Begins anew, with everything that this node holds.
    pub(super) fn begin(&self, ledger: &Ledger, why: Why, now: Moment) {
        let missing = (why == Why::Started).then_some(Moment::from_millis(0));
        self.begin_with(ledger, Untold { missing, ..Untold::default() }, now);
    }

    /// A record that was made then found no room to wait for the store. True if it is the first.
    pub(super) fn remember(&self, made: Moment) -> bool {
        let mut untold = self.untold.lock();
        let first = untold.no_room.is_none();
        untold.no_room = earlier(untold.no_room, Some(made));
        first
    }

    /// Begins if some records found no room and what had room has been published.
    pub(super) fn begin_what_found_no_room(&self, ledger: &Ledger, now: Moment) {
        if !ledger.unpublished.lock().is_empty() {
            return;
        }
        let since = self.untold.lock().no_room.take();
        if since.is_some() {
            self.begin_with(ledger, Untold { missing: since, standing: since, no_room: None }, now);
        }
    }

    fn begin_with(&self, ledger: &Ledger, also: Untold, now: Moment) {
        {
            let under_way = self.is_under_way();
            let mut untold = self.untold.lock();
            let before = |moment: Option<Moment>| moment.filter(|_| under_way);
            untold.missing = earlier(before(untold.missing), also.missing);
            untold.standing = earlier(before(untold.standing), also.standing);
        }
        let table = ledger.table.read();
        let shared = |ban: &&Arc<super::Ban>| ban.reach != Reach::Node;
        let start = Some(ledger.random_id());
        let count = table.len();
        let after: Vec<_> = table.after(start, count).filter(shared).cloned().collect();
        let before = table.after(None, count - after.len().min(count)).filter(shared).cloned();
        let known: std::collections::HashSet<_> = after.iter().map(|ban| ban.id).collect();
        let before: Vec<_> = before.filter(|ban| !known.contains(&ban.id)).collect();
        let lifts = table.lifts().filter(|lift| lift.reach != Reach::Node).cloned().map(Record::Lift);
        let all: VecDeque<Record> =
            after.into_iter().chain(before).filter(|ban| ban.in_force(now)).map(Record::Ban).chain(lifts).collect();
        drop(table);
        if !all.is_empty() {
            tracing::info!(records = all.len(), "ledger.comparing: with what the store holds");
        }
        *self.left.lock() = all;
    }

    /// Whether something is left.
    pub(super) fn is_under_way(&self) -> bool {
        !self.left.lock().is_empty()
    }
}

/// Compares the next records with the store.
pub(super) async fn step(ledger: &Ledger, now: Moment) {
    if !ledger.store.is_shared() {
        return;
    }
    let batch: Vec<Record> = {
        let mut left = ledger.again.left.lock();
        let count = left.len().min(ledger.batch);
        left.drain(..count).collect()
    };
    let (missing, standing) = {
        let untold = ledger.again.untold.lock();
        (untold.missing, untold.standing)
    };
    let mut waiting: Vec<(Record, Key)> = Vec::new();
    for record in batch.into_iter().filter(|record| record.matters(now)) {
        for key in ledger.keys.derive(&Purpose::StoreBan(record.subject().clone(), record.reach())).await {
            waiting.push((record.clone(), key));
        }
    }
    let (mut written, mut news, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for some in waiting.chunks(KEYS_AT_ONCE) {
        let keys: Vec<Key> = some.iter().map(|(_, key)| key.clone()).collect();
        for ((record, key), found) in some.iter().zip(ledger.store.get_each(&keys).await) {
            let compared = match found {
                Ok(value) => compare(ledger, record, key, value, now).await,
                Err(error) => Err(error),
            };
            let ours = is_ours(ledger, record);
            let untold = |since: Option<Moment>| ours && since.is_some_and(|since| record.made() >= since);
            let of_late = record.made().until(now) < RECENT;
            match compared {
                Ok(true) if of_late || untold(missing) => news.push(record.clone()),
                Ok(true) => written.push(record.clone()),
                Ok(false) if ours && (of_late || untold(standing)) && is_held(ledger, record) => {
                    news.push(record.clone());
                }
                Ok(false) => {}
                // It can never be written, and was told.
                Err(StoreError::TooLarge) => {}
                Err(_) => failed.push(record.clone()),
            }
        }
    }
    ledger.again.left.lock().extend(failed);
    if !written.is_empty() || !news.is_empty() {
        tracing::info!(records = written.len() + news.len(), "ledger.published-again");
    }
    for record in written.iter().chain(&news) {
        if let Err(error) = foreign::publish(ledger, record).await {
            tracing::debug!(%error, "ledger.foreign-not-published-again");
        }
    }
    for record in news {
        pool::announce_or_queue(ledger, record).await;
    }
    if let Err(error) = announce::keep(ledger, &written).await {
        tracing::warn!(%error, "ledger.not-archived: nodes that start now learn these bans as their clients come");
    }
}

fn is_ours(ledger: &Ledger, record: &Record) -> bool {
    record.node() == ledger.rules.node()
}

fn is_held(ledger: &Ledger, record: &Record) -> bool {
    let table = ledger.table.read();
    match record {
        Record::Ban(ban) => table.get(ban.id).is_some(),
        Record::Lift(lift) => table.lift_of(&lift.subject).is_some_and(|known| known.ban == lift.ban),
    }
}

/// True if the record was missing and stands there now.
async fn compare(
    ledger: &Ledger,
    mine: &Record,
    key: &Key,
    value: Option<Vec<u8>>,
    now: Moment,
) -> Result<bool, StoreError> {
    let held = value.map(|value| pool::readable(ledger, key, value)).unwrap_or_default();
    let held: Vec<Record> = held.into_iter().map(|record| ledger.sync.clocks.lock().ours(record)).collect();
    let theirs = held.into_iter().find(|record| record.subject() == mine.subject() && record.matters(now));
    match (theirs, mine) {
        (Some(Record::Lift(lift)), Record::Ban(ban)) if lift.voids(ban) => {
            pool::take_ours(ledger, Record::Lift(lift), now);
        }
        (Some(theirs), mine) if !mine.beats(&theirs) => {}
        (_, Record::Ban(ban)) if ledger.table.read().get(ban.id).is_none() => {}
        _ => {
            pool::write(ledger, key, mine).await?;
            return Ok(true);
        }
    }
    Ok(false)
}
