//! The control socket of a running server.
//!
//! Trust: whoever may open a 0600 socket of this user; requests are still bounded and parsed. Must not know: rustls, wasmtime, the wire protocol of clients.
