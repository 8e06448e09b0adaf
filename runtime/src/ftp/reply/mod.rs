//! Every reply, by meaning. The only home of reply codes.
//!
//! `fixed` holds those whose text never changes (they do not allocate), `told` those that tell
//! something: an address, a path, a listing.

mod fixed;
mod told;

use std::borrow::Cow;
use std::fmt;

pub use told::StatusFacts;

use super::raw;

/// A reply, ready for the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    wire: Cow<'static, [u8]>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Reply({:?})", String::from_utf8_lossy(&self.wire))
    }
}

/// One line of text for a client: no control bytes, bounded. A guest's text enters replies only here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyText(String);

impl Reply {
    /// The bytes to send, CRLF included.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The code: three digits.
    pub fn code(&self) -> u16 {
        self.wire.iter().take(3).fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')))
    }

    /// The last word to a command; a 1yz is not.
    pub fn is_final(&self) -> bool {
        !self.wire.starts_with(b"1")
    }

    const fn fixed(wire: &'static str) -> Reply {
        Reply { wire: Cow::Borrowed(wire.as_bytes()) }
    }

    /// One line; control characters become `?`, so that the reply stays one line whatever is told.
    fn line(code: u16, text: &str) -> Reply {
        let mut wire = format!("{code} ").into_bytes();
        push_clean(&mut wire, text);
        wire.extend_from_slice(b"\r\n");
        Reply { wire: Cow::Owned(wire) }
    }

    /// `code-first`, inner lines behind a space so that none looks like a reply, `code last`.
    fn lines<'a>(code: u16, first: &str, inner: impl IntoIterator<Item = Cow<'a, str>>, last: &str) -> Reply {
        let mut wire = format!("{code}-").into_bytes();
        push_clean(&mut wire, first);
        for line in inner {
            wire.extend_from_slice(b"\r\n ");
            push_clean(&mut wire, &line);
        }
        wire.extend_from_slice(format!("\r\n{code} ").as_bytes());
        push_clean(&mut wire, last);
        wire.extend_from_slice(b"\r\n");
        Reply { wire: Cow::Owned(wire) }
    }
}

fn push_clean(wire: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte.is_ascii_control() || !byte.is_ascii()) {
        for c in text.chars() {
            raw::push_char(wire, if c.is_control() { '?' } else { c });
        }
    } else {
        wire.extend_from_slice(text.as_bytes());
    }
}

impl ReplyText {
    /// Bytes of the longest text.
    pub const BYTES_MAX: usize = 400;

    /// Cuts at [`Self::BYTES_MAX`] and at the first line end; other control characters become `?`.
    pub fn clean(text: &str) -> ReplyText {
        let line = text.lines().next().unwrap_or_default();
        let mut clean = String::with_capacity(line.len().min(Self::BYTES_MAX));
        for c in line.chars() {
            let c = if c.is_control() { '?' } else { c };
            if clean.len() + c.len_utf8() > Self::BYTES_MAX {
                break;
            }
            clean.push(c);
        }
        ReplyText(clean)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_38_whatever_is_told_a_reply_line_stays_one_line() {
        let reply = Reply::line(550, "a\r\n226 Transfer complete.\u{1b}[2J\u{85}");
        assert_eq!(reply.wire(), b"550 a??226 Transfer complete.?[2J?\r\n");
        assert_eq!(reply.code(), 550);
    }

    #[test]
    fn t_67_inner_lines_of_a_multi_line_reply_start_with_a_space() {
        let inner = ["226 no reply", "b"].map(Cow::Borrowed);
        assert_eq!(Reply::lines(211, "First", inner, "End").wire(), b"211-First\r\n 226 no reply\r\n b\r\n211 End\r\n");
    }

    #[test]
    fn s_38_a_guests_text_is_one_bounded_line() {
        assert_eq!(ReplyText::clean("go\taway\r\n220 hi").as_str(), "go?away");
        assert!(ReplyText::clean(&"\u{e4}".repeat(1000)).as_str().len() <= ReplyText::BYTES_MAX);
    }
}
