//! What happens in a run: drawn beforehand from the seed, so that it can be told as a list.

use std::time::Duration;

use super::SECOND;
use super::chance::Chance;
use super::network::Way;
use super::node::Keys;
use super::plot::Plot;

/// Which things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Links are cut.
    pub cuts: bool,
    /// Messages are lost or late.
    pub losses: bool,
    /// Servers die and come back empty, or hang.
    pub servers: bool,
    /// Nodes die and come back.
    pub crashes: bool,
    /// Clocks differ by minutes.
    pub skew: bool,
    /// Servers throw out what they hold.
    pub evictions: bool,
    /// Somebody writes earlier values of ban records again.
    pub replays: bool,
}

impl Faults {
    /// All of them.
    pub const ALL: Faults =
        Faults { cuts: true, losses: true, servers: true, crashes: true, skew: true, evictions: true, replays: true };
    /// None.
    pub const NONE: Faults = Faults {
        cuts: false,
        losses: false,
        servers: false,
        crashes: false,
        skew: false,
        evictions: false,
        replays: false,
    };
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node bans a host, for a span or until it is lifted.
    Ban {
        /// The node.
        node: usize,
        /// The number of the host.
        host: usize,
        /// How long.
        span: Option<Duration>,
        /// Although another node may be doing so at the same time.
        twin: bool,
    },
    /// An operator lifts at a node what bans a host.
    Lift {
        /// The node.
        node: usize,
        /// The number of the host.
        host: usize,
    },
    /// An operator says at a node to forget what another one banned.
    Forget {
        /// The node.
        node: usize,
        /// The other one.
        other: usize,
    },
    /// A host connects to a node.
    Connect {
        /// The node.
        node: usize,
        /// The number of the host.
        host: usize,
    },
    /// A link is cut, or mended.
    Cut {
        /// The node.
        node: usize,
        /// The server.
        server: usize,
        /// Cut.
        cut: bool,
    },
    /// Of a thousand messages so many are lost from now on.
    Lose {
        /// The node.
        node: usize,
        /// The server.
        server: usize,
        /// So many.
        lossy: u64,
    },
    /// A server goes down, hangs or is well.
    Turn {
        /// The server.
        server: usize,
        /// How it is from now on.
        way: Way,
    },
    /// A node is killed; with its power, or alone.
    Crash {
        /// The node.
        node: usize,
        /// With its power.
        power: bool,
    },
    /// A node starts.
    Start {
        /// The node.
        node: usize,
    },
    /// A node stands still, or goes on.
    Pause {
        /// The node.
        node: usize,
        /// It stands still.
        still: bool,
    },
    /// A server throws out every entry of the journals, but not their heads.
    ThrowOutEntries {
        /// The server.
        server: usize,
    },
    /// A server throws out so many entries.
    Evict {
        /// The server.
        server: usize,
        /// So many.
        count: u64,
    },
    /// Somebody writes an earlier value of a ban record again.
    Replay {
        /// The server.
        server: usize,
    },
    /// Everything is mended, and every node runs.
    Heal,
}

/// What kind of runs.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name in messages.
    pub name: &'static str,
    /// Least and most nodes.
    pub nodes: (u64, u64),
    /// Least and most servers.
    pub servers: (u64, u64),
    /// How long things go wrong, in seconds.
    pub seconds: u64,
    /// Bans in a minute.
    pub bans: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What happens by design.
    pub plot: Plot,
    /// At each step the judge looks at one of so many hosts.
    pub sample: usize,
}

/// A run, as drawn.
#[derive(Clone, Debug)]
pub struct Story {
    /// How many nodes.
    pub nodes: usize,
    /// How many servers.
    pub servers: usize,
    /// Servers that keep copies.
    pub replicas: usize,
    /// How keys are derived.
    pub keys: Keys,
    /// Records that may wait for the disk, and for the store.
    pub queue: usize,
    /// Pages, pauses and queues are as operators have them; else they are short, so that they fill.
    pub defaults: bool,
    /// Milliseconds by which each node's clock is ahead.
    pub skews: Vec<i64>,
    /// Microseconds and what happens then, in order.
    pub events: Vec<(u64, Event)>,
    /// When the run ends.
    pub end: u64,
}

/// From the end of all faults to the end of the run.
const CALM: u64 = 45 * SECOND;

impl Story {
    /// The story of a seed.
    pub fn of(scenario: &Scenario, seed: u64) -> Story {
        let mut chance = Chance::new(seed, 1);
        let nodes = chance.within(scenario.nodes.0, scenario.nodes.1) as usize;
        let servers = chance.within(scenario.servers.0, scenario.servers.1) as usize;
        let replicas = chance.below(servers as u64).min(1) as usize;
        let keys = if chance.of_thousand(250) { Keys::Shared } else { Keys::Own };
        // Two of them differ by up to 15 minutes.
        let minutes = 7 * 60_000 + 30_000;
        let skew = |chance: &mut Chance| {
            if scenario.faults.skew && chance.of_thousand(500) {
                chance.below(2 * minutes) as i64 - minutes as i64
            } else {
                0
            }
        };
        let skews = (0..nodes).map(|_| skew(&mut chance)).collect();
        let mut story =
            Story { nodes, servers, replicas, keys, queue: 256, defaults: false, skews, events: Vec::new(), end: 0 };
        let length = scenario.seconds * SECOND;
        story.deeds(scenario, length, &mut chance);
        story.faults(scenario.faults, length, &mut chance);
        scenario.plot.add(&mut story, length);
        story.events.push((length, Event::Heal));
        story.events.sort_by_key(|(at, _)| *at);
        story.end = length + CALM;
        story
    }

    fn deeds(&mut self, scenario: &Scenario, length: u64, chance: &mut Chance) {
        let nodes = self.nodes as u64;
        let bans = (scenario.bans * scenario.seconds).div_ceil(60) as usize;
        for host in 0..bans {
            let at = SECOND + chance.below(length);
            let node = chance.below(nodes) as usize;
            let span = match chance.below(4) {
                0 => None,
                1 => Some(Duration::from_secs(chance.within(20, 60))),
                _ => Some(Duration::from_secs(chance.within(120, 3600))),
            };
            self.events.push((at, Event::Ban { node, host, span, twin: false }));
            if chance.of_thousand(80) {
                let span = Some(Duration::from_secs(chance.within(120, 3600)));
                let other = chance.below(nodes) as usize;
                self.events.push((at + chance.below(20_000), Event::Ban { node: other, host, span, twin: true }));
            }
            if chance.of_thousand(350) {
                let later = at + chance.below(length.saturating_sub(at) + 1);
                self.events.push((later, Event::Lift { node: chance.below(nodes) as usize, host }));
                if chance.of_thousand(300) {
                    let again = later + chance.within(20, 40) * SECOND;
                    let span = Some(Duration::from_secs(chance.within(120, 3600)));
                    let node = chance.below(nodes) as usize;
                    self.events.push((again, Event::Ban { node, host, span, twin: false }));
                }
            }
            for _ in 0..chance.below(4) {
                let when = at + chance.below(length + 20 * SECOND - at.min(length));
                self.events.push((when, Event::Connect { node: chance.below(nodes) as usize, host }));
            }
        }
    }

    fn faults(&mut self, faults: Faults, length: u64, chance: &mut Chance) {
        let mut windows = Vec::new();
        let kinds = [faults.cuts, faults.losses, faults.servers, faults.crashes, faults.evictions, faults.replays];
        for (kind, on) in kinds.into_iter().enumerate() {
            let most = if on { 3 } else { 0 };
            for _ in 0..chance.below(most + 1) {
                windows.push((kind, chance.below(length), chance.within(50, 15_000) * 1000));
            }
        }
        for (kind, at, span) in windows {
            let node = chance.below(self.nodes as u64) as usize;
            let server = chance.below(self.servers as u64) as usize;
            let end = (at + span).min(length);
            let (begin, finish) = match kind {
                0 => (Event::Cut { node, server, cut: true }, Some(Event::Cut { node, server, cut: false })),
                1 => {
                    let lossy = chance.within(20, 400);
                    (Event::Lose { node, server, lossy }, Some(Event::Lose { node, server, lossy: 0 }))
                }
                2 => {
                    let way = if chance.of_thousand(600) { Way::Down } else { Way::Hung };
                    (Event::Turn { server, way }, Some(Event::Turn { server, way: Way::Well }))
                }
                3 => (Event::Crash { node, power: chance.of_thousand(500) }, Some(Event::Start { node })),
                4 => (Event::Evict { server, count: chance.within(1, 4) }, None),
                _ => (Event::Replay { server }, None),
            };
            self.events.push((at, begin));
            self.events.extend(finish.map(|event| (end, event)));
        }
    }
}
