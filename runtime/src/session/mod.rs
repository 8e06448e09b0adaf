//! The story of one connection, from the admission to its one outcome.
//!
//! Trust: what `ftp/`, `auth/`, `vfs/` and `policy/` have checked; nothing that came from the wire directly. Must not know: reply codes, rustls, wasmtime, file paths.
