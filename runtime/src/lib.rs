//! Portcullis: an FTPS server whose gate is programmable.
//!
//! The rooms, in the order in which a connection meets them. Each says in its first lines what it is
//! for, how far it trusts its input and what it must not know; `tests/tests/walls.rs` holds the walls.
#![deny(missing_docs)]

pub mod config;
pub mod latency;
pub mod moment;
pub mod threads;
pub mod waits;

pub mod net;

pub mod gate;

pub mod session;

pub mod ftp;

pub mod data;

pub mod tls;

pub mod auth;

pub mod vfs;

pub mod events;

pub mod policy;

pub mod ledger;

pub mod store;

pub mod admin;

pub mod replay;

pub mod startup;

pub mod cli;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
