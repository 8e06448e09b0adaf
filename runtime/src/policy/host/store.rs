//! The memory that lasts.

use super::super::entries::EntryError;
use super::super::quota::Cost;
use super::Caller;
use super::wit::store::{Error, Host, Versioned};
use crate::store;

/// What counting different items asks of the store: the window, the item, the count.
const DISTINCT: usize = 3;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Error {
        match error {
            EntryError::Unavailable => Error::Unavailable,
            EntryError::TooLarge => Error::TooLarge,
            EntryError::NotACounter => Error::NotACounter,
            EntryError::OverQuota(which) => Error::Other(format!("over the quota: {which}")),
            EntryError::Other(why) => Error::Other(why),
        }
    }
}

/// Takes the call off the budget and the quota, awaits the operation outside of the guest's CPU time, and
/// remembers it.
macro_rules! entries {
    ($caller:ident, $operations:expr, $bytes:expr, $operation:ident($key:expr $(, $argument:expr)*)) => {{
        let Caller { meter, host, .. } = $caller;
        meter.host_call()?;
        let answer = match host.offer.may_ask(Cost { operations: $operations, bytes: $bytes }, host.now) {
            Ok(()) => meter.awaiting(host.offer.entries.$operation($key $(, $argument)*)).await,
            Err(over) => Err(over),
        };
        host.offer.quota.brought(answer.as_ref().map_or(0, Brought::bytes), host.now);
        host.trace.note(stringify!($operation), $key, &answer);
        Ok(answer.map_err(Error::from))
    }};
}

/// Bytes of an answer.
trait Brought {
    fn bytes(&self) -> usize {
        0
    }
}

impl Brought for () {}
impl Brought for bool {}
impl Brought for u64 {}

impl Brought for Vec<u8> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Brought for store::Versioned {
    fn bytes(&self) -> usize {
        self.value.len()
    }
}

impl<T: Brought> Brought for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Brought::bytes)
    }
}

impl Brought for Vec<Option<Vec<u8>>> {
    fn bytes(&self) -> usize {
        self.iter().map(Brought::bytes).sum()
    }
}

impl Host for Caller {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        entries!(self, 1, key.len(), get(&key))
    }

    async fn get_many(&mut self, keys: Vec<String>) -> Answer<Vec<Option<Vec<u8>>>> {
        entries!(self, keys.len(), keys.iter().map(String::len).sum(), get_many(&keys))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Answer<()> {
        entries!(self, 1, key.len() + value.len(), set(&key, &value, seconds))
    }

    async fn add(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Answer<bool> {
        entries!(self, 1, key.len() + value.len(), add(&key, &value, seconds))
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        entries!(self, 1, key.len(), delete(&key))
    }

    async fn increment(&mut self, key: String, by: u64, seconds: u32) -> Answer<u64> {
        entries!(self, 1, key.len(), increment(&key, by, seconds))
    }

    async fn count_distinct(&mut self, key: String, item: String, seconds: u32) -> Answer<u64> {
        entries!(self, DISTINCT, key.len() + item.len(), count_distinct(&key, &item, seconds))
    }

    async fn get_versioned(&mut self, key: String) -> Answer<Option<Versioned>> {
        let found = entries!(self, 1, key.len(), get_versioned(&key));
        found.map(|answer: Result<_, Error>| {
            answer.map(|found| found.map(|entry| Versioned { value: entry.value, version: entry.version }))
        })
    }

    async fn compare_and_swap(&mut self, key: String, value: Vec<u8>, version: u64, seconds: u32) -> Answer<bool> {
        entries!(self, 1, key.len() + value.len(), compare_and_swap(&key, &value, version, seconds))
    }
}
