//! The bans in force: a table in memory, durable on disk, published and learnt through the store.
//!
//! Trust: bans come from the executor and the admin socket, already clamped; records from disk and the
//! store are checked here. Must not know: FTP, TLS, Wasm. All but `keeper`, `rounds.rs`, `file.rs`, `load.rs`,
//! `disk.rs` and `writer.rs` (the disk), `pool.rs`, `announce.rs`, `follow.rs`, `again.rs`, `forget.rs` and
//! `foreign.rs` (the store) is free of I/O; time and chance come from `outside.rs`.

mod again;
mod announce;
pub mod ban;
pub mod clocks;
pub mod disk;
pub mod feed;
pub mod file;
pub mod filter;
#[cfg(test)]
pub mod fixtures;
mod follow;
mod foreign;
mod forget;
pub mod forgotten;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod journal;
pub mod keeper;
mod load;
mod makers;
pub mod message;
pub mod outside;
mod places;
mod pool;
pub mod proftpd;
pub mod record;
mod rounds;
pub mod rules;
pub mod streams;
pub mod subject;
pub mod table;
mod told;
pub mod trie;
mod writer;

pub use ban::{Access, Ban, BanId, By, Clamped, Course, Evidence, Grounds};
pub use file::LedgerError;
pub use filter::{Filter, Page};
pub use keeper::{Added, BanWriter, Bans, ForgottenNode, Imported, Standing, Which};
pub use pool::Whom;
pub use rounds::{Assembled, assemble, open};
pub use rules::NotImposed;
pub use subject::{Reach, Subject};
