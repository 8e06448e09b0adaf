//! The shared store: what one server learns, all know.
//!
//! Trust: memcached's answers are a stranger's bytes; whoever reads a value checks it. Only a checked
//! [`Key`] reaches the wire. Must not know: bans, policies, FTP. The only room that names memcache-async.

mod alone;
mod breaker;
#[cfg(test)]
mod contract;
mod distinct;
pub mod key;
mod memcached;
mod memory;
mod ring;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::Settings;
use crate::config::settings::StoreEngine;

pub use distinct::count_distinct;
pub use key::{Derive, Key, KeyError, Namespace, Purpose};
pub use memcached::Memcached;
pub use memory::Memory;

/// A value and the token that compare-and-swap needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes.
    pub value: Vec<u8>,
    /// Changes with every write of the key.
    pub version: u64,
}

/// What compare-and-swap found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Written.
    Stored,
    /// Somebody else wrote first.
    Changed,
    /// The key is gone.
    Missing,
}

/// A store operation that did not happen, or whose effect is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Down, slow beyond the deadline, or left alone by the breaker.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It answered what the protocol does not allow; the connection was dropped.
    #[error("the store talks nonsense: {0}")]
    Garbled(String),
    /// The value is over the bound, here or there.
    #[error("the value is too large")]
    TooLarge,
    /// The value under the key is no number.
    #[error("the value is not a counter")]
    NotACounter,
    /// The store refused for its own reason, such as `out of memory`.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// Seconds to live. `None` lives until evicted. Any length is right: engines convert (memcached takes
/// relative times over 30 days for dates).
pub type TimeToLive = Option<Duration>;

/// One store engine. Every operation is confirmed: `Ok` means that the engine said so. Every operation
/// ends within the configured deadline, whatever the engine does.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The values, in the order of the keys; all keys of one server in one round trip.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;
    /// One value with its version.
    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;
    /// Writes.
    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError>;
    /// Writes if nothing is there; false if something was.
    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError>;
    /// Deletes; false if nothing was there.
    async fn delete(&self, key: &Key) -> Result<bool, StoreError>;
    /// Adds `by` and returns the new count. The time to live starts when the key is made, not at each
    /// call: a fixed window. Counts are decimal text, as memcached keeps them.
    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError>;
    /// Writes if the version is still the given one.
    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError>;
    /// What `status` shows.
    fn health(&self) -> Health;
    /// Whether other nodes may read and write it: else publishing into it tells nobody.
    fn is_shared(&self) -> bool {
        true
    }
}

/// State of the store as `status` and events tell it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// `memory` or `memcached`.
    pub engine: String,
    /// Some server is left alone at present: counters may be this node's alone.
    pub degraded: bool,
    /// One row for each server.
    pub servers: Vec<ServerHealth>,
}

/// State of one memcached server.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ServerHealth {
    /// As configured.
    pub address: String,
    /// `closed` (in use), `open` (left alone) or `trial`.
    pub breaker: String,
    /// Operations since start.
    pub operations: u64,
    /// Failures since start.
    pub failures: u64,
    /// The last failure, if any.
    pub last_error: Option<String>,
}

/// A store that rooms share.
pub type SharedStore = Arc<dyn Store>;

/// The store that the settings ask for. Connects to nothing yet.
pub fn open(settings: &Settings) -> SharedStore {
    match &settings.store.engine {
        StoreEngine::Memory => Arc::new(Memory::new(settings.store.memory_entries, settings.store.value_bytes)),
        StoreEngine::Memcached(servers) => Arc::new(Memcached::new(servers, &settings.store, settings.timeouts.store)),
    }
}

/// The store for what must be counted even alone: while the shared one is away, this node's own memory.
pub fn counting(shared: SharedStore, settings: &Settings) -> SharedStore {
    match &settings.store.engine {
        StoreEngine::Memory => shared,
        StoreEngine::Memcached(_) => {
            let own = Memory::new(settings.store.memory_entries, settings.store.value_bytes);
            Arc::new(alone::OrAlone::new(shared, own))
        }
    }
}
