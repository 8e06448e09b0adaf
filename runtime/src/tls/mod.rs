//! Certificates, acceptors, session caches, facts of a handshake. The only room that names rustls.
//!
//! Trust: none in a ClientHello; files are the operator's. Must not know: FTP, users, policies.

mod accept;
mod certs;
mod owner;
mod prefixed;

pub use accept::{Acceptor, ControlTls, DataKeys, DataTls, Direction, Secured, TlsFault};
pub use certs::{CertError, Identity, SelfSigned};
pub use owner::Owner;
pub use prefixed::Prefixed;
