//! What the server offers, as plain functions. Each interface is used only if it is called, and each that
//! is used must be granted in the configuration (`grants = ["store", "log"]`).
//!
//! In a component these are the server's; in a native test they are those of [`crate::pretend`].

/// The memory that lasts, shared by all nodes that share the store.
pub mod store {
    pub use crate::bindings::ban::portcullis::policy::store::{Error, Versioned};
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::store::{
        add, compare_and_swap, count_distinct, delete, get, get_many, get_versioned, increment, set,
    };
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::store::*;
}

/// The bans in force on this node.
pub mod bans {
    pub use crate::bindings::ban::portcullis::policy::bans::InForce;
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::bans::find;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::bans::*;
}

/// Arithmetic with addresses, and the named networks of the configuration.
pub mod networks {
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::networks::{around, contains};
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::networks::*;
}

/// The moment of the event that is being decided.
pub mod clock {
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::clock::now;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::clock::*;
}

/// Counters of the policy's own.
pub mod metrics {
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::metrics::count;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::metrics::*;
}

/// Lines in the server's log.
pub mod log {
    pub use crate::bindings::ban::portcullis::policy::log::Level;
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings::ban::portcullis::policy::log::write;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::pretend::log::*;

    /// A line that an operator should see.
    pub fn warn(message: &str) {
        write(Level::Warn, message);
    }

    /// A line that is good to know.
    pub fn info(message: &str) {
        write(Level::Info, message);
    }
}
