//! The FTP protocol, pure: bytes in, commands out, a state machine, replies (RFC 959, 1123, 2228, 2389,
//! 2428, 3659, 4217).
//!
//! Trust: none; every byte here is a stranger's. Must not know: sockets, files, clocks, TLS, policies:
//! what it needs it asks for with an [`effect::Effect`] and is told with an [`effect::Input`]. The only
//! room with reply codes.

pub mod address;
pub mod ascii;
pub mod command;
mod dates;
pub mod effect;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod glob;
pub mod line;
pub mod listing;
pub mod machine;
pub mod raw;
pub mod reply;
pub mod table;
