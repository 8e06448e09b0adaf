//! A policy's own entries in the store. The handle is the namespace: no key of another can be spelled.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::digest::sha256;
use crate::store::{Derive, Key, Namespace, Purpose, SharedStore, StoreError, Swap, TimeToLive, Versioned};

/// Longest written form of a policy's key, as the contract says.
const WRITTEN_BYTES_MAX: usize = 120;
/// Keys of one `get-many`, as the contract says.
const KEYS_MAX: usize = 64;

/// Why an operation did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryError {
    Unavailable,
    TooLarge,
    NotACounter,
    /// Over a quota of the policy: the key path of it.
    OverQuota(&'static str),
    Other(String),
}

impl EntryError {
    /// In one word.
    pub(super) fn word(&self) -> &str {
        match self {
            EntryError::Unavailable => "unavailable",
            EntryError::TooLarge => "too large",
            EntryError::NotACounter => "not a counter",
            EntryError::OverQuota(_) => "over the quota",
            EntryError::Other(why) => why,
        }
    }
}

impl From<StoreError> for EntryError {
    fn from(error: StoreError) -> EntryError {
        match error {
            StoreError::Unavailable(_) | StoreError::Unconfirmed(_) | StoreError::Garbled(_) => EntryError::Unavailable,
            StoreError::TooLarge => EntryError::TooLarge,
            StoreError::NotACounter => EntryError::NotACounter,
            StoreError::Refused(why) => EntryError::Other(super::text::line(&why)),
        }
    }
}

/// The entries of one policy.
pub(super) struct Entries {
    pub(super) policy: String,
    pub(super) store: SharedStore,
    pub(super) keys: Arc<dyn Derive>,
    pub(super) key_bytes: usize,
    pub(super) value_bytes: usize,
}

impl Entries {
    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EntryError> {
        let key = self.key(key).await?;
        Ok(self.store.get_many(std::slice::from_ref(&key)).await?.pop().flatten())
    }

    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, EntryError> {
        if keys.len() > KEYS_MAX {
            return Err(EntryError::TooLarge);
        }
        let mut derived = Vec::with_capacity(keys.len());
        for key in keys {
            derived.push(self.key(key).await?);
        }
        Ok(self.store.get_many(&derived).await?)
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], seconds: u32) -> Result<(), EntryError> {
        self.fits(value)?;
        Ok(self.store.set(&self.key(key).await?, value, ttl(seconds)).await?)
    }

    pub(super) async fn add(&self, key: &str, value: &[u8], seconds: u32) -> Result<bool, EntryError> {
        self.fits(value)?;
        Ok(self.store.add(&self.key(key).await?, value, ttl(seconds)).await?)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<bool, EntryError> {
        Ok(self.store.delete(&self.key(key).await?).await?)
    }

    pub(super) async fn increment(&self, key: &str, by: u64, seconds: u32) -> Result<u64, EntryError> {
        Ok(self.store.increment(&self.key(key).await?, by, ttl(seconds)).await?)
    }

    pub(super) async fn get_versioned(&self, key: &str) -> Result<Option<Versioned>, EntryError> {
        Ok(self.store.get_versioned(&self.key(key).await?).await?)
    }

    pub(super) async fn compare_and_swap(
        &self,
        key: &str,
        value: &[u8],
        version: u64,
        seconds: u32,
    ) -> Result<bool, EntryError> {
        self.fits(value)?;
        let key = self.key(key).await?;
        Ok(self.store.compare_and_swap(&key, value, version, ttl(seconds)).await? == Swap::Stored)
    }

    pub(super) async fn count_distinct(&self, key: &str, item: &str, seconds: u32) -> Result<u64, EntryError> {
        Ok(self.store.count_distinct(&self.key(key).await?, item.as_bytes(), ttl(seconds)).await?)
    }

    fn fits(&self, value: &[u8]) -> Result<(), EntryError> {
        if value.len() > self.value_bytes { Err(EntryError::TooLarge) } else { Ok(()) }
    }

    async fn key(&self, key: &str) -> Result<Key, EntryError> {
        if key.len() > self.key_bytes {
            return Err(EntryError::TooLarge);
        }
        let written = write_down(key);
        let purpose = Purpose::Entry { policy: self.policy.clone(), key: written.clone() };
        match self.keys.derive(&purpose).await.into_iter().next() {
            Some(key) => Ok(key),
            // The key policy fails, and has said so itself: its failure must free nobody, so this node counts alone.
            None => {
                let own = Namespace::Policy(self.policy.clone()).key(written.as_bytes());
                own.map(Key::here).map_err(|_| EntryError::Unavailable)
            }
        }
    }
}

fn ttl(seconds: u32) -> TimeToLive {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// A guest's text as visible ASCII, injectively: `t` and the text with all else as `%XX`, or `h` and the
/// hash of what would be too long. No two texts meet, whatever their forms.
fn write_down(key: &str) -> String {
    let mut text = String::with_capacity(WRITTEN_BYTES_MAX);
    text.push('t');
    for byte in key.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        if text.len() > WRITTEN_BYTES_MAX {
            return format!("h{}", sha256(key.as_bytes()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_18_any_text_becomes_a_key_and_no_two_meet() {
        let long = "x".repeat(300);
        let texts =
            ["", "a b", "a%20b", "a\r\nflush_all", "a\0", "é", "ta", "h", &long, &long[..299], &write_down(&long)];
        let written: Vec<String> = texts.iter().map(|text| write_down(text)).collect();
        for (number, text) in written.iter().enumerate() {
            assert!(crate::store::key::visible(text.as_bytes(), WRITTEN_BYTES_MAX).is_ok(), "{text}");
            assert!(!written[..number].contains(text), "{text}");
        }
        assert_eq!(written[1], "ta%20b");
    }
}
