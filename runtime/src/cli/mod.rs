//! Arguments to calls. Besides `main.rs` and `startup.rs` the only place that uses `anyhow`.
//!
//! Trust: the operator's hands: mistakes are expected and answered with the next step. Must not know: how anything is done.
