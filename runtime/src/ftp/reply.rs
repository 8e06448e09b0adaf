//! Every reply, by meaning. The only home of reply codes.

/// A reply, ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    wire: String,
}

/// One line of text for a client: no control bytes, bounded. A guest's text enters replies only here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyText(String);

impl Reply {
    /// The bytes to send, CRLF included.
    pub fn wire(&self) -> &[u8] {
        self.wire.as_bytes()
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
