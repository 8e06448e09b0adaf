//! Any bytes as a text, and back. A name on disk need not be UTF-8, and a client that was shown one must be
//! able to ask for it by the same bytes. So a byte that is no UTF-8 travels inside as a character of its own,
//! from the end of the last private plane; where a name really holds such a character, its bytes travel
//! so too, and every text means exactly one row of bytes.

use std::borrow::Cow;

/// A byte from 0x80 on is this plus itself.
const BASE: u32 = 0x0010_ff00;

/// Whether a character stands for a byte that is no UTF-8.
pub const fn is_raw(c: char) -> bool {
    c as u32 >= BASE + 0x80
}

/// Whether a text holds such characters: what is made or kept here must not.
pub fn has_raw(text: &str) -> bool {
    // Their first byte; so most texts are done at once.
    text.as_bytes().contains(&0xf4) && text.chars().any(is_raw)
}

/// The text for bytes.
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !has_raw(text) => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len() + 16);
            for chunk in bytes.utf8_chunks() {
                for c in chunk.valid().chars() {
                    if is_raw(c) {
                        push_raw(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
                    } else {
                        text.push(c);
                    }
                }
                push_raw(&mut text, chunk.invalid());
            }
            Cow::Owned(text)
        }
    }
}

fn push_raw(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().filter_map(|&byte| char::from_u32(BASE + u32::from(byte))));
}

/// The bytes of a text.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !has_raw(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        push_char(&mut bytes, c);
    }
    Cow::Owned(bytes)
}

/// Puts the bytes of a character at the end.
pub(super) fn push_char(bytes: &mut Vec<u8>, c: char) {
    if is_raw(c) {
        bytes.push(c as u32 as u8);
    } else {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// How many bytes a text stands for.
pub fn length(text: &str) -> usize {
    if has_raw(text) { to_bytes(text).len() } else { text.len() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_61_what_is_utf8_stays_as_it_is_and_what_is_not_comes_back() {
        assert!(matches!(from_bytes("n\u{e4}me".as_bytes()), Cow::Borrowed("n\u{e4}me")));
        let latin = from_bytes(b"n\xe4me");
        assert!(has_raw(&latin) && latin.chars().count() == 4);
        assert_eq!((to_bytes(&latin).as_ref(), length(&latin)), (&b"n\xe4me"[..], 4));
        let private = "\u{10ffe4}".as_bytes();
        assert_eq!(to_bytes(&from_bytes(private)), private);
        assert_ne!(from_bytes(private), from_bytes(b"\xe4"));
    }

    proptest! {
        #[test]
        fn t_61_any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let text = from_bytes(&bytes);
            prop_assert_eq!(&*to_bytes(&text), bytes.as_slice());
            prop_assert_eq!(length(&text), bytes.len());
        }

        #[test]
        fn t_61_any_text_comes_back(text in "\\PC{0,20}") {
            let kept = from_bytes(text.as_bytes());
            prop_assert_eq!(&*to_bytes(&kept), text.as_bytes());
        }
    }
}
