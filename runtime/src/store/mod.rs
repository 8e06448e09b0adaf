//! The shared store: what one server learns, all know.
//!
//! Trust: memcached's answers are a stranger's bytes; whoever reads a value checks it. Only a checked
//! [`Key`] reaches the wire. Must not know: bans, policies, FTP. The only room that names memcache-async.

mod alone;
mod breaker;
#[cfg(test)]
mod contract;
mod debts;
mod distinct;
mod guarded;
pub mod key;
mod memcached;
mod memory;
mod ring;
mod seal;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) use wire::fuzz;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::auth::Secret;
use crate::config::Settings;
use crate::config::settings::StoreEngine;

pub use breaker::{Advice, Breaker};
pub use key::{Derive, Key, KeyError, Namespace, Purpose};
pub use memcached::{Holder, Memcached, Values};
pub use memory::Memory;
pub use ring::Distribution;
pub use seal::{ClusterKey, Forged, NoKey, SEAL_BYTES, Subkey};

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
    /// It was told to count, and no answer came: it may have counted.
    #[error("the store did not confirm: {0}")]
    Unconfirmed(String),
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
    /// What is known of each key, in the order of the keys; all keys of one server in one round trip. A key
    /// whose server does not answer is an error of its own.
    async fn get_each(&self, keys: &[Key]) -> Vec<Found>;
    /// The values, in the order of the keys. While some servers answer, keys of those that do not are as
    /// missing, and `health` says so.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let found = self.get_each(keys).await;
        match found.first() {
            Some(Err(error)) if found.iter().all(Result::is_err) => Err(error.clone()),
            _ => Ok(found.into_iter().map(Result::unwrap_or_default).collect()),
        }
    }
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
    /// Adds an item under a key, and returns how many different ones there are in the window, which starts with its
    /// first item and lasts `ttl`.
    async fn count_distinct(&self, key: &Key, item: &[u8], ttl: TimeToLive) -> Result<u64, StoreError> {
        distinct::count(self, key, item, ttl).await
    }
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
    /// Parts that fail each on its own: the servers. What must outlive one of them is spread over them.
    fn lanes(&self) -> usize {
        1
    }
    /// The part that holds a key, below [`Store::lanes`].
    fn lane_of(&self, _key: &Key) -> usize {
        0
    }
    /// The value as it should stand under a key, so that nobody else can have written it there.
    fn close(&self, _key: &Key, value: Vec<u8>) -> Vec<u8> {
        value
    }
    /// What [`Store::close`] made of a value for this key.
    ///
    /// # Errors
    /// `Forged` for anything else.
    fn unseal(&self, _key: &Key, value: Vec<u8>) -> Result<Vec<u8>, Forged> {
        Ok(value)
    }
}

/// What a store says of one key: its value or none, or that it cannot say.
pub type Found = Result<Option<Vec<u8>>, StoreError>;

/// State of the store as `status` and events tell it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// `memory` or `memcached`.
    pub engine: String,
    /// Some server is left alone at present: counters may be this node's alone.
    pub degraded: bool,
    /// One row for each server.
    pub servers: Vec<ServerHealth>,
    /// What the operator should change, if anything.
    #[serde(default)]
    pub warning: Option<String>,
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
    /// Microseconds that half of its operations did not exceed.
    #[serde(default)]
    pub p50_micros: f64,
    /// Microseconds that 99 of 100 operations did not exceed.
    #[serde(default)]
    pub p99_micros: f64,
}

/// A store that rooms share.
pub type SharedStore = Arc<dyn Store>;

/// What the settings name files for.
#[derive(Debug, Default)]
pub struct Secrets {
    /// User and password of memcached.
    pub credentials: Option<Secret>,
    /// The cluster's key.
    pub cluster: Option<ClusterKey>,
}

/// The store that the settings ask for. Connects to nothing yet.
pub fn open(settings: &Settings, secrets: Secrets) -> SharedStore {
    let servers = match &settings.store.engine {
        StoreEngine::Memory => {
            return Arc::new(Memory::new(settings.store.memory_entries, settings.store.value_bytes));
        }
        StoreEngine::Memcached(servers) => servers,
    };
    let mut shared = Memcached::new(servers, &settings.store, settings.timeouts.store, secrets.credentials);
    match secrets.cluster {
        Some(key) => Arc::new(guarded::Guarded::new(Arc::new(shared), &key)),
        None => {
            if servers.iter().any(|server| !server.is_local()) {
                shared.warn(
                    "whoever reaches memcached can ban and free anybody: make a key with `portcullis cluster keygen` \
                     and name it in `store.cluster-key`",
                );
            }
            Arc::new(shared)
        }
    }
}

/// The store for what must be counted even alone: while the shared one is away, this node's own memory.
pub fn counting(shared: SharedStore, settings: &Settings) -> SharedStore {
    match &settings.store.engine {
        StoreEngine::Memory => shared,
        StoreEngine::Memcached(_) => {
            let own = Memory::new(settings.store.memory_entries, settings.store.value_bytes);
            Arc::new(alone::OrAlone::new(shared, own, settings.store.memory_entries))
        }
    }
}
