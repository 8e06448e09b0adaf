//! What a policy has used of its bounds, at most: so that an operator sees how near it comes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use super::limits::Guest;
use super::quota::Spent;
use crate::config::settings::Bounds;

/// The most that one call has used so far.
#[derive(Default)]
pub(super) struct Used {
    memory: AtomicU64,
    elements: AtomicU64,
    host_calls: AtomicU64,
}

/// Bounds of a policy and what it has used of them, as `status` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Bytes of memory, the most of one call.
    pub memory: u64,
    /// `bounds.memory`
    pub memory_max: u64,
    /// Elements of tables, the most of one call.
    pub table_elements: u64,
    /// `bounds.table-elements`
    pub table_elements_max: u64,
    /// Host calls, the most of one call.
    pub host_calls: u64,
    /// `bounds.host-calls`
    pub host_calls_max: u64,
    /// Milliseconds of CPU time that one call may take: `bounds.cpu`.
    pub cpu_max_millis: u64,
    /// Milliseconds that one call may last: `bounds.wall`.
    pub wall_max_millis: u64,
    /// Operations of the store since it was loaded.
    #[serde(default)]
    pub store_operations: u64,
    /// Of these, what a second may have: `bounds.store-operations`.
    #[serde(default)]
    pub store_operations_max: u64,
    /// Bytes of keys and values, written and read, since it was loaded.
    #[serde(default)]
    pub store_bytes: u64,
    /// Of these, what a second may have: `bounds.store-bytes`.
    #[serde(default)]
    pub store_bytes_max: u64,
    /// Calls of the store that were refused, over one of the two.
    #[serde(default)]
    pub store_refused: u64,
    /// Lines for the log that were dropped, over `bounds.log-lines`.
    pub log_lines_dropped: u64,
}

impl Used {
    /// What a call has used; called behind it, whatever came of it.
    pub(super) fn note<H>(&self, guest: &Guest<H>, bounds: &Bounds) {
        let (memory, elements) = guest.used();
        // Nearly always nothing new: then nothing is written.
        for (peak, value) in [
            (&self.memory, memory as u64),
            (&self.elements, elements as u64),
            (&self.host_calls, bounds.host_calls.saturating_sub(guest.meter.host_calls_left()).into()),
        ] {
            if value > peak.load(Relaxed) {
                peak.fetch_max(value, Relaxed);
            }
        }
    }

    pub(super) fn read(&self, bounds: &Bounds, store: Spent, log_lines_dropped: u64) -> Figures {
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Figures {
            memory: self.memory.load(Relaxed),
            memory_max: bounds.memory as u64,
            table_elements: self.elements.load(Relaxed),
            table_elements_max: bounds.table_elements as u64,
            host_calls: self.host_calls.load(Relaxed),
            host_calls_max: bounds.host_calls.into(),
            cpu_max_millis: millis(bounds.cpu),
            wall_max_millis: millis(bounds.wall),
            store_operations: store.operations,
            store_operations_max: bounds.store_operations,
            store_bytes: store.bytes,
            store_bytes_max: bounds.store_bytes,
            store_refused: store.refused,
            log_lines_dropped,
        }
    }
}
