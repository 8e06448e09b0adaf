//! The bans in force: a table in memory, durable on disk, published and learnt through the store.
//!
//! Trust: bans come from the executor and the admin socket, already clamped; records from disk and the
//! store are checked here. Must not know: FTP, TLS, Wasm. All but `keeper.rs` is free of I/O.

pub mod ban;
pub mod subject;

pub use ban::{Ban, BanId, By, Evidence};
pub use subject::{Reach, Subject};
