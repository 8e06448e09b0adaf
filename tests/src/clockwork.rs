//! A pretend store on a pretend clock: entries end when the test turns the clock, and it is down when the
//! test says so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use portcullis::moment::Moment;
use portcullis::store::{Found, Health, Key, Store, StoreError, Swap, TimeToLive, Versioned};

/// The store and its clock.
#[derive(Debug, Default)]
pub struct Clockwork {
    now: AtomicU64,
    down: AtomicBool,
    writes: AtomicU64,
    entries: Mutex<HashMap<Key, Entry>>,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    version: u64,
    end: Option<Moment>,
}

impl Clockwork {
    /// The present moment.
    pub fn now(&self) -> Moment {
        Moment::from_millis(self.now.load(Relaxed))
    }

    /// Turns the clock.
    pub fn turn(&self, span: Duration) {
        let later = self.now().plus(span);
        self.now.store(later.millis(), Relaxed);
    }

    /// Every operation fails from now on, or none.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Relaxed);
    }

    /// All that has not ended, in order of key, down or not: key, value, moment at which it ends.
    pub fn contents(&self) -> Vec<(String, Vec<u8>, Option<u64>)> {
        let entries = self.entries.lock().expect("no test panics while it holds the entries");
        let now = self.now();
        let alive = entries.iter().filter(|(_, entry)| entry.end.is_none_or(|end| now < end));
        let mut contents: Vec<_> = alive
            .map(|(key, entry)| (key.as_str().to_owned(), entry.value.clone(), entry.end.map(Moment::millis)))
            .collect();
        contents.sort();
        contents
    }

    fn entries(&self) -> Result<MutexGuard<'_, HashMap<Key, Entry>>, StoreError> {
        if self.down.load(Relaxed) {
            return Err(StoreError::Unavailable("as the scenario says".into()));
        }
        let mut entries = self.entries.lock().expect("no test panics while it holds the entries");
        let now = self.now();
        entries.retain(|_, entry| entry.end.is_none_or(|end| now < end));
        Ok(entries)
    }

    fn entry(&self, value: &[u8], ttl: TimeToLive) -> Entry {
        let version = self.writes.fetch_add(1, Relaxed);
        Entry { value: value.to_vec(), version, end: ttl.map(|span| self.now().plus(span)) }
    }
}

#[async_trait]
impl Store for Clockwork {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        match self.entries() {
            Ok(entries) => keys.iter().map(|key| Ok(entries.get(key).map(|entry| entry.value.clone()))).collect(),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let entries = self.entries()?;
        Ok(entries.get(key).map(|entry| Versioned { value: entry.value.clone(), version: entry.version }))
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.entries()?.insert(key.clone(), self.entry(value, ttl));
        Ok(())
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        let mut entries = self.entries()?;
        let free = !entries.contains_key(key);
        if free {
            entries.insert(key.clone(), self.entry(value, ttl));
        }
        Ok(free)
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.entries()?.remove(key).is_some())
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        let mut entries = self.entries()?;
        let Some(entry) = entries.get_mut(key) else {
            entries.insert(key.clone(), self.entry(by.to_string().as_bytes(), ttl));
            return Ok(by);
        };
        let count = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<u64>().ok());
        let count = count.ok_or(StoreError::NotACounter)?.wrapping_add(by);
        entry.value = count.to_string().into_bytes();
        Ok(count)
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        let mut entries = self.entries()?;
        match entries.get(key) {
            None => Ok(Swap::Missing),
            Some(entry) if entry.version != version => Ok(Swap::Changed),
            Some(_) => {
                entries.insert(key.clone(), self.entry(value, ttl));
                Ok(Swap::Stored)
            }
        }
    }

    fn health(&self) -> Health {
        Health { engine: "pretend".into(), degraded: self.down.load(Relaxed), servers: Vec::new(), ..Health::default() }
    }
}
