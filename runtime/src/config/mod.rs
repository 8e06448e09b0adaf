//! Configuration: TOML to raw structs to checked settings.
//!
//! Trust: a file that the operator wrote, so mistakes are expected and each is answered with its key
//! path and a remedy. `defaults.toml` is the single home of defaults. Must not know: sockets, policies.

pub mod settings;

pub use settings::{Settings, Timeouts};
