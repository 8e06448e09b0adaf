//! Leaves a failing server alone for a while. Pure: the moment is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The breaker of one server.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures_max: u32,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// In use; failures in a row so far.
    Closed(u32),
    /// Left alone until then.
    Open(Instant),
    /// A trial is under way.
    Trial,
}

/// What to do with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Try it.
    Go,
    /// It fails at once.
    Refuse,
    /// It fails at once, and a trial should be made beside it: no client pays for trials.
    RefuseAndTry,
}

impl Breaker {
    /// Of a server that is in use.
    pub const fn new(failures_max: u32, pause: Duration) -> Breaker {
        Breaker { state: State::Closed(0), failures_max, pause }
    }

    /// What to do with the next operation.
    pub fn advice(&mut self, now: Instant) -> Advice {
        match self.state {
            State::Closed(_) => Advice::Go,
            State::Open(until) if until <= now => {
                self.state = State::Trial;
                Advice::RefuseAndTry
            }
            State::Open(_) | State::Trial => Advice::Refuse,
        }
    }

    /// True if the server was left alone until now.
    pub fn succeeded(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.state, State::Closed(0)), State::Closed(_))
    }

    /// True if the server is left alone from now on. `chance` in 0..1 spreads the trials of many nodes.
    pub fn failed(&mut self, now: Instant, chance: f64) -> bool {
        let pause = self.pause.mul_f64(0.75 + chance / 2.0);
        match self.state {
            State::Closed(failures) if failures + 1 < self.failures_max => {
                self.state = State::Closed(failures + 1);
                false
            }
            State::Closed(_) => {
                self.state = State::Open(now + pause);
                true
            }
            State::Trial => {
                self.state = State::Open(now + pause);
                false
            }
            // An operation that began before.
            State::Open(_) => false,
        }
    }

    /// Whether the server is in use.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// `closed`, `open` or `trial`.
    pub const fn name(&self) -> &'static str {
        match self.state {
            State::Closed(_) => "closed",
            State::Open(_) => "open",
            State::Trial => "trial",
        }
    }
}

/// Decides when the operator is told that a server is left alone, or back: one that flaps fills no log.
#[derive(Debug)]
pub(super) struct Telling {
    interval: Duration,
    told: Option<Instant>,
    told_alone: bool,
    alone: bool,
    changes: u64,
}

impl Telling {
    /// Of a server that is in use. It is told once in `interval`.
    pub(super) const fn new(interval: Duration) -> Telling {
        Telling { interval, told: None, told_alone: false, alone: false, changes: 0 }
    }

    /// Hears whether the server is left alone now. Changes since the last telling, if it is time to tell.
    pub(super) fn hear(&mut self, alone: bool, now: Instant) -> Option<u64> {
        if alone != self.alone {
            self.alone = alone;
            self.changes += 1;
        }
        let news = self.changes > 1 || alone != self.told_alone;
        if !news || self.told.is_some_and(|told| now < told + self.interval) {
            return None;
        }
        (self.told, self.told_alone) = (Some(now), alone);
        Some(std::mem::take(&mut self.changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_05_a_failing_server_is_tried_once_in_a_pause() {
        let start = Instant::now();
        let pause = Duration::from_secs(1);
        let mut breaker = Breaker::new(3, pause);
        assert!(!breaker.failed(start, 0.5));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed(start, 0.5) && !breaker.failed(start, 0.5) && breaker.failed(start, 0.5));
        assert_eq!(breaker.advice(start), Advice::Refuse);
        let later = start + pause;
        assert_eq!(breaker.advice(later), Advice::RefuseAndTry);
        assert_eq!(breaker.advice(later), Advice::Refuse, "one trial at a time");
        assert!(!breaker.failed(later, 0.5));
        assert_eq!(breaker.advice(later), Advice::Refuse);
        assert_eq!(breaker.advice(later + pause), Advice::RefuseAndTry);
        assert!(breaker.succeeded());
        assert_eq!(breaker.advice(later + pause), Advice::Go);
    }

    #[test]
    fn f_05_a_flapping_server_is_told_once_in_an_interval() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut telling = Telling::new(Duration::from_secs(10));
        assert_eq!(telling.hear(false, at(0)), None, "nothing has happened");
        assert_eq!(telling.hear(true, at(1)), Some(1));
        assert_eq!(telling.hear(true, at(12)), None, "nothing new");
        assert_eq!(telling.hear(false, at(13)), Some(1));
        for second in 14..23 {
            assert_eq!(telling.hear(second % 2 == 0, at(second)), None);
        }
        assert_eq!(telling.hear(false, at(23)), Some(10), "as it was, but for what happened between");
        assert_eq!(telling.hear(false, at(40)), None);
        assert_eq!(telling.hear(true, at(41)), Some(1));
        assert_eq!(telling.hear(false, at(42)), None);
        assert_eq!(telling.hear(false, at(51)), Some(1), "it comes, if late");
    }
}
