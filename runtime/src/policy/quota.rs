//! How much of the store one policy may use in a second: operations, and bytes of keys and values either way.
//!
//! Each is a bucket that holds a second's worth and empties evenly. Time is that of the events, so nothing here
//! reads a clock, and a policy that does not call the store pays nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::entries::EntryError;
use crate::config::settings::Bounds;
use crate::moment::Moment;

/// What a bucket holds, in nanoseconds of its rate.
const SECOND: u64 = 1_000_000_000;
/// An answer that was larger than the bucket had room for is paid off within so much more.
const DEBT_MAX: u64 = 2 * SECOND;
/// Refusals are told once in so many milliseconds of the events' time.
const TELL_EVERY: u64 = 60_000;

/// The quota of one policy, shared by its instances.
pub(super) struct Quota {
    state: Mutex<State>,
    operations: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

struct State {
    operations: Bucket,
    bytes: Bucket,
    /// Milliseconds at which refusals were told last; those since then.
    told: Option<u64>,
    untold: u64,
}

/// A bucket as the moment until which it is not empty, in nanoseconds of Unix time.
#[derive(Clone, Copy)]
struct Bucket {
    a_second: u64,
    until: u64,
}

/// What one call asks of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Keys that are read or written.
    pub(super) operations: usize,
    /// Bytes that are sent; those that come back are added when they are there.
    pub(super) bytes: usize,
}

/// What was used so far, and what is allowed in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) operations: u64,
    pub(super) bytes: u64,
    pub(super) refused: u64,
}

impl Bucket {
    const fn new(a_second: u64) -> Bucket {
        Bucket { a_second, until: 0 }
    }

    /// With so much more in it; `now` and the answer in nanoseconds of Unix time.
    fn with(self, amount: u64, now: u64) -> u64 {
        // The clock of the events went back, or another node's is behind: what was used before is forgotten.
        let until = if self.until > now.saturating_add(DEBT_MAX) { now } else { self.until.max(now) };
        let more = u128::from(amount) * u128::from(SECOND) / u128::from(self.a_second.max(1));
        until.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }

    /// With so much more in it, if it has room.
    fn filled(self, amount: u64, now: u64) -> Option<u64> {
        Some(self.with(amount, now)).filter(|until| *until <= now.saturating_add(SECOND))
    }
}

impl Quota {
    pub(super) fn new(bounds: &Bounds) -> Quota {
        Quota {
            state: Mutex::new(State {
                operations: Bucket::new(bounds.store_operations),
                bytes: Bucket::new(bounds.store_bytes),
                told: None,
                untold: 0,
            }),
            operations: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes a call off the quota, or nothing of it.
    ///
    /// # Errors
    /// `OverQuota`; and how many refusals are to be told now, if any.
    pub(super) fn take(&self, cost: Cost, now: Moment) -> Result<(), (EntryError, Option<u64>)> {
        let (operations, bytes) = (cost.operations as u64, cost.bytes as u64);
        let nanos = now.millis().saturating_mul(1_000_000);
        let mut state = self.state.lock();
        let filled = (state.operations.filled(operations, nanos), state.bytes.filled(bytes, nanos));
        let over = match filled {
            (Some(of_operations), Some(of_bytes)) => {
                state.operations.until = of_operations;
                state.bytes.until = of_bytes;
                drop(state);
                self.operations.fetch_add(operations, Relaxed);
                self.bytes.fetch_add(bytes, Relaxed);
                return Ok(());
            }
            (None, _) => "bounds.store-operations",
            (_, None) => "bounds.store-bytes",
        };
        self.refused.fetch_add(1, Relaxed);
        state.untold += 1;
        let due = state.told.is_none_or(|told| now.millis().abs_diff(told) >= TELL_EVERY);
        let tell = due.then(|| {
            state.told = Some(now.millis());
            std::mem::take(&mut state.untold)
        });
        Err((EntryError::OverQuota(over), tell))
    }

    /// Bytes that an answer brought: they are in the bucket whether it had room for them or not.
    pub(super) fn brought(&self, bytes: usize, now: Moment) {
        if bytes == 0 {
            return;
        }
        let nanos = now.millis().saturating_mul(1_000_000);
        let mut state = self.state.lock();
        state.bytes.until = state.bytes.with(bytes as u64, nanos).min(nanos.saturating_add(DEBT_MAX));
        drop(state);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn spent(&self) -> Spent {
        Spent {
            operations: self.operations.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(operations: u64, bytes: u64) -> Quota {
        let bounds = crate::config::defaults().keys.bounds;
        Quota::new(&Bounds { store_operations: operations, store_bytes: bytes, ..bounds })
    }

    const fn at(millis: u64) -> Moment {
        Moment::from_millis(1_700_000_000_000 + millis)
    }

    const fn one(bytes: usize) -> Cost {
        Cost { operations: 1, bytes }
    }

    fn over(quota: &Quota, cost: Cost, now: Moment) -> &'static str {
        match quota.take(cost, now) {
            Err((EntryError::OverQuota(which), _)) => which,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn w_07_a_second_has_so_many_operations_and_they_come_back_evenly() {
        let quota = quota(10, 1 << 20);
        assert!((0..10).all(|_| quota.take(one(1), at(0)).is_ok()));
        assert_eq!(over(&quota, one(1), at(99)), "bounds.store-operations");
        assert!(quota.take(one(1), at(100)).is_ok(), "a refusal takes nothing");
        assert_eq!(over(&quota, one(1), at(100)), "bounds.store-operations");
        assert_eq!(over(&quota, Cost { operations: 11, bytes: 1 }, at(60_000)), "bounds.store-operations");
        assert!(quota.take(Cost { operations: 10, bytes: 1 }, at(60_000)).is_ok(), "no credit beyond a second");
        assert_eq!(quota.spent(), Spent { operations: 21, bytes: 12, refused: 3 });
    }

    #[test]
    fn bytes_that_come_back_count_and_their_debt_is_bounded() {
        let quota = quota(1000, 1000);
        assert_eq!(over(&quota, one(1001), at(0)), "bounds.store-bytes");
        assert!(quota.take(one(10), at(0)).is_ok());
        quota.brought(1_000_000, at(0));
        quota.brought(0, at(0));
        assert_eq!(over(&quota, one(1), at(900)), "bounds.store-bytes");
        assert!(quota.take(one(1), at(1100)).is_ok());
        assert_eq!(quota.spent().bytes, 1_000_011);
    }

    #[test]
    fn w_24_a_clock_that_goes_back_shuts_nobody_out() {
        let quota = quota(1, 1000);
        assert!(quota.take(one(1), at(3_600_000)).is_ok());
        assert!(quota.take(one(1), at(0)).is_ok());
    }

    #[test]
    fn refusals_are_told_once_a_minute_with_their_number() {
        let quota = quota(1, 1000);
        let told = |millis| quota.take(Cost { operations: 2, bytes: 0 }, at(millis)).expect_err("too many").1;
        assert_eq!([told(0), told(1), told(59_999), told(60_000)], [Some(1), None, None, Some(3)]);
    }

    proptest! {
        #[test]
        fn whenever_it_is_asked_no_second_has_more_than_two_seconds_worth(
            rate in 1_u64..50, steps in proptest::collection::vec((1_usize..5, 0_u64..400), 1..200)
        ) {
            let quota = quota(rate, u64::MAX);
            let (mut now, mut granted) = (0, Vec::new());
            for (operations, pause) in steps {
                now += pause;
                if quota.take(Cost { operations, bytes: 0 }, at(now)).is_ok() {
                    granted.push((now, operations as u64));
                }
            }
            for (from, _) in &granted {
                let within = granted.iter().filter(|(when, _)| (*from..*from + 1000).contains(when));
                prop_assert!(within.map(|(_, count)| count).sum::<u64>() <= 2 * rate);
            }
        }
    }
}
