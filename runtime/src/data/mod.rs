//! The only opener of data channels: peer, TLS and resumption are all checked here.
//!
//! Trust: none in who connects. Must not know: FTP commands, users, policies.
