//! The policy engine: loads components, asks them, bounds them.
//!
//! Trust: none in a guest; its code, its answers and its calls are bounded and checked here. Must not
//! know: sockets, FTP, the ledger's files. The only room that names wasmtime.

pub mod ruling;

pub use ruling::{BanOrder, Decision, LiftOrder, PolicyStamp, Ruling};
