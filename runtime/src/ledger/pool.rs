//! What the pool knows: publishes records into the store, and asks it about peers.
//!
//! A value of the store holds the records of all subjects that share its key, and is changed by
//! compare-and-swap only, so that two nodes never lose each other's bans. A record counts only if it can be
//! read, is in force, reaches this node, may be banned at all, and its own subject covers the peer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::announce;
use super::ban::Ban;
use super::feed::Place;
use super::foreign;
use super::forget;
use super::keeper::{Learnt, Ledger};
use super::outside::within;
use super::record::{Merge, Record, merge, read_all};
use super::rules::covers;
use super::subject::{Reach, Subject};
use super::told::Gone;
use crate::events::{Label, TlsFacts};
use crate::moment::Moment;
use crate::store::{Key, Purpose, StoreError, Swap};

/// Somebody, with all that a ban can name them by.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// Who they are, or want to be.
    pub user: Option<&'a str>,
    /// Classes of the address.
    pub classes: &'a [Label],
    /// What their TLS shows.
    pub tls: Option<&'a TlsFacts>,
}

impl Whom<'_> {
    fn subjects(&self) -> Vec<Subject> {
        let mut subjects = match self.user {
            Some(user) => vec![Subject::User(user.to_owned()), Subject::UserAtHost(user.to_owned(), self.ip)],
            None => {
                let classes = self.classes.iter().map(|class| Subject::Class(class.as_str().to_owned()));
                std::iter::once(Subject::Host(self.ip)).chain(classes).collect()
            }
        };
        subjects.extend(self.certificate().map(|digest| Subject::ClientCertificate(digest.to_owned())));
        subjects.extend(self.fingerprint().map(|ja4| Subject::TlsFingerprint(ja4.to_owned())));
        subjects
    }

    /// Whether a ban of this subject is one of them.
    pub fn is_covered_by(&self, subject: &Subject) -> bool {
        match subject {
            Subject::ClientCertificate(digest) => self.certificate() == Some(digest),
            Subject::TlsFingerprint(ja4) => self.fingerprint() == Some(ja4),
            subject => covers(subject, self.ip, self.user, self.classes.iter().map(Label::as_str)),
        }
    }

    fn certificate(&self) -> Option<&str> {
        self.tls.and_then(|tls| tls.client_certificate.as_deref())
    }

    fn fingerprint(&self) -> Option<&str> {
        self.tls.and_then(|tls| tls.ja4.as_deref())
    }
}

/// See [`super::keeper::Bans::ask_pool_host`].
pub(super) async fn ask(ledger: &Ledger, asked: Whom<'_>, now: Moment) -> Option<Arc<Ban>> {
    if !ledger.store.is_shared() || ledger.rules.protects(asked.ip) {
        return None;
    }
    let subjects = asked.subjects();
    let begun = ledger.outside.now();
    let (records, foreign) = match &ledger.foreign {
        None => (look_up(ledger, &subjects).await, Vec::new()),
        Some(_) => {
            let foreign = within(&*ledger.outside, ledger.store_deadline, foreign::look_up(ledger, &subjects));
            let (records, foreign) = tokio::join!(look_up(ledger, &subjects), Box::pin(foreign));
            (records, foreign.unwrap_or_default())
        }
    };
    let mut found: Option<Arc<Ban>> = None;
    for record in records.unwrap_or_default().into_iter().filter(|record| counts(ledger, record, now)) {
        match record {
            Record::Ban(ban) if asked.is_covered_by(&ban.subject) => {
                let learnt = match ledger.learn(ban, now) {
                    Learnt::InForce(ban) => Some(ban),
                    // The store holds an older copy: tell it again.
                    Learnt::Lifted(lift) => {
                        let record = Record::Lift(lift);
                        queue(ledger, Waiting { record, untold: false, unwritten: true, instead: None });
                        None
                    }
                    Learnt::Useless => None,
                };
                found = longer(found, learnt);
            }
            Record::Lift(lift) if asked.is_covered_by(&lift.subject) => {
                take_lift(ledger, lift, now);
            }
            _ => {}
        }
    }
    if foreign.is_empty() {
        return found;
    }
    let left = ledger.store_deadline.saturating_sub(begun.until(ledger.outside.now()));
    let taken = Box::pin(within(&*ledger.outside, left, foreign::take(ledger, foreign, now))).await;
    longer(found, taken.ok().flatten())
}

/// The ban that ends later.
fn longer(known: Option<Arc<Ban>>, new: Option<Arc<Ban>>) -> Option<Arc<Ban>> {
    match (known, new) {
        (Some(known), Some(new)) if !new.outlasts(&known) => Some(known),
        (known, new) => new.or(known),
    }
}

/// Takes in a record that a journal told of, by our clock from here on. True if a lift was put right that may have
/// voided what it must not.
pub(super) fn take(ledger: &Ledger, record: Record, now: Moment) -> bool {
    let record = ledger.sync.clocks.lock().ours(record);
    take_ours(ledger, record, now)
}

/// The same with a record whose moments are by our clock already.
pub(super) fn take_ours(ledger: &Ledger, record: Record, now: Moment) -> bool {
    if let Record::Ban(ban) = &record
        && ledger.put_right(ban, now)
    {
        return false;
    }
    if !counts(ledger, &record, now) {
        return false;
    }
    match record {
        Record::Ban(ban) => {
            ledger.learn(ban, now);
            false
        }
        Record::Lift(lift) => take_lift(ledger, lift, now),
    }
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
    let asked = within(&*ledger.outside, ledger.store_deadline, values_of(ledger, subjects)).await;
    let Ok(Ok(values)) = asked else {
        ledger.unanswered.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    let mut records = Vec::new();
    for (key, value) in values {
        let clocks = &ledger.sync.clocks;
        records.extend(readable(ledger, &key, value).into_iter().map(|record| clocks.lock().ours(record)));
    }
    records.sort_by_key(|record| matches!(record, Record::Ban(_)));
    Some(records)
}

/// What stands under the keys of these subjects.
async fn values_of(ledger: &Ledger, subjects: &[Subject]) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
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
    let values = ledger.store.get_many(&keys).await?;
    Ok(keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
}

/// The records of a value, if this cluster wrote it.
pub(super) fn readable(ledger: &Ledger, key: &Key, value: Vec<u8>) -> Vec<Record> {
    let Ok(value) = ledger.store.unseal(key, value) else {
        forged(ledger, key);
        return Vec::new();
    };
    let (records, strange) = read_all(&value);
    ledger.strange.fetch_add(strange as u64, Ordering::Relaxed);
    records
}

/// Somebody else wrote there, or moved what was written elsewhere.
pub(super) fn forged(ledger: &Ledger, key: &Key) {
    // Told once in a while: whoever writes such values can write many.
    if ledger.forged.fetch_add(1, Ordering::Relaxed).is_multiple_of(1000) {
        tracing::warn!(%key, "store.forged: a value that this cluster did not write there; it is ignored");
    }
}

fn counts(ledger: &Ledger, record: &Record, now: Moment) -> bool {
    let site = match record {
        Record::Ban(ban) => &ban.site,
        Record::Lift(lift) => &lift.site,
    };
    record.matters(now)
        && !forget::is_void(ledger, record, now)
        && ledger.rules.reached_by(record.reach(), site)
        && ledger.rules.permit(record.subject()).is_ok()
}

/// Remembers a lift that another node made, once. True if it was known by a clock that nobody knew.
fn take_lift(ledger: &Ledger, lift: Arc<super::record::Lift>, now: Moment) -> bool {
    let (known, put_right) = match ledger.table.read().lift_of(&lift.subject) {
        Some(known) => (!lift.supersedes(known), lift.puts_right(known)),
        None => (false, false),
    };
    if known {
        return false;
    }
    tracing::info!(
        subject = %lift.subject.to_string().escape_debug(),
        id = %lift.ban,
        node = %lift.node.escape_debug(),
        operator = %lift.by.escape_debug(),
        "ban.lift-learnt"
    );
    ledger.lift(lift, now).in_background();
    put_right
}

/// A record that the store lacks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    record: Record,
    /// Not in the journal yet.
    untold: bool,
    /// Not under its keys yet.
    unwritten: bool,
    /// It stood in the journal once.
    instead: Option<Gone>,
}

/// Publishes within the store's deadline; what fails is tried again by the upkeep. Bans of this node alone
/// stay here, and so do all where nobody shares the store: there they would only take the counters' room.
pub(super) async fn publish_or_queue(ledger: &Ledger, record: Record) {
    if record.reach() == Reach::Node || !ledger.store.is_shared() {
        return;
    }
    let mut waiting = Waiting { record, untold: true, unwritten: true, instead: None };
    if let Err(error) = publish(ledger, &mut waiting).await {
        tracing::warn!(subject = %waiting.record.subject().to_string().escape_debug(), %error, "ban.unpublished");
        queue(ledger, waiting);
    }
}

/// As [`publish_or_queue`] for what stands under its keys already.
pub(super) async fn announce_or_queue(ledger: &Ledger, record: Record) {
    let mut waiting = Waiting { record, untold: true, unwritten: false, instead: None };
    if publish(ledger, &mut waiting).await.is_err() {
        queue(ledger, waiting);
    }
}

/// Leaves it to the upkeep to tell of a record that stands under its keys.
pub(super) fn tell_again(ledger: &Ledger, record: Record) {
    queue(ledger, Waiting { record, untold: true, unwritten: false, instead: None });
}

/// An entry of the journal is gone from its place. If this node wrote it, it leaves it to the upkeep to tell again
/// what it told of; a ban that was lifted meanwhile by its lift.
pub(super) fn tell_what_is_gone(ledger: &Ledger, place: Place) {
    let Some((record, gone)) = ledger.sync.told.lock().gone(place) else { return };
    let now_so = {
        let table = ledger.table.read();
        match &record {
            Record::Ban(ban) if table.get(ban.id).is_none() => {
                table.lift_of(&ban.subject).filter(|lift| lift.voids(ban)).cloned().map(Record::Lift)
            }
            _ => Some(record),
        }
    };
    if let Some(record) = now_so {
        tracing::debug!(subject = %record.subject().to_string().escape_debug(), "ledger.told-again: its entry is gone");
        queue(ledger, Waiting { record, untold: true, unwritten: false, instead: Some(gone) });
    }
}

/// Leaves a record to the upkeep. Where there is no room, that is told, and once there is none of those before it
/// everything that this node holds is compared with the store; a ban holds here all the same.
fn queue(ledger: &Ledger, waiting: Waiting) {
    let mut all = ledger.unpublished.lock();
    if all.contains(&waiting) {
        return;
    }
    if all.len() >= ledger.queue {
        let subject = waiting.record.subject().to_string();
        let made = waiting.record.made();
        if ledger.again.remember(made) {
            tracing::error!(waiting = all.len(), subject = %subject.escape_debug(), "ban.unpublished-queue-full");
        }
        return;
    }
    all.push_back(waiting);
}

/// Tries again what the store did not take, each once, until that has taken `span`: what waits for a server that is
/// away holds up nothing for those that are well.
pub(super) async fn publish_waiting(ledger: &Ledger, span: Duration) {
    let begun = ledger.outside.now();
    let count = ledger.unpublished.lock().len().min(ledger.batch);
    for _ in 0..count {
        if begun.until(ledger.outside.now()) >= span {
            return;
        }
        let Some(mut waiting) = ledger.unpublished.lock().pop_front() else { return };
        let now = ledger.outside.now();
        if !waiting.record.matters(now) || forget::is_void(ledger, &waiting.record, now) {
            continue;
        }
        match publish(ledger, &mut waiting).await {
            Ok(()) => {
                tracing::info!(subject = %waiting.record.subject().to_string().escape_debug(), "ban.published");
            }
            Err(StoreError::TooLarge) => {
                let subject = waiting.record.subject().to_string();
                tracing::error!(subject = %subject.escape_debug(), "ban.too-large-to-publish");
            }
            // The store may have room again next time, and others need not wait for this one.
            Err(error) => {
                tracing::debug!(%error, "ban.unpublished");
                ledger.unpublished.lock().push_back(waiting);
            }
        }
    }
}

/// Does what is still to be done for a record, and notes what is done.
async fn publish(ledger: &Ledger, waiting: &mut Waiting) -> Result<(), StoreError> {
    let purpose = Purpose::StoreBan(waiting.record.subject().clone(), waiting.record.reach());
    let keys = within(&*ledger.outside, ledger.store_deadline, ledger.keys.derive(&purpose)).await;
    let keys = keys.map_err(|late| StoreError::Unavailable(late.to_string()))?;
    if keys.is_empty() {
        // The key policy shares it with nobody.
        return Ok(());
    }
    let record = &waiting.record;
    let told = async {
        if !waiting.untold {
            return Ok(());
        }
        let place = announce::tell(ledger, record, waiting.instead.map(|gone| gone.place)).await?;
        ledger.sync.told.lock().note(place, record.clone(), waiting.instead, ledger.outside.now());
        Ok(())
    };
    let written = async {
        if !waiting.unwritten {
            return Ok(());
        }
        let work = async {
            for key in &keys {
                write(ledger, key, record).await?;
            }
            foreign::publish(ledger, record).await
        };
        let done = within(&*ledger.outside, ledger.store_deadline, work).await;
        done.unwrap_or_else(|late| Err(StoreError::Unavailable(late.to_string())))
    };
    let (told, written) = tokio::join!(told, written);
    waiting.untold = told.is_err();
    waiting.unwritten = written.is_err();
    told.and(written)
}

/// Puts a record among those under a key. Each turn of the loop that fails means that another node wrote
/// in between; the deadline of the caller bounds it.
pub(super) async fn write(ledger: &Ledger, key: &Key, record: &Record) -> Result<(), StoreError> {
    loop {
        let now = ledger.outside.now();
        let held = ledger.store.get_versioned(key).await?;
        // What this cluster did not write gives way.
        let value = match &held {
            Some(held) => ledger.store.unseal(key, held.value.clone()).unwrap_or_default(),
            None => Vec::new(),
        };
        let merged = match merge(&value, record, now, ledger.value_bytes, &ledger.sync.clocks.lock()) {
            Merge::Stands => return Ok(()),
            Merge::TooLarge => return Err(StoreError::TooLarge),
            Merge::Write(merged) => merged,
        };
        if merged.dropped > 0 {
            tracing::warn!(%key, dropped = merged.dropped, "ban.shared-key-full");
        }
        let ttl = merged.expires.map(|end| now.until(end));
        let value = ledger.store.close(key, merged.value);
        let written = match held {
            None => ledger.store.add(key, &value, ttl).await?,
            Some(held) => ledger.store.compare_and_swap(key, &value, held.version, ttl).await? == Swap::Stored,
        };
        if written {
            return Ok(());
        }
    }
}
