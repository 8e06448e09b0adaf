//! Users, password hashes. Secrets have no Debug.
//!
//! Trust: none in names and passwords; the file of users is the operator's. Must not know: FTP, sockets.

pub mod secret;

pub use secret::Secret;
