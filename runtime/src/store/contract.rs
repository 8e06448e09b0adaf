//! What every store engine must do: one body of tests that each engine runs.

use std::time::Duration;

use super::{Key, Store, StoreError, Swap};

/// The bound on values that the engines under test are given.
pub const VALUE_BYTES: usize = 4096;

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn key(text: &str) -> Key {
    Key::parse(text).expect(text)
}

/// Runs all of it.
pub async fn holds(store: &dyn Store) {
    what_was_written_is_read(store).await;
    added_once(store).await;
    counted(store).await;
    swapped_only_unchanged(store).await;
    s_27_long_lives_are_no_dates(store).await;
    s_39_awkward_bytes(store).await;
    too_large(store).await;
    distinct_items(store).await;
    let health = store.health();
    assert!(!health.degraded && !health.servers.is_empty());
}

async fn get(store: &dyn Store, name: &str) -> Option<Vec<u8>> {
    store.get_many(&[key(name)]).await.expect("get").remove(0)
}

async fn what_was_written_is_read(store: &dyn Store) {
    assert_eq!(get(store, "nothing").await, None);
    store.set(&key("one"), b"1", MINUTE).await.expect("set");
    store.set(&key("empty"), b"", MINUTE).await.expect("set");
    store.set(&key("one"), b"uno", None).await.expect("set");
    let values = store.get_many(&[key("empty"), key("nothing"), key("one"), key("one")]).await.expect("get");
    assert_eq!(values, [Some(Vec::new()), None, Some(b"uno".to_vec()), Some(b"uno".to_vec())]);
    assert_eq!(store.get_many(&[]).await, Ok(Vec::new()));
    assert_eq!(store.delete(&key("one")).await, Ok(true));
    assert_eq!(store.delete(&key("one")).await, Ok(false));
    assert_eq!(get(store, "one").await, None);
}

async fn added_once(store: &dyn Store) {
    assert_eq!(store.add(&key("added"), b"first", MINUTE).await, Ok(true));
    assert_eq!(store.add(&key("added"), b"second", MINUTE).await, Ok(false));
    assert_eq!(get(store, "added").await.as_deref(), Some(&b"first"[..]));
}

async fn counted(store: &dyn Store) {
    assert_eq!(store.increment(&key("count"), 1, MINUTE).await, Ok(1));
    assert_eq!(store.increment(&key("count"), 41, MINUTE).await, Ok(42));
    assert_eq!(get(store, "count").await.as_deref(), Some(&b"42"[..]));
    store.set(&key("text"), b"many", MINUTE).await.expect("set");
    assert_eq!(store.increment(&key("text"), 1, MINUTE).await, Err(StoreError::NotACounter));
    assert_eq!(get(store, "text").await.as_deref(), Some(&b"many"[..]));
}

async fn swapped_only_unchanged(store: &dyn Store) {
    assert_eq!(store.get_versioned(&key("swap")).await, Ok(None));
    assert_eq!(store.compare_and_swap(&key("swap"), b"x", 1, MINUTE).await, Ok(Swap::Missing));
    store.set(&key("swap"), b"old", MINUTE).await.expect("set");
    let held = store.get_versioned(&key("swap")).await.expect("get").expect("there");
    assert_eq!(held.value, b"old");
    assert_eq!(store.compare_and_swap(&key("swap"), b"new", held.version, MINUTE).await, Ok(Swap::Stored));
    assert_eq!(store.compare_and_swap(&key("swap"), b"newer", held.version, MINUTE).await, Ok(Swap::Changed));
    assert_eq!(get(store, "swap").await.as_deref(), Some(&b"new"[..]));
}

async fn s_27_long_lives_are_no_dates(store: &dyn Store) {
    for days in [29, 30, 31, 60, 400, 36_500] {
        let ttl = Some(Duration::from_secs(days * 24 * 3600));
        store.set(&key("long"), b"here", ttl).await.expect("set");
        assert_eq!(get(store, "long").await.as_deref(), Some(&b"here"[..]), "{days} days");
    }
}

async fn s_39_awkward_bytes(store: &dyn Store) {
    let value = b"\r\nEND\r\nVALUE one 0 1\r\nflush_all\r\n\0\xff";
    let long = "k".repeat(Key::BYTES_MAX);
    store.set(&key(&long), value, MINUTE).await.expect("set");
    assert_eq!(get(store, &long).await.as_deref(), Some(&value[..]));
    let held = store.get_versioned(&key(&long)).await.expect("get").expect("there");
    assert_eq!(held.value, value);
}

async fn too_large(store: &dyn Store) {
    let value = vec![b'x'; VALUE_BYTES];
    store.set(&key("large"), &value, MINUTE).await.expect("set");
    assert_eq!(get(store, "large").await, Some(value));
    let more = vec![b'x'; VALUE_BYTES + 1];
    assert_eq!(store.set(&key("large"), &more, MINUTE).await, Err(StoreError::TooLarge));
    assert_eq!(store.add(&key("larger"), &more, MINUTE).await, Err(StoreError::TooLarge));
}

async fn distinct_items(store: &dyn Store) {
    let count = async |item: &str| store.count_distinct(&key("distinct"), item.as_bytes(), MINUTE).await;
    assert_eq!(count("a").await, Ok(1));
    assert_eq!(count("b").await, Ok(2));
    assert_eq!(count("a").await, Ok(2));
    assert_eq!(store.count_distinct(&key("others"), b"a", MINUTE).await, Ok(1));
    // A new window does not remember the items of the old one.
    assert_eq!(store.delete(&key("distinct")).await, Ok(true));
    assert_eq!(count("a").await, Ok(1));
    store.set(&key("distinct"), b"7", MINUTE).await.expect("set");
    assert_eq!(count("a").await, Err(StoreError::NotACounter));
}
