//! A policy's own entries in the store. The handle is the namespace: no key of another can be spelled.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use super::digest::hex;
use crate::moment::Moment;
use crate::store::{Derive, Key, Purpose, SharedStore, StoreError, Swap, TimeToLive, Versioned};

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
    Other(String),
}

impl From<StoreError> for EntryError {
    fn from(error: StoreError) -> EntryError {
        match error {
            StoreError::Unavailable(_) | StoreError::Garbled(_) => EntryError::Unavailable,
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
        self.one(&key).await
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

    /// Under the key stands the window; each item has a mark in it, and new marks are counted beside. So
    /// many nodes count at once without contending, and deleting the key begins anew.
    pub(super) async fn count_distinct(
        &self,
        key: &str,
        item: &str,
        seconds: u32,
        now: Moment,
    ) -> Result<u64, EntryError> {
        let at = self.key(key).await?;
        let window = match self.one(&at).await? {
            Some(window) => window,
            None => {
                let fresh = window_name(now);
                if self.store.add(&at, fresh.as_bytes(), ttl(seconds)).await? {
                    fresh.into_bytes()
                } else {
                    // Another was faster. If that one is gone already, the store loses entries at once.
                    self.one(&at).await?.ok_or(EntryError::Unavailable)?
                }
            }
        };
        if !window.starts_with(WINDOW) {
            return Err(EntryError::NotACounter);
        }
        let mark = self.written(&hashed('i', &[key.as_bytes(), &window, item.as_bytes()])).await?;
        let count = self.written(&hashed('n', &[key.as_bytes(), &window])).await?;
        if self.store.add(&mark, b"1", ttl(seconds)).await? {
            return Ok(self.store.increment(&count, 1, ttl(seconds)).await?);
        }
        let counted = self.one(&count).await?.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok());
        Ok(counted.unwrap_or(1))
    }

    async fn one(&self, key: &Key) -> Result<Option<Vec<u8>>, EntryError> {
        Ok(self.store.get_many(std::slice::from_ref(key)).await?.pop().flatten())
    }

    fn fits(&self, value: &[u8]) -> Result<(), EntryError> {
        if value.len() > self.value_bytes { Err(EntryError::TooLarge) } else { Ok(()) }
    }

    async fn key(&self, key: &str) -> Result<Key, EntryError> {
        if key.len() > self.key_bytes {
            return Err(EntryError::TooLarge);
        }
        self.written(&write_down(key)).await
    }

    async fn written(&self, key: &str) -> Result<Key, EntryError> {
        let purpose = Purpose::Entry { policy: self.policy.clone(), key: key.to_owned() };
        self.keys.derive(&purpose).await.into_iter().next().ok_or(EntryError::Unavailable)
    }
}

fn ttl(seconds: u32) -> TimeToLive {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// What a value that is a window begins with.
const WINDOW: &[u8] = b"window ";

/// A name that no earlier window of this key had.
fn window_name(now: Moment) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("window {:x}.{:x}", now.millis(), MADE.fetch_add(1, Ordering::Relaxed))
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
            return hashed('h', &[key.as_bytes()]);
        }
    }
    text
}

/// A form of its own for each tag; lengths keep the parts apart.
fn hashed(tag: char, parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    format!("{tag}{}", hex(context.finish().as_ref()))
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

    #[test]
    fn parts_of_a_hash_cannot_slide() {
        assert_ne!(hashed('i', &[b"ab", b"c"]), hashed('i', &[b"a", b"bc"]));
        assert_ne!(hashed('i', &[b"a"]), hashed('n', &[b"a"]));
    }
}
