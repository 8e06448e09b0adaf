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
use crate::config::settings::ProftpdForm;
use crate::moment::Moment;
use crate::store::{Key, StoreError};

/// What is shared with ProFTPD, and as whom.
#[derive(Debug)]
pub(super) struct Foreign {
    form: Form,
    writer: Writer,
    /// Only what the same address and port wrote counts: mod_ban's `MatchServer`.
    match_server: bool,
}

impl Foreign {
    pub(super) fn of(settings: &Settings) -> Option<Foreign> {
        let form = match settings.bans.share_proftpd {
            ProftpdForm::Off => return None,
            ProftpdForm::Json => Form::Json,
            ProftpdForm::Tpl => Form::Tpl,
        };
        let address = settings.listeners.first()?.address;
        let writer = Writer { ip: address.ip().to_canonical(), port: address.port().max(1) };
        Some(Foreign { form, writer, match_server: settings.bans.share_proftpd_match_server })
    }
}

/// The ban of one of these subjects that ProFTPD knows; in force here from then on, and told to all our nodes.
pub(super) async fn ask(ledger: &Ledger, subjects: &[Subject], now: Moment) -> Option<Arc<Ban>> {
    let foreign = ledger.foreign.as_ref()?;
    let keys: Vec<(&Subject, Key)> =
        subjects.iter().filter_map(|subject| Some((subject, proftpd::key(foreign.form, subject)?))).collect();
    let wanted: Vec<Key> = keys.iter().map(|(_, key)| key.clone()).collect();
    let values = ledger.store.get_each(&wanted).await;
    let mut found = None;
    for ((subject, key), value) in keys.into_iter().zip(values) {
        let Ok(Some(value)) = value else { continue };
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
    let Some(key) = proftpd::key(foreign.form, record.subject()) else { return Ok(()) };
    let now = ledger.outside.now();
    match record {
        Record::Ban(ban) => match proftpd::write(foreign.form, ban, foreign.writer, now) {
            Some(value) => ledger.store.set(&key, &value, ban.held_until().map(|end| now.until(end))).await,
            None => Ok(()),
        },
        Record::Lift(_) => ledger.store.delete(&key).await.map(drop),
    }
}

/// What has ended or was lifted; if this fails, the next look tries again.
async fn forget(ledger: &Ledger, key: &Key) {
    if let Err(error) = ledger.store.delete(key).await {
        tracing::debug!(%error, "ledger.foreign-not-deleted");
    }
}
