//! Writes down what happens, and plays it again against a policy: what would it have done?
//!
//! Trust: recorded files are a stranger's bytes and checked line by line; events hold no secrets before they
//! come here. Must not know: the protocol of clients, TLS, how a policy is run. No clock decides anything in
//! a replay but that of the events.

mod difference;
mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod play;
mod pseudonym;
mod reading;
mod recorder;
mod report;

pub use difference::{Change, difference};
pub use form::{Header, VERSION};
pub use play::{Stage, play};
pub use reading::{ReadError, Recording};
pub use recorder::{RecordError, Recorder};
pub use report::{PlayedBan, Report, Who};
