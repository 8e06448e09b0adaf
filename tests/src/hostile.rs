//! The hostile guest, told to misbehave before it has settings; `tests/hostile/README.md` lists the modes.

use crate::place;

const MARKER: &[u8] = b"HOSTILE-PHASE:";
const ROOM: usize = 48;

/// The component's bytes with `describe=MODE` or `configure=MODE` written into their marker.
pub fn in_phase(phase: &str) -> Vec<u8> {
    assert!(phase.len() <= ROOM, "{phase} is too long for the marker");
    let mut bytes = std::fs::read(place::guest("hostile")).expect("the component can be read");
    let marker = bytes.windows(MARKER.len()).position(|window| window == MARKER);
    let text = marker.expect("the component holds its marker") + MARKER.len();
    bytes[text..text + ROOM].fill(b' ');
    bytes[text..text + phase.len()].copy_from_slice(phase.as_bytes());
    bytes
}
