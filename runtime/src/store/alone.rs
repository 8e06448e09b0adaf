//! The shared store, and this node's own memory for as long as the shared one is away.
//!
//! For what is counted: a budget for each node is better than none. What was counted here meanwhile is added to the
//! shared count when the same thing is counted next; other entries are not copied and end by their own time to live.

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::debts::Debts;
use super::{Found, Health, Key, Memory, SharedStore, Store, StoreError, Swap, TimeToLive, Versioned};

/// Asks the shared store first.
#[derive(Debug)]
pub(super) struct OrAlone {
    shared: SharedStore,
    own: Memory,
    debts: Mutex<Debts>,
}

impl OrAlone {
    /// `owed_max`: counters that are remembered to be added later; more are this node's alone.
    pub(super) fn new(shared: SharedStore, own: Memory, owed_max: usize) -> OrAlone {
        OrAlone { shared, own, debts: Mutex::new(Debts::new(owed_max)) }
    }

    /// Counts what was counted here alone, one by one: whoever gives up in the middle loses none of it.
    async fn pay(&self, key: &Key) -> Result<(), StoreError> {
        loop {
            let Some((item, ttl)) = self.debts.lock().item(key, Instant::now()) else { return Ok(()) };
            self.shared.count_distinct(key, &item, ttl).await?;
            self.debts.lock().paid(key, &item);
        }
    }
}

/// Whether the shared store gave no answer that could be used. A counter that somebody overwrote is one.
fn is_away<T>(answer: &Result<T, StoreError>) -> bool {
    use StoreError::{Garbled, NotACounter, Unavailable, Unconfirmed};
    matches!(answer, Err(Unavailable(_) | Unconfirmed(_) | Garbled(_) | NotACounter))
}

macro_rules! shared_or_own {
    ($self:ident.$operation:ident($key:ident $(, $argument:expr)*)) => {{
        if $key.is_here() {
            return $self.own.$operation($key, $($argument),*).await;
        }
        let answer = $self.shared.$operation($key, $($argument),*).await;
        if is_away(&answer) { $self.own.$operation($key, $($argument),*).await } else { answer }
    }};
}

#[async_trait]
impl Store for OrAlone {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        if keys.iter().all(Key::is_here) {
            return self.own.get_each(keys).await;
        }
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

    /// What may have been counted is not sent again: at most this node's own count lacks it.
    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        if key.is_here() {
            return self.own.increment(key, by, ttl).await;
        }
        let owed = self.debts.lock().take(key, Instant::now());
        let all = by.saturating_add(owed.map_or(0, |owed| owed.count));
        match self.shared.increment(key, all, ttl).await {
            Err(StoreError::Unavailable(_) | StoreError::Refused(_)) => {
                self.debts.lock().owe(key, by, owed, ttl, Instant::now());
                self.own.increment(key, by, ttl).await
            }
            Err(StoreError::Unconfirmed(_) | StoreError::Garbled(_) | StoreError::NotACounter) => {
                self.own.increment(key, by, ttl).await
            }
            answer => answer,
        }
    }

    /// All of it there or all of it here: with a mark from one and items in the other nothing would ever add up.
    async fn count_distinct(&self, key: &Key, item: &[u8], ttl: TimeToLive) -> Result<u64, StoreError> {
        if key.is_here() {
            return self.own.count_distinct(key, item, ttl).await;
        }
        let counted = match self.pay(key).await {
            Ok(()) => self.shared.count_distinct(key, item, ttl).await,
            Err(error) => Err(error),
        };
        match counted {
            // Somebody overwrote it: there is nothing to add to.
            Err(StoreError::NotACounter) => self.own.count_distinct(key, item, ttl).await,
            // An item that may have been counted counts no second time.
            Err(error) if error != StoreError::TooLarge => {
                self.debts.lock().owe_item(key, item, ttl, Instant::now());
                self.own.count_distinct(key, item, ttl).await
            }
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

    use super::super::Memcached;
    use super::*;

    /// Nobody listens there.
    fn over_nobody() -> OrAlone {
        let settings = crate::config::defaults();
        let server = crate::config::settings::StoreServer::parse("/nonexistent/memcached.sock").expect("server");
        let shared = Memcached::new(&[server], &settings.store, Duration::from_millis(50), None);
        OrAlone::new(Arc::new(shared), Memory::new(1000, 1000), 100)
    }

    #[tokio::test]
    async fn f_01_with_the_shared_store_away_this_node_counts_alone() {
        let store = over_nobody();
        let (one, other) = (Key::parse("one").expect("key"), Key::parse("other").expect("key"));
        let ttl = Some(Duration::from_secs(60));
        for count in 1..=3 {
            assert_eq!(store.increment(&one, 1, ttl).await, Ok(count));
        }
        for (item, count) in [("a", 1), ("b", 2), ("a", 2), ("c", 3)] {
            assert_eq!(store.count_distinct(&other, item.as_bytes(), ttl).await, Ok(count));
        }
        assert!(store.health().degraded || store.health().engine == "memcached");
    }

    /// A store that fails as it is told, if at all.
    #[derive(Debug)]
    struct Failing(Memory, Mutex<Option<StoreError>>);

    impl Failing {
        fn new() -> Arc<Failing> {
            Arc::new(Failing(Memory::new(1000, 1000), Mutex::default()))
        }

        fn fail(&self, error: Option<StoreError>) {
            *self.1.lock() = error;
        }

        fn store(&self) -> Result<&Memory, StoreError> {
            self.1.lock().clone().map_or(Ok(&self.0), Err)
        }
    }

    #[async_trait]
    impl Store for Failing {
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

    fn away() -> StoreError {
        StoreError::Unavailable("away".into())
    }

    #[tokio::test]
    async fn f_01_f_07_what_was_counted_alone_is_added_when_the_shared_store_is_back() {
        for error in [away(), StoreError::Refused("out of memory".into())] {
            let shared = Failing::new();
            let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
            let key = Key::parse("counter").expect("key");
            let ttl = Some(Duration::from_secs(60));
            assert_eq!(store.increment(&key, 1, ttl).await, Ok(1));
            shared.fail(Some(error));
            assert_eq!(store.increment(&key, 1, ttl).await, Ok(1), "alone");
            assert_eq!(store.increment(&key, 1, ttl).await, Ok(2), "alone");
            shared.fail(None);
            // Another node counts meanwhile.
            assert_eq!(shared.increment(&key, 10, ttl).await, Ok(11));
            assert_eq!(store.increment(&key, 1, ttl).await, Ok(14), "nothing is lost");
            assert_eq!(store.increment(&key, 1, ttl).await, Ok(15), "nothing is added twice");
        }
    }

    #[tokio::test]
    async fn f_27_what_may_have_been_counted_is_not_counted_again() {
        let shared = Failing::new();
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
        let key = Key::parse("counter").expect("key");
        shared.fail(Some(StoreError::Unconfirmed("no answer".into())));
        for count in 1..=3 {
            assert_eq!(store.increment(&key, 1, None).await, Ok(count), "alone");
            shared.0.increment(&key, 1, None).await.expect("it arrived");
        }
        shared.fail(None);
        assert_eq!(store.increment(&key, 1, None).await, Ok(4));
    }

    #[tokio::test]
    async fn f_01_f_06_different_items_are_counted_alone_and_added_later() {
        let shared = Failing::new();
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
        let key = Key::parse("items").expect("key");
        let ttl = Some(Duration::from_secs(60));
        let count = async |item: &str| store.count_distinct(&key, item.as_bytes(), ttl).await;
        assert_eq!(count("a").await, Ok(1));
        for (error, before) in
            [(away(), 0), (StoreError::Garbled("?".into()), 2), (StoreError::Refused("full".into()), 4)]
        {
            shared.fail(Some(error));
            for number in before + 1..=before + 2 {
                assert_eq!(count(&format!("alone-{number}")).await, Ok(number), "alone");
                assert_eq!(count(&format!("alone-{number}")).await, Ok(number), "once");
            }
            shared.fail(None);
            assert_eq!(count("a").await, Ok(1 + before + 2), "nothing is lost");
        }
        shared.set(&key, b"no mark", ttl).await.expect("set");
        assert_eq!(count("b").await, Ok(7), "overwritten: this node's own count goes on");
    }

    #[tokio::test]
    async fn what_has_no_place_in_the_shared_store_stays_here() {
        let shared = Arc::new(Memory::new(1000, 1000));
        let store = OrAlone::new(shared.clone(), Memory::new(1000, 1000), 100);
        let key = Key::parse("k").expect("key");
        let here = key.clone().here();
        shared.set(&key, b"there", None).await.expect("set");
        store.set(&here, b"here", None).await.expect("set");
        assert_eq!(store.get_many(std::slice::from_ref(&here)).await, Ok(vec![Some(b"here".to_vec())]));
        assert_eq!(store.get_many(std::slice::from_ref(&key)).await, Ok(vec![Some(b"there".to_vec())]));
        let (count, items) = (Key::parse("c").expect("key").here(), Key::parse("i").expect("key").here());
        assert_eq!(store.increment(&count, 1, None).await, Ok(1));
        assert_eq!(store.count_distinct(&items, b"a", None).await, Ok(1));
        assert_eq!(store.count_distinct(&items, b"b", None).await, Ok(2));
        for key in [here, count, items] {
            assert_eq!(shared.get_many(&[key]).await, Ok(vec![None]));
        }
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
