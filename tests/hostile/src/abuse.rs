//! What can be done wrong anywhere: time, memory, the stack, a trap.

use std::hint::black_box;

/// Does what the mode names; nothing for an unknown one.
pub fn run(mode: &str) {
    match mode {
        "loop" => spin(),
        "recurse" => {
            black_box(dig(1));
        }
        "grow-memory" => fill_memory(),
        "trap" => panic!("as told"),
        _ => {}
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "the stack is to run out")]
fn dig(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    black_box(dig(frame[0].wrapping_add(1))).wrapping_add(frame[63])
}

/// Asks for more as long as more is given, then says so by a trap.
fn fill_memory() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            panic!("{} MiB were given", held.len());
        }
        more.resize(1 << 20, 0xa5);
        held.push(black_box(more));
    }
}

/// Text that is none.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the server must notice that this is no UTF-8")]
pub fn no_utf8() -> String {
    // SAFETY: none; the server refuses it before anybody reads it as text.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe, 0x80]) }
}

/// Text that lies beyond the end of the memory.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the server must notice that this is no memory")]
pub fn text_outside_memory() -> String {
    // SAFETY: none; the server refuses it before anybody reads or frees it.
    unsafe { String::from_raw_parts(0xffff_0000 as *mut u8, 0x7fff_ffff, 0x7fff_ffff) }
}
