//! Parts of a key: any text, in few visible characters, never two texts in one form.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Longest part. With it the longest key, a site and a policy's entry of 120 characters, stays under the
/// contract's 180.
const LONGEST: usize = 56;

/// The text with everything but letters, digits and `-._~@:` as `%XX`. Text that would be too long is hashed,
/// never cut: `#` and 52 hex digits. As `#` is itself written `%23`, no text looks like another's hash.
pub fn part(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'@' | b':' => written.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => written.push(byte.into()),
            _ => push_hex(&mut written, "%", byte),
        }
    }
    if written.len() <= LONGEST { written } else { format!("#{}", &hex(&Sha256::digest(text))[..52]) }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let mut written = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|&byte| push_hex(&mut written, "", byte));
    written
}

fn push_hex(out: &mut String, before: &str, byte: u8) {
    write!(out, "{before}{byte:02x}").expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn s_29_texts_that_look_alike_have_parts_of_their_own() {
        let long = "a".repeat(300);
        let hashed = part(&long);
        let texts = [
            "bob",
            "Bob",
            "bob ",
            "bob%20",
            "b/ob",
            "b%2fob",
            "",
            "%",
            "*",
            "#",
            "b\0ob",
            "bób",
            &long,
            &long[1..],
            &hashed,
        ];
        let parts: BTreeSet<String> = texts.iter().map(|text| part(text)).collect();
        assert_eq!(parts.len(), texts.len(), "{parts:?}");
    }

    #[test]
    fn s_29_a_million_pairs_never_meet() {
        let letters = ['a', 'A', '/', '%', '#', '2', 'f', ':', 'é', '\u{0}'];
        let mut parts = BTreeSet::new();
        let mut texts = 0;
        for number in 0..10_000_usize {
            let text: String = (0..4).map(|place| letters[number / 10_usize.pow(place) % 10]).collect();
            texts += 1;
            parts.insert(part(&text));
        }
        // 10^4 different texts, so 5 * 10^7 pairs.
        assert_eq!(parts.len(), texts);
    }

    #[test]
    fn a_part_is_short_and_visible_and_holds_no_slash() {
        for text in ["\r\n", "a/b", "ü".repeat(40).as_str(), "x".repeat(5000).as_str(), "\u{7f}"] {
            let part = part(text);
            assert!(
                part.len() <= LONGEST && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'),
                "{part}"
            );
        }
    }
}
