//! What bounds one instance and one call of it: memory, tables, CPU, host calls, bytes.

use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use super::engine::{Engine, TICK};
use super::fault::{FailureKind, Spent};
use crate::config::settings::Bounds;

/// Handles of resources that a guest may hold: the contract has none, so this is for toolchains.
const HANDLES_MAX: usize = 1024;

/// What a store holds while a guest runs; `H` is what its host functions may use.
pub(super) struct Guest<H> {
    limits: Limits,
    pub(super) meter: Meter,
    pub(super) host: H,
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
        store.epoch_deadline_callback(|guest| {
            let left = guest.data().meter.left();
            Ok(if left.is_zero() { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(ticks(left)) })
        });
        store
    }
}

/// Gives the next call its budgets.
pub(super) fn arm<H>(store: &mut Store<Guest<H>>, cpu: Duration, host_calls: u32) {
    store.data_mut().meter = Meter { cpu, began: Instant::now(), waited: Duration::ZERO, host_calls };
    store.set_epoch_deadline(ticks(cpu));
}

/// Ticks after which `span` has passed for sure: the first may come at once.
fn ticks(span: Duration) -> u64 {
    u64::try_from(span.as_micros().div_ceil(TICK.as_micros())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

/// The budgets of one call.
pub(super) struct Meter {
    cpu: Duration,
    began: Instant,
    waited: Duration,
    host_calls: u32,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { cpu: Duration::ZERO, began: Instant::now(), waited: Duration::ZERO, host_calls: 0 }
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

    /// Awaits on behalf of the guest: time that passes so is not the guest's CPU time.
    pub(super) async fn awaiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let before = Instant::now();
        let result = work.await;
        self.waited += before.elapsed();
        result
    }

    fn left(&self) -> Duration {
        (self.cpu + self.waited).saturating_sub(self.began.elapsed())
    }
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
}
