//! What this node counted alone and owes to the shared counts. Bounded, and forgotten when its window ends. Pure: the
//! moment is an argument.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use tokio::time::Instant;

use super::{Key, TimeToLive};

/// Different items under one key that are remembered: more than any budget allows, and few enough to be counted
/// within one decision.
const ITEMS_MAX: usize = 32;

/// What is owed, by key.
#[derive(Debug)]
pub(super) struct Debts {
    counts: HashMap<Key, Owed, RandomState>,
    items: HashMap<Key, Items, RandomState>,
    most: usize,
}

/// What the shared count of a key lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) count: u64,
    end: Option<Instant>,
}

/// Items that the shared count of a key may lack.
#[derive(Debug)]
struct Items {
    items: Vec<Box<[u8]>>,
    end: Option<Instant>,
}

impl Debts {
    /// None yet; `most` keys of each kind.
    pub(super) fn new(most: usize) -> Debts {
        Debts { counts: HashMap::default(), items: HashMap::default(), most }
    }

    /// What the shared count lacks, to be added now.
    pub(super) fn take(&mut self, key: &Key, now: Instant) -> Option<Owed> {
        if self.counts.is_empty() {
            return None;
        }
        self.counts.remove(key).filter(|owed| lasts(owed.end, now))
    }

    /// The shared count lacks `by` more; its window began with the first of them.
    pub(super) fn owe(&mut self, key: &Key, by: u64, before: Option<Owed>, ttl: TimeToLive, now: Instant) {
        let owing = match before {
            Some(before) => Owed { count: before.count.saturating_add(by), ..before },
            None => Owed { count: by, end: end(ttl, now) },
        };
        if self.counts.len() >= self.most {
            self.counts.retain(|_, owed| lasts(owed.end, now));
        }
        if self.counts.len() < self.most {
            self.counts.insert(key.clone(), owing);
        }
    }

    /// An item that the shared count lacks, and what is left of its window.
    pub(super) fn item(&mut self, key: &Key, now: Instant) -> Option<(Box<[u8]>, TimeToLive)> {
        if self.items.is_empty() {
            return None;
        }
        let owed = self.items.get(key)?;
        if !lasts(owed.end, now) {
            self.items.remove(key);
            return None;
        }
        let left = owed.end.map(|end| end.saturating_duration_since(now));
        owed.items.first().map(|item| (item.clone(), left))
    }

    /// The shared count has this item now.
    pub(super) fn paid(&mut self, key: &Key, item: &[u8]) {
        let Some(owed) = self.items.get_mut(key) else { return };
        owed.items.retain(|owed| **owed != *item);
        if owed.items.is_empty() {
            self.items.remove(key);
        }
    }

    /// The shared count may lack this item.
    pub(super) fn owe_item(&mut self, key: &Key, item: &[u8], ttl: TimeToLive, now: Instant) {
        if self.items.len() >= self.most && !self.items.contains_key(key) {
            self.items.retain(|_, owed| lasts(owed.end, now));
            if self.items.len() >= self.most {
                return;
            }
        }
        let owed = self.items.entry(key.clone()).or_insert_with(|| Items { items: Vec::new(), end: end(ttl, now) });
        if owed.items.len() < ITEMS_MAX && !owed.items.iter().any(|owed| **owed == *item) {
            owed.items.push(item.into());
        }
    }
}

fn end(ttl: TimeToLive, now: Instant) -> Option<Instant> {
    ttl.and_then(|ttl| now.checked_add(ttl))
}

fn lasts(end: Option<Instant>, now: Instant) -> bool {
    end.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: TimeToLive = Some(Duration::from_secs(60));

    fn key(text: &str) -> Key {
        Key::parse(text).expect("key")
    }

    #[test]
    fn what_is_owed_is_bounded_and_ends_with_its_window() {
        let now = Instant::now();
        let mut debts = Debts::new(2);
        for name in ["a", "b", "c"] {
            debts.owe(&key(name), 1, None, MINUTE, now);
            debts.owe_item(&key(name), b"x", MINUTE, now);
        }
        assert!(debts.take(&key("c"), now).is_none() && debts.item(&key("c"), now).is_none());
        assert_eq!(debts.take(&key("a"), now).map(|owed| owed.count), Some(1));
        assert!(debts.take(&key("a"), now).is_none(), "once");
        let later = now + Duration::from_secs(61);
        assert!(debts.take(&key("b"), later).is_none() && debts.item(&key("b"), later).is_none());
        debts.owe_item(&key("c"), b"x", MINUTE, later);
        assert!(debts.item(&key("c"), later).is_some(), "what has ended makes room");
    }

    #[test]
    fn items_are_owed_once_until_they_are_paid() {
        let now = Instant::now();
        let mut debts = Debts::new(10);
        for item in [b"a", b"b", b"a"] {
            debts.owe_item(&key("k"), item, MINUTE, now);
        }
        let half = now + Duration::from_secs(30);
        assert_eq!(debts.item(&key("k"), half), Some((b"a"[..].into(), Some(Duration::from_secs(30)))));
        debts.paid(&key("k"), b"a");
        assert_eq!(debts.item(&key("k"), half).map(|(item, _)| item), Some(b"b"[..].into()));
        debts.paid(&key("k"), b"b");
        assert!(debts.item(&key("k"), half).is_none() && debts.items.is_empty());
        for number in 0..100u8 {
            debts.owe_item(&key("k"), &[number], MINUTE, now);
        }
        assert_eq!(debts.items[&key("k")].items.len(), ITEMS_MAX);
    }
}
