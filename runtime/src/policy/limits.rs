//! What bounds one instance and one call of it: memory, tables, CPU, host calls, bytes.

use std::thread::{ThreadId, current};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use super::clock::TICK;
use super::engine::Engine;
use super::fault::{FailureKind, Spent};
use crate::config::settings::Bounds;
use crate::waits::{self, Wait};

/// Handles of resources that a guest may hold: the contract has none, so this is for toolchains.
const HANDLES_MAX: usize = 1024;
/// Calls of WASI in one call of a guest; more end it.
const WASI_CALLS_MAX: u32 = 10_000;

/// What a store holds while a guest runs; `H` is what its host functions may use.
pub(super) struct Guest<H> {
    limits: Limits,
    pub(super) meter: Meter,
    pub(super) host: H,
}

impl<H> Guest<H> {
    /// Bytes of memory and elements of tables that it holds.
    pub(super) const fn used(&self) -> (usize, usize) {
        (self.limits.memory_used, self.limits.elements_used)
    }
}

impl<H: Send + 'static> Guest<H> {
    /// A store whose guest is bounded. A call must be armed before anything runs in it.
    pub(super) fn store(engine: &Engine, bounds: &Bounds, host: H) -> Store<Guest<H>> {
        let limits =
            Limits { memory: bounds.memory, elements: bounds.table_elements, memory_used: 0, elements_used: 0 };
        let mut store = Store::new(&engine.wasm, Guest { limits, meter: Meter::default(), host });
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(bounds.transfer_bytes);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|mut guest| {
            let meter = &mut guest.data_mut().meter;
            let until_end = meter.ends.saturating_duration_since(Instant::now());
            if until_end.is_zero() {
                return Err(Spent(FailureKind::Wall).into());
            }
            let left = meter.left();
            Ok(if left.is_zero() {
                UpdateDeadline::Interrupt
            } else {
                UpdateDeadline::Continue(ticks(left.min(until_end)))
            })
        });
        store
    }
}

/// Gives the next call its budgets. A guest that computes does not pause, so nobody can give up waiting for it
/// while it does: it is stopped when its CPU time is used up, or after `wall` on a machine that gives it none.
pub(super) fn arm<H>(store: &mut Store<Guest<H>>, cpu: Duration, wall: Duration, host_calls: u32, seed: u64) {
    arm_at(store, Instant::now(), cpu, wall, host_calls, seed);
}

/// As [`arm`], for a call that began at a moment which the caller knows: reading the clock costs as much as a
/// short host call.
pub(super) fn arm_at<H>(
    store: &mut Store<Guest<H>>,
    began: Instant,
    cpu: Duration,
    wall: Duration,
    host_calls: u32,
    seed: u64,
) {
    let rough = cpu / 2;
    store.data_mut().meter = Meter {
        cpu: Cpu::Rough { left: rough, exact: cpu - rough, began },
        host_calls,
        wasi_calls: WASI_CALLS_MAX,
        chance: seed,
        ends: began + wall,
    };
    store.set_epoch_deadline(ticks(rough.min(wall)));
}

/// A turn before the deadline, and whether it had to be waited for. Where one is free, no clock is asked.
pub(super) async fn turn(turns: &Semaphore, deadline: Instant) -> Option<(SemaphorePermit<'_>, bool)> {
    if let Ok(turn) = turns.try_acquire() {
        return Some((turn, false));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let turn = waits::for_at_most(left, Wait::Ruling, turns.acquire()).await.ok()?.ok()?;
    Some((turn, true))
}

/// Ticks after which `span` has passed for sure: the first may come at once.
fn ticks(span: Duration) -> u64 {
    u64::try_from(span.as_micros().div_ceil(TICK.as_micros())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

/// The budgets of one call.
pub(super) struct Meter {
    cpu: Cpu,
    host_calls: u32,
    wasi_calls: u32,
    /// The state of the sequence that stands for randomness.
    chance: u64,
    /// When the call is over, whatever is left of all else.
    ends: Instant,
}

/// CPU time. Asking the system for it costs as much as a short call, so nearly every call is over while the
/// wall clock still stands for it; a call that lasts is measured, so that a guest is not blamed for a
/// processor that others held.
#[derive(Clone, Copy)]
enum Cpu {
    /// By the wall clock; then `exact` is left.
    Rough { left: Duration, exact: Duration, began: Instant },
    /// By the clock of the thread that it runs on, which showed `at` when `left` was left.
    Exact { left: Duration, thread: ThreadId, at: Duration },
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            cpu: Cpu::Rough { left: Duration::ZERO, exact: Duration::ZERO, began: Instant::now() },
            host_calls: 0,
            wasi_calls: 0,
            chance: 0,
            ends: Instant::now(),
        }
    }
}

impl Meter {
    /// Takes one host call off the budget.
    ///
    /// # Errors
    /// `Spent`, which ends the call.
    pub(super) fn host_call(&mut self) -> Result<(), Spent> {
        self.host_calls = self.host_calls.checked_sub(1).ok_or(Spent(FailureKind::HostCalls))?;
        Ok(())
    }

    /// Takes one call of WASI off its own budget: toolchains make some at start-up, whatever a policy may do.
    ///
    /// # Errors
    /// `Spent`, which ends the call.
    pub(super) fn wasi_call(&mut self) -> Result<(), Spent> {
        self.wasi_calls = self.wasi_calls.checked_sub(1).ok_or(Spent(FailureKind::HostCalls))?;
        Ok(())
    }

    /// The next of the sequence (splitmix64): well spread, never secret.
    pub(super) fn chance(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Host calls that are left.
    pub(super) fn host_calls_left(&self) -> u32 {
        self.host_calls
    }

    /// Awaits on behalf of the guest: time that passes so is not the guest's CPU time.
    pub(super) async fn awaiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let before = self.cpu.settled();
        let result = work.await;
        self.cpu = before.resumed();
        result
    }

    /// What is left when the guest is stopped to look; zero ends the call.
    fn left(&mut self) -> Duration {
        self.cpu = match self.cpu.settled() {
            Cpu::Rough { left: Duration::ZERO, exact, .. } => {
                Cpu::Exact { left: exact, thread: current().id(), at: thread_clock() }
            }
            settled => settled,
        };
        match self.cpu {
            Cpu::Rough { left, .. } | Cpu::Exact { left, .. } => left,
        }
    }
}

impl Cpu {
    /// With what was used until now taken off.
    fn settled(self) -> Cpu {
        match self {
            Cpu::Rough { left, exact, began } => {
                let now = Instant::now();
                Cpu::Rough { left: left.saturating_sub(now.duration_since(began)), exact, began: now }
            }
            // On another thread than before nothing can be told of the time between.
            Cpu::Exact { left, thread, at } => {
                let (here, now) = (current().id(), thread_clock());
                let used = if here == thread { now.saturating_sub(at) } else { Duration::ZERO };
                Cpu::Exact { left: left.saturating_sub(used), thread: here, at: now }
            }
        }
    }

    /// From here on, with what was left.
    fn resumed(self) -> Cpu {
        match self {
            Cpu::Rough { left, exact, .. } => Cpu::Rough { left, exact, began: Instant::now() },
            Cpu::Exact { left, .. } => Cpu::Exact { left, thread: current().id(), at: thread_clock() },
        }
    }
}

/// CPU time of this thread since it began.
fn thread_clock() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Sums over all memories and tables of an instance: the engine's own limits are for each.
struct Limits {
    memory: usize,
    elements: usize,
    memory_used: usize,
    elements_used: usize,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(take(&mut self.memory_used, self.memory, current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(take(&mut self.elements_used, self.elements, current, desired))
    }
}

fn take(used: &mut usize, most: usize, current: usize, desired: usize) -> bool {
    let wanted = used.saturating_add(desired.saturating_sub(current));
    let granted = wanted <= most;
    if granted {
        *used = wanted;
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_02_memories_are_summed() {
        let mut limits = Limits { memory: 100, elements: 10, memory_used: 0, elements_used: 0 };
        assert!(limits.memory_growing(0, 60, None).expect("first"));
        assert!(!limits.memory_growing(0, 60, None).expect("second"));
        assert!(limits.memory_growing(60, 100, None).expect("rest"));
        assert!(!limits.memory_growing(0, usize::MAX, None).expect("all"));
    }

    #[test]
    fn w_07_host_calls_run_out() {
        let mut meter = Meter { host_calls: 2, ..Meter::default() };
        assert!(meter.host_call().is_ok() && meter.host_call().is_ok());
        assert_eq!(meter.host_call(), Err(Spent(FailureKind::HostCalls)));
    }

    #[test]
    fn w_24_a_guest_pays_for_its_own_time_only() {
        let second = Duration::from_secs(1);
        let meter = |cpu| Meter { cpu, ..Meter::default() };
        let began = Instant::now();
        let mut busy = meter(Cpu::Rough { left: Duration::ZERO, exact: second, began });
        assert!(busy.left() > second / 2, "from the wall clock to the thread's");
        assert!(matches!(busy.cpu, Cpu::Exact { .. }));
        let spent = Cpu::Exact { left: second, thread: current().id(), at: Duration::ZERO };
        let elsewhere = std::thread::spawn(move || meter(spent).left()).join().expect("joined");
        assert_eq!(elsewhere, second, "another thread's clock says nothing");
        let mut over = meter(Cpu::Exact { left: Duration::ZERO, thread: current().id(), at: thread_clock() });
        assert_eq!(over.left(), Duration::ZERO);
    }
}
