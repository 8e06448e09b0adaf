//! Certificates, acceptors, session caches, facts of a handshake. The only room that names rustls.
//!
//! Trust: none in a ClientHello; files are the operator's. Must not know: FTP, users, policies.

mod accept;
mod cache;
mod certs;
mod expiry;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gathered;
mod hello;
mod ja4;
mod keys;
mod noting;
mod owner;
mod pool;
mod prefixed;
mod record;
mod sessions;
mod templates;
mod x509;

pub use accept::{Acceptor, ClientCertificate, ControlTls, DataKeys, DataTls, Direction, Secured, TlsFault};
pub use certs::{CertError, Identity, SelfSigned};
pub use expiry::{Expiry, watch as watch_expiries};
pub use keys::KeySpan;
pub use owner::Owner;
pub use pool::{Asked, PoolCounts};
pub use prefixed::Prefixed;
pub use sessions::{ClearedSessions, Sessions, SessionsInfo};
