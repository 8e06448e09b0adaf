//! The clock that CPU bounds are measured with: a thread that advances the engine's epoch while guests run,
//! and sleeps when none has run for a while, so that an idle server costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, Thread, park, sleep};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Resolution of CPU bounds.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest before the thread goes to sleep: waking it costs as much as a short decision, so
/// it stays awake between the decisions of a busy server.
const GRACE: u32 = 50;

/// Ticks while a [`Ticking`] is held.
pub(super) struct Clock {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    guests: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// Held while a guest may run.
pub(super) struct Ticking(Arc<State>);

impl Clock {
    /// Starts the thread; it ends with the clock or the engine.
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Clock> {
        let state = Arc::new(State::default());
        let shared = state.clone();
        let thread = Builder::new().name("policy-clock".into()).spawn(move || run(&engine, &shared))?;
        Ok(Clock { state, thread: thread.thread().clone() })
    }

    /// Ticks from now on until the answer is dropped.
    pub(super) fn ticking(&self) -> Ticking {
        // The thread says that it sleeps before it looks for guests; here a guest is counted before that is
        // read. One of the two sees the other.
        let before = self.state.guests.fetch_add(1, Ordering::SeqCst);
        if before == 0 && self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(self.state.clone())
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(engine: &EngineWeak, state: &State) {
    let mut idle = 0;
    while let Some(alive) = engine.upgrade()
        && !state.ended.load(Ordering::SeqCst)
    {
        alive.increment_epoch();
        drop(alive);
        if state.guests.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else if idle < GRACE {
            idle += 1;
        } else {
            state.asleep.store(true, Ordering::SeqCst);
            if state.guests.load(Ordering::SeqCst) == 0 {
                park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            continue;
        }
        sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> wasmtime::Engine {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        wasmtime::Engine::new(&config).expect("engine")
    }

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..20_000 {
            if holds() {
                return;
            }
            sleep(TICK);
        }
        panic!("never: {what}");
    }

    #[test]
    fn it_sleeps_without_guests_wakes_for_each_and_ends() {
        let engine = engine();
        let clock = Clock::start(engine.weak()).expect("thread");
        let state = clock.state.clone();
        for _ in 0..20 {
            until("asleep", || state.asleep.load(Ordering::SeqCst));
            let ticking = clock.ticking();
            until("awake", || !state.asleep.load(Ordering::SeqCst));
            drop(ticking);
        }
        until("asleep", || state.asleep.load(Ordering::SeqCst));
        drop(clock);
        until("ended", || Arc::strong_count(&state) == 1);
    }
}
