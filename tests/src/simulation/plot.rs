//! What happens by design and not by chance: each plot is about one thing that must go well, and that seldom happens
//! by itself.

use std::time::Duration;

use super::SECOND;
use super::network::Way;
use super::story::{Event, Story};

/// Hosts of plots: none that chance takes.
const FIRST_HOST: usize = 10_000;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// All is left to chance.
    None,
    /// The first node makes so many bans at once while the last one is away, which then has much to read.
    Rush(u64),
    /// Every server is away for longer than bans count as recent, while two nodes make more bans than may wait for the
    /// store; one of them is killed before the servers are back.
    Outage,
    /// Two halves of the nodes reach two halves of the servers for ten minutes, and go on without each other.
    Split,
    /// The last node stands still for ten minutes; whom the others banned meanwhile connects as soon as it goes on.
    Pause,
    /// The last node is away for a moment, and memcached throws out what it would have read.
    ThrownOut,
    /// No clock is like another, and one node starts late.
    Clocks,
    /// A node is forgotten while another one is away and no clock is like another; then memcached is emptied, the other
    /// one comes back with its disk, and the forgotten one bans anew.
    Forget,
    /// Nothing happens; settings are the defaults.
    Steady,
    /// So many bans in force, then an attack that brings so many a second for so many seconds, in the middle of which
    /// servers die and hang, nodes are killed and links are cut or lose messages. Settings are the defaults.
    Attack {
        /// Bans before it.
        before: u64,
        /// Bans a second.
        rate: u64,
        /// For so long.
        seconds: u64,
    },
}

impl Plot {
    /// Adds to a story what is to happen.
    pub(super) fn add(self, story: &mut Story, length: u64) {
        match self {
            Plot::None => {}
            Plot::Rush(bans) => rush(story, bans, length),
            Plot::Outage => outage(story, length),
            Plot::Split => split(story, length),
            Plot::Pause => pause(story, length),
            Plot::ThrownOut => thrown_out(story, length),
            Plot::Clocks => clocks(story, length),
            Plot::Forget => forget(story),
            Plot::Steady => story.defaults = true,
            Plot::Attack { before, rate, seconds } => attack(story, before, rate, seconds),
        }
    }

    /// How long its bans take, from the beginning, in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Plot::Attack { before, seconds, rate } => 5 + before.div_ceil(rate) + 5 + seconds,
            _ => 0,
        }
    }

    /// How many bans are made, if nothing goes wrong.
    pub const fn bans(self) -> u64 {
        match self {
            Plot::Attack { before, seconds, rate } => before + rate * seconds,
            _ => 0,
        }
    }
}

fn attack(story: &mut Story, before: u64, rate: u64, seconds: u64) {
    story.defaults = true;
    let (nodes, servers) = (story.nodes, story.servers);
    let begin = 5 + before.div_ceil(rate) + 5;
    for number in 0..before + rate * seconds {
        let second = if number < before { 5 * SECOND } else { begin * SECOND - before * SECOND / rate };
        let at = second + number * SECOND / rate;
        // Neighbours in time come to different nodes.
        let node = number as usize * 7 % nodes;
        story.events.push((at, ban(node, number as usize)));
        if number % 50 == 7 {
            let node = (node + 1) % nodes;
            story.events.push((at + 10 * SECOND, Event::Lift { node, host: FIRST_HOST + number as usize }));
        }
        if number % 20 == 3 {
            let node = (node + 2) % nodes;
            story.events.push((at + 3 * SECOND, Event::Connect { node, host: FIRST_HOST + number as usize }));
        }
    }
    let mut between = |from: u64, to: u64, one: Event, other: Event| {
        story.events.push((begin * SECOND + from * SECOND / 10, one));
        story.events.push((begin * SECOND + to * SECOND / 10, other));
    };
    let turn = |server, way| Event::Turn { server, way };
    between(5, 45, turn(0, Way::Down), turn(0, Way::Well));
    between(15, 40, turn(servers - 1, Way::Hung), turn(servers - 1, Way::Well));
    for number in 0..nodes / 20 {
        let node = number * 20 + 5;
        between(8, 60, Event::Crash { node, power: number % 2 == 0 }, Event::Start { node });
        let (node, server) = (number * 20 + 10, number % servers);
        between(10, 90, Event::Cut { node, server, cut: true }, Event::Cut { node, server, cut: false });
        let node = number * 20 + 15;
        between(0, 80, Event::Lose { node, server, lossy: 100 }, Event::Lose { node, server, lossy: 0 });
    }
}

fn ban(node: usize, number: usize) -> Event {
    Event::Ban { node, host: FIRST_HOST + number, span: None, twin: false }
}

fn rush(story: &mut Story, bans: u64, length: u64) {
    let away = story.nodes - 1;
    story.events.push((SECOND / 2, Event::Crash { node: away, power: false }));
    for number in 0..bans {
        let at = SECOND + number * (length / 2) / bans;
        story.events.push((at, ban(0, number as usize)));
    }
    story.events.push((length * 3 / 4, Event::Start { node: away }));
}

fn outage(story: &mut Story, length: u64) {
    story.queue = 16;
    for server in 0..story.servers {
        story.events.push((2 * SECOND, Event::Turn { server, way: Way::Down }));
        story.events.push((length - SECOND, Event::Turn { server, way: Way::Well }));
    }
    for number in 0..80 {
        let at = 4 * SECOND + number as u64 * SECOND / 4;
        story.events.push((at, ban(number % 2, number)));
    }
    for number in (1..80).step_by(16) {
        story.events.push((40 * SECOND, Event::Lift { node: 1, host: FIRST_HOST + number }));
    }
    story.events.push((length - 20 * SECOND, Event::Crash { node: 0, power: true }));
    story.events.push((length - 15 * SECOND, Event::Start { node: 0 }));
}

fn split(story: &mut Story, length: u64) {
    for (node, server) in (0..story.nodes).flat_map(|node| (0..story.servers).map(move |server| (node, server))) {
        if node % 2 != server % 2 {
            story.events.push((10 * SECOND, Event::Cut { node, server, cut: true }));
        }
    }
    for number in 0..8 {
        story.events.push((2 * SECOND + number as u64 * SECOND / 10, ban(number % story.nodes, number)));
        // Half of them are lifted in the one half or in the other.
        let node = number / 2 % 2;
        if number % 2 == 0 {
            let at = length / 2 + number as u64 * SECOND;
            story.events.push((at, Event::Lift { node, host: FIRST_HOST + number }));
        }
    }
    for number in 8..40 {
        let at = 20 * SECOND + number as u64 * (length - 40 * SECOND) / 40;
        story.events.push((at, ban(number % story.nodes, number)));
        // The other half bans some of them too.
        if number % 4 == 0 {
            let other = Event::Ban {
                node: (number + 1) % story.nodes,
                host: FIRST_HOST + number,
                span: Some(Duration::from_secs(3600)),
                twin: true,
            };
            story.events.push((at + SECOND, other));
        }
    }
}

fn pause(story: &mut Story, length: u64) {
    let node = story.nodes - 1;
    story.events.push((10 * SECOND, Event::Pause { node, still: true }));
    let end = length - SECOND;
    for number in 0..20 {
        let at = 15 * SECOND + number as u64 * (end - 30 * SECOND) / 20;
        story.events.push((at, ban(number % node, number)));
        story.events.push((end + 1 + number as u64 * 1000, Event::Connect { node, host: FIRST_HOST + number }));
    }
    story.events.push((end, Event::Pause { node, still: false }));
}

fn thrown_out(story: &mut Story, length: u64) {
    let node = story.nodes - 1;
    for server in 0..story.servers {
        story.events.push((length / 2, Event::Cut { node, server, cut: true }));
        story.events.push((length / 2 + 4 * SECOND, Event::ThrowOutEntries { server }));
        story.events.push((length / 2 + 5 * SECOND, Event::Cut { node, server, cut: false }));
    }
    // No more than the gaps that a reader waits for.
    for number in 0..12 {
        let at = length / 2 + SECOND + number as u64 * SECOND / 10;
        story.events.push((at, ban(number % node, number)));
    }
    story.events.push((length / 2 + 3 * SECOND, Event::Lift { node: 0, host: FIRST_HOST + 1 }));
}

fn clocks(story: &mut Story, length: u64) {
    let nodes = story.nodes;
    story.skews = (0..nodes).map(|node| (node as i64 - nodes as i64 / 2) * 60_000).collect();
    for number in 0..4 * nodes {
        let at = 2 * SECOND + number as u64 * (length - 20 * SECOND) / (4 * nodes as u64);
        let host = FIRST_HOST + number;
        let span = Some(Duration::from_secs(30 + 20 * (number as u64 % 4)));
        story.events.push((at, Event::Ban { node: number % nodes, host, span, twin: false }));
    }
    story.events.push((length / 3, Event::Crash { node: nodes - 1, power: false }));
    story.events.push((length / 2, Event::Start { node: nodes - 1 }));
}

fn forget(story: &mut Story) {
    let (other, away) = (1, story.nodes - 1);
    story.skews = (0..story.nodes).map(|node| (node as i64 - 1) * 60_000).collect();
    // The last ones a moment before: whoever is told may not have heard of them.
    for number in 0..40 {
        let at = if number < 35 { 2 * SECOND + number as u64 * SECOND / 10 } else { 25 * SECOND - 200_000 };
        let node = if number % 2 == 0 || number >= 35 { other } else { (number / 2) % story.nodes };
        story.events.push((at, ban(node, number)));
    }
    story.events.push((20 * SECOND, Event::Crash { node: away, power: false }));
    story.events.push((25 * SECOND, Event::Forget { node: 0, other }));
    for server in 0..story.servers {
        story.events.push((28 * SECOND, Event::Turn { server, way: Way::Down }));
        story.events.push((29 * SECOND, Event::Turn { server, way: Way::Well }));
    }
    story.events.push((33 * SECOND, Event::Start { node: away }));
    for number in 0..40 {
        let host = FIRST_HOST + number;
        story.events.push((60 * SECOND + number as u64 * 1000, Event::Connect { node: away, host }));
    }
    for number in 40..50 {
        story.events.push((50 * SECOND + number as u64 * SECOND / 10, ban(other, number)));
    }
    story.events.push((62 * SECOND, Event::Crash { node: 0, power: true }));
    story.events.push((64 * SECOND, Event::Start { node: 0 }));
}
