//! What is counted since the start, for `status`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

/// Counters of this server.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) refused_banned: AtomicU64,
    pub(super) refused_limit: AtomicU64,
    pub(super) logins: AtomicU64,
    pub(super) failed_logins: AtomicU64,
    pub(super) transfers: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    /// By the outcome's word: as many as there are words.
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Connections that the gate let in.
    pub accepted: u64,
    /// Refused by the gate: banned.
    pub refused_banned: u64,
    /// Refused by the gate: a limit.
    pub refused_limit: u64,
    /// Logins.
    pub logins: u64,
    /// Failed logins.
    pub failed_logins: u64,
    /// Transfers, listings among them.
    pub transfers: u64,
    /// Bytes received in transfers.
    pub bytes_in: u64,
    /// Bytes sent in transfers.
    pub bytes_out: u64,
    /// Connections that ended, by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// All of them now.
    pub fn read(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            accepted: read(&self.accepted),
            refused_banned: read(&self.refused_banned),
            refused_limit: read(&self.refused_limit),
            logins: read(&self.logins),
            failed_logins: read(&self.failed_logins),
            transfers: read(&self.transfers),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            outcomes: self.outcomes.lock().clone(),
        }
    }

    pub(super) fn ended(&self, word: &'static str) {
        *self.outcomes.lock().entry(word).or_default() += 1;
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
