//! Which server holds a key.
//!
//! Rendezvous hashing over SHA-256: each server scores each key, the highest score holds it. A server that
//! goes takes only its own keys along; the order of the list does not matter, the spelling does. Other
//! clients, such as libmemcached's ketama, choose otherwise: all writers of these keys must be Portcullis.

use aws_lc_rs::digest::{Context, SHA256};

use super::Key;

/// The index of the server that holds a key; 0 where there is only one.
pub(super) fn holder<'a>(names: impl ExactSizeIterator<Item = &'a str>, key: &Key) -> usize {
    if names.len() < 2 {
        return 0;
    }
    let scored = names.enumerate().map(|(index, name)| (score(name, key), index));
    scored.max().map_or(0, |(_, index)| index)
}

fn score(name: &str, key: &Key) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    digest.update(&(name.len() as u64).to_be_bytes());
    digest.update(name.as_bytes());
    digest.update(key.as_ref());
    let mut score = [0; 32];
    score.copy_from_slice(digest.finish().as_ref());
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::parse(&format!("pc1.b.{number}")).expect("key")
    }

    #[test]
    fn f_04_a_lost_server_moves_only_its_own_keys() {
        let three = ["a:1", "b:1", "c:1"];
        let mut held = [0; 3];
        for number in 0..3000 {
            let before = three[holder(three.iter().copied(), &key(number))];
            held[three.iter().position(|name| *name == before).expect("one of them")] += 1;
            let two = ["b:1", "a:1"];
            let after = two[holder(two.iter().copied(), &key(number))];
            assert!(before == after || before == "c:1", "key {number} moved from {before} to {after}");
        }
        assert!(held.iter().all(|share| (800..1200).contains(share)), "{held:?}");
    }
}
