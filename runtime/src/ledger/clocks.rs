//! How far the clocks of other nodes are from ours. A ban's end is its maker's: a node whose clock differs by
//! minutes would end it too early or too late. Pure.
//!
//! Every entry of the pool's journal says when its writer wrote it. One that is read as it comes was written
//! within the last interval, so the difference to our clock is the difference of the clocks.
//!
//! Moments in the table are by our clock. Those of a node whose clock we do not know yet stay as they came, and the
//! record says by whose clock they are: it is put right as soon as we know, and refuses until then, as long as
//! clocks may differ beyond its end. Whoever publishes another node's record again without knowing its maker's clock
//! says that the moments are by its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;

use super::forgotten::Forgotten;
use super::record::Record;
use crate::moment::Moment;

/// Nodes whose clocks are remembered; when full, the one unheard of longest makes room.
const NODES_MAX: usize = 4096;

/// The clocks of the other nodes.
#[derive(Debug)]
pub struct Clocks {
    /// This node.
    own: Box<str>,
    nodes: HashMap<String, Clock, RandomState>,
    /// Smaller differences are the way here.
    tolerance: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Milliseconds to add to the node's moments to get ours.
    ahead: i64,
    heard: Moment,
}

impl Clocks {
    /// Nothing known yet.
    pub fn new(own: &str, tolerance: Duration) -> Clocks {
        Clocks { own: own.into(), nodes: HashMap::default(), tolerance }
    }

    /// A node wrote at `sent` by its clock what we read `now` by ours. What is not fresh tells only of the
    /// node's existence. True if we have just learnt that its clock differs from what we took it for: what it
    /// wrote before was misjudged.
    pub fn heard(&mut self, node: &str, sent: Moment, now: Moment, fresh: bool) -> bool {
        let difference = i64::try_from(i128::from(now.millis()) - i128::from(sent.millis())).unwrap_or(0);
        let tolerable = difference.unsigned_abs() <= u64::try_from(self.tolerance.as_millis()).unwrap_or(u64::MAX);
        let ahead = if tolerable { 0 } else { difference };
        if let Some(known) = self.nodes.get_mut(node) {
            known.heard = now;
            // An estimate is as good as the last one unless it is far from it.
            if fresh && known.ahead.abs_diff(ahead) > u64::try_from(self.tolerance.as_millis()).unwrap_or(u64::MAX) {
                known.ahead = ahead;
                return true;
            }
            return false;
        }
        if !fresh {
            return false;
        }
        if self.nodes.len() >= NODES_MAX
            && let Some(oldest) = self.nodes.iter().min_by_key(|(_, clock)| clock.heard).map(|(node, _)| node.clone())
        {
            self.nodes.remove(&oldest);
        }
        self.nodes.insert(node.to_owned(), Clock { ahead, heard: now });
        ahead != 0
    }

    /// Whether a node's clock is known.
    pub fn knows(&self, node: &str) -> bool {
        self.nodes.contains_key(node)
    }

    /// Nodes that were heard of since.
    pub fn heard_since(&self, moment: Moment) -> usize {
        self.nodes.values().filter(|clock| clock.heard >= moment).count()
    }

    /// A record with its moments by our clock; or as it is, saying by whose, while we do not know that clock.
    pub fn ours(&self, record: Record) -> Record {
        let owner = record.clock().unwrap_or(record.node());
        match self.ahead_of(owner) {
            Some(ahead) => shifted(record, ahead, None),
            None => {
                let owner = Some(owner.into());
                shifted(record, 0, owner)
            }
        }
    }

    /// A record as others expect it: by its maker's clock, or saying by whose.
    pub fn theirs(&self, record: Record) -> Record {
        if record.clock().is_some() || record.node() == &*self.own {
            return record;
        }
        match self.nodes.get(record.node()) {
            Some(clock) => shifted(record, -clock.ahead, None),
            None => shifted(record, 0, Some(self.own.clone())),
        }
    }

    /// A word that forgets a node, by our clock; or as it is, saying by whose.
    pub fn forgotten_ours(&self, word: Forgotten) -> Forgotten {
        let owner = word.clock.as_deref().unwrap_or(&word.from);
        match self.ahead_of(owner) {
            Some(ahead) => Forgotten { at: shift(word.at, ahead), clock: None, ..word },
            None => Forgotten { clock: Some(owner.into()), ..word },
        }
    }

    /// The same as this node passes it on: by its own clock, which whoever reads that learns by the same entry.
    pub fn forgotten_theirs(&self, word: Forgotten) -> Forgotten {
        if word.clock.is_some() || word.from == *self.own {
            return word;
        }
        Forgotten { clock: Some(self.own.clone()), ..word }
    }

    /// Milliseconds to add to a node's moments to get ours, if its clock is known.
    fn ahead_of(&self, node: &str) -> Option<i64> {
        if node == &*self.own { Some(0) } else { self.nodes.get(node).map(|clock| clock.ahead) }
    }
}

/// A moment so many milliseconds later.
fn shift(moment: Moment, ahead: i64) -> Moment {
    Moment::from_millis(moment.millis().saturating_add_signed(ahead))
}

/// A record whose moments are so many milliseconds later, and by this clock.
fn shifted(record: Record, ahead: i64, clock: Option<Box<str>>) -> Record {
    if ahead == 0 && record.clock() == clock.as_deref() {
        return record;
    }
    let shift = |moment: Moment| shift(moment, ahead);
    match record {
        Record::Ban(ban) => {
            let mut ban = Arc::unwrap_or_clone(ban);
            (ban.created, ban.expires, ban.clock) = (shift(ban.created), ban.expires.map(shift), clock);
            Record::Ban(Arc::new(ban))
        }
        Record::Lift(lift) => {
            let mut lift = Arc::unwrap_or_clone(lift);
            (lift.at, lift.until, lift.clock) = (shift(lift.at), lift.until.map(shift), clock);
            Record::Lift(Arc::new(lift))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fixtures::ban;

    const NOW: Moment = Moment::from_millis(1_700_000_000_000);

    fn clocks() -> Clocks {
        Clocks::new("me", Duration::from_secs(3))
    }

    #[test]
    fn f_11_a_ban_of_a_node_whose_clock_is_minutes_behind_ends_when_its_maker_means() {
        for minutes in [-20_i64, -5, 5, 60] {
            let mut clocks = clocks();
            let theirs = Moment::from_millis(NOW.millis().saturating_add_signed(minutes * 60_000));
            assert!(clocks.heard("a", theirs, NOW, true) && !clocks.heard("a", theirs, NOW, true));
            let made = Record::Ban(ban("host:192.0.2.1", theirs, Some(180)));
            let ours = clocks.ours(made.clone());
            assert_eq!(ours.expires(), Some(NOW.plus(Duration::from_secs(180))), "{minutes}");
            assert_eq!(clocks.theirs(ours), made, "and goes on as it came");
        }
    }

    #[test]
    fn small_differences_and_old_entries_change_nothing() {
        let mut clocks = clocks();
        let made = Record::Ban(ban("host:192.0.2.1", NOW, Some(180)));
        let Record::Ban(unsure) = clocks.ours(made.clone()) else { panic!("a ban") };
        assert_eq!((unsure.clock.as_deref(), unsure.expires), (Some("a"), made.expires()), "nobody knows yet");
        clocks.heard("a", NOW, NOW.plus(Duration::from_secs(2)), true);
        assert_eq!(clocks.ours(made.clone()), made);
        assert_eq!(clocks.ours(Record::Ban(unsure)), made);
        clocks.heard("a", NOW, NOW.plus(Duration::from_secs(900)), false);
        assert_eq!(clocks.ours(made.clone()), made);
        clocks.heard("b", NOW, NOW.plus(Duration::from_secs(900)), false);
        assert_eq!(clocks.heard_since(NOW), 1);
        clocks.heard("a", Moment::from_millis(u64::MAX), NOW, true);
        clocks.heard("a", Moment::from_millis(0), NOW, true);
        let _ = clocks.ours(made);
    }

    #[test]
    fn s_75_the_word_that_forgets_a_node_goes_from_clock_to_clock() {
        let mut clocks = clocks();
        let theirs = Moment::from_millis(NOW.millis() - 600_000);
        let said = crate::ledger::fixtures::forgotten("bad", theirs);
        let unsure = clocks.forgotten_ours(said.clone());
        assert_eq!((unsure.clock.as_deref(), unsure.at), (Some("b"), theirs), "nobody knows the clock of b yet");
        assert_eq!(clocks.forgotten_theirs(unsure.clone()), unsure, "and that is told");
        clocks.heard("b", theirs, NOW, true);
        let ours = clocks.forgotten_ours(unsure);
        assert_eq!((ours.clock.as_deref(), ours.at), (None, NOW));
        let passed_on = clocks.forgotten_theirs(ours);
        assert_eq!((passed_on.clock.as_deref(), passed_on.at), (Some("me"), NOW));
        let mut third = Clocks::new("third", Duration::from_secs(3));
        third.heard("me", NOW, theirs, true);
        assert_eq!(third.forgotten_ours(passed_on).at, theirs, "the clock of b need not be known");
        let own = Forgotten { from: "me".into(), ..crate::ledger::fixtures::forgotten("bad", NOW) };
        assert_eq!((clocks.forgotten_theirs(own.clone()), clocks.forgotten_ours(own.clone())), (own.clone(), own));
    }

    #[test]
    fn nodes_are_bounded() {
        let mut clocks = clocks();
        for number in 0..2 * NODES_MAX {
            clocks.heard(&number.to_string(), NOW, NOW.plus(Duration::from_millis(number as u64)), true);
        }
        assert_eq!(clocks.nodes.len(), NODES_MAX);
    }
}
