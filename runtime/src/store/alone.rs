//! The shared store, and this node's own memory for as long as the shared one is away.
//!
//! For what is counted: a budget for each node is better than none. Nothing is copied when the shared store comes back:
//! the entries here end by their own time to live.

use async_trait::async_trait;

use super::{Found, Health, Key, Memory, SharedStore, Store, StoreError, Swap, TimeToLive, Versioned};

/// Asks the shared store first.
#[derive(Debug)]
pub(super) struct OrAlone {
    shared: SharedStore,
    own: Memory,
}

impl OrAlone {
    pub(super) fn new(shared: SharedStore, own: Memory) -> OrAlone {
        OrAlone { shared, own }
    }
}

/// Whether the shared store gave no answer that could be used. A counter that somebody overwrote is one.
fn is_away<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_) | StoreError::Garbled(_) | StoreError::NotACounter))
}

macro_rules! shared_or_own {
    ($self:ident.$operation:ident($($argument:expr),*)) => {{
        let answer = $self.shared.$operation($($argument),*).await;
        if is_away(&answer) { $self.own.$operation($($argument),*).await } else { answer }
    }};
}

#[async_trait]
impl Store for OrAlone {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        let mut found = self.shared.get_each(keys).await;
        for (key, answer) in keys.iter().zip(&mut found) {
            if is_away(answer)
                && let Some(own) = self.own.get_each(std::slice::from_ref(key)).await.pop()
            {
                *answer = own;
            }
        }
        found
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        shared_or_own!(self.get_versioned(key))
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        shared_or_own!(self.set(key, value, ttl))
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        shared_or_own!(self.add(key, value, ttl))
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        shared_or_own!(self.delete(key))
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        shared_or_own!(self.increment(key, by, ttl))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        shared_or_own!(self.compare_and_swap(key, value, version, ttl))
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn is_shared(&self) -> bool {
        self.shared.is_shared()
    }

    fn lanes(&self) -> usize {
        self.shared.lanes()
    }

    fn lane_of(&self, key: &Key) -> usize {
        self.shared.lane_of(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Memcached, count_distinct};
    use super::*;

    /// Nobody listens there.
    fn away() -> OrAlone {
        let settings = crate::config::defaults();
        let server = crate::config::settings::StoreServer::parse("/nonexistent/memcached.sock").expect("server");
        let shared = Memcached::new(&[server], &settings.store, Duration::from_millis(50), None);
        OrAlone::new(Arc::new(shared), Memory::new(1000, 1000))
    }

    #[tokio::test]
    async fn f_01_with_the_shared_store_away_this_node_counts_alone() {
        let store = away();
        let (one, other) = (Key::parse("one").expect("key"), Key::parse("other").expect("key"));
        let ttl = Some(Duration::from_secs(60));
        for count in 1..=3 {
            assert_eq!(store.increment(&one, 1, ttl).await, Ok(count));
        }
        for (item, count) in [("a", 1), ("b", 2), ("a", 2), ("c", 3)] {
            assert_eq!(count_distinct(&store, &other, item.as_bytes(), ttl).await, Ok(count));
        }
        assert!(store.health().degraded || store.health().engine == "memcached");
    }

    #[tokio::test]
    async fn s_72_a_counter_that_was_overwritten_is_this_nodes_again() {
        let shared = Arc::new(Memory::new(1000, 1000));
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000));
        let key = Key::parse("counter").expect("key");
        assert_eq!(store.increment(&key, 1, None).await, Ok(1));
        shared.set(&key, b"no number", None).await.expect("set");
        assert_eq!(store.increment(&key, 1, None).await, Ok(1));
        assert_eq!(store.increment(&key, 1, None).await, Ok(2));
    }
}
