//! Keeps the ledger: answers who is banned, imposes and lifts, and sees to it that disk and store follow.
//!
//! Two handles: [`Bans`] asks; [`BanWriter`] acts, and only the executor of verdicts and the admin socket
//! hold one. A ban is in force in the table first, then on disk, then acknowledged, then published.

pub(super) mod acts;
mod asks;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use super::again::Again;
use super::ban::{Ban, BanId};
use super::file::Journal;
use super::follow::Sync;
use super::foreign::Foreign;
use super::forget::{self, ToForget};
use super::outside::Outside;
use super::pool;
use super::record::{Lift, Record};
use super::rules::Rules;
use super::table::{Inserted, Table};
use crate::moment::Moment;
use crate::store::{Derive, SharedStore};

pub use acts::{Added, ForgottenNode, Imported, Which};
pub use asks::Standing;

/// Asks the ledger.
#[derive(Clone, Debug)]
pub struct Bans(pub(super) Arc<Ledger>);

/// Changes the ledger.
#[derive(Clone, Debug)]
pub struct BanWriter(pub(super) Arc<Ledger>);

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
    pub(super) to_forget: ToForget,
    pub(super) foreign: Option<Foreign>,
    pub(super) queue: usize,
    pub(super) batch: usize,
    pub(super) learnt: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) strange: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) over_quota: AtomicU64,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) news: broadcast::Sender<Arc<Ban>>,
    pub(super) bans_max: usize,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ledger").field("bans", &self.table.read().len()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Ends what a lift ends, durably.
    pub(super) fn lift(&self, lift: Arc<Lift>, now: Moment) -> super::file::Saving {
        let mut table = self.table.write();
        let ended = table.lift(Arc::clone(&lift), now);
        let next = ended.and_then(|ended| table.exactly(&ended.subject, now).cloned());
        let saving = self.journal.append(Record::Lift(lift));
        drop(table);
        if let Some(next) = next {
            self.announce(&next);
        }
        saving
    }

    /// Takes in by our clock a ban that is here by another's; false if it is not.
    pub(super) fn put_right(&self, ban: &Arc<Ban>, now: Moment) -> bool {
        let ban = self.rules.as_it_counts(Arc::clone(ban), now);
        let mut table = self.table.write();
        let done = table.put_right(&ban, now);
        if done {
            self.journal.append_soon(Record::Ban(ban), now);
        }
        done
    }

    /// Takes in a ban that another node made.
    pub(super) fn learn(&self, ban: Arc<Ban>, now: Moment) -> Learnt {
        let ban = self.rules.as_it_counts(ban, now);
        if self.put_right(&ban, now) {
            let counts = ban.in_force(now) && !forget::is_void_ban(self, &ban, now);
            return if counts { Learnt::InForce(ban) } else { Learnt::Useless };
        }
        let mut table = self.table.write();
        if let Some(known) = table.get(ban.id).filter(|known| known.in_force(now)) {
            return Learnt::InForce(Arc::clone(known));
        }
        let held = table.made_by(&ban.site, &ban.node);
        if self.rules.is_over_quota(&ban, held) && table.takes_room(&ban.subject) {
            drop(table);
            self.tell_over_quota(&ban, held);
            // Unlike a full table: else a node gone wild would keep out everybody.
            return Learnt::Useless;
        }
        match table.insert(Arc::clone(&ban), now) {
            Inserted::Added | Inserted::Replaced(_) => {}
            Inserted::Kept(known) => return Learnt::InForce(known),
            Inserted::Second(known) => {
                self.journal.append_soon(Record::Ban(ban), now);
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
            Inserted::Ended | Inserted::Forgotten => return Learnt::Useless,
        }
        self.journal.append_soon(Record::Ban(Arc::clone(&ban)), now);
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

    fn tell_over_quota(&self, ban: &Ban, held: usize) {
        // Once in a while: such a node makes many.
        if self.over_quota.fetch_add(1, Ordering::Relaxed).is_multiple_of(1000) {
            tracing::error!(
                node = %ban.node.escape_debug(),
                site = %ban.site.escape_debug(),
                held,
                "ledger.over-quota: so many bans of this node are in force, as `bans.table-per-node` allows; more of it \
                 count only where it made them. If it should not have so many: `portcullis cluster forget`"
            );
        }
    }

    pub(super) fn random_id(&self) -> BanId {
        BanId::from_bits(self.outside.chance())
    }

    pub(super) fn sweep(&self, now: Moment) {
        let held = {
            let mut table = self.table.write();
            table.sweep(now, self.batch);
            table.len() + table.lifts().len() + table.forgotten_len()
        };
        self.journal.flush();
        self.journal.tidy(held, self.batch);
    }

    pub(super) fn announce(&self, ban: &Arc<Ban>) {
        // Nobody may be listening.
        drop(self.news.send(Arc::clone(ban)));
    }
}

#[cfg(test)]
mod tests;
