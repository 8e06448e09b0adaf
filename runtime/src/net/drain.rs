//! Stopping: the first request ends listening and asks sessions to finish, the second ends everything now.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far stopping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// No new connections; sessions finish what they do.
    Draining,
    /// At once.
    Now,
}

/// Asks everybody to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Phase>);

/// Is told to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Phase>);

/// SIGTERM and SIGINT, caught from here on: before, either would have killed the process.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Catches them. To be done before anybody is told that the server is ready.
    ///
    /// # Errors
    /// When the process may not handle signals.
    pub fn catch() -> std::io::Result<StopSignals> {
        // Under `ulimit -f` a write beyond the limit would end the process. Once caught, it is an error of
        // that write alone.
        let _caught = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

impl Default for Stopper {
    fn default() -> Stopper {
        Stopper::new()
    }
}

impl Stopper {
    /// Nobody has asked yet.
    pub fn new() -> Stopper {
        Stopper(watch::channel(Phase::Running).0)
    }

    /// Someone who is told.
    pub fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// One step on: from running to draining, from draining to now.
    pub fn advance(&self) {
        self.0.send_modify(|phase| {
            *phase = if *phase == Phase::Running { Phase::Draining } else { Phase::Now };
        });
    }

    /// Advances with each signal, until nothing is left to stop.
    pub async fn follow(&self, mut signals: StopSignals) {
        while *self.0.borrow() != Phase::Now {
            tokio::select! {
                _ = signals.terminate.recv() => {}
                _ = signals.interrupt.recv() => {}
            }
            self.advance();
        }
    }
}

impl Stop {
    /// How far stopping has come.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Ends once draining has begun. A stopper that is gone counts as "now".
    pub async fn stopping(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Ends once everything shall end at once.
    pub async fn now(&self) {
        self.reached(Phase::Now).await;
    }

    async fn reached(&self, wanted: Phase) {
        let _ = self.0.clone().wait_for(|phase| *phase >= wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f_28_the_second_request_ends_it_at_once() {
        let stopper = Stopper::new();
        let stop = stopper.stop();
        assert_eq!(stop.phase(), Phase::Running);
        stopper.advance();
        stop.stopping().await;
        assert_eq!(stop.phase(), Phase::Draining);
        stopper.advance();
        stop.now().await;
        stopper.advance();
        assert_eq!(stop.phase(), Phase::Now);
    }
}
