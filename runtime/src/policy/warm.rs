//! Instances that are kept for later calls, each holding one slot of the engine's pool while it is idle.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;

use super::limits::Guest;
use crate::config::settings::Instance;

/// An instance and the store that it lives in.
pub(super) struct Live<H: 'static, G> {
    pub(super) store: Store<Guest<H>>,
    pub(super) guest: G,
    /// Calls that it may still answer after this one.
    calls_left: u32,
    slot: Option<OwnedSemaphorePermit>,
}

impl<H, G> Live<H, G> {
    pub(super) fn new(store: Store<Guest<H>>, guest: G, instance: Instance) -> Live<H, G> {
        let calls = match instance {
            Instance::Fresh => 1,
            Instance::Warm(calls) => calls,
        };
        Live { store, guest, calls_left: calls.saturating_sub(1), slot: None }
    }
}

/// Idle instances of one policy.
pub(super) struct Warm<H: 'static, G> {
    idle: Mutex<Vec<Live<H, G>>>,
    slots: Arc<Semaphore>,
}

impl<H, G> Warm<H, G> {
    pub(super) fn new(slots: Arc<Semaphore>) -> Warm<H, G> {
        Warm { idle: Mutex::new(Vec::new()), slots }
    }

    /// One that is idle, if there is.
    pub(super) fn take(&self) -> Option<Live<H, G>> {
        let mut live = self.idle.lock().pop()?;
        live.calls_left -= 1;
        Some(live)
    }

    /// Keeps an instance after a good answer. One that failed is dropped instead, never entered again.
    pub(super) fn give_back(&self, mut live: Live<H, G>) {
        if live.calls_left == 0 {
            return;
        }
        if live.slot.is_none() {
            live.slot = self.slots.clone().try_acquire_owned().ok();
        }
        if live.slot.is_some() {
            self.idle.lock().push(live);
        }
    }
}
