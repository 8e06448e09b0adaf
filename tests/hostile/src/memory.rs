//! Misdeeds in the guest's memory management, which the server sets off without meaning to: it asks a guest
//! for memory before each call, and lets it clean up behind each.
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature, and this one means to be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The system's allocator until told otherwise.
struct Misbehaving;

#[global_allocator]
static MEMORY: Misbehaving = Misbehaving;

static MODE: AtomicU8 = AtomicU8::new(0);
const LOOP_IN_ALLOC: u8 = 1;
const OUTSIDE: u8 = 2;
const HOST_CALL: u8 = 3;
const LOOP_IN_FREE: u8 = 4;

thread_local! { static INSIDE: Cell<bool> = const { Cell::new(false) } }

/// From the next allocation on; the last thing that `configure` does, so that a snapshot holds it.
pub fn misbehave(mode: &str) {
    MODE.store(
        match mode {
            "realloc-loop" => LOOP_IN_ALLOC,
            "realloc-outside" => OUTSIDE,
            "realloc-host-call" => HOST_CALL,
            _ => return,
        },
        Relaxed,
    );
}

/// From the next clean-up on.
pub fn loop_in_free() {
    MODE.store(LOOP_IN_FREE, Relaxed);
}

fn forever() -> ! {
    loop {
        std::hint::black_box(());
    }
}

unsafe impl GlobalAlloc for Misbehaving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match MODE.load(Relaxed) {
            LOOP_IN_ALLOC => forever(),
            OUTSIDE => 0xffff_0000 as *mut u8,
            HOST_CALL if !INSIDE.replace(true) => {
                portcullis_sdk::host::clock::now();
                INSIDE.set(false);
                unsafe { System.alloc(layout) }
            }
            _ => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if MODE.load(Relaxed) == LOOP_IN_FREE {
            forever();
        }
        unsafe { System.dealloc(memory, layout) }
    }
}
