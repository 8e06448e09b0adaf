//! What is counted of a policy: calls, failures, how long decisions take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fault::Failure;

/// Four for each doubling of a nanosecond: a percentile is at most a fifth too high.
const BUCKETS: usize = 64 * 4;

/// Counters of one policy.
pub(super) struct Tally {
    pub(super) calls: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) bans: AtomicU64,
    took: [AtomicU64; BUCKETS],
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
            took: [const { AtomicU64::new(0) }; BUCKETS],
            last: Mutex::default(),
        }
    }

    pub(super) fn call(&self, took: Duration) {
        self.calls.fetch_add(1, Relaxed);
        self.took[bucket(took)].fetch_add(1, Relaxed);
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
        let counts: Vec<u64> = self.took.iter().map(|count| count.load(Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() * percent).div_ceil(100);
        if wanted == 0 {
            return 0.0;
        }
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        top(found.unwrap_or(BUCKETS - 1))
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(4);
    let power = nanos.ilog2();
    (power as usize) * 4 + ((nanos >> (power - 2)) & 3) as usize
}

/// Upper end of a bucket in microseconds.
fn top(bucket: usize) -> f64 {
    let base = 2f64.powi(i32::try_from(bucket / 4).unwrap_or(i32::MAX));
    let nanos = base * (1.0 + ((bucket % 4) as f64 + 1.0) / 4.0);
    (nanos / 10.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FailureKind;

    #[test]
    fn percentiles_are_close() {
        let tally = Tally::new();
        assert_eq!(tally.percentile(50), 0.0);
        for micros in 1..=1000 {
            tally.call(Duration::from_micros(micros));
        }
        for (percent, exact) in [(50, 500.0), (99, 990.0)] {
            let told = tally.percentile(percent);
            assert!(told >= exact && told <= exact * 1.25, "p{percent} {told}");
        }
        tally.call(Duration::ZERO);
        tally.call(Duration::MAX);
    }

    #[test]
    fn failures_are_told_once_an_interval_with_their_count() {
        let (tally, start, interval) = (Tally::new(), Instant::now(), Duration::from_secs(10));
        let failure = Failure::new(FailureKind::Trap, "x");
        assert_eq!(tally.failure(&failure, start, interval), Some(1));
        assert_eq!(tally.failure(&failure, start, interval), None);
        assert_eq!(tally.failure(&failure, start + interval, interval), Some(2));
    }
}
