//! The facts that policies and logs see.
//!
//! Trust: built by the session from checked values; client text is bounded and free of control
//! characters here. Must not know: secrets. No type in this room can hold a password.

pub mod event;
pub mod label;
pub mod recent;

pub use event::{Cause, Command, Event, Facts, Kind, LoginFailure, SessionFacts, TlsFacts};
pub use label::Label;
pub use recent::Recent;
