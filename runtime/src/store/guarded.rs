//! A store whose owner is not trusted: names are hidden and what is sealed can neither be made nor moved by
//! whoever lacks the cluster's key. Counters stay numbers, since memcached itself counts them.

use std::sync::Arc;

use async_trait::async_trait;

use super::seal::{ClusterKey, Forged, Seal};
use super::{Found, Health, Key, SharedStore, Store, StoreError, Swap, TimeToLive, Versioned};

/// Hides names on the way to the store within.
pub(super) struct Guarded {
    within: SharedStore,
    seal: Seal,
}

impl Guarded {
    pub(super) fn new(within: SharedStore, key: &ClusterKey) -> Guarded {
        Guarded { within, seal: Seal::new(key) }
    }

    fn hide(&self, key: &Key) -> Key {
        // Others read these: they stay as they are.
        if key.is_encoded() {
            return key.clone();
        }
        let hidden = Key::parse(&self.seal.hidden(key.as_str())).expect("hex is visible and short");
        match key.neighbour() {
            Some(neighbour) => hidden.beside(&Arc::from(self.seal.hidden(neighbour))),
            None => hidden,
        }
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Guarded").field(&self.within).finish()
    }
}

#[async_trait]
impl Store for Guarded {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        let hidden: Vec<Key> = keys.iter().map(|key| self.hide(key)).collect();
        self.within.get_each(&hidden).await
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.within.get_versioned(&self.hide(key)).await
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.within.set(&self.hide(key), value, ttl).await
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        self.within.add(&self.hide(key), value, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        self.within.delete(&self.hide(key)).await
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        self.within.increment(&self.hide(key), by, ttl).await
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        self.within.compare_and_swap(&self.hide(key), value, version, ttl).await
    }

    fn health(&self) -> Health {
        self.within.health()
    }

    fn is_shared(&self) -> bool {
        self.within.is_shared()
    }

    fn lanes(&self) -> usize {
        self.within.lanes()
    }

    fn lane_of(&self, key: &Key) -> usize {
        self.within.lane_of(&self.hide(key))
    }

    fn close(&self, key: &Key, value: Vec<u8>) -> Vec<u8> {
        self.seal.close(key, &value)
    }

    fn unseal(&self, key: &Key, value: Vec<u8>) -> Result<Vec<u8>, Forged> {
        self.seal.open(key, &value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, contract};

    #[tokio::test]
    async fn keeps_the_contract_of_every_store() {
        let key = ClusterKey::parse(&ClusterKey::generate()).expect("key");
        contract::holds(&Guarded::new(Arc::new(Memory::new(1000, contract::VALUE_BYTES)), &key)).await;
    }
}
