//! What the engine needs of one server: so that a simulation can put its own under the placing, the copies and the
//! versions of the real engine.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use crate::store::{Key, ServerHealth, StoreError, Swap, TimeToLive, Versioned};

/// What a server holds of the keys that it was asked for.
pub type Values = Arc<HashMap<String, Vec<u8>>>;

/// One server that holds values. Each operation ends within the deadline; `Ok` means that the server said so.
pub trait Holder: Debug + Send + Sync + 'static {
    /// The values that are there.
    fn get_many(self: Arc<Self>, keys: Vec<Key>) -> impl Future<Output = Result<Values, StoreError>> + Send;
    /// One value with its version.
    fn gets(self: &Arc<Self>, key: &Key) -> impl Future<Output = Result<Option<Versioned>, StoreError>> + Send;
    /// Writes.
    fn set(
        self: &Arc<Self>,
        key: &Key,
        value: &[u8],
        ttl: TimeToLive,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Writes if nothing is there; false if something was.
    fn add(
        self: &Arc<Self>,
        key: &Key,
        value: &[u8],
        ttl: TimeToLive,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Deletes; false if nothing was there.
    fn delete(self: &Arc<Self>, key: &Key) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Adds `by`, and returns the new count; `None`: there is no such counter.
    fn increment(self: &Arc<Self>, key: &Key, by: u64) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;
    /// Writes if the version is still the given one.
    fn cas(
        self: &Arc<Self>,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> impl Future<Output = Result<Swap, StoreError>> + Send;
    /// What `status` shows.
    fn health(&self) -> ServerHealth;
}

/// Counts at a server; a counter that is not there is made.
pub(super) async fn count<S: Holder>(server: &Arc<S>, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
    if let Some(count) = server.increment(key, by).await? {
        return Ok(count);
    }
    if server.add(key, by.to_string().as_bytes(), ttl).await? {
        return Ok(by);
    }
    // Another node was faster; its window holds.
    let count = server.increment(key, by).await?;
    count.ok_or_else(|| StoreError::Refused("a counter vanished as soon as it was made".into()))
}
