//! P-42 to P-51: TLS sessions of one node are resumed on another, by tickets and by the store, and by nobody
//! else.
//!
//! Two of ProFTPD's ways cannot be had. P-47 with a ProFTPD on the other side: its cache holds OpenSSL's own
//! encoding of a session, from which rustls can make no session, and it holds the secret in clear. P-52, a cache
//! of OCSP answers: rustls staples what it is given at the start, and this server is given nothing.

mod faults;
mod nodes;
mod refusals;
mod ways;
