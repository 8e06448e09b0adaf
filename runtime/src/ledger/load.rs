//! Reads a journal with all cores: pieces are parsed beside each other, and their records handed on in the
//! order of the file.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::thread::{self, Builder};

use super::journal::{self, Line, Reading};

/// Bytes that one thread parses at a time: far more than a thread costs to start, far less than memory.
const PIECE: usize = 1024 * 1024;

/// Reads records until the end, in the order in which they were written.
///
/// # Errors
/// Those of `input`, and of starting threads.
pub(super) fn read(input: impl Read, each: &mut dyn FnMut(Line)) -> io::Result<Reading> {
    let mut pieces = Pieces { input, rest: Vec::new(), ended: false };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let mut whole = Reading::default();
    thread::scope(|scope| {
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < at_once
                && let Some(piece) = pieces.next()?
            {
                let parse = move || {
                    let mut records = Vec::new();
                    let reading = journal::read(&piece, |record| records.push(record));
                    (records, reading)
                };
                under_way.push_back(Builder::new().name("ban-reader".into()).spawn_scoped(scope, parse)?);
            }
            let Some(first) = under_way.pop_front() else { return Ok(whole) };
            let (records, reading) = first.join().map_err(|_| io::Error::other("a reader ended early"))?;
            whole = whole.and(reading);
            records.into_iter().for_each(&mut *each);
        }
    })
}

/// The file in pieces of whole lines; what comes behind the last line end is the last piece.
struct Pieces<R> {
    input: R,
    rest: Vec<u8>,
    ended: bool,
}

impl<R: Read> Pieces<R> {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        while !self.ended {
            let before = self.rest.len();
            let read = self.input.by_ref().take(PIECE as u64).read_to_end(&mut self.rest)?;
            self.ended = read < PIECE;
            // A line may be longer than a piece.
            if let Some(end) = last_line_end(&self.rest[before..]).filter(|_| !self.ended) {
                let behind = self.rest.split_off(before + end + 1);
                return Ok(Some(std::mem::replace(&mut self.rest, behind)));
            }
        }
        Ok(Some(std::mem::take(&mut self.rest)).filter(|rest| !rest.is_empty()))
    }
}

/// Where the last line ends.
fn last_line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;
    use crate::ledger::record::Record;
    use crate::moment::Moment;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = into.len().min(self.0.len()).min(70_001);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read_all(bytes: &[u8]) -> (Vec<Line>, Reading) {
        let mut records = Vec::new();
        let reading = read(Drip(bytes), &mut |record| records.push(record)).expect("memory");
        (records, reading)
    }

    #[test]
    fn pieces_give_what_one_read_gives_in_the_same_order() {
        let now = Moment::from_millis(1_000_000);
        let mut bytes = Vec::new();
        for number in 0..10_000u32 {
            bytes.extend(journal::line(Record::Ban(ban(&format!("user:name-{number}"), now, None))));
            if number % 1000 == 0 {
                bytes.extend_from_slice(b"damaged\n");
            }
        }
        // One line that is longer than a piece.
        bytes.extend(std::iter::repeat_n(b'x', 2 * PIECE));
        bytes.extend_from_slice(b"\ntorn");
        let mut wanted = Vec::new();
        let reading = journal::read(&bytes, |record| wanted.push(record));
        assert_eq!((reading.records, reading.damaged, reading.torn_bytes), (10_000, 11, 4));
        assert_eq!(read_all(&bytes), (wanted, reading));
        assert_eq!(read_all(b""), (Vec::new(), Reading::default()));
    }
}
