//! How long things took: counts in buckets, read without stopping whoever counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Four for each doubling of a nanosecond: a percentile is at most a fifth too high.
const BUCKETS: usize = 64 * 4;

/// Durations since the start.
#[derive(Debug)]
pub struct Latency {
    took: [AtomicU64; BUCKETS],
}

impl Latency {
    /// None yet.
    pub const fn new() -> Latency {
        Latency { took: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    /// Counts one.
    pub fn record(&self, took: Duration) {
        self.took[bucket(took)].fetch_add(1, Relaxed);
    }

    /// The time in microseconds that `percent` of them did not exceed; 0 before the first.
    pub fn percentile(&self, percent: u64) -> f64 {
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

impl Default for Latency {
    fn default() -> Latency {
        Latency::new()
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

    #[test]
    fn percentiles_are_close() {
        let latency = Latency::new();
        assert_eq!(latency.percentile(50), 0.0);
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        for (percent, exact) in [(50, 500.0), (99, 990.0)] {
            let told = latency.percentile(percent);
            assert!(told >= exact && told <= exact * 1.25, "p{percent} {told}");
        }
        latency.record(Duration::ZERO);
        latency.record(Duration::MAX);
    }
}
