//! Follows the pool's journal: which entries to read next, and what it means when its head moves. Pure: what
//! the store answers and the moment are arguments.
//!
//! A journal is a counter, its head, and an entry under each number up to it. A writer counts the head up and
//! writes its entry under the number that it got. So a reader sees numbers whose entries come a little later,
//! or never, if their writer died in between: gaps. Numbers of a journal that was begun anew are far from the
//! old ones, as the moment of the beginning stands above their lowest bits; so a store that has forgotten is
//! noticed by the number alone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::moment::Moment;

/// Bits that count entries; those above are the moment at which the journal was begun, in 1/256 s.
const ENTRY_BITS: u32 = 24;
/// The least number that a journal that was begun properly can have.
pub const FIRST: u64 = 1 << ENTRY_BITS;
/// No journal of ours gets so far.
pub const LAST: u64 = u64::MAX >> 1;
/// More entries than this since the last look are another journal's.
const JUMP_MAX: u64 = 1 << 20;
/// A reader of old entries that finds so many places empty in a row has come to the beginning.
const EMPTY_MAX: u64 = 10_000;

/// The number that a journal begins with.
pub fn beginning(now: Moment) -> u64 {
    (now.millis().saturating_mul(256) / 1000).clamp(1, u64::MAX >> (ENTRY_BITS + 1)) << ENTRY_BITS
}

/// What the store says of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The number of the last entry.
    At(u64),
    /// There is none.
    Gone,
    /// Something that is no number.
    Strange,
    /// It does not answer.
    Unknown,
}

/// What the store says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is there.
    There,
    /// It is not, or not yet.
    Missing,
    /// It does not answer.
    Unknown,
}

/// An entry to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which journal.
    pub stream: usize,
    /// Which entry of it.
    pub number: u64,
}

/// The reader's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries that are asked for at once, over all journals.
    pub page: usize,
    /// How long an entry may come after its number.
    pub gap_patience: Duration,
    /// Numbers whose entries are waited for in one journal; more are given up, oldest first.
    pub gaps_max: usize,
    /// Everything is read once more at most so often, however many clocks turn out to differ.
    pub rewind_pause: Duration,
}

/// A reader of several journals.
#[derive(Debug)]
pub struct Feed {
    streams: Vec<Stream>,
    bounds: Bounds,
    /// When everything was last read once more.
    rewound: Option<Moment>,
    /// How often it was.
    pub rewinds: u64,
    /// Numbers whose entries never came.
    pub lost: u64,
    /// Heads that were no numbers.
    pub strange: u64,
}

#[derive(Debug, Default)]
struct Stream {
    /// All entries up to here were read or are gaps. `None` before the first look, and while there is no head.
    seen: Option<u64>,
    head: u64,
    gaps: BTreeMap<u64, Gap>,
    /// Older entries, read from the newest to the oldest.
    back: Option<Back>,
    /// They are to be read once more.
    rewind_due: bool,
    asked_before: bool,
    /// It began since the look before the one that found it: so did all of its entries. Until the next look.
    young: bool,
    /// The head at the look before the last one: what is above came since.
    head_before: u64,
    heard: Option<Moment>,
    /// The look before that.
    heard_before: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    since: Moment,
    /// Somebody has asked its writer for it.
    asked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Back {
    next: u64,
    empty: u64,
}

impl Feed {
    /// Of so many journals, of which nothing is known yet.
    pub fn new(streams: usize, bounds: Bounds) -> Feed {
        let streams = (0..streams).map(|_| Stream::default()).collect();
        Feed { streams, bounds, rewound: None, rewinds: 0, lost: 0, strange: 0 }
    }

    /// Takes in what the store says of the heads, in their order. Returns the journals that the store knows
    /// nothing of, or knows anew: it has forgotten what else it held, or we are new to it.
    pub fn heads(&mut self, heads: &[Head], now: Moment) -> Vec<usize> {
        let mut new = Vec::new();
        for (number, (stream, head)) in self.streams.iter_mut().zip(heads).enumerate() {
            match head {
                Head::At(head) if *head < LAST => {
                    stream.heard_before = stream.heard.replace(now);
                    stream.head_before = stream.head;
                    stream.young = false;
                    if stream.move_to(*head) {
                        new.push(number);
                    }
                }
                Head::Gone => {
                    stream.heard = Some(now);
                    if stream.seen.is_some() || !stream.asked_before {
                        new.push(number);
                    }
                    *stream = Stream { heard: stream.heard, asked_before: true, ..Stream::default() };
                }
                Head::At(_) | Head::Strange => self.strange += 1,
                Head::Unknown => {}
            }
        }
        self.rewind_what_is_due(now);
        new
    }

    /// The entries to read next: new ones first, then those that were late, then old ones.
    pub fn wanted(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (stream, state) in self.streams.iter().enumerate() {
            let Some(seen) = state.seen else { continue };
            let room = self.bounds.page.saturating_sub(places.len());
            places.extend((seen + 1..=state.head).take(room).map(|number| Place { stream, number }));
        }
        for (stream, state) in self.streams.iter().enumerate() {
            let room = self.bounds.page.saturating_sub(places.len());
            places.extend(state.gaps.keys().take(room).map(|number| Place { stream, number: *number }));
        }
        for (stream, state) in self.streams.iter().enumerate() {
            let room = self.bounds.page.saturating_sub(places.len()) as u64;
            let Some(back) = state.back else { continue };
            let last = state.floor().max(back.next.saturating_sub(room));
            places.extend((last + 1..=back.next).rev().map(|number| Place { stream, number }));
        }
        places
    }

    /// Takes in what the store says of an entry that was wanted, in the order of [`Feed::wanted`].
    pub fn entry(&mut self, place: Place, found: Entry, now: Moment) {
        let Some(stream) = self.streams.get_mut(place.stream) else { return };
        let number = place.number;
        if found == Entry::Unknown {
            return;
        }
        if stream.seen.is_some_and(|seen| seen + 1 == number) && number <= stream.head {
            stream.seen = Some(number);
            if found == Entry::Missing {
                stream.gaps.insert(number, Gap { since: now, asked: false });
                if stream.gaps.len() > self.bounds.gaps_max && stream.gaps.pop_first().is_some() {
                    self.lost += 1;
                }
            }
        } else if let Some(Gap { since, .. }) = stream.gaps.get(&number) {
            if found == Entry::There {
                stream.gaps.remove(&number);
            } else if since.until(now) >= self.bounds.gap_patience {
                stream.gaps.remove(&number);
                self.lost += 1;
            }
        } else if let Some(back) = &mut stream.back
            && back.next == number
        {
            back.next = number - 1;
            back.empty = if found == Entry::There { 0 } else { back.empty + 1 };
            if back.empty >= EMPTY_MAX || back.next <= stream.floor() {
                stream.back = None;
                stream.young = false;
            }
        }
    }

    /// Reads everything once more, from the newest on: what was misjudged is judged again. It begins with the next
    /// look at the heads; where old entries are being read already, once that is over.
    pub fn rewind(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.rewind_due = true);
    }

    fn rewind_what_is_due(&mut self, now: Moment) {
        if self.rewound.is_some_and(|before| before.until(now) < self.bounds.rewind_pause) {
            return;
        }
        let mut begun = false;
        for stream in self.streams.iter_mut().filter(|stream| stream.rewind_due && stream.back.is_none()) {
            stream.back = stream.seen.filter(|seen| *seen > stream.floor()).map(|next| Back { next, empty: 0 });
            (stream.rewind_due, stream.young) = (false, false);
            begun |= stream.back.is_some();
        }
        if begun {
            self.rewound = Some(now);
            self.rewinds += 1;
        }
    }

    /// Gaps of some journals that somebody should ask the writer for, at most `count`: those that nobody has asked
    /// for and that are old enough. They count as asked for from now on.
    pub fn ask_for(
        &mut self,
        streams: std::ops::Range<usize>,
        now: Moment,
        count: usize,
        old_enough: impl Fn(Duration) -> bool,
    ) -> Vec<Place> {
        let mut places = Vec::new();
        for (stream, state) in self.streams.iter_mut().enumerate().filter(|(stream, _)| streams.contains(stream)) {
            for (number, gap) in &mut state.gaps {
                if places.len() < count && !gap.asked && old_enough(gap.since.until(now)) {
                    gap.asked = true;
                    places.push(Place { stream, number: *number });
                }
            }
        }
        places
    }

    /// Somebody else has asked for an entry.
    pub fn asked(&mut self, place: Place) {
        if let Some(gap) = self.streams.get_mut(place.stream).and_then(|stream| stream.gaps.get_mut(&place.number)) {
            gap.asked = true;
        }
    }

    /// What an entry said was said again in another place.
    pub fn close(&mut self, place: Place) {
        if let Some(stream) = self.streams.get_mut(place.stream) {
            stream.gaps.remove(&place.number);
        }
    }

    /// Whether there is more to read at once.
    pub fn is_behind(&self) -> bool {
        self.streams.iter().any(|stream| stream.back.is_some() || stream.seen.is_some_and(|seen| seen < stream.head))
    }

    /// Whether an entry that is wanted was written within about this span: then its writer's clock can be
    /// compared with ours. To be asked before [`Feed::entry`].
    pub fn is_fresh(&self, place: Place, now: Moment, span: Duration) -> bool {
        self.streams.get(place.stream).is_some_and(|stream| {
            let followed = stream.heard_before.is_some_and(|before| before.until(now) <= span);
            let new = stream.seen.is_some_and(|seen| place.number > seen.max(stream.head_before));
            followed && (stream.young || new)
        })
    }

    /// Numbers whose entries may still come.
    pub fn gaps(&self) -> usize {
        self.streams.iter().map(|stream| stream.gaps.len()).sum()
    }

    /// Whether all of these journals have been read to their beginning, or do not exist.
    pub fn is_read(&self, mut streams: std::ops::Range<usize>) -> bool {
        streams.all(|number| {
            self.streams.get(number).is_none_or(|stream| {
                stream.heard.is_some() && stream.back.is_none() && stream.seen.is_none_or(|seen| seen == stream.head)
            })
        })
    }
}

impl Stream {
    /// True if this is another journal than before.
    fn move_to(&mut self, head: u64) -> bool {
        let looked_before = std::mem::replace(&mut self.asked_before, true);
        if let Some(seen) = self.seen
            && head >= seen
            && head - seen <= JUMP_MAX
        {
            self.head = head;
            return false;
        }
        self.head = head;
        self.gaps.clear();
        self.rewind_due = false;
        self.young = looked_before;
        let floor = self.floor();
        // All of a journal that began since we looked is new to us: what is missing in it has not been read.
        let from_the_beginning = self.young && head - floor <= EMPTY_MAX;
        self.seen = Some(if from_the_beginning { floor } else { head });
        self.back = (!from_the_beginning && head > floor).then_some(Back { next: head, empty: 0 });
        true
    }

    /// Below the oldest entry.
    fn floor(&self) -> u64 {
        self.head >> ENTRY_BITS << ENTRY_BITS
    }
}

#[cfg(test)]
mod tests;
