//! Whether a policy is asked at all: one that fails again and again is left alone for a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What the last answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Too many failures in a row: the operator is told.
    Suspended,
    /// The trial went well.
    Resumed,
}

/// The health of one policy.
pub(super) struct Health {
    state: Mutex<State>,
    after: u32,
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Sound {
        failures: u32,
    },
    /// Left alone until then; then one trial begins the next pause, however it ends.
    Suspended {
        until: Instant,
    },
}

impl Health {
    pub(super) fn new(after: u32, pause: Duration) -> Health {
        Health { state: Mutex::new(State::Sound { failures: 0 }), after, pause }
    }

    /// May it be asked? While suspended: one trial for each pause.
    pub(super) fn admits(&self, now: Instant) -> bool {
        match &mut *self.state.lock() {
            State::Sound { .. } => true,
            State::Suspended { until } if now >= *until => {
                *until = now + self.pause;
                true
            }
            State::Suspended { .. } => false,
        }
    }

    pub(super) fn good(&self) -> Change {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut *state, State::Sound { failures: 0 });
        if matches!(before, State::Suspended { .. }) { Change::Resumed } else { Change::None }
    }

    pub(super) fn bad(&self, now: Instant) -> Change {
        let mut state = self.state.lock();
        match &mut *state {
            State::Sound { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < self.after {
                    return Change::None;
                }
                *state = State::Suspended { until: now + self.pause };
                Change::Suspended
            }
            State::Suspended { until } => {
                *until = now + self.pause;
                Change::None
            }
        }
    }

    pub(super) fn is_suspended(&self) -> bool {
        matches!(*self.state.lock(), State::Suspended { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_20_a_policy_that_fails_in_a_row_is_suspended_and_tried_again() {
        let pause = Duration::from_secs(10);
        let health = Health::new(3, pause);
        let start = Instant::now();
        assert_eq!([health.bad(start), health.bad(start)], [Change::None; 2]);
        assert_eq!(health.good(), Change::None);
        assert_eq!(
            [health.bad(start), health.bad(start), health.bad(start)],
            [Change::None, Change::None, Change::Suspended]
        );
        assert!(!health.admits(start + pause / 2));
        assert!(health.admits(start + pause), "one trial");
        assert!(!health.admits(start + pause), "only one");
        assert_eq!(health.bad(start + pause), Change::None, "told once");
        assert!(health.admits(start + pause * 2));
        assert_eq!(health.good(), Change::Resumed);
        assert!(health.admits(start) && !health.is_suspended());
    }
}
