//! Puts a ledger together, and does its rounds: sweeping, retrying, looking at the pool's journal.

use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use super::again::{self, Again};
use super::ban::BanId;
use super::disk::Disk;
use super::file::{Journal, LedgerError};
use super::follow::{self, Sync};
use super::foreign::Foreign;
use super::forget::ToForget;
use super::keeper::{BanWriter, Bans, Ledger};
use super::outside::{Outside, System};
use super::pool;
use super::rules::Rules;
use super::streams::Streams;
use super::table::Table;
use crate::config::Settings;
use crate::store::{Derive, SEAL_BYTES, SharedStore};

/// A reader that is behind reads so many pages in a sync interval.
pub const CATCH_UP: u32 = 20;

/// A clock that differs by so much more than before was set.
const CLOCK_SET: Duration = Duration::from_secs(5);

/// Reads the journal and starts the rounds. To be called within a tokio runtime; reads the disk, so before
/// anybody is served.
///
/// # Errors
/// What the operator must mend.
pub fn open(settings: &Settings, store: SharedStore, keys: Arc<dyn Derive>) -> Result<(Bans, BanWriter), LedgerError> {
    let bans = &settings.bans;
    let table = Arc::new(RwLock::new(Table::new(bans.table)));
    let outside: Arc<dyn Outside> = Arc::new(System);
    let journal = Journal::open(&settings.server.state, &table, bans.fsync, bans.queue, Arc::clone(&outside))?;
    let ledger = put_together(settings, store, keys, outside, table, journal);
    tokio::spawn(upkeep(Arc::downgrade(&ledger), bans.upkeep));
    tokio::spawn(follow_pool(Arc::downgrade(&ledger), bans.sync));
    Ok((Bans(Arc::clone(&ledger)), BanWriter(ledger)))
}

/// A ledger whose work nobody does yet.
#[derive(Debug)]
pub struct Assembled<Writing, Upkeep, Following> {
    /// Asks it.
    pub bans: Bans,
    /// Changes it.
    pub writer: BanWriter,
    /// Brings to the disk what is to be brought there.
    pub writing: Writing,
    /// Sweeps, and tries again what failed.
    pub upkeep: Upkeep,
    /// Looks at the pool's journal.
    pub following: Following,
}

/// The ledger that [`open`] opens, over a disk, a time and a chance that are handed in; `written` is what its
/// journal holds on that disk. The three pieces of work end when its handles are gone, and are to run beside each
/// other until then. For simulations.
///
/// # Errors
/// Those of the disk.
pub fn assemble<D: Disk>(
    settings: &Settings,
    store: SharedStore,
    keys: Arc<dyn Derive>,
    outside: Arc<dyn Outside>,
    disk: D,
    written: &[u8],
) -> std::io::Result<
    Assembled<impl Future<Output = ()> + use<D>, impl Future<Output = ()> + use<D>, impl Future<Output = ()> + use<D>>,
> {
    let bans = &settings.bans;
    let table = Arc::new(RwLock::new(Table::new(bans.table)));
    let (journal, writing) = Journal::over(disk, written, &table, bans.fsync, bans.queue, Arc::clone(&outside))?;
    let ledger = put_together(settings, store, keys, outside, table, journal);
    Ok(Assembled {
        writing,
        upkeep: upkeep(Arc::downgrade(&ledger), bans.upkeep),
        following: follow_pool(Arc::downgrade(&ledger), bans.sync),
        bans: Bans(Arc::clone(&ledger)),
        writer: BanWriter(ledger),
    })
}

fn put_together(
    settings: &Settings,
    store: SharedStore,
    keys: Arc<dyn Derive>,
    outside: Arc<dyn Outside>,
    table: Arc<RwLock<Table>>,
    journal: Journal,
) -> Arc<Ledger> {
    let bans = &settings.bans;
    let turn = BanId::from_bits(outside.chance()).chance();
    let sync = Sync::new(Streams::new(&*store, &settings.server.site), settings, turn);
    Arc::new(Ledger {
        table,
        rules: Rules::new(settings),
        journal,
        store,
        keys,
        store_deadline: settings.timeouts.store,
        value_bytes: settings.store.value_bytes - SEAL_BYTES,
        unpublished: Mutex::default(),
        sync,
        again: Again::default(),
        to_forget: ToForget::default(),
        foreign: Foreign::of(settings),
        queue: bans.queue,
        batch: bans.upkeep_batch,
        learnt: AtomicU64::new(0),
        unanswered: AtomicU64::new(0),
        strange: AtomicU64::new(0),
        forged: AtomicU64::new(0),
        over_quota: AtomicU64::new(0),
        outside,
        news: broadcast::channel(bans.queue).0,
        bans_max: bans.table,
    })
}

/// Rounds of sweeping and retrying, until the last handle is gone. While there is something to compare with the
/// store, rounds come faster.
async fn upkeep(ledger: Weak<Ledger>, every: Duration) {
    let mut pause = every;
    let mut apart = Duration::ZERO;
    loop {
        let Some(waiting) = ledger.upgrade().map(|ledger| ledger.outside.pause(pause)) else { return };
        waiting.await;
        let Some(ledger) = ledger.upgrade() else { return };
        apart = compare_clocks(&*ledger.outside, apart);
        ledger.sweep(ledger.outside.now());
        pool::publish_waiting(&ledger, every).await;
        ledger.again.begin_what_found_no_room(&ledger, ledger.outside.now());
        again::step(&ledger, ledger.outside.now()).await;
        pause = if ledger.again.is_under_way() { every / 4 } else { every };
    }
}

/// Looks at the pool's journal, until the last handle is gone.
async fn follow_pool(ledger: Weak<Ledger>, every: Duration) {
    loop {
        let Some(strong) = ledger.upgrade() else { return };
        let behind = follow::round(&strong, strong.outside.now()).await;
        // Nodes that were started at once do not ask at once for ever.
        let jitter = every.mul_f64(strong.random_id().share() / 10.0);
        let waiting = strong.outside.pause(if behind { every / CATCH_UP } else { every - jitter });
        drop(strong);
        waiting.await;
    }
}

/// Tells when somebody has set the system's clock since the last round; how far apart the clocks are now.
fn compare_clocks(outside: &dyn Outside, before: Duration) -> Duration {
    let (ours, shown) = (outside.now(), outside.shown());
    let apart = ours.until(shown) + shown.until(ours);
    if apart.abs_diff(before) > CLOCK_SET {
        tracing::warn!(
            by = %humantime::format_duration(Duration::from_secs(apart.as_secs())),
            "clock.set: bans go on by the time that passes; a restart follows the clock"
        );
    }
    apart
}
