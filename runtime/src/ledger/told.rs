//! What this node has told the pool of late, and in which journal: a journal whose server stops answering may have
//! been read by nobody yet. Pure: the moment is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use super::record::Record;
use crate::moment::Moment;

/// The records, oldest first. At most `max`: the oldest gives way, and is then told by its keys alone.
#[derive(Debug)]
pub(super) struct Told {
    entries: VecDeque<(usize, Moment, Record)>,
    max: usize,
    /// By then every node that can has read an entry.
    read_after: Duration,
}

impl Told {
    pub(super) const fn new(max: usize, read_after: Duration) -> Told {
        Told { entries: VecDeque::new(), max, read_after }
    }

    /// A record was told in a journal.
    pub(super) fn note(&mut self, stream: usize, record: Record, now: Moment) {
        self.forget(now);
        if self.entries.len() >= self.max {
            self.entries.pop_front();
        }
        self.entries.push_back((stream, now, record));
    }

    /// Takes out what was told in journals that do not answer: it is to be told elsewhere.
    pub(super) fn unheard(&mut self, is_away: impl Fn(usize) -> bool, now: Moment) -> Vec<Record> {
        self.forget(now);
        let (lost, kept) = self.entries.drain(..).partition(|(stream, _, _)| is_away(*stream));
        self.entries = kept;
        let lost: VecDeque<(usize, Moment, Record)> = lost;
        lost.into_iter().map(|(_, _, record)| record).collect()
    }

    fn forget(&mut self, now: Moment) {
        while self.entries.front().is_some_and(|(_, told, _)| told.until(now) > self.read_after) {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_000_000);

    #[test]
    fn what_was_told_of_late_in_a_journal_that_is_away_is_told_again_once() {
        let record = |last: usize| Record::Ban(ban(&format!("host:192.0.2.{last}"), NOW, None));
        let mut told = Told::new(3, Duration::from_secs(3));
        let records: Vec<Record> = (0..4).map(record).collect();
        for (number, record) in records.iter().enumerate() {
            told.note(number % 2, record.clone(), NOW);
        }
        assert_eq!(told.unheard(|stream| stream == 0, NOW), [records[2].clone()], "the first gave way");
        assert_eq!(told.unheard(|stream| stream == 0, NOW), []);
        assert_eq!(told.unheard(|stream| stream == 1, NOW.plus(Duration::from_secs(4))), [], "all have read it");
        assert!(told.entries.is_empty());
    }
}
