//! Shares bans with ProFTPD's mod_ban, where the operator asks for it: reads what it wrote as a peer comes, and
//! writes what it honours.

use std::sync::Arc;

use super::ban::Ban;
use super::keeper::{Learnt, Ledger};
use super::pool;
use super::proftpd::{self, Form, Writer};
use super::record::Record;
use super::subject::Subject;
use crate::config::Settings;
use crate::moment::Moment;
use crate::store::{Key, Purpose, StoreError};

/// What is shared with ProFTPD, and as whom.
#[derive(Debug)]
pub(super) struct Foreign {
    form: Form,
    writer: Writer,
    /// Only what the same address and port wrote counts: mod_ban's `MatchServer`.
    match_server: bool,
    /// The key policy says under which keys.
    by_policy: bool,
}

impl Foreign {
    pub(super) fn of(settings: &Settings) -> Option<Foreign> {
        let form = Form::of(settings.bans.share_proftpd)?;
        let address = settings.listeners.first()?.address;
        let writer = Writer { ip: address.ip().to_canonical(), port: address.port().max(1) };
        Some(Foreign {
            form,
            writer,
            match_server: settings.bans.share_proftpd_match_server,
            by_policy: settings.bans.share_proftpd_by_policy,
        })
    }

    /// The keys under which mod_ban keeps a ban of this subject.
    async fn keys(&self, ledger: &Ledger, subject: &Subject, purpose: &Purpose) -> Vec<Key> {
        if self.by_policy {
            ledger.keys.derive_foreign(purpose).await
        } else {
            proftpd::key(self.form, subject).into_iter().collect()
        }
    }
}

/// What stands under a key of mod_ban's, and of which subject it is.
pub(super) type Held<'a> = (&'a Subject, Key, Vec<u8>);

/// What ProFTPD holds of these subjects.
pub(super) async fn look_up<'a>(ledger: &Ledger, subjects: &'a [Subject]) -> Vec<Held<'a>> {
    let Some(foreign) = &ledger.foreign else { return Vec::new() };
    let mut keys: Vec<(&Subject, Key)> = Vec::new();
    for subject in subjects {
        let found = foreign.keys(ledger, subject, &Purpose::LookUpBan(subject.clone())).await;
        keys.extend(found.into_iter().map(|key| (subject, key)));
    }
    let wanted: Vec<Key> = keys.iter().map(|(_, key)| key.clone()).collect();
    let values = ledger.store.get_each(&wanted).await;
    let there = keys.into_iter().zip(values);
    there.filter_map(|((subject, key), value)| Some((subject, key, value.ok()??))).collect()
}

/// The ban among these that ProFTPD honours; in force here from then on, and told to all our nodes. To be taken in
/// behind what our own nodes know: most of these were written by one of them.
pub(super) async fn take(ledger: &Ledger, held: Vec<Held<'_>>, now: Moment) -> Option<Arc<Ban>> {
    let foreign = ledger.foreign.as_ref()?;
    let mut found = None;
    for (subject, key, value) in held {
        let only = foreign.match_server.then_some(foreign.writer);
        let Some(ban) = proftpd::read(foreign.form, subject, &value, ledger.rules.site(), only) else {
            ledger.strange.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            continue;
        };
        let ban = Arc::new(ban);
        if !ban.in_force(now) {
            forget(ledger, &key).await;
        } else if ledger.rules.permit(subject).is_ok() {
            let known = ledger.table.read().get(ban.id).is_some();
            match ledger.learn(Arc::clone(&ban), now) {
                Learnt::InForce(held) => {
                    if !known && held.id == ban.id {
                        pool::announce_or_queue(ledger, Record::Ban(ban)).await;
                    }
                    found = Some(held);
                }
                Learnt::Lifted(_) => forget(ledger, &key).await,
                Learnt::Useless => {}
            }
        }
    }
    found
}

/// Writes a ban, or deletes a lifted one, as mod_ban sees it. Networks and certificates it does not know.
pub(super) async fn publish(ledger: &Ledger, record: &Record) -> Result<(), StoreError> {
    let Some(foreign) = &ledger.foreign else { return Ok(()) };
    let purpose = Purpose::StoreBan(record.subject().clone(), record.reach());
    for key in foreign.keys(ledger, record.subject(), &purpose).await {
        let now = ledger.outside.now();
        match record {
            Record::Ban(ban) => {
                if let Some(value) = proftpd::write(foreign.form, ban, foreign.writer, now) {
                    ledger.store.set(&key, &value, ban.held_until().map(|end| now.until(end))).await?;
                }
            }
            Record::Lift(_) => {
                ledger.store.delete(&key).await?;
            }
        }
    }
    Ok(())
}

/// What has ended or was lifted; if this fails, the next look tries again.
async fn forget(ledger: &Ledger, key: &Key) {
    if let Err(error) = ledger.store.delete(key).await {
        tracing::debug!(%error, "ledger.foreign-not-deleted");
    }
}
