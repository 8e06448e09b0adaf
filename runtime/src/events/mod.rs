//! The facts that policies and logs see.
//!
//! Trust: built by the session from checked values; client text is bounded and free of control
//! characters here. Must not know: secrets. No type in this room can hold a password.

pub mod event;
pub mod label;
mod mask;
pub mod occasion;
mod ordinary;
pub mod recent;

pub use event::{
    Cause, Command, Custom, Direction, Event, Facts, History, Kind, LoginFailure, SessionFacts, TlsFacts, Transfer,
    TransferResult, plain,
};
pub use label::Label;
pub use mask::Mask;
pub use occasion::Occasion;
pub use recent::Recent;
