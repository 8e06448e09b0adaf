//! What this node has told the pool of late, and in which places of its journals: a journal whose server stops
//! answering may have been read by nobody yet, and an entry that memcached threw out is asked for by whoever missed it.
//! Pure: the moment is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use super::feed::Place;
use super::record::Record;
use crate::moment::Moment;

/// A record is told so often again in place of an entry that is gone: a memcached without room throws out every one.
const AGAIN_MAX: u8 = 3;

/// An entry of which nothing is left where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// Where it stood.
    pub(super) place: Place,
    /// How often its record was told again before.
    times: u8,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    told: Moment,
    record: Record,
    times: u8,
}

/// The records, oldest first. At most `max`: the oldest gives way, and is then told by its keys alone.
#[derive(Debug)]
pub(super) struct Told {
    entries: VecDeque<Entry>,
    max: usize,
    /// By then every node that can has read an entry.
    read_after: Duration,
}

impl Told {
    pub(super) const fn new(max: usize, read_after: Duration) -> Told {
        Told { entries: VecDeque::new(), max, read_after }
    }

    /// A record was told, perhaps instead of one that is gone.
    pub(super) fn note(&mut self, place: Place, record: Record, instead: Option<Gone>, now: Moment) {
        if self.entries.len() >= self.max {
            self.entries.pop_front();
        }
        let times = instead.map_or(0, |gone| gone.times + 1);
        self.entries.push_back(Entry { place, told: now, record, times });
    }

    /// Takes out what was told of late in journals that do not answer: it is to be told elsewhere.
    pub(super) fn unheard(&mut self, is_away: impl Fn(usize) -> bool, now: Moment) -> Vec<Record> {
        let first = self.entries.partition_point(|entry| entry.told.until(now) > self.read_after);
        let late = self.entries.split_off(first);
        let (lost, kept): (VecDeque<Entry>, VecDeque<Entry>) =
            late.into_iter().partition(|entry| is_away(entry.place.stream));
        self.entries.extend(kept);
        lost.into_iter().map(|entry| entry.record).collect()
    }

    /// Takes out what was told in a place where it is gone, if this node told it and it may be told again.
    pub(super) fn gone(&mut self, place: Place) -> Option<(Record, Gone)> {
        let found = self.entries.iter().position(|entry| entry.place == place)?;
        let entry = self.entries.remove(found)?;
        (entry.times < AGAIN_MAX).then_some((entry.record, Gone { place, times: entry.times }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn record(last: usize) -> Record {
        Record::Ban(ban(&format!("host:192.0.2.{last}"), NOW, None))
    }

    #[test]
    fn what_was_told_of_late_in_a_journal_that_is_away_is_told_again_once() {
        let mut told = Told::new(3, Duration::from_secs(3));
        let records: Vec<Record> = (0..4).map(record).collect();
        for (number, record) in records.iter().enumerate() {
            told.note(Place { stream: number % 2, number: number as u64 }, record.clone(), None, NOW);
        }
        assert_eq!(told.unheard(|stream| stream == 0, NOW), [records[2].clone()], "the first gave way");
        assert_eq!(told.unheard(|stream| stream == 0, NOW), []);
        assert_eq!(told.unheard(|stream| stream == 1, NOW.plus(Duration::from_secs(4))), [], "all have read it");
    }

    #[test]
    fn what_is_gone_from_its_place_is_told_again_a_few_times_only() {
        let mut told = Told::new(3, Duration::from_secs(3));
        let place = |number| Place { stream: 1, number };
        told.note(place(0), record(0), None, NOW);
        for times in 0..AGAIN_MAX {
            let (again, gone) = told.gone(place(times.into())).expect("told there");
            assert_eq!((again.subject(), gone.place), (record(0).subject(), place(times.into())));
            assert_eq!(told.gone(place(times.into())), None);
            told.note(place(u64::from(times) + 1), again, Some(gone), NOW);
        }
        assert_eq!(told.gone(place(AGAIN_MAX.into())), None);
    }
}
