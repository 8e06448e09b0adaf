//! Certificates, acceptors, session caches, facts of a handshake. The only room that names rustls.
//!
//! Trust: none in a ClientHello; files are the operator's. Must not know: FTP, users, policies.
