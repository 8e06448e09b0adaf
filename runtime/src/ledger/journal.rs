//! The records of bans as bytes, and the nodes that are forgotten: one a line, `CRC32-in-hex JSON`. A file that was cut or damaged gives
//! back every record that is whole.

use serde::{Deserialize, Serialize};

use super::forgotten::Forgotten;
use super::record::Record;

/// What a line says. As JSON: `{"ban":{..}}`, `{"lift":{..}}` or `{"forgotten":{..}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// A ban, or its lift.
    Record(Record),
    /// What a node made until then counts no more.
    Forgotten {
        /// Which, and when.
        forgotten: Forgotten,
    },
}

impl From<Record> for Line {
    fn from(record: Record) -> Line {
        Line::Record(record)
    }
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Line {
        Line::Record(record.clone())
    }
}

impl From<Forgotten> for Line {
    fn from(forgotten: Forgotten) -> Line {
        Line::Forgotten { forgotten }
    }
}

impl From<&Line> for Line {
    fn from(line: &Line) -> Line {
        line.clone()
    }
}

const SUM_BYTES: usize = 8;

/// What was read besides the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whole records.
    pub records: usize,
    /// Lines that are no record: something damaged the file.
    pub damaged: usize,
    /// Whole lines that a later version wrote: they say what this one does not know.
    pub later: usize,
    /// Bytes up to the end of the last line that ends.
    pub good_bytes: u64,
    /// Bytes of a last line that does not end: the server was stopped while it wrote.
    pub torn_bytes: u64,
}

impl Reading {
    /// This and what was read behind it.
    pub const fn and(self, next: Reading) -> Reading {
        Reading {
            records: self.records + next.records,
            damaged: self.damaged + next.damaged,
            later: self.later + next.later,
            good_bytes: self.good_bytes + next.good_bytes,
            torn_bytes: self.torn_bytes + next.torn_bytes,
        }
    }
}

/// As a line of the file.
pub fn line(line: impl Into<Line>) -> Vec<u8> {
    let json = serde_json::to_vec(&line.into()).expect("a record has only names and numbers for keys");
    let mut line = Vec::with_capacity(SUM_BYTES + 1 + json.len() + 1);
    line.extend_from_slice(format!("{:08x} ", crc32fast::hash(&json)).as_bytes());
    line.extend(json);
    line.push(b'\n');
    line
}

/// What a line without its end says; `None` if it is not exactly what was written, or a later version wrote it.
pub fn parse(line: &[u8]) -> Option<Line> {
    #[derive(Deserialize)]
    struct Other {
        forgotten: Forgotten,
    }
    let json = whole(line)?;
    // A million of the one kind for each of the other.
    let record = serde_json::from_slice(json).map(Line::Record);
    record.or_else(|_| serde_json::from_slice(json).map(|Other { forgotten }| Line::Forgotten { forgotten })).ok()
}

/// The JSON of a line that is exactly what was written.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let (sum, rest) = line.split_at_checked(SUM_BYTES)?;
    let json = rest.strip_prefix(b" ")?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (sum == crc32fast::hash(json)).then_some(json)
}

/// Whether a later version wrote a line, without its end: all of it is there, and it is an object.
fn is_later(line: &[u8]) -> bool {
    let object = |json| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
    parse(line).is_none() && whole(line).is_some_and(object)
}

/// The lines of a file that a later version wrote, as they are.
pub fn later(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.strip_suffix(b"\n").is_some_and(is_later)).flatten().copied().collect()
}

/// Reads the records of a file or a piece of one, in the order in which they were written.
pub fn read(bytes: &[u8], mut each: impl FnMut(Line)) -> Reading {
    let mut reading = Reading::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else {
            reading.torn_bytes = line.len() as u64;
            break;
        };
        reading.good_bytes += line.len() as u64;
        match parse(whole) {
            Some(record) => {
                reading.records += 1;
                each(record);
            }
            None if is_later(whole) => reading.later += 1,
            None => reading.damaged += 1,
        }
    }
    reading
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::ledger::fixtures::{ban, forgotten};
    use crate::ledger::record::Lift;
    use crate::ledger::{Ban, Subject};
    use crate::moment::Moment;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn four() -> Vec<Line> {
        let first = ban("host:192.0.2.1", NOW, Some(60));
        let lift = Lift::of(&first, NOW, "root", "a");
        // Of another version, which may have let line ends pass.
        let strange = Ban { subject: Subject::User("e\nve".into()), ..Ban::clone(&ban("user:eve", NOW, None)) };
        let records = [Record::Ban(first), Record::Ban(Arc::new(strange)), Record::Lift(Arc::new(lift))];
        records.into_iter().map(Line::from).chain([forgotten("a", NOW).into()]).collect()
    }

    fn read_back(bytes: &[u8]) -> (Vec<Line>, Reading) {
        let mut records = Vec::new();
        let reading = read(bytes, |record| records.push(record));
        (records, reading)
    }

    #[test]
    fn f_15_a_file_cut_at_any_byte_gives_back_its_whole_records() {
        let records = four();
        let lines: Vec<_> = records.iter().map(line).collect();
        let whole = lines.concat();
        for cut in 0..=whole.len() {
            let (found, reading) = read_back(&whole[..cut]);
            let mut end = 0;
            let complete = lines
                .iter()
                .take_while(|line| {
                    end += line.len();
                    end <= cut
                })
                .count();
            assert_eq!(found, records[..complete], "cut at {cut}");
            assert_eq!(reading.damaged, 0);
            assert_eq!(reading.good_bytes + reading.torn_bytes, cut as u64);
        }
    }

    #[test]
    fn s_75_s_76_an_older_version_keeps_the_word_that_forgets_a_node_as_one_of_a_later_one() {
        let word = line(forgotten("node-1", NOW));
        let text = String::from_utf8(word.clone()).expect("JSON");
        assert!(text.contains("{\"forgotten\":{"), "{text}");
        // What that version does with a line that is whole, an object, and neither a ban nor a lift.
        let json = whole(word.strip_suffix(b"\n").expect("a line")).expect("whole");
        assert!(serde_json::from_slice::<Record>(json).is_err());
        let unknown = String::from_utf8(json.to_vec()).expect("JSON").replace("forgotten", "remembered");
        let unknown = format!("{:08x} {unknown}\n", crc32fast::hash(unknown.as_bytes()));
        let (found, reading) = read_back(&[word.as_slice(), unknown.as_bytes()].concat());
        assert_eq!((found, reading.later, reading.damaged), (vec![forgotten_again(&word)], 1, 0));
        assert_eq!(later(&[word.as_slice(), unknown.as_bytes()].concat()), unknown.as_bytes());
    }

    fn forgotten_again(line: &[u8]) -> Line {
        parse(line.strip_suffix(b"\n").expect("a line")).expect("a word")
    }

    proptest! {
        #[test]
        fn f_15_a_flipped_bit_costs_its_own_record_alone(at in 0usize..10_000, bit in 0u8..8) {
            let records = four();
            let lines: Vec<_> = records.iter().map(line).collect();
            let mut bytes = lines.concat();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let (found, reading) = read_back(&bytes);
            let mut end = 0;
            let hit = lines.iter().take_while(|line| { end += line.len(); end <= at }).count();
            // A lost line end joins its line with the next.
            let joined = at + 1 == lines[..=hit].iter().map(Vec::len).sum::<usize>();
            let spared = |number: usize| number != hit && !(joined && number == hit + 1);
            for (number, record) in records.iter().enumerate().filter(|(number, _)| spared(*number)) {
                prop_assert!(found.contains(record), "record {} of {:?}", number, reading);
            }
            prop_assert!(found.iter().all(|record| records.contains(record)));
            prop_assert!(found.len() == records.len() || reading.damaged > 0 || reading.torn_bytes > 0);
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read_back(&bytes);
        }
    }
}
