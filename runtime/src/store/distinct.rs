//! Counts different items under a key, with what every store can do.
//!
//! The key holds a random mark of the present window; items and their count have keys of their own, hashed
//! from the mark. So an item that an older window has seen counts again, and whoever deletes the key starts
//! a new window.

use super::{Key, Store, StoreError, TimeToLive};

const MARK_BYTES: usize = 16;

/// Adds an item and returns how many different ones there are in the window, which starts with its first
/// item and lasts `ttl`.
///
/// # Errors
/// The store's; `NotACounter` if something else stands under the key.
pub(super) async fn count<S: Store + ?Sized>(
    store: &S,
    key: &Key,
    item: &[u8],
    ttl: TimeToLive,
) -> Result<u64, StoreError> {
    let mark = window(store, key, ttl).await?;
    let count = part(key, &mark, None);
    if store.add(&part(key, &mark, Some(item)), b"1", ttl).await? {
        return store.increment(&count, 1, ttl).await;
    }
    let held = store.get_many(std::slice::from_ref(&count)).await?;
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim_end().parse().ok();
    match held.first().and_then(Option::as_deref) {
        Some(bytes) => number(bytes).ok_or(StoreError::NotACounter),
        // Evicted, or the other node has added the item and not counted it yet.
        None => Ok(1),
    }
}

/// The mark of the present window, made where there is none.
async fn window<S: Store + ?Sized>(store: &S, key: &Key, ttl: TimeToLive) -> Result<[u8; MARK_BYTES], StoreError> {
    if let Some(mark) = held_mark(store, key).await? {
        return Ok(mark);
    }
    let mut mark = [0; MARK_BYTES];
    aws_lc_rs::rand::fill(&mut mark).expect("the system's random source never fails once it has started");
    if store.add(key, hex(&mark).as_bytes(), ttl).await? {
        return Ok(mark);
    }
    // Another node was faster. If its window has ended since, this item counts in one of its own.
    Ok(held_mark(store, key).await?.unwrap_or(mark))
}

async fn held_mark<S: Store + ?Sized>(store: &S, key: &Key) -> Result<Option<[u8; MARK_BYTES]>, StoreError> {
    match store.get_many(std::slice::from_ref(key)).await?.into_iter().next().flatten() {
        None => Ok(None),
        Some(text) => unhex(&text).map(Some).ok_or(StoreError::NotACounter),
    }
}

/// The key of an item, or of the count. Hashed from parts of known lengths: no two collide, none is too
/// long, and no policy can spell one.
fn part(key: &Key, mark: &[u8; MARK_BYTES], item: Option<&[u8]>) -> Key {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(mark);
    digest.update(&(key.as_str().len() as u64).to_be_bytes());
    digest.update(key.as_ref());
    let kind = match item {
        Some(item) => {
            digest.update(item);
            "i"
        }
        None => "n",
    };
    Key::parse(&format!("pc1.d.{kind}.{}", hex(digest.finish().as_ref()))).expect("hex is visible and short")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &[u8]) -> Option<[u8; MARK_BYTES]> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 2 * MARK_BYTES)?;
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}
