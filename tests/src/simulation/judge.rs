//! What must hold at each step, whatever goes wrong.
//!
//! - Nothing acknowledged is lost: who made a ban refuses its host until the ban ends or is lifted, over crashes and
//!   power cuts; so does who has learnt it. Only a node that was just started may end it too early, where its clock
//!   is ahead of the maker's and it has had no time yet to hear by how much.
//! - A ban is refused on every node that can hear of it, within [`BOUND`]; at once when its host connects.
//! - A lift opens every such node within [`BOUND`], and no node bans again what it has opened.
//! - A ban ends when its maker meant, whatever the clocks show, to within [`TOLERANCE`].
//! - Tables, queues and reads stay within their bounds.
//!
//! A node can hear of a deed while it, the doer and their ways to each server that is up are well. Anything that goes
//! wrong there begins the bound anew.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::ledger::BanId;
use portcullis::moment::Moment;
use tokio::sync::broadcast::error::TryRecvError;

use super::planted::Now;
use super::story::Story;
use super::truth::{Deed, Lifted, Truth, address};
use super::world::World;

const SECOND: u64 = 1_000_000;
/// From a deed, or from the end of what went wrong, to the moment at which every node holds to it: two looks at the
/// journal and one that a breaker still refuses, a round of the upkeep and a quarter more, the breaker's pause, and
/// deadlines.
pub const BOUND: u64 = 8 * SECOND;
/// More, where clocks differ: a word of presence has to come first, and what was misjudged is read again.
pub const CLOCKS: u64 = 8 * SECOND;
/// By so much an end may differ between nodes: what the way of an entry may take.
pub const TOLERANCE: u64 = 5 * SECOND;
/// Who has held a ban for so long has it on disk.
const SAVED: u64 = SECOND;

/// Looks at a world.
pub struct Judge {
    /// How often it looked at a host at a node.
    pub looks: u64,
    /// Since when a node has held a ban.
    seen: BTreeMap<(usize, usize), u64>,
    /// Bans that a node has opened after their lift.
    opened: BTreeSet<(usize, BanId)>,
    /// Whose clocks a node knows.
    clocks: BTreeSet<(usize, usize)>,
    /// When each node that runs was started.
    started: Vec<Option<u64>>,
}

impl Judge {
    /// Nothing seen yet.
    pub fn new(story: &Story) -> Judge {
        Judge {
            looks: 0,
            seen: BTreeMap::new(),
            opened: BTreeSet::new(),
            clocks: BTreeSet::new(),
            started: vec![None; story.nodes],
        }
    }

    /// Whether nothing is known of a host that could matter to a new ban of it.
    pub fn is_free(&self, truth: &Truth, host: usize, now: u64) -> bool {
        truth.deeds().iter().filter(|deed| deed.host == host).all(|deed| match (deed.acked, deed.lift, deed.ends) {
            (Some(_), Lifted::Done(_, at), _) => at + BOUND + CLOCKS < now,
            (Some(_), Lifted::No, Some(end)) => end + TOLERANCE < now,
            _ => false,
        })
    }

    /// Looks at everything once.
    ///
    /// # Errors
    /// What does not hold.
    pub fn look(&mut self, world: &mut World) -> Result<(), String> {
        if let Some(text) = world.complaints.lock().expect("one thread").first() {
            return Err(text.clone());
        }
        let now = world.timeline.micros();
        let truth = world.truth.clone();
        let deeds = truth.deeds();
        for number in 0..world.nodes.len() {
            self.note_start(world, number);
            self.note_clocks(world, number, now);
            self.look_at_news(world, number, &deeds)?;
            self.look_at_bounds(world, number, &deeds)?;
        }
        let mut by_host: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, deed) in deeds.iter().enumerate() {
            by_host.entry(deed.host).or_default().push(number);
        }
        for (host, mine) in by_host {
            for number in 0..world.nodes.len() {
                let Some(node) = &world.nodes[number] else { continue };
                self.looks += 1;
                let moment = Moment::from_millis(node.time.millis());
                let found = node.bans.on_host(address(host), &[], moment);
                let held = found.as_ref().map(|ban| ban.id);
                for deed in &mine {
                    let ended = deeds[*deed].ends.is_some_and(|end| end <= now + TOLERANCE);
                    if deeds[*deed].id.is_some() && deeds[*deed].id == held {
                        self.seen.entry((number, *deed)).or_insert(now);
                    } else if matches!(deeds[*deed].lift, Lifted::Done(..))
                        && !ended
                        && (self.seen.contains_key(&(number, *deed))
                            || self.must_admit(world, number, &deeds[*deed], now))
                        && let Some(id) = deeds[*deed].id
                    {
                        self.opened.insert((number, id));
                    }
                }
                let must = mine.iter().find(|deed| self.must_refuse(world, number, **deed, &deeds[**deed], now));
                if let Some(deed) = must
                    && held.is_none()
                {
                    return Err(format!("n{number} lets host {host} in: its ban holds, {:?}", deeds[*deed]));
                }
                if let Some(id) = held
                    && mine.iter().all(|deed| self.must_admit(world, number, &deeds[*deed], now))
                {
                    return Err(format!("n{number} refuses host {host} by {id}: {:?}", deeds[mine[0]]));
                }
            }
        }
        Ok(())
    }

    /// A node that was stopped may have forgotten what it had only just learnt when it was.
    fn note_start(&mut self, world: &World, number: usize) {
        let (was, is) = (self.started[number], world.nodes[number].as_ref().map(|node| node.started));
        self.started[number] = is;
        if was.is_some() && was != is {
            self.seen.retain(|(node, _), since| *node != number || *since + SAVED < world.timeline.micros());
            self.opened.retain(|(node, _)| *node != number);
            self.clocks.retain(|(node, _)| *node != number);
        }
    }

    fn look_at_news(&self, world: &mut World, number: usize, deeds: &[Deed]) -> Result<(), String> {
        let Some(node) = &mut world.nodes[number] else { return Ok(()) };
        loop {
            match node.news.try_recv() {
                Ok(ban) if self.opened.contains(&(number, ban.id)) => {
                    let deed = deeds.iter().find(|deed| deed.id == Some(ban.id));
                    return Err(format!("n{number} bans again what it had opened: {deed:?}"));
                }
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    fn look_at_bounds(&self, world: &World, number: usize, deeds: &[Deed]) -> Result<(), String> {
        let Some(node) = &world.nodes[number] else { return Ok(()) };
        let bans = &world.plan.settings.bans;
        let standing = node.bans.standing();
        let most = node.store.most_read();
        // A page in each twentieth of an interval, the heads before each, a batch of comparisons in each quarter
        // of a round, and what clients ask.
        let heads = 4 * world.network.servers();
        let bound = 21 * (bans.sync_page + heads) + 5 * bans.upkeep_batch + 50;
        if most > bound {
            return Err(format!("n{number} read {most} keys within a second, more than {bound}"));
        }
        if standing.bans > deeds.len() || standing.unpublished > bans.queue {
            return Err(format!("n{number} holds more than there is: {standing:?}"));
        }
        Ok(())
    }

    /// Since when a node could have heard of what another one did; `None`: it cannot.
    fn since(&self, world: &World, doer: usize, hearer: usize, done: u64) -> Option<u64> {
        let mut since = world.nodes[doer].as_ref()?.started.max(world.nodes[hearer].as_ref()?.started);
        let mut some = false;
        for server in 0..world.network.servers() {
            since = since.max(world.network.turned(server));
            if world.is_up(server) {
                some = true;
                since = since.max(world.network.well_since(doer, server)?);
                since = since.max(world.network.well_since(hearer, server)?);
            } else if world.network.is_cut_since(hearer, server, done) {
                // It stands in the journal of a server that this one could not read before it went.
                return None;
            }
        }
        some.then_some(since)
    }

    fn bound(world: &World, doer: usize, hearer: usize) -> u64 {
        if world.skews[doer] == world.skews[hearer] { BOUND } else { BOUND + CLOCKS }
    }

    /// Notes whose clocks a node has had the time to learn since its start.
    fn note_clocks(&mut self, world: &World, number: usize, now: u64) {
        for maker in 0..world.nodes.len() {
            let known = world.skews[number] == world.skews[maker]
                || self
                    .since(world, maker, number, now)
                    .is_some_and(|since| since + Judge::bound(world, maker, number) < now);
            if known {
                self.clocks.insert((number, maker));
            }
        }
    }

    fn holds(deed: &Deed, now: u64) -> bool {
        deed.acked.is_some() && deed.lift == Lifted::No && deed.ends.is_none_or(|end| now + TOLERANCE < end)
    }

    fn must_refuse(&self, world: &World, number: usize, index: usize, deed: &Deed, now: u64) -> bool {
        let Some(acked) = deed.acked.filter(|_| Judge::holds(deed, now)) else { return false };
        let knows = self.seen.contains_key(&(number, index)) && self.clocks.contains(&(number, deed.maker));
        if number == deed.maker || knows {
            return true;
        }
        let heard = self.since(world, deed.maker, number, acked).map(|since| since.max(acked));
        !deed.evicted && heard.is_some_and(|heard| heard + Judge::bound(world, deed.maker, number) < now)
    }

    fn must_admit(&self, world: &World, number: usize, deed: &Deed, now: u64) -> bool {
        if deed.acked.is_some()
            && deed.ends.is_some_and(|end| end + TOLERANCE + Judge::bound(world, deed.maker, number) < now)
        {
            return true;
        }
        let Lifted::Done(doer, at) = deed.lift else { return false };
        if doer == number {
            return true;
        }
        let heard = self.since(world, doer, number, at).map(|since| since.max(at));
        !deed.evicted && heard.is_some_and(|heard| heard + Judge::bound(world, doer, number) < now)
    }

    /// Whether a host that connects must be refused although its node may not have heard of the ban yet: the node
    /// asks the pool.
    pub(super) fn must_refuse_at_once(&self, world: &World, number: usize, host: usize) -> bool {
        let now = world.timeline.micros();
        let deeds = world.truth.deeds();
        deeds.iter().enumerate().filter(|(_, deed)| deed.host == host).any(|(index, deed)| {
            let well =
                self.since(world, deed.maker, number, now).map(|since| since + Judge::bound(world, deed.maker, number));
            let all_up = (0..world.network.servers()).all(|server| world.is_up(server));
            let at_once = all_up
                && !deed.evicted
                && !deed.overwritten
                && well.is_some_and(|well| deed.acked.is_some_and(|acked| well < acked))
                && Judge::holds(deed, now);
            at_once || self.must_refuse(world, number, index, deed, now)
        })
    }
}
