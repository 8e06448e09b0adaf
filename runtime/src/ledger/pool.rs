//! What the pool knows: publishes records into the store, asks it about peers, and compares the two.
//!
//! A value of the store holds the records of all subjects that share its key, and is changed by
//! compare-and-swap only, so that two nodes never lose each other's bans. A record counts only if it can be
//! read, is in force, reaches this node, may be banned at all, and its own subject covers the peer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ban::Ban;
use super::keeper::Ledger;
use super::record::{Merge, Record, merge, read_all};
use super::rules::covers;
use super::subject::{Reach, Subject};
use crate::events::Label;
use crate::moment::Moment;
use crate::store::{Key, Purpose, StoreError, Swap};
use crate::waits::{self, Wait};

/// Keys in one multi-get of a comparison: well within one deadline.
const KEYS_AT_ONCE: usize = 100;

/// A peer, as the store is asked about it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) ip: IpAddr,
    pub(super) user: Option<&'a str>,
    pub(super) classes: &'a [Label],
}

impl Asked<'_> {
    fn subjects(&self) -> Vec<Subject> {
        match self.user {
            Some(user) => vec![Subject::User(user.to_owned()), Subject::UserAtHost(user.to_owned(), self.ip)],
            None => {
                let classes = self.classes.iter().map(|class| Subject::Class(class.as_str().to_owned()));
                std::iter::once(Subject::Host(self.ip)).chain(classes).collect()
            }
        }
    }

    fn is_covered_by(&self, subject: &Subject) -> bool {
        covers(subject, self.ip, self.user, self.classes.iter().map(Label::as_str))
    }
}

/// See [`super::keeper::Bans::ask_pool_host`].
pub(super) async fn ask(ledger: &Ledger, asked: Asked<'_>, now: Moment) -> Option<Arc<Ban>> {
    if !ledger.store.is_shared() || ledger.rules.protects(asked.ip) {
        return None;
    }
    let records = look_up(ledger, &asked.subjects()).await?;
    let mut found: Option<Arc<Ban>> = None;
    for record in records.into_iter().filter(|record| counts(ledger, record, now)) {
        match record {
            Record::Ban(ban) if asked.is_covered_by(&ban.subject) => {
                let learnt = ledger.learn(ban, now);
                found = match (found, learnt) {
                    (Some(known), Some(new)) if !new.outlasts(&known) => Some(known),
                    (known, new) => new.or(known),
                };
            }
            Record::Lift(lift) if asked.is_covered_by(&lift.subject) => take_lift(ledger, lift, now),
            _ => {}
        }
    }
    found
}

/// The bans in force of exactly this subject that the store holds.
pub(super) async fn bans_of(ledger: &Ledger, subject: &Subject, now: Moment) -> Vec<Arc<Ban>> {
    if !ledger.store.is_shared() {
        return Vec::new();
    }
    let records = look_up(ledger, std::slice::from_ref(subject)).await.unwrap_or_default();
    let (mut bans, mut lifts) = (Vec::new(), Vec::new());
    for record in records.into_iter().filter(|record| record.subject() == subject && counts(ledger, record, now)) {
        match record {
            Record::Ban(ban) => bans.push(ban),
            Record::Lift(lift) => lifts.push(lift),
        }
    }
    bans.retain(|ban: &Arc<Ban>| !lifts.iter().any(|lift| lift.voids(ban)));
    bans
}

/// All records under the keys of these subjects, lifts first; `None`: the store did not answer.
async fn look_up(ledger: &Ledger, subjects: &[Subject]) -> Option<Vec<Record>> {
    let answer = waits::for_at_most(ledger.store_deadline, Wait::Store, async {
        let mut keys: Vec<Key> = Vec::new();
        for subject in subjects {
            let derived = ledger.keys.derive(&Purpose::LookUpBan(subject.clone())).await;
            keys.extend(derived);
        }
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        ledger.store.get_many(&keys).await
    });
    let Ok(Ok(values)) = answer.await else {
        ledger.unanswered.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    let mut records = Vec::new();
    for value in values.iter().flatten() {
        records.extend(readable(ledger, value));
    }
    records.sort_by_key(|record| matches!(record, Record::Ban(_)));
    Some(records)
}

fn readable(ledger: &Ledger, value: &[u8]) -> Vec<Record> {
    let (records, strange) = read_all(value);
    ledger.strange.fetch_add(strange as u64, Ordering::Relaxed);
    records
}

fn counts(ledger: &Ledger, record: &Record, now: Moment) -> bool {
    let site = match record {
        Record::Ban(ban) => &ban.site,
        Record::Lift(lift) => &lift.site,
    };
    record.matters(now)
        && ledger.rules.reached_by(record.reach(), site)
        && ledger.rules.permit(record.subject()).is_ok()
}

/// Remembers a lift that another node made, once.
fn take_lift(ledger: &Ledger, lift: Arc<super::record::Lift>, now: Moment) {
    let known = ledger.table.read().lift_of(&lift.subject).is_some_and(|known| known.at >= lift.at);
    if known {
        return;
    }
    tracing::info!(
        subject = %lift.subject.to_string().escape_debug(),
        id = %lift.ban,
        node = %lift.node.escape_debug(),
        operator = %lift.by.escape_debug(),
        "ban.lift-learnt"
    );
    ledger.lift(lift, now).in_background();
}

/// Publishes within the store's deadline; what fails is tried again by the upkeep. Bans of this node alone
/// stay here, and so do all where nobody shares the store: there they would only take the counters' room.
pub(super) async fn publish_or_queue(ledger: &Ledger, record: Record) {
    if record.reach() == Reach::Node || !ledger.store.is_shared() {
        return;
    }
    if let Err(error) = publish(ledger, &record).await {
        tracing::warn!(subject = %record.subject().to_string().escape_debug(), %error, "ban.unpublished");
        queue(ledger, record);
    }
}

/// Leaves a record to the upkeep. When too many wait, the comparison with the store finds bans later;
/// a lift that finds no room is told.
pub(super) fn queue(ledger: &Ledger, record: Record) {
    let mut waiting = ledger.unpublished.lock();
    if waiting.contains(&record) {
        return;
    }
    if waiting.len() >= ledger.queue {
        tracing::error!(waiting = waiting.len(), subject = %record.subject().to_string().escape_debug(), "ban.unpublished-queue-full");
        return;
    }
    waiting.push_back(record);
}

/// Tries again what the store did not take, until it fails again.
pub(super) async fn publish_waiting(ledger: &Ledger) {
    for _ in 0..ledger.batch {
        let Some(record) = ledger.unpublished.lock().pop_front() else { return };
        if !record.matters(Moment::now()) {
            continue;
        }
        match publish(ledger, &record).await {
            Ok(()) => {}
            Err(error @ StoreError::Unavailable(_)) => {
                tracing::debug!(%error, "ban.unpublished");
                ledger.unpublished.lock().push_front(record);
                return;
            }
            Err(StoreError::TooLarge) => {
                tracing::error!(subject = %record.subject().to_string().escape_debug(), "ban.too-large-to-publish");
            }
            // The store may have room again next time, and others need not wait for this one.
            Err(error) => {
                tracing::debug!(%error, "ban.unpublished");
                ledger.unpublished.lock().push_back(record);
                return;
            }
        }
    }
}

async fn publish(ledger: &Ledger, record: &Record) -> Result<(), StoreError> {
    let work = async {
        let purpose = Purpose::StoreBan(record.subject().clone(), record.reach());
        for key in ledger.keys.derive(&purpose).await {
            write(ledger, &key, record).await?;
        }
        Ok(())
    };
    waits::for_at_most(ledger.store_deadline, Wait::Store, work)
        .await
        .unwrap_or_else(|late| Err(StoreError::Unavailable(late.to_string())))
}

/// Puts a record among those under a key. Each turn of the loop that fails means that another node wrote
/// in between; the deadline of the caller bounds it.
async fn write(ledger: &Ledger, key: &Key, record: &Record) -> Result<(), StoreError> {
    loop {
        let now = Moment::now();
        let held = ledger.store.get_versioned(key).await?;
        let value = held.as_ref().map_or(&[][..], |held| &held.value);
        let merged = match merge(value, record, now, ledger.value_bytes) {
            Merge::Stands => return Ok(()),
            Merge::TooLarge => return Err(StoreError::TooLarge),
            Merge::Write(merged) => merged,
        };
        if merged.dropped > 0 {
            tracing::warn!(%key, dropped = merged.dropped, "ban.shared-key-full");
        }
        let ttl = merged.expires.map(|end| now.until(end));
        let written = match held {
            None => ledger.store.add(key, &merged.value, ttl).await?,
            Some(held) => ledger.store.compare_and_swap(key, &merged.value, held.version, ttl).await? == Swap::Stored,
        };
        if written {
            return Ok(());
        }
    }
}

/// One round of comparing the next bans of the table with the store: a lift that this node missed ends the
/// ban here, a ban that the store lost is published again. A store that is away ends the round.
pub(super) async fn compare(ledger: &Ledger, now: Moment) {
    if !ledger.store.is_shared() {
        return;
    }
    let cursor = *ledger.cursor.lock();
    let bans: Vec<Arc<Ban>> = ledger.table.read().after(cursor, ledger.batch).cloned().collect();
    let last = bans.last().map(|ban| ban.id);
    let mut waiting: Vec<(Arc<Ban>, Key)> = Vec::new();
    for ban in bans.into_iter().filter(|ban| ban.reach != Reach::Node && ban.in_force(now)) {
        for key in ledger.keys.derive(&Purpose::StoreBan(ban.subject.clone(), ban.reach)).await {
            waiting.push((Arc::clone(&ban), key));
        }
    }
    for some in waiting.chunks(KEYS_AT_ONCE) {
        if compare_some(ledger, some, now).await.is_err() {
            return;
        }
    }
    *ledger.cursor.lock() = last;
}

async fn compare_some(ledger: &Ledger, some: &[(Arc<Ban>, Key)], now: Moment) -> Result<(), StoreError> {
    let keys: Vec<Key> = some.iter().map(|(_, key)| key.clone()).collect();
    let values = ledger.store.get_many(&keys).await?;
    if ledger.store.health().degraded {
        // Some values may be missing only because their server is away.
        return Err(StoreError::Unavailable("degraded".into()));
    }
    for ((ban, key), value) in some.iter().zip(values) {
        let mine = Record::Ban(Arc::clone(ban));
        let held = readable(ledger, value.as_deref().unwrap_or_default());
        let theirs = held.into_iter().find(|record| record.subject() == &ban.subject && record.matters(now));
        match theirs {
            Some(Record::Lift(lift)) if lift.voids(ban) => take_lift(ledger, lift, now),
            Some(theirs) if !mine.beats(&theirs) => {}
            _ if ledger.table.read().get(ban.id).is_some() => {
                write(ledger, key, &mine).await?;
                tracing::info!(subject = %ban.subject.to_string().escape_debug(), id = %ban.id, "ban.published-again");
            }
            _ => {}
        }
    }
    Ok(())
}
