//! What is counted of a policy: calls, failures, how long decisions take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fault::Failure;
use crate::latency::Latency;

/// Counters of one policy.
pub(super) struct Tally {
    pub(super) calls: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) bans: AtomicU64,
    took: Latency,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    failure: Option<Failure>,
    told: Option<Instant>,
    untold: u64,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            bans: AtomicU64::new(0),
            took: Latency::new(),
            last: Mutex::default(),
        }
    }

    pub(super) fn call(&self, took: Duration) {
        self.calls.fetch_add(1, Relaxed);
        self.took.record(took);
    }

    /// Counts a failure. `Some`: tell it now, for so many.
    pub(super) fn failure(&self, failure: &Failure, now: Instant, interval: Duration) -> Option<u64> {
        self.failures.fetch_add(1, Relaxed);
        let mut last = self.last.lock();
        last.failure = Some(failure.clone());
        last.untold += 1;
        if last.told.is_some_and(|told| now.duration_since(told) < interval) {
            return None;
        }
        last.told = Some(now);
        Some(std::mem::take(&mut last.untold))
    }

    pub(super) fn last_failure(&self) -> Option<String> {
        self.last.lock().failure.as_ref().map(ToString::to_string)
    }

    /// The time in microseconds that `percent` of the calls did not exceed; 0 before the first.
    pub(super) fn percentile(&self, percent: u64) -> f64 {
        self.took.percentile(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FailureKind;

    #[test]
    fn failures_are_told_once_an_interval_with_their_count() {
        let (tally, start, interval) = (Tally::new(), Instant::now(), Duration::from_secs(10));
        let failure = Failure::new(FailureKind::Trap, "x");
        assert_eq!(tally.failure(&failure, start, interval), Some(1));
        assert_eq!(tally.failure(&failure, start, interval), None);
        assert_eq!(tally.failure(&failure, start + interval, interval), Some(2));
    }
}
