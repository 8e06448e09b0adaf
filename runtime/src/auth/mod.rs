//! Who may log in: users, passwords, and the proof of it.
//!
//! Trust: none in names and passwords, nor in the time that PAM's modules take; the file of users is the
//! operator's, so its mistakes are expected and each is answered with its key path. A [`Permit`] is made here
//! only, after a password was right or none was needed. Must not know: commands and replies, sockets, what a
//! policy says.

mod anonymous;
pub mod attempt;
mod book;
mod crypt;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod keys;
mod login;
mod name;
mod outside;
#[cfg(feature = "pam")]
mod pam;
pub mod password;
mod permit;
mod pseudonym;
mod secret;
mod users;

pub use attempt::AttemptTags;
pub use keys::Limits;
pub use login::{Login, Refusal, Why};
pub use name::{NameError, UserName};
pub use permit::{Permit, Rights};
pub use pseudonym::Pseudonyms;
pub use secret::Secret;
pub use users::{Folder, Listed, Users};
