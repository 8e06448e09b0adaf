//! The shared store, and this node's own memory for as long as the shared one is away.
//!
//! For what is counted: a budget for each node is better than none. What was counted here meanwhile is added to the
//! shared count when the same thing is counted next; other entries are not copied and end by their own time to live.

use std::collections::HashMap;

use async_trait::async_trait;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Found, Health, Key, Memory, SharedStore, Store, StoreError, Swap, TimeToLive, Versioned};

/// Asks the shared store first.
#[derive(Debug)]
pub(super) struct OrAlone {
    shared: SharedStore,
    own: Memory,
    owed: Mutex<HashMap<Key, Owed, RandomState>>,
    owed_max: usize,
}

/// What the shared count of a key lacks.
#[derive(Clone, Copy, Debug)]
struct Owed {
    count: u64,
    end: Option<Instant>,
}

impl OrAlone {
    /// `owed_max`: counters that are remembered to be added later; more are this node's alone.
    pub(super) fn new(shared: SharedStore, own: Memory, owed_max: usize) -> OrAlone {
        OrAlone { shared, own, owed: Mutex::default(), owed_max }
    }

    /// What the shared count lacks, to be added now.
    fn take_owed(&self, key: &Key) -> Option<Owed> {
        let mut owed = self.owed.lock();
        if owed.is_empty() {
            return None;
        }
        owed.remove(key).filter(|owed| owed.end.is_none_or(|end| Instant::now() < end))
    }

    /// The shared count lacks `by` more; its window began with the first of them.
    fn owe(&self, key: &Key, by: u64, before: Option<Owed>, ttl: TimeToLive) {
        let now = Instant::now();
        let owing = match before {
            Some(before) => Owed { count: before.count.saturating_add(by), ..before },
            None => Owed { count: by, end: ttl.and_then(|ttl| now.checked_add(ttl)) },
        };
        let mut owed = self.owed.lock();
        if owed.len() >= self.owed_max {
            owed.retain(|_, owed| owed.end.is_none_or(|end| now < end));
        }
        if owed.len() < self.owed_max {
            owed.insert(key.clone(), owing);
        }
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
        let owed = self.take_owed(key);
        let all = by.saturating_add(owed.map_or(0, |owed| owed.count));
        match self.shared.increment(key, all, ttl).await {
            Err(StoreError::Unavailable(_) | StoreError::Garbled(_)) => {
                self.owe(key, by, owed, ttl);
                self.own.increment(key, by, ttl).await
            }
            // Somebody overwrote it: there is nothing to add to.
            Err(StoreError::NotACounter) => self.own.increment(key, by, ttl).await,
            answer => answer,
        }
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
        OrAlone::new(Arc::new(shared), Memory::new(1000, 1000), 100)
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

    /// A store that can be away.
    #[derive(Debug)]
    struct Away(Memory, std::sync::atomic::AtomicBool);

    impl Away {
        fn store(&self) -> Result<&Memory, StoreError> {
            match self.1.load(std::sync::atomic::Ordering::Relaxed) {
                true => Err(StoreError::Unavailable("away".into())),
                false => Ok(&self.0),
            }
        }
    }

    #[async_trait]
    impl Store for Away {
        async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
            match self.store() {
                Ok(store) => store.get_each(keys).await,
                Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
            }
        }
        async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
            self.store()?.get_versioned(key).await
        }
        async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
            self.store()?.set(key, value, ttl).await
        }
        async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
            self.store()?.add(key, value, ttl).await
        }
        async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
            self.store()?.delete(key).await
        }
        async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
            self.store()?.increment(key, by, ttl).await
        }
        async fn compare_and_swap(
            &self,
            key: &Key,
            value: &[u8],
            version: u64,
            ttl: TimeToLive,
        ) -> Result<Swap, StoreError> {
            self.store()?.compare_and_swap(key, value, version, ttl).await
        }
        fn health(&self) -> Health {
            self.0.health()
        }
    }

    #[tokio::test]
    async fn f_01_what_was_counted_alone_is_added_when_the_shared_store_is_back() {
        let shared = Arc::new(Away(Memory::new(1000, 1000), false.into()));
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
        let key = Key::parse("counter").expect("key");
        let ttl = Some(Duration::from_secs(60));
        assert_eq!(store.increment(&key, 1, ttl).await, Ok(1));
        let away = |is| shared.1.store(is, std::sync::atomic::Ordering::Relaxed);
        away(true);
        assert_eq!(store.increment(&key, 1, ttl).await, Ok(1), "alone");
        assert_eq!(store.increment(&key, 1, ttl).await, Ok(2), "alone");
        away(false);
        // Another node counts meanwhile.
        assert_eq!(shared.increment(&key, 10, ttl).await, Ok(11));
        assert_eq!(store.increment(&key, 1, ttl).await, Ok(14), "nothing is lost");
        assert_eq!(store.increment(&key, 1, ttl).await, Ok(15), "nothing is added twice");
    }

    #[tokio::test]
    async fn s_72_a_counter_that_was_overwritten_is_this_nodes_again() {
        let shared = Arc::new(Memory::new(1000, 1000));
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
        let key = Key::parse("counter").expect("key");
        assert_eq!(store.increment(&key, 1, None).await, Ok(1));
        shared.set(&key, b"no number", None).await.expect("set");
        assert_eq!(store.increment(&key, 1, None).await, Ok(1));
        assert_eq!(store.increment(&key, 1, None).await, Ok(2));
    }
}
