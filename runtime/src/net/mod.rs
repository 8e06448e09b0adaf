//! Sockets: listeners, peers, passive ports, shutdown and drain.
//!
//! Trust: addresses are the kernel's. Must not know: FTP, policies, the store.

pub mod drain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod hosts;
pub mod listen;
pub mod networks;
pub mod peer;
pub mod ports;
pub mod proxy;
pub mod socket;
pub mod systemd;

pub use drain::{Phase, Stop, StopSignals, Stopper};
pub use hosts::{Asked, HostId, HostName, Hosts};
pub use listen::{BindError, Listener};
pub use networks::Networks;
pub use peer::{Arrival, Peer};
pub use ports::{PassiveListener, Ports};
