//! Sockets: listeners, peers, passive ports, shutdown and drain.
//!
//! Trust: addresses are the kernel's. Must not know: FTP, policies, the store.

pub mod peer;

pub use peer::Peer;
