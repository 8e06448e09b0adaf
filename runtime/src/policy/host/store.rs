//! The memory that lasts.

use super::super::entries::EntryError;
use super::Caller;
use super::wit::store::{Error, Host, Versioned};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Error {
        match error {
            EntryError::Unavailable => Error::Unavailable,
            EntryError::TooLarge => Error::TooLarge,
            EntryError::NotACounter => Error::NotACounter,
            EntryError::Other(why) => Error::Other(why),
        }
    }
}

/// Takes the call off the budget, awaits the operation outside of the guest's CPU time, and remembers it.
macro_rules! entries {
    ($caller:ident, $operation:ident($key:expr $(, $argument:expr)*)) => {{
        let Caller { meter, host, .. } = $caller;
        meter.host_call()?;
        let answer = meter.awaiting(host.offer.entries.$operation($key $(, $argument)*)).await;
        host.trace.note(stringify!($operation), $key, &answer);
        Ok(answer.map_err(Error::from))
    }};
}

impl Host for Caller {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        entries!(self, get(&key))
    }

    async fn get_many(&mut self, keys: Vec<String>) -> Answer<Vec<Option<Vec<u8>>>> {
        entries!(self, get_many(&keys))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Answer<()> {
        entries!(self, set(&key, &value, seconds))
    }

    async fn add(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Answer<bool> {
        entries!(self, add(&key, &value, seconds))
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        entries!(self, delete(&key))
    }

    async fn increment(&mut self, key: String, by: u64, seconds: u32) -> Answer<u64> {
        entries!(self, increment(&key, by, seconds))
    }

    async fn count_distinct(&mut self, key: String, item: String, seconds: u32) -> Answer<u64> {
        entries!(self, count_distinct(&key, &item, seconds))
    }

    async fn get_versioned(&mut self, key: String) -> Answer<Option<Versioned>> {
        let found = entries!(self, get_versioned(&key));
        found.map(|answer: Result<_, Error>| {
            answer.map(|found| found.map(|entry| Versioned { value: entry.value, version: entry.version }))
        })
    }

    async fn compare_and_swap(&mut self, key: String, value: Vec<u8>, version: u64, seconds: u32) -> Answer<bool> {
        entries!(self, compare_and_swap(&key, &value, version, seconds))
    }
}
