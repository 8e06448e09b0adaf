//! The store within one process: for a single node, and for tests.
//!
//! At most `memory-entries`; when full, the soonest to expire makes room, those without an end last.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Found, Health, Key, ServerHealth, Store, StoreError, Swap, TimeToLive, Versioned};

/// Longer than any server runs; keeps arithmetic on instants in range.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The memory engine.
#[derive(Debug)]
pub struct Memory {
    held: Mutex<Held>,
    value_bytes: usize,
    clock: Clock,
}

/// Where the time comes from.
enum Clock {
    Real,
    /// Of a replay: what has passed since `start`.
    Told {
        start: Instant,
        passed: Box<dyn Fn() -> Duration + Send + Sync>,
    },
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if matches!(self, Clock::Real) { "Real" } else { "Told" })
    }
}

impl Clock {
    fn now(&self) -> Instant {
        match self {
            Clock::Real => Instant::now(),
            Clock::Told { start, passed } => *start + passed(),
        }
    }
}

#[derive(Debug)]
struct Held {
    entries: HashMap<Key, Entry, RandomState>,
    ends: BTreeMap<(Instant, u64), Key>,
    entries_max: usize,
    next_version: u64,
    operations: u64,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    end: Instant,
    /// Of the entry, whatever is written into it; with `end` its place among the ends.
    born: u64,
    version: u64,
}

impl Memory {
    /// For at most `entries_max` values of at most `value_bytes` each.
    pub fn new(entries_max: usize, value_bytes: usize) -> Memory {
        let held =
            Held { entries: HashMap::default(), ends: BTreeMap::new(), entries_max, next_version: 1, operations: 0 };
        Memory { held: Mutex::new(held), value_bytes, clock: Clock::Real }
    }

    /// The same, where entries end by a clock that is told: how much time has passed, which never becomes less.
    pub fn on_clock(
        entries_max: usize,
        value_bytes: usize,
        passed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Memory {
        let clock = Clock::Told { start: Instant::now(), passed: Box::new(passed) };
        Memory { clock, ..Memory::new(entries_max, value_bytes) }
    }

    fn checked<'a>(&self, value: &'a [u8]) -> Result<&'a [u8], StoreError> {
        if value.len() > self.value_bytes { Err(StoreError::TooLarge) } else { Ok(value) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Held, Instant) -> T) -> T {
        let mut held = self.held.lock();
        held.operations += 1;
        let now = self.clock.now();
        held.drop_ended(now);
        work(&mut held, now)
    }
}

impl Held {
    fn drop_ended(&mut self, now: Instant) {
        while let Some(first) = self.ends.first_entry()
            && first.key().0 <= now
        {
            let key = first.remove();
            self.entries.remove(&key);
        }
    }

    fn version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.ends.remove(&(entry.end, entry.born));
        true
    }

    fn put(&mut self, key: &Key, value: &[u8], ttl: TimeToLive, now: Instant) {
        self.remove(key);
        if self.entries.len() >= self.entries_max
            && let Some((_, soonest)) = self.ends.pop_first()
        {
            self.entries.remove(&soonest);
        }
        let end = now + ttl.unwrap_or(FOR_EVER).min(FOR_EVER);
        let version = self.version();
        self.ends.insert((end, version), key.clone());
        self.entries.insert(key.clone(), Entry { value: value.to_vec(), end, born: version, version });
    }

    fn increment(&mut self, key: &Key, by: u64, ttl: TimeToLive, now: Instant) -> Result<u64, StoreError> {
        let version = self.version();
        let Some(entry) = self.entries.get_mut(key) else {
            self.put(key, by.to_string().as_bytes(), ttl, now);
            return Ok(by);
        };
        let text = std::str::from_utf8(&entry.value).map_err(|_| StoreError::NotACounter)?;
        let count = text.trim_end().parse::<u64>().map_err(|_| StoreError::NotACounter)?.wrapping_add(by);
        entry.value = count.to_string().into_bytes();
        entry.version = version;
        Ok(count)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        self.with(|held, _| keys.iter().map(|key| Ok(held.entries.get(key).map(|entry| entry.value.clone()))).collect())
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let versioned = |entry: &Entry| Versioned { value: entry.value.clone(), version: entry.version };
        Ok(self.with(|held, _| held.entries.get(key).map(versioned)))
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        let value = self.checked(value)?;
        self.with(|held, now| held.put(key, value, ttl, now));
        Ok(())
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        let value = self.checked(value)?;
        Ok(self.with(|held, now| {
            let free = !held.entries.contains_key(key);
            if free {
                held.put(key, value, ttl, now);
            }
            free
        }))
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.with(|held, _| held.remove(key)))
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        self.with(|held, now| held.increment(key, by, ttl, now))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        let value = self.checked(value)?;
        Ok(self.with(|held, now| match held.entries.get(key) {
            None => Swap::Missing,
            Some(entry) if entry.version != version => Swap::Changed,
            Some(_) => {
                held.put(key, value, ttl, now);
                Swap::Stored
            }
        }))
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn health(&self) -> Health {
        let operations = self.held.lock().operations;
        let here = ServerHealth {
            address: "this process".into(),
            breaker: "closed".into(),
            operations,
            ..ServerHealth::default()
        };
        Health { engine: "memory".into(), degraded: false, servers: vec![here], ..Health::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    fn key(text: &str) -> Key {
        Key::parse(text).expect(text)
    }

    #[tokio::test]
    async fn keeps_the_contract_of_every_store() {
        contract::holds(&Memory::new(1000, contract::VALUE_BYTES)).await;
    }

    #[test]
    fn s_26_a_counters_life_starts_at_its_first_increment() {
        let store = Memory::new(10, 100);
        let mut held = store.held.lock();
        let start = Instant::now();
        let mut at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            held.drop_ended(now);
            held.increment(&key("k"), 1, Some(Duration::from_secs(60)), now)
        };
        assert_eq!(at(0), Ok(1));
        assert_eq!(at(59), Ok(2));
        assert_eq!(at(60), Ok(1));
    }

    #[tokio::test]
    async fn s_12_when_full_the_soonest_to_expire_makes_room() {
        let store = Memory::new(2, 100);
        store.set(&key("forever"), b"1", None).await.expect("set");
        store.set(&key("soon"), b"2", Some(Duration::from_secs(10))).await.expect("set");
        store.set(&key("later"), b"3", Some(Duration::from_secs(20))).await.expect("set");
        let values = store.get_many(&[key("forever"), key("soon"), key("later")]).await.expect("get");
        assert_eq!(values, [Some(b"1".to_vec()), None, Some(b"3".to_vec())]);
        let held = store.held.lock();
        assert_eq!((held.entries.len(), held.ends.len()), (2, 2));
    }
}
