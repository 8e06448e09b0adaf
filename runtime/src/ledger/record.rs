//! What is written of bans, on disk and in the store: a ban, or its lift. And what of it wins.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ban::{Ban, BanId, CLOCKS_DIFFER, held_until};
use super::clocks::Clocks;
use super::subject::{Reach, Subject};
use crate::moment::Moment;

/// One record. As JSON: `{"ban":{..}}` or `{"lift":{..}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A ban.
    Ban(#[serde(with = "shared")] Arc<Ban>),
    /// A ban's end before its time.
    Lift(#[serde(with = "shared")] Arc<Lift>),
}

/// A shared value is written as what it holds.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, out: S) -> Result<S::Ok, S::Error> {
        T::serialize(value, out)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(input).map(Arc::new)
    }
}

/// A ban was lifted. It wins over every copy of the ban, and over older bans of the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lift {
    /// The ban.
    pub ban: BanId,
    /// Whom it named.
    pub subject: Subject,
    /// How far it reached.
    pub reach: Reach,
    /// Never before the ban's creation, however the clocks differ.
    pub at: Moment,
    /// When the ban would have ended by any clock: then the lift is forgotten.
    pub until: Option<Moment>,
    /// Who lifted it.
    pub by: String,
    /// The node that lifted it.
    pub node: String,
    /// The ban's site.
    pub site: String,
    /// By whose clock, where it is not the maker's in the store, or not yet ours here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Box<str>>,
}

impl Lift {
    /// The lift of a ban.
    pub fn of(ban: &Ban, now: Moment, by: &str, node: &str) -> Lift {
        Lift {
            ban: ban.id,
            subject: ban.subject.clone(),
            reach: ban.reach,
            at: now.max(ban.created),
            until: ban.expires.map(|end| end.plus(CLOCKS_DIFFER)),
            by: by.to_owned(),
            node: node.to_owned(),
            site: ban.site.clone(),
            clock: None,
        }
    }

    /// Whether it ends this ban. Moments of two clocks say nothing.
    pub fn voids(&self, ban: &Ban) -> bool {
        let by_age = self.clock == ban.clock && ban.created <= self.at;
        self.subject == ban.subject && (self.ban == ban.id || by_age)
    }

    /// Whether it is the same lift by our clock, which was known by another's before.
    pub fn puts_right(&self, known: &Lift) -> bool {
        self.ban == known.ban && self.node == known.node && self.clock.is_none() && known.clock.is_some()
    }

    /// Whether it takes the place of one that is known: a later one, or the same put right.
    pub fn supersedes(&self, known: &Lift) -> bool {
        self.puts_right(known) || known.at < self.at && !known.puts_right(self)
    }

    /// Whether a copy of the ban could still be in force.
    pub fn matters(&self, now: Moment) -> bool {
        now < self.end()
    }

    /// When it is forgotten; the end of time for the lift of a ban without an end.
    pub fn end(&self) -> Moment {
        held_until(self.until, self.clock.as_deref()).unwrap_or(Moment::from_millis(u64::MAX))
    }
}

impl Ban {
    /// Whether it ends later than another.
    pub fn outlasts(&self, other: &Ban) -> bool {
        outlasts(self.expires, other.expires)
    }
}

/// Whether one end is later than another; `None` is no end.
pub fn outlasts(mine: Option<Moment>, theirs: Option<Moment>) -> bool {
    match (mine, theirs) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(mine), Some(theirs)) => mine > theirs,
    }
}

impl Record {
    /// Whom it is about.
    pub fn subject(&self) -> &Subject {
        match self {
            Record::Ban(ban) => &ban.subject,
            Record::Lift(lift) => &lift.subject,
        }
    }

    /// How far it reaches.
    pub fn reach(&self) -> Reach {
        match self {
            Record::Ban(ban) => ban.reach,
            Record::Lift(lift) => lift.reach,
        }
    }

    /// When it ceases to matter, by its own clock.
    pub fn expires(&self) -> Option<Moment> {
        match self {
            Record::Ban(ban) => ban.expires,
            Record::Lift(lift) => lift.until,
        }
    }

    /// When it ceases to matter by ours, at the latest.
    pub fn held_until(&self) -> Option<Moment> {
        held_until(self.expires(), self.clock())
    }

    /// When it was made, by its own clock.
    pub fn made(&self) -> Moment {
        match self {
            Record::Ban(ban) => ban.created,
            Record::Lift(lift) => lift.at,
        }
    }

    /// Who made it.
    pub fn node(&self) -> &str {
        match self {
            Record::Ban(ban) => &ban.node,
            Record::Lift(lift) => &lift.node,
        }
    }

    /// By whose clock its moments are, if not by its maker's.
    pub fn clock(&self) -> Option<&str> {
        match self {
            Record::Ban(ban) => ban.clock.as_deref(),
            Record::Lift(lift) => lift.clock.as_deref(),
        }
    }

    /// Whether it still matters.
    pub fn matters(&self, now: Moment) -> bool {
        self.held_until().is_none_or(|end| now < end)
    }

    /// Whether it takes the place of another record of the same subject. Every node decides alike, in
    /// whatever order it meets the two.
    pub fn beats(&self, other: &Record) -> bool {
        match (self, other) {
            (Record::Ban(mine), Record::Ban(theirs)) => mine.id != theirs.id && mine.outlasts(theirs),
            (Record::Lift(mine), Record::Ban(theirs)) => mine.voids(theirs),
            (Record::Ban(mine), Record::Lift(theirs)) => !theirs.voids(mine),
            (Record::Lift(mine), Record::Lift(theirs)) => mine.at > theirs.at,
        }
    }
}

/// The records that a value of the store holds, one a line: subjects may share a key. What cannot be read
/// is left out and counted.
pub fn read_all(value: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut strange = 0;
    for line in value.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) => strange += 1,
        }
    }
    (records, strange)
}

/// What to do with a value so that it holds a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Merge {
    /// Nothing: what is there already wins.
    Stands,
    /// Write this.
    Write(Merged),
    /// The record is larger than a value may be.
    TooLarge,
}

/// A value with one more record in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The records, one a line.
    pub value: Vec<u8>,
    /// When the last of them ceases to matter.
    pub expires: Option<Moment>,
    /// Records that had to give way because the value was full.
    pub dropped: usize,
}

/// Puts a record into a value. A record gives up its evidence, oldest first, then how it was decided, until
/// it fits; others give way, soonest to end first. All moments are compared by our clock.
pub fn merge(value: &[u8], record: &Record, now: Moment, bytes_max: usize, clocks: &Clocks) -> Merge {
    let mut kept: Vec<Record> = read_all(value).0.into_iter().map(|known| clocks.ours(known)).collect();
    kept.retain(|known| known.matters(now));
    if kept.iter().any(|known| known.subject() == record.subject() && !record.beats(known)) {
        return Merge::Stands;
    }
    let Some(line_of_it) = fitting(&clocks.theirs(record.clone()), bytes_max) else { return Merge::TooLarge };
    kept.retain(|known| known.subject() != record.subject());
    kept.sort_by_key(|known| std::cmp::Reverse(known.held_until().unwrap_or(Moment::from_millis(u64::MAX))));
    let mut merged = Merged { value: line_of_it, expires: record.held_until(), dropped: 0 };
    for known in kept {
        let line = line(&clocks.theirs(known.clone()));
        if merged.value.len() + line.len() > bytes_max {
            merged.dropped += 1;
            continue;
        }
        merged.value.extend(line);
        merged.expires = match (merged.expires, known.held_until()) {
            (Some(one), Some(other)) => Some(one.max(other)),
            _ => None,
        };
    }
    Merge::Write(merged)
}

/// The record's line, cut in what explains it until it fits; `None` if it cannot.
pub fn fitting(record: &Record, bytes_max: usize) -> Option<Vec<u8>> {
    let whole = line(record);
    if whole.len() <= bytes_max {
        return Some(whole);
    }
    let Record::Ban(ban) = record else { return None };
    let mut short = Ban::clone(ban);
    while !short.evidence.is_empty() || short.course.is_some() {
        if short.evidence.is_empty() {
            short.course = None;
        }
        short.evidence.drain(..short.evidence.len().div_ceil(2));
        let line = line(&Record::Ban(Arc::new(short.clone())));
        if line.len() <= bytes_max {
            return Some(line);
        }
    }
    None
}

/// A record as a value holds it.
pub fn line(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("a record has only names and numbers for keys");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Evidence;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_000_000);
    const ROOM: usize = 64 * 1024;

    fn clocks() -> Clocks {
        Clocks::new("a", Duration::from_secs(3))
    }

    fn written(value: &[u8], record: &Record, now: Moment, bytes_max: usize) -> Merged {
        match merge(value, record, now, bytes_max, &clocks()) {
            Merge::Write(merged) => merged,
            other => panic!("{other:?}"),
        }
    }

    fn lift(ban: &Ban, at: Moment) -> Record {
        Record::Lift(Arc::new(Lift::of(ban, at, "root", "a")))
    }

    #[test]
    fn subjects_that_share_a_key_live_side_by_side() {
        let one = Record::Ban(ban("host:192.0.2.1", NOW, Some(60)));
        let other = Record::Ban(ban("host:192.0.2.2", NOW, Some(600)));
        let value = written(b"", &one, NOW, ROOM).value;
        let merged = written(&value, &other, NOW, ROOM);
        assert_eq!(merged.expires, other.expires());
        let (records, strange) = read_all(&merged.value);
        assert_eq!((records.len(), strange), (2, 0));
        let later = NOW.plus(Duration::from_secs(61));
        let value = written(&merged.value, &lift(&ban("host:192.0.2.3", later, None), later), later, ROOM);
        assert_eq!(read_all(&value.value).0.len(), 2, "the ended one is gone");
        assert_eq!(value.expires, None);
    }

    #[test]
    fn s_68_a_lift_wins_over_its_ban_in_any_order_and_a_later_ban_over_the_lift() {
        let old = ban("host:192.0.2.1", NOW, Some(600));
        let lifted = lift(&old, NOW.plus(Duration::from_secs(1)));
        let again = Record::Ban(ban("host:192.0.2.1", NOW.plus(Duration::from_secs(2)), Some(60)));
        let old = Record::Ban(old);
        assert!(lifted.beats(&old) && !old.beats(&lifted));
        assert!(again.beats(&lifted) && !lifted.beats(&again));
        let value = written(b"", &lifted, NOW, ROOM).value;
        assert_eq!(merge(&value, &old, NOW, ROOM, &clocks()), Merge::Stands);
        assert!(matches!(merge(&value, &again, NOW, ROOM, &clocks()), Merge::Write(_)));
        assert_eq!(merge(b"", &again, NOW, 100, &clocks()), Merge::TooLarge);
    }

    #[test]
    fn a_lift_on_a_node_whose_clock_is_behind_still_lifts() {
        let old = ban("host:192.0.2.1", NOW, Some(600));
        let behind = Moment::from_millis(NOW.millis() - 300_000);
        assert!(Lift::of(&old, behind, "root", "b").voids(&old));
    }

    #[test]
    fn a_full_value_drops_evidence_then_the_soonest_to_end() {
        let mut big = Ban::clone(&ban("host:192.0.2.1", NOW, Some(60)));
        big.evidence = (0..100)
            .map(|number| Evidence { at: NOW, event: "connect".into(), facts: serde_json::json!({ "number": number }) })
            .collect();
        let big = Record::Ban(Arc::new(big));
        let value = written(b"", &big, NOW, 1000).value;
        assert!(value.len() <= 1000);
        let other = Record::Ban(ban("host:192.0.2.2", NOW, Some(600)));
        let merged = written(&value, &other, NOW, 1000);
        assert_eq!(merged.dropped, 1);
        assert_eq!(read_all(&merged.value).0, [other]);
    }

    #[test]
    fn s_76_fields_of_a_later_version_are_passed_over_and_a_later_kind_of_record_is_counted() {
        let one = Record::Ban(ban("host:192.0.2.1", NOW, Some(60)));
        let text = String::from_utf8(line(&one)).expect("JSON");
        let later = text.replacen("{\"ban\":{", "{\"ban\":{\"weight\":{\"a\":[1]},", 1);
        assert_ne!(later, text);
        assert_eq!(read_all(later.as_bytes()), (vec![one.clone()], 0));
        let lifted = String::from_utf8(line(&lift(&ban("host:192.0.2.1", NOW, None), NOW))).expect("JSON");
        let later = lifted.replacen("{\"lift\":{", "{\"lift\":{\"ticket\":7,", 1);
        assert_eq!(read_all(later.as_bytes()).1, 0);
        let unknown = [b"{\"pardon\":{\"id\":1}}\n", text.as_bytes()].concat();
        assert_eq!(read_all(&unknown), (vec![one], 1));
    }

    #[test]
    fn a_strangers_bytes_are_left_out_and_counted() {
        let one = Record::Ban(ban("host:192.0.2.1", NOW, Some(60)));
        let mut value = b"{\"ban\":1}\nrubbish\n\xff\xfe\n".to_vec();
        value.extend(line(&one));
        assert_eq!(read_all(&value), (vec![one], 3));
    }
}
