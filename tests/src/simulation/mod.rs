//! A pool of nodes in virtual time, on one thread: the server's real ledgers, journals, breakers and placing, over
//! pretend memcached servers, links, disks and clocks. A seed decides everything; the same seed does the same again.
//!
//! `story` draws what happens, `world` plays it, `judge` says after each step what must hold. `planted` holds five
//! bugs that the judge must find, at the seams of a node and not in the product; it says why.

mod chance;
mod cost;
mod disk;
mod executor;
mod judge;
mod network;
mod node;
mod planted;
mod plot;
mod remote;
mod story;
mod truth;
mod world;

/// Of virtual time, which is counted in microseconds.
const SECOND: u64 = 1_000_000;

pub use cost::{Cost, cost};
pub use judge::{BOUND, CLOCKS, GONE, TOLERANCE, UNSURE};
pub use planted::Planted;
pub use plot::Plot;
pub use story::{Event, Faults, Scenario, Story};
pub use world::{Failure, Figures, play};
