//! The control socket of a running server, and its log.
//!
//! Trust: whoever may open a 0600 socket of this user and is this user or root; requests are still bounded
//! and parsed. Must not know: rustls, wasmtime, the protocol of clients.

pub mod client;
pub mod desk;
pub mod log;
pub mod request;
pub mod sink;
pub mod socket;
mod transfers;

pub use request::{AddedBan, BanRow, Explained, ImportRow, Refusal, Reply, Request, Status};
pub use socket::{Socket, Told};
pub use transfers::{Direction, TransferLog, Transferred};
