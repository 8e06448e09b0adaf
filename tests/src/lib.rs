//! The harness: the real server as a process, a real memcached, real clients and a raw one.
//!
//! Nothing here sleeps as synchronisation: [`deadline`] waits for what it names and says so when it does
//! not come. No port is fixed, all addresses are loopback, and every process is stopped by its own id.
//! The harness panics where a scenario cannot go on; the panic says what was awaited, and a server that
//! is dropped by a panic prints the end of its log.
#![deny(missing_docs)]

pub mod authority;
pub mod client;
pub mod clockwork;
pub mod cluster;
pub mod config;
pub mod deadline;
pub mod hanging;
mod happening;
pub mod hostile;
pub mod log;
pub mod memcached;
pub mod ordeal;
pub mod place;
pub mod process;
pub mod proftpd;
pub mod program;
pub mod recorder;
pub mod recording;
pub mod scenario;
pub mod server;
pub mod simulation;
pub mod spans;
pub mod stand_in;
pub mod swap;
pub mod tls;
pub mod tree;
