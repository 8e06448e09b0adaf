//! How fast bytes may move: token buckets, told the time, and the throttle that asks several of them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::waits;

/// What may go at once behind a pause: so much that a timer's late wake-up costs no speed, so little that a
/// client does not see bursts.
const BURST: Duration = Duration::from_millis(100);

/// A bucket of tokens as the moment at which it is full again. Bytes are taken first and waited for
/// afterwards: who takes much waits long, and nobody is left behind for ever.
#[derive(Debug)]
struct Bucket {
    /// Bytes a second, never 0.
    rate: u64,
    /// When all that was taken has been paid, since the bucket's beginning.
    paid: Duration,
}

impl Bucket {
    /// Takes bytes at a moment; how long to wait until they are paid.
    fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        let from = self.paid.max(now.saturating_sub(BURST));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        self.paid = from.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        self.paid.saturating_sub(now)
    }
}

/// A rate that several transfers share.
#[derive(Debug)]
pub struct Rate {
    begun: Instant,
    bucket: Mutex<Bucket>,
}

impl Rate {
    /// So many bytes a second, at least 1.
    pub fn new(rate: u64) -> Rate {
        Rate { begun: Instant::now(), bucket: Mutex::new(Bucket { rate: rate.max(1), paid: Duration::ZERO }) }
    }

    /// Another rate from now on, for all who share it.
    pub fn set(&self, rate: u64) {
        self.bucket.lock().rate = rate.max(1);
    }

    fn take(&self, bytes: u64) -> Duration {
        self.bucket.lock().take(bytes, self.begun.elapsed())
    }

    fn rate(&self) -> u64 {
        self.bucket.lock().rate
    }
}

/// The rates that one transfer keeps to: the user's, the server's, or none, which costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Vec<Arc<Rate>>);

/// Blocks of a throttled transfer last this long, so that its bytes flow evenly.
const SLICES_A_SECOND: u64 = 8;
const SLICE_BYTES_MIN: u64 = 1024;

impl Throttle {
    /// Of all those that there are.
    pub fn of(rates: impl IntoIterator<Item = Option<Arc<Rate>>>) -> Throttle {
        Throttle(rates.into_iter().flatten().collect())
    }

    /// Bytes that shall move at once, of a block that could hold `most`.
    pub fn slice(&self, most: usize) -> usize {
        let slices = self.0.iter().map(|rate| (rate.rate() / SLICES_A_SECOND).max(SLICE_BYTES_MIN));
        slices.min().map_or(most, |slice| usize::try_from(slice).unwrap_or(usize::MAX).min(most))
    }

    /// Waits until bytes that have moved are paid.
    pub async fn pass(&self, bytes: usize) {
        let wait = self.0.iter().map(|rate| rate.take(bytes as u64)).max().unwrap_or_default();
        if !wait.is_zero() {
            waits::pause(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn bytes_are_waited_for_at_the_rate() {
        let mut bucket = Bucket { rate: 1000, paid: Duration::ZERO };
        assert_eq!(bucket.take(500, millis(0)), millis(500));
        assert_eq!(bucket.take(500, millis(0)), millis(1000), "a second transfer stands behind the first");
        assert_eq!(bucket.take(100, millis(1000)), millis(100));
        assert_eq!(bucket.take(200, millis(60_000)), millis(100), "idle time is no credit beyond the burst");
    }

    #[tokio::test]
    async fn transfers_share_a_rate_and_the_slowest_of_several_counts() {
        let (shared, own) = (Arc::new(Rate::new(100_000)), Arc::new(Rate::new(10_000_000)));
        let one = Throttle::of([Some(shared.clone()), Some(own)]);
        let two = Throttle::of([None, Some(shared.clone())]);
        assert_eq!((one.slice(64 * 1024), two.slice(512)), (12_500, 512));
        let started = Instant::now();
        let half = async |throttle: Throttle| {
            for _ in 0..16 {
                throttle.pass(1250).await;
            }
        };
        tokio::join!(half(one), half(two));
        // 40,000 bytes, of which one burst may go at once.
        assert!(started.elapsed() >= millis(300), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn without_a_rate_nothing_waits_and_blocks_are_whole() {
        let throttle = Throttle::of([None, None]);
        assert_eq!(throttle.slice(65_536), 65_536);
        throttle.pass(usize::MAX).await;
    }

    proptest! {
        #[test]
        fn whatever_is_taken_whenever_the_rate_holds(
            rate in 1_u64..10_000_000, takes in proptest::collection::vec((0_u64..1_000_000, 0_u64..2_000), 1..40)
        ) {
            let mut bucket = Bucket { rate, paid: Duration::ZERO };
            let (mut now, mut moved, mut last) = (Duration::ZERO, 0_u128, Duration::ZERO);
            for (bytes, pause) in takes {
                now += Duration::from_millis(pause);
                last = last.max(now + bucket.take(bytes, now));
                moved += u128::from(bytes);
            }
            // Up to the moment at which all is paid no more than the rate and one burst has moved.
            let allowed = (last + BURST).as_nanos() * u128::from(rate) / 1_000_000_000 + 40;
            prop_assert!(moved <= allowed, "{moved} of {allowed}");
        }
    }
}
