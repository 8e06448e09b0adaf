//! The only opener of data channels: peer, TLS and resumption are all checked here.
//!
//! Trust: none in who connects. Must not know: FTP commands, users, policies.

mod bucket;
mod lingering;
mod open;
mod pump;
mod stream;
mod vet;

pub use bucket::{Rate, Throttle};
pub use lingering::Lingering;
pub use open::{OpenFault, Opener, Protection};
pub use pump::{Failure, Rules};
pub use stream::{Data, Halt};
pub use vet::{Expected, Through, active_target};
