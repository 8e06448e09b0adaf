//! What must hold at each step, whatever goes wrong.
//!
//! - Nothing acknowledged is lost: who made a ban refuses its host until the ban ends or is lifted, over crashes and
//!   power cuts; so does who has learnt it, whether or not it has heard of the maker's clock.
//! - A ban is refused on every node that can hear of it, within [`BOUND`]; at once when its host connects.
//! - A lift opens every such node within [`BOUND`], and no node bans again what it has opened.
//! - A ban ends when its maker meant, whatever the clocks show, to within [`TOLERANCE`]; on a node that could not hear
//!   of the maker's clock since it was started, [`UNSURE`] later at the latest.
//! - What memcached threw out of the journal before a node read it is told again within the same bounds, to whoever
//!   runs by then.
//! - Tables, queues and reads stay within their bounds.
//!
//! A node can hear of a deed while it, the doer and their ways to each server that is up are well. Anything that goes
//! wrong there begins the bound anew.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::ledger::BanId;
use portcullis::moment::Moment;
use tokio::sync::broadcast::error::TryRecvError;

use super::SECOND;
use super::planted::Now;
use super::story::Story;
use super::truth::{Deed, Lifted, Truth, address};
use super::world::World;

/// From a deed, or from the end of what went wrong, to the moment at which every node holds to it: two looks at the
/// journal and one that a breaker still refuses, a round of the upkeep and a quarter more, the breaker's pause, and
/// deadlines.
pub const BOUND: u64 = 8 * SECOND;
/// More, where clocks differ: a word of presence has to come first, and what was misjudged is read again.
pub const CLOCKS: u64 = 8 * SECOND;
/// More, where memcached threw out what tells of it: the gap is seen at one look and asked for at the next, its writer
/// looks, its upkeep tells again, and there is another look.
pub const GONE: u64 = 5 * SECOND;
/// By so much an end may differ between nodes: what the way of an entry may take.
pub const TOLERANCE: u64 = 5 * SECOND;
/// So much longer a ban may hold where its maker was never heard of: what clocks may differ by, and what they do.
pub const UNSURE: u64 = 2 * 15 * 60 * SECOND;
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
    /// One of so many hosts is looked at in each step, and which.
    sample: usize,
    turn: usize,
    /// When everything was mended.
    healed: Option<u64>,
    /// How long after that every ban was first refused everywhere.
    pub union: Option<u64>,
}

impl Judge {
    /// Nothing seen yet.
    pub fn new(story: &Story, sample: usize) -> Judge {
        Judge {
            looks: 0,
            seen: BTreeMap::new(),
            opened: BTreeSet::new(),
            clocks: BTreeSet::new(),
            started: vec![None; story.nodes],
            sample,
            turn: 0,
            healed: story.events.last().map(|(at, _)| *at),
            union: None,
        }
    }

    /// Whether nothing is known of a host that could matter to a new ban of it.
    pub fn is_free(&self, truth: &Truth, host: usize, now: u64) -> bool {
        let (mine, deeds) = (truth.of(host), truth.deeds());
        mine.iter().map(|deed| &deeds[*deed]).all(|deed| match (deed.acked, deed.lift, deed.ends) {
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
        self.turn += 1;
        let mut together = self.healed.filter(|healed| self.union.is_none() && *healed <= now);
        for number in 0..world.nodes.len() {
            self.note_start(world, number);
            if self.turn.is_multiple_of(self.sample) {
                self.note_clocks(world, number, now);
            }
            self.look_at_news(world, number, &deeds)?;
            self.look_at_bounds(world, number, &deeds)?;
        }
        let hosts = truth.hosts();
        for (host, mine) in hosts.iter().skip(self.turn % self.sample).step_by(self.sample) {
            let host = *host;
            for number in 0..world.nodes.len() {
                let Some(node) = world.nodes[number].as_ref().filter(|_| world.awake[number].is_some()) else {
                    continue;
                };
                self.looks += 1;
                let moment = Moment::from_millis(node.time.millis());
                let found = node.bans.on_host(address(host), &[], moment);
                let held = found.as_ref().map(|ban| ban.id);
                for deed in mine {
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
                if held.is_none() && mine.iter().any(|deed| Judge::holds(&deeds[*deed], now)) {
                    together = None;
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
        self.union = self.union.or(together.map(|healed| now - healed));
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
        let uptime = (world.timeline.micros() - node.started) / SECOND;
        if standing.rewinds > 1 + uptime / bans.presence.as_secs() {
            return Err(format!("n{number} has read everything again {} times in {uptime} s", standing.rewinds));
        }
        Ok(())
    }

    /// Since when a node could have heard of what another one did; `None`: it cannot.
    fn since(&self, world: &World, doer: usize, hearer: usize, done: u64) -> Option<u64> {
        let mut since = world.nodes[doer].as_ref()?.started.max(world.nodes[hearer].as_ref()?.started);
        since = since.max(world.awake[doer]?).max(world.awake[hearer]?);
        let mut some = false;
        for server in 0..world.network.servers() {
            since = since.max(world.network.turned(server));
            if world.is_up(server) {
                some = true;
                since = since.max(world.network.well_since(doer, server)?);
                since = since.max(world.network.well_since(hearer, server)?);
            } else if world.network.is_cut_since(hearer, server, done) || self.came_late(world, hearer, server, done) {
                // It may stand in the journal of a server that this one could not read before it went: then it hears
                // of it when that is back, or when the host connects.
                return None;
            }
        }
        some.then_some(since)
    }

    /// Whether a node came too late to read in a server what was done, before the server went.
    fn came_late(&self, world: &World, hearer: usize, server: usize, done: u64) -> bool {
        let went = world.network.turned(server);
        world.nodes[hearer].as_ref().is_some_and(|node| done <= went && went < node.started + BOUND)
    }

    /// How long it takes at most to hear of a clock.
    fn clocks(world: &World) -> u64 {
        CLOCKS + (world.plan.settings.bans.presence.as_micros() as u64).saturating_sub(5 * SECOND)
    }

    fn bound(world: &World, doer: usize, hearer: usize) -> u64 {
        if world.skews[doer] == world.skews[hearer] { BOUND } else { BOUND + Judge::clocks(world) }
    }

    /// Notes whose clocks a node has had the time to learn since its start.
    fn note_clocks(&mut self, world: &World, number: usize, now: u64) {
        for maker in 0..world.nodes.len() {
            if self.clocks.contains(&(number, maker)) {
                continue;
            }
            let since = self.since(world, maker, number, now);
            if since.is_some_and(|since| since + BOUND + Judge::clocks(world) < now) {
                self.clocks.insert((number, maker));
            }
        }
    }

    /// From a deed to the moment at which a node must hold to it.
    fn bound_of(world: &World, doer: usize, hearer: usize, deed: &Deed) -> u64 {
        Judge::bound(world, doer, hearer) + if deed.evicted.is_some() { GONE } else { 0 }
    }

    fn holds(deed: &Deed, now: u64) -> bool {
        deed.acked.is_some() && deed.lift == Lifted::No && deed.ends.is_none_or(|end| now + TOLERANCE < end)
    }

    fn must_refuse(&self, world: &World, number: usize, index: usize, deed: &Deed, now: u64) -> bool {
        let Some(acked) = deed.acked.filter(|_| Judge::holds(deed, now)) else { return false };
        if number == deed.maker || self.seen.contains_key(&(number, index)) {
            return true;
        }
        let heard = self.since(world, deed.maker, number, acked).map(|since| since.max(acked));
        !Judge::was_gone(world, number, deed)
            && heard.is_some_and(|heard| heard + Judge::bound_of(world, deed.maker, number, deed) < now)
    }

    fn must_admit(&self, world: &World, number: usize, deed: &Deed, now: u64) -> bool {
        let known = number == deed.maker || self.clocks.contains(&(number, deed.maker));
        let late = TOLERANCE + if known { Judge::bound(world, deed.maker, number) } else { UNSURE };
        if deed.acked.is_some() && deed.ends.is_some_and(|end| end + late < now) {
            return true;
        }
        let Lifted::Done(doer, at) = deed.lift else { return false };
        if doer == number {
            return true;
        }
        let heard = self.since(world, doer, number, at).map(|since| since.max(at));
        !Judge::was_gone(world, number, deed)
            && heard.is_some_and(|heard| heard + Judge::bound_of(world, doer, number, deed) < now)
    }

    /// Whether something that told of it was thrown out before a node had read what that server held when the node
    /// first reached it: it cannot know of what it could miss.
    fn was_gone(world: &World, number: usize, deed: &Deed) -> bool {
        let reached = |server| world.network.answered_since(number, server).map(|first| first + BOUND);
        deed.evicted.is_some_and(|(gone, server)| reached(server).is_none_or(|reached| gone < reached))
    }

    /// Whether what a node did then was written where it stands, and stands there still.
    fn is_written(world: &World, doer: usize, done: u64) -> bool {
        let well = |since: Option<u64>| since.is_some_and(|since| since + BOUND < done);
        let way = |server| well(world.network.well_since(doer, server)) && well(Some(world.network.turned(server)));
        let ran = world.nodes[doer].as_ref().is_some_and(|node| well(Some(node.started)));
        ran && well(world.awake[doer]) && (0..world.network.servers()).all(way)
    }

    /// Whether a node reaches every server, and no breaker can be open; it may have just started.
    fn can_ask(world: &World, number: usize, now: u64) -> bool {
        let way = |server| world.network.well_since(number, server).is_some_and(|since| since + BOUND < now);
        (0..world.network.servers()).all(way)
    }

    /// Whether a host that connects must be refused although its node may not have heard of the ban yet: the node
    /// asks the pool.
    pub(super) fn must_refuse_at_once(&self, world: &World, number: usize, host: usize) -> bool {
        let now = world.timeline.micros();
        let (mine, deeds) = (world.truth.of(host), world.truth.deeds());
        mine.into_iter().map(|index| (index, &deeds[index])).any(|(index, deed)| {
            let at_once = deed.evicted.is_none()
                && !deed.overwritten
                && Judge::holds(deed, now)
                && deed.acked.is_some_and(|acked| Judge::is_written(world, deed.maker, acked))
                && Judge::can_ask(world, number, now);
            at_once || self.must_refuse(world, number, index, deed, now)
        })
    }
}
