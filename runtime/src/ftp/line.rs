//! The bounded line reader: bytes to command lines.
//!
//! A line ends at LF, whatever stands in it; a CR before that LF belongs to the end. Telnet sequences are
//! taken out afterwards, so that no sequence can hide or forge a line end.

use std::borrow::Cow;

use super::raw::from_bytes;

/// One command line: no line end, no NUL, Telnet sequences removed; bytes that are no UTF-8 as
/// [`super::raw`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a>(pub(super) &'a str);

impl<'a> Line<'a> {
    /// The text. May hold control characters other than NUL and LF.
    pub fn text(&self) -> &'a str {
        self.0
    }
}

/// Bytes that are no command line; the reader goes on behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Over the bound; everything up to its line end is discarded.
    TooLong,
    /// Holds a NUL.
    Nul,
    /// A TLS record where a command should be.
    TlsRecord,
}

/// Collects bytes and hands out lines. Of one line it holds no more than its bound and one byte: the rest
/// of a longer line is dropped as it comes. How many whole lines wait is up to the driver, who pushes what
/// it has read and takes the lines before it reads again.
#[derive(Debug)]
pub struct LineReader {
    bytes: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Behind the last LF: where the line that has no end yet starts.
    tail: usize,
    /// The line without an end was reported as a fault already; what is left of it is dropped.
    skipping: bool,
    /// A line that was not UTF-8.
    text: String,
    line_bytes_max: usize,
}

const LF: u8 = b'\n';
const CR: u8 = b'\r';
const IAC: u8 = 0xff;

impl LineReader {
    /// `line_bytes_max` counts the line end too.
    pub fn new(line_bytes_max: usize) -> LineReader {
        LineReader { bytes: Vec::new(), start: 0, tail: 0, skipping: false, text: String::new(), line_bytes_max }
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.compact();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|&byte| byte == LF);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if !self.skipping {
                let room = (self.line_bytes_max + 1).saturating_sub(self.bytes.len() - self.tail);
                self.bytes.extend_from_slice(&part[..part.len().min(room)]);
            }
            bytes = rest;
            if let Some((_, behind)) = rest.split_first() {
                bytes = behind;
                if !self.skipping {
                    self.bytes.push(LF);
                }
                self.skipping = false;
                self.tail = self.bytes.len();
            }
        }
    }

    /// The next line or fault; `None` until more bytes come.
    #[expect(clippy::should_implement_trait, reason = "it lends: a line lives until the next call")]
    pub fn next(&mut self) -> Option<Result<Line<'_>, LineFault>> {
        let rest = &self.bytes[self.start..];
        let (length, ended) = match rest.iter().position(|&byte| byte == LF) {
            Some(at) => (at + 1, true),
            None => (rest.len(), false),
        };
        let fault = if rest.starts_with(&[0x16, 0x03]) {
            LineFault::TlsRecord
        } else if length > self.line_bytes_max {
            LineFault::TooLong
        } else if ended {
            let from = self.start;
            self.start += length;
            self.text = String::new();
            return Some(decode(&mut self.bytes[from..from + length - 1], &mut self.text));
        } else {
            return None;
        };
        if ended {
            self.start += length;
        } else {
            self.bytes.truncate(self.start);
            self.tail = self.start;
            self.skipping = true;
        }
        Some(Err(fault))
    }

    /// What came behind the last line that was handed out: what a TLS upgrade must look at.
    pub fn leftover(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes the leftover, for the TLS acceptor; the reader starts anew.
    pub fn take_leftover(&mut self) -> Vec<u8> {
        let leftover = self.bytes.split_off(self.start);
        *self = LineReader::new(self.line_bytes_max);
        leftover
    }

    /// Moves what is left to the front, when that is less than what is dropped: linear over all.
    fn compact(&mut self) {
        let left = self.bytes.len() - self.start;
        if self.start > 0 && left <= self.start {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(left);
            self.tail -= self.start;
            self.start = 0;
        }
    }
}

/// Makes a line of raw bytes, in place where it can be.
fn decode<'a>(raw: &'a mut [u8], text: &'a mut String) -> Result<Line<'a>, LineFault> {
    let mut length = raw.len();
    if raw.last() == Some(&CR) {
        length -= 1;
    }
    if raw[..length].iter().any(|&byte| byte == IAC || byte == 0) {
        length = strip_telnet(raw, length)?;
    }
    let line = without_stray_bytes(&raw[..length]);
    match from_bytes(line) {
        Cow::Borrowed(line) => Ok(Line(line)),
        Cow::Owned(line) => {
            *text = line;
            Ok(Line(text))
        }
    }
}

/// Takes Telnet sequences out of `raw[..length]` and makes CR NUL a CR (RFC 854); the new length.
fn strip_telnet(raw: &mut [u8], length: usize) -> Result<usize, LineFault> {
    let (mut read, mut written) = (0, 0);
    while read < length {
        let next = raw.get(read + 1).filter(|_| read + 1 < length).copied();
        let (taken, kept) = match (raw[read], next) {
            (IAC, Some(IAC)) => (2, Some(IAC)),
            (IAC, Some(0xf0..=0xfa)) => (2, None),
            (IAC, Some(0xfb..=0xfe)) => (3, None),
            (IAC, _) => (1, None),
            (CR, Some(0)) => (2, Some(CR)),
            (0, _) => return Err(LineFault::Nul),
            (byte, _) => (1, Some(byte)),
        };
        read += taken;
        if let Some(byte) = kept {
            raw[written] = byte;
            written += 1;
        }
    }
    Ok(written)
}

/// Clients that abort send the Telnet synch as urgent data, and parts of it may stay in the stream.
fn without_stray_bytes(line: &[u8]) -> &[u8] {
    let strays = line.iter().take_while(|byte| !byte.is_ascii()).count();
    let command = &line[strays..];
    let urgent = |verb: &[u8]| {
        command.len() >= verb.len()
            && command[..verb.len()].eq_ignore_ascii_case(verb)
            && command.get(verb.len()).is_none_or(|&byte| byte == b' ')
    };
    if strays > 0 && (urgent(b"ABOR") || urgent(b"STAT") || urgent(b"QUIT")) { command } else { line }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = Result<String, LineFault>;

    fn drain(reader: &mut LineReader, into: &mut Vec<Read>) {
        while let Some(line) = reader.next() {
            into.push(line.map(|line| line.text().to_owned()));
        }
    }

    fn lines(chunks: &[&[u8]]) -> Vec<Read> {
        let mut reader = LineReader::new(32);
        let mut read = Vec::new();
        for chunk in chunks {
            reader.push(chunk);
            drain(&mut reader, &mut read);
        }
        read
    }

    fn good(text: &str) -> Read {
        Ok(text.to_owned())
    }

    #[test]
    fn t_50_bare_lf_is_a_line_end_and_a_cr_inside_is_data() {
        assert_eq!(lines(&[b"NOOP\nQUIT\r\n"]), [good("NOOP"), good("QUIT")]);
        assert_eq!(lines(&[b"NOOP\rQUIT\r\n"]), [good("NOOP\rQUIT")]);
        assert_eq!(lines(&[b"MKD a\r\0b\r\n"]), [good("MKD a\rb")]);
        assert_eq!(lines(&[b"MKD a\r\0\r\n"]), [good("MKD a\r")]);
    }

    #[test]
    fn t_53_several_commands_in_one_segment_and_one_in_several() {
        assert_eq!(lines(&[b"A\r\nB\r\nC\r", b"\n", b"D", b"\r\n"]), ["A", "B", "C", "D"].map(good));
    }

    #[test]
    fn s_07_t_61_nul_is_a_fault_bad_utf8_is_kept_and_the_next_line_is_fine() {
        assert_eq!(lines(&[b"USER a\0b\r\nNOOP\r\n"]), [Err(LineFault::Nul), good("NOOP")]);
        assert_eq!(lines(&[b"CWD \xc3\x28\nNOOP\n"]), [good("CWD \u{10ffc3}("), good("NOOP")]);
        assert_eq!(lines(&[b"CWD \xc3\xa4\n"]), [good("CWD \u{e4}")]);
    }

    #[test]
    fn t_41_telnet_sequences_are_taken_out() {
        assert_eq!(lines(&[b"\xff\xf4\xff\xf2ABOR\r\n"]), [good("ABOR")]);
        assert_eq!(lines(&[b"\xf4\xffabor\r\n"]), [good("abor")]);
        assert_eq!(lines(&[b"NO\xff\xfd\x06OP\r\n"]), [good("NOOP")]);
        assert_eq!(lines(&[b"CWD \xff\xffx\r\n"]), [good("CWD \u{10ffff}x")]);
        assert_eq!(lines(&[b"NOOP\xff\xfb\nQUIT\xff\r\n"]), [good("NOOP"), good("QUIT")]);
        assert_eq!(lines(&[b"\xf4NOOP\r\n"]), [good("\u{10fff4}NOOP")]);
    }

    #[test]
    fn s_06_a_line_without_end_costs_its_bound_and_one_fault() {
        let mut reader = LineReader::new(32);
        let mut read = Vec::new();
        let chunk = [b'x'; 4096];
        for _ in 0..1000 {
            reader.push(&chunk);
            drain(&mut reader, &mut read);
            assert!(reader.bytes.len() <= 33);
        }
        reader.push(b"\nNOOP\r\n");
        drain(&mut reader, &mut read);
        assert_eq!(read, [Err(LineFault::TooLong), good("NOOP")]);
        assert!(reader.bytes.capacity() < 8192);
    }

    #[test]
    fn t_52_the_bound_counts_the_line_end() {
        let longest = [b'x'; 30];
        assert_eq!(lines(&[&longest, b"\r\n"]), [good(&"x".repeat(30))]);
        assert_eq!(lines(&[&longest, b"x\r\nNOOP\r\n"]), [Err(LineFault::TooLong), good("NOOP")]);
    }

    #[test]
    fn t_70_a_tls_record_in_place_of_a_command_is_seen_at_once() {
        assert_eq!(lines(&[b"\x16", b"\x03", b"\x01\x02\x00"]), [Err(LineFault::TlsRecord)]);
        assert_eq!(lines(&[b"X \x16\x03\n"]), [good("X \x16\x03")]);
    }

    #[test]
    fn t_01_the_leftover_is_all_that_came_behind_the_line() {
        let mut reader = LineReader::new(32);
        reader.push(b"AUTH TLS\r\nUSER evil\r\nPASS");
        assert_eq!(reader.next(), Some(Ok(Line("AUTH TLS"))));
        assert_eq!(reader.leftover(), b"USER evil\r\nPASS");
        assert_eq!(reader.take_leftover(), b"USER evil\r\nPASS");
        assert_eq!(reader.leftover(), b"");
        assert_eq!(reader.next(), None);
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => any::<u8>(),
            2 => Just(LF),
            1 => Just(CR),
            1 => Just(IAC),
            1 => Just(0u8),
            1 => prop_oneof![Just(0x16u8), Just(0x03u8)],
            4 => b'A'..=b'Z',
        ];
        proptest::collection::vec(byte, 0..400)
    }

    proptest! {
        #[test]
        fn s_07_any_chunking_gives_the_same_lines(
            bytes in stream(), cuts in proptest::collection::vec(1usize..40, 1..20), lazy in any::<bool>()
        ) {
            let whole = lines(&[&bytes]);
            let mut reader = LineReader::new(32);
            let mut read = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
                reader.push(chunk);
                if !lazy || behind.is_empty() {
                    drain(&mut reader, &mut read);
                    prop_assert!(reader.leftover().len() <= 33);
                }
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&read, &whole);
            for line in read.into_iter().flatten() {
                prop_assert!(!line.contains(['\0', '\n']));
            }
        }
    }
}
