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

    /// `closed`, `open` or `trial`.
    pub const fn name(&self) -> &'static str {
        match self.state {
            State::Closed(_) => "closed",
            State::Open(_) => "open",
            State::Trial => "trial",
        }
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
}
