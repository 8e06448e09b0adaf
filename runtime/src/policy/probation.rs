//! A policy that was just swapped in is on probation: if it fails too often, or is far slower than the one
//! before, that one comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;

/// So many times slower than the one before is too slow.
const SLOWER: f64 = 10.0;
/// Half of its calls taking no longer than so many microseconds is never too slow.
const QUICK_MICROS: f64 = 5000.0;
/// The one before must have answered so often for the two to be compared.
const CALLS_TO_COMPARE: u64 = 20;

/// The first decisions of a policy behind a swap.
pub(super) struct Probation<L> {
    /// Answers until it has passed; 0: it is over.
    left: AtomicU32,
    failures: AtomicU32,
    failures_max: u32,
    condemned: AtomicBool,
    before: Mutex<Option<Arc<L>>>,
}

/// What an answer on probation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// Nothing to do.
    Goes,
    /// It has passed; the one before may go.
    Passed,
    /// It must go. Told once.
    Failed,
}

impl<L> Probation<L> {
    pub(super) fn new(before: Option<Arc<L>>, decisions: u32, failures_max: u32) -> Probation<L> {
        Probation {
            left: AtomicU32::new(if before.is_some() { decisions } else { 0 }),
            failures: AtomicU32::new(0),
            failures_max,
            condemned: AtomicBool::new(false),
            before: Mutex::new(before),
        }
    }

    /// Answers that are still to come.
    pub(super) fn left(&self) -> u32 {
        self.left.load(Relaxed)
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Relaxed)
    }

    /// The one before, to be put back.
    pub(super) fn before(&self) -> Option<Arc<L>> {
        self.before.lock().clone()
    }

    /// Counts an answer. `p50` is asked at the end only: microseconds that half of the calls took, its own and
    /// those of the one before with how many there were.
    pub(super) fn answered(&self, failed: bool, p50: impl FnOnce(&L) -> (f64, f64, u64)) -> Trial {
        if self.left.load(Relaxed) == 0 || self.is_condemned() {
            return Trial::Goes;
        }
        if failed && self.failures.fetch_add(1, Relaxed) + 1 >= self.failures_max {
            return self.condemn();
        }
        let Ok(left) = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) else { return Trial::Goes };
        if left > 1 {
            return Trial::Goes;
        }
        let too_slow = self.before().is_some_and(|before| {
            let (own, theirs, calls) = p50(&before);
            too_slow(own, theirs, calls)
        });
        if too_slow {
            return self.condemn();
        }
        *self.before.lock() = None;
        Trial::Passed
    }

    fn condemn(&self) -> Trial {
        if self.condemned.swap(true, Relaxed) { Trial::Goes } else { Trial::Failed }
    }
}

fn too_slow(own: f64, before: f64, calls: u64) -> bool {
    calls >= CALLS_TO_COMPARE && own > QUICK_MICROS && own > before * SLOWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_23_far_slower_than_before_is_too_slow() {
        assert!(too_slow(60_000.0, 20.0, 1000));
        assert!(!too_slow(60_000.0, 20.0, 3), "too few to compare");
        assert!(!too_slow(400.0, 20.0, 1000), "quick all the same");
        assert!(!too_slow(60_000.0, 30_000.0, 1000));
    }

    #[test]
    fn w_23_the_one_before_comes_back_after_so_many_failures_and_is_told_once() {
        let probation = Probation::new(Some(Arc::new("old")), 100, 3);
        let answers: Vec<Trial> =
            [true, false, true, true, true].map(|failed| probation.answered(failed, |_| (0.0, 0.0, 0))).into();
        assert_eq!(answers, [Trial::Goes, Trial::Goes, Trial::Goes, Trial::Failed, Trial::Goes]);
        assert_eq!(probation.before().as_deref(), Some(&"old"));
        let slow = Probation::new(Some(Arc::new("old")), 2, 3);
        assert_eq!(slow.answered(false, |_| (90_000.0, 10.0, 99)), Trial::Goes, "compared at the end only");
        assert_eq!(slow.answered(false, |_| (90_000.0, 10.0, 99)), Trial::Failed);
        let good = Probation::new(Some(Arc::new("old")), 2, 3);
        assert_eq!(
            [false, true].map(|failed| good.answered(failed, |_| (9.0, 10.0, 99))),
            [Trial::Goes, Trial::Passed]
        );
        assert_eq!((good.before(), good.left()), (None, 0));
    }

    #[test]
    fn a_policy_without_one_before_is_on_no_probation() {
        let probation = Probation::<()>::new(None, 100, 1);
        for _ in 0..10 {
            assert_eq!(probation.answered(true, |_| (0.0, 0.0, 0)), Trial::Goes);
        }
        assert_eq!((probation.left(), probation.is_condemned()), (0, false));
    }
}
