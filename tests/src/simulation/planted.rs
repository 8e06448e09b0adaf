//! Bugs that the simulation must find. None is in the product: each stands at a seam, between one node's ledger and
//! its store, its disk or its settings, and makes that node act as if a line that defends it were missing. So the
//! product pays nothing for them, and what is tried is always the product's own code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portcullis::config::Settings;
use portcullis::store::{Found, Health, Key, Store, StoreError, Swap, TimeToLive, Versioned};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A reader takes an entry that comes later than its number for one that it has read.
    LostGap,
    /// The disk forgets lifts: a restart undoes them.
    LiftUndone,
    /// Nobody notices that the clocks of the nodes differ.
    ClockSkew,
    /// A lift is forgotten as soon as it is carried out, so that an old record counts again.
    Replay,
    /// A node that is behind reads everything at once.
    UnboundedCatchUp,
}

impl Planted {
    /// All of them.
    pub const ALL: [Planted; 5] =
        [Planted::LostGap, Planted::LiftUndone, Planted::ClockSkew, Planted::Replay, Planted::UnboundedCatchUp];

    /// What it does to the settings, past the check that operators' settings go through.
    pub fn bend(self, settings: &mut Settings) {
        if self == Planted::UnboundedCatchUp {
            settings.bans.sync_page = 1_000_000;
        }
    }

    /// What it leaves of a journal that a node starts from.
    pub fn read_back(self, journal: Vec<u8>) -> Vec<u8> {
        if self != Planted::LiftUndone {
            return journal;
        }
        let lines = journal.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| !has(line, "{\"lift\":")).flatten().copied().collect()
    }
}

fn has(line: &[u8], word: &str) -> bool {
    line.windows(word.len()).any(|window| window == word.as_bytes())
}

/// What a node sees of its store.
#[derive(Debug)]
pub struct Seam<S> {
    within: S,
    planted: Option<Planted>,
    /// The node's present moment, in milliseconds of its own clock.
    now: Arc<dyn Now>,
    /// Keys that were read, in each interval of 50 ms: a node that is behind reads a page in each.
    reads: Mutex<BTreeMap<u64, usize>>,
}

/// A clock.
pub trait Now: std::fmt::Debug + Send + Sync {
    /// Milliseconds of Unix time by the node's clock.
    fn millis(&self) -> u64;
}

impl<S> Seam<S> {
    /// Over a store.
    pub fn new(within: S, planted: Option<Planted>, now: Arc<dyn Now>) -> Seam<S> {
        Seam { within, planted, now, reads: Mutex::default() }
    }

    /// Most keys that the node read in one interval, since this was asked before.
    pub fn most_read(&self) -> usize {
        let mut reads = self.reads.lock().expect("one thread");
        std::mem::take(&mut *reads).into_values().max().unwrap_or(0)
    }

    fn count(&self, keys: usize) {
        let interval = self.now.millis() / 1000;
        *self.reads.lock().expect("one thread").entry(interval).or_default() += keys;
    }

    /// A value as the bug shows it.
    fn shown(&self, value: Vec<u8>) -> Vec<u8> {
        match self.planted {
            Some(Planted::ClockSkew) => self.sent_now(value),
            Some(Planted::Replay) => forgetful(&value),
            _ => value,
        }
    }

    /// An entry whose writer's clock says what ours says.
    fn sent_now(&self, value: Vec<u8>) -> Vec<u8> {
        let Some(end) = value.iter().position(|byte| *byte == b'\n') else { return value };
        let Ok(mut header) = serde_json::from_slice::<serde_json::Value>(&value[..end]) else { return value };
        if header.get("sent").is_none() {
            return value;
        }
        header["sent"] = self.now.millis().into();
        let mut shown = header.to_string().into_bytes();
        shown.extend_from_slice(&value[end..]);
        shown
    }
}

/// Lifts that are over as soon as they are made.
fn forgetful(value: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for line in value.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(mut record) if record.get("lift").is_some() => {
                let at = record["lift"]["at"].as_u64().unwrap_or_default();
                record["lift"]["until"] = (at + 2_000).into();
                shown.extend(record.to_string().into_bytes());
                shown.push(b'\n');
            }
            _ => shown.extend_from_slice(line),
        }
    }
    shown
}

#[async_trait]
impl<S: Store> Store for Seam<S> {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        self.count(keys.len());
        let found = self.within.get_each(keys).await;
        let shown = keys.iter().zip(found).map(|(key, found)| match (found, self.planted) {
            (Ok(None), Some(Planted::LostGap)) if key.neighbour().is_some_and(|head| &**head != key.as_str()) => {
                Ok(Some(b"read\n".to_vec()))
            }
            (found, _) => found.map(|value| value.map(|value| self.shown(value))),
        });
        shown.collect()
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.within.get_versioned(key).await
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.within.set(key, value, ttl).await
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        self.within.add(key, value, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        self.within.delete(key).await
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        self.within.increment(key, by, ttl).await
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        self.within.compare_and_swap(key, value, version, ttl).await
    }

    fn health(&self) -> Health {
        self.within.health()
    }

    fn lanes(&self) -> usize {
        self.within.lanes()
    }

    fn lane_of(&self, key: &Key) -> usize {
        self.within.lane_of(key)
    }
}
