//! Plays a story with real ledgers, step by step, and lets the judge look after each.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::ledger::{BanId, Reach, Subject, Which};
use portcullis::moment::Moment;
use portcullis::policy::{BanOrder, PolicyStamp};

use super::chance::Chance;
use super::disk::MemoryDisk;
use super::executor::{Executor, Timeline};
use super::judge::Judge;
use super::network::{Load, Network, Way};
use super::node::{BEGINNING, Node, Plan, ROUNDS};
use super::planted::Planted;
use super::story::{Event, Scenario, Story};
use super::truth::{Deed, Lifted, Truth, address};

/// How often everything is looked at, in microseconds.
const STEP: u64 = 200_000;

/// What was wrong, and what led to it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kind of runs.
    pub scenario: &'static str,
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub what: String,
    /// What had happened.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.trace {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{} seed {}: {}", self.scenario, self.seed, self.what)?;
        write!(out, "again: PORTCULLIS_SIMULATION_SEED={} tests/run simulation", self.seed)
    }
}

/// What a clean run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that servers answered.
    pub requests: u64,
    /// Bans that were acknowledged.
    pub bans: u64,
    /// Most that one server was asked in a second.
    pub busiest_second: u32,
    /// Most bytes of keys and values that one server held, at the end.
    pub held_bytes: u64,
    /// Times that something was looked at.
    pub looks: u64,
    /// From the end of all faults until every ban was refused everywhere, in microseconds; `None`: it never was.
    pub union: Option<u64>,
    /// A fingerprint of everything that happened: the same for the same seed.
    pub print: u64,
}

/// A run under way.
pub struct World {
    pub(super) timeline: Timeline,
    pub(super) network: Network,
    pub(super) plan: Plan,
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) disks: Vec<MemoryDisk>,
    pub(super) skews: Vec<i64>,
    /// Since when each node has not stood still; `None`: it does.
    pub(super) awake: Vec<Option<u64>>,
    pub(super) truth: Truth,
    /// Complaints of what clients met.
    pub(super) complaints: Arc<Mutex<Vec<String>>>,
    executor: Executor,
    chance: Chance,
    trace: Vec<String>,
}

/// Plays a seed of a scenario.
///
/// # Errors
/// The first thing that does not hold.
pub fn play(scenario: &Scenario, seed: u64, planted: Option<Planted>) -> Result<Figures, Failure> {
    let story = Story::of(scenario, seed);
    let mut world = World::new(&story, seed, planted);
    let mut judge = Judge::new(&story, scenario.sample);
    let failed = |world: &World, what| {
        let what = format!("at {:.3} s: {what}", world.timeline.micros() as f64 / 1e6);
        Failure { scenario: scenario.name, seed, what, trace: world.trace.clone() }
    };
    let mut events = story.events.iter().peekable();
    let mut at = 0;
    while at < story.end {
        at += STEP;
        while let Some((when, event)) = events.next_if(|(when, _)| *when <= at) {
            world.executor.run_until(*when);
            world.happen(*when, event, &judge);
        }
        world.executor.run_until(at);
        judge.look(&mut world).map_err(|what| failed(&world, what))?;
    }
    Ok(Figures { union: judge.union, ..world.figures(judge.looks) })
}

impl World {
    pub(super) fn new(story: &Story, seed: u64, planted: Option<Planted>) -> World {
        let timeline = Timeline::default();
        let network = Network::new(&timeline, story.nodes, story.servers, Chance::new(seed, 2));
        let mut plan = Plan::new(story.servers);
        plan.keys = story.keys;
        plan.planted = planted;
        plan.settings.store.replicas = story.replicas;
        if !story.defaults {
            plan.settings.bans.queue = story.queue;
            plan.settings.bans.presence = Duration::from_secs(5);
            plan.settings.bans.sync_page = 20;
            plan.settings.bans.upkeep_batch = 50;
        }
        let mut world = World {
            executor: Executor::new(&timeline, Chance::new(seed, 3)),
            timeline,
            network,
            plan,
            nodes: (0..story.nodes).map(|_| None).collect(),
            disks: (0..story.nodes).map(|_| MemoryDisk::default()).collect(),
            skews: story.skews.clone(),
            awake: vec![Some(0); story.nodes],
            truth: Truth::default(),
            complaints: Arc::default(),
            chance: Chance::new(seed, 4),
            trace: Vec::new(),
        };
        let header = format!(
            "{} nodes, {} servers, {} copies, keys {:?}, clocks ahead by {:?} ms",
            story.nodes, story.servers, story.replicas, story.keys, story.skews
        );
        world.trace.push(header);
        (0..story.nodes).for_each(|node| world.start(node));
        world
    }

    /// Goes on to a moment.
    pub(super) fn run_to(&mut self, at: u64) {
        self.executor.run_until(at);
    }

    /// A ban that nobody judges.
    pub(super) fn happen_unjudged(&mut self, at: u64, event: &Event) {
        if let Event::Ban { node, host, span, twin } = event {
            self.tell(at, &format!("{event:?}"));
            self.ban(*node, *host, *span, *twin, None);
        }
    }

    /// No node looks at the journal any more, nor does its upkeep; what others ask of it is done.
    pub(super) fn stop_looking(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.executor.stop(node + ROUNDS));
        self.executor.run_until(self.timeline.micros() + 100_000);
    }

    /// What all servers did.
    pub(super) fn load(&self) -> Load {
        let mut all = Load::default();
        for server in 0..self.network.servers() {
            let load = self.network.with(server, |cache, _| cache.load);
            all.requests += load.requests;
            all.keys_read += load.keys_read;
            all.bytes_in += load.bytes_in;
            all.bytes_out += load.bytes_out;
        }
        all
    }

    fn tell(&mut self, at: u64, text: &str) {
        self.trace.push(format!("{:>9.3} s  {text}", at as f64 / 1e6));
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].is_some() {
            return;
        }
        self.network.begin(node);
        let ways = (&self.timeline, &self.network);
        let chance = Chance::new(self.chance.next(), 5);
        self.nodes[node] = Some(Node::start(&self.plan, node, self.skews[node], ways, &self.disks[node], chance));
    }

    fn happen(&mut self, at: u64, event: &Event, judge: &Judge) {
        self.tell(at, &format!("{event:?}"));
        match event {
            Event::Ban { node, host, span, twin } => self.ban(*node, *host, *span, *twin, Some(judge)),
            Event::Lift { node, host } => self.lift(*node, *host),
            Event::Forget { node, other } => self.forget(*node, *other),
            Event::Connect { node, host } => self.connect(*node, *host, judge),
            Event::Cut { node, server, cut } => self.network.cut(*node, *server, *cut),
            Event::Lose { node, server, lossy } => self.network.lose(*node, *server, *lossy),
            Event::Turn { server, way } => self.network.turn(*server, *way),
            Event::Crash { node, power } => {
                self.executor.stop(*node);
                self.executor.stop(*node + ROUNDS);
                self.nodes[*node] = None;
                if *power {
                    self.disks[*node].cut_power(self.chance.below(256));
                }
            }
            Event::Start { node } => self.start(*node),
            Event::Pause { node, still } => {
                self.executor.pause(*node, *still);
                self.executor.pause(*node + ROUNDS, *still);
                self.awake[*node] = (!still).then_some(at);
            }
            Event::ThrowOutEntries { server } => {
                let gone = self.network.with(*server, |cache, _| cache.throw_out_entries());
                self.tell(at, &format!("  {} entries", gone.len()));
                gone.iter().for_each(|value| self.truth.evicted(value, at, *server));
                self.network.disturb_host(*server);
            }
            Event::Evict { server, count } => {
                for _ in 0..*count {
                    let Some((key, value)) = self.network.with(*server, |cache, chance| cache.evict(chance)) else {
                        break;
                    };
                    self.tell(at, &format!("  {key}"));
                    self.truth.evicted(&value, at, *server);
                    self.network.disturb_host(*server);
                }
            }
            Event::Replay { server } => {
                if let Some(before) = self.network.with(*server, |cache, chance| cache.replay(chance)) {
                    self.tell(at, "  done");
                    self.truth.overwritten(&before);
                }
            }
            Event::Heal => {
                self.network.heal();
                (0..self.nodes.len()).for_each(|node| self.start(node));
            }
        }
    }

    fn ban(&mut self, number: usize, host: usize, span: Option<Duration>, twin: bool, judge: Option<&Judge>) {
        let now = self.timeline.micros();
        let Some(node) = &self.nodes[number] else { return };
        // Of a ban and a lift of one host at the same moment on two nodes nobody can say which came first.
        let mine = self.truth.of(host);
        let alone = mine.len() == 1 && self.truth.deeds()[mine[0]].lift == Lifted::No;
        if !twin && !judge.is_none_or(|judge| judge.is_free(&self.truth, host, now)) || twin && !alone {
            return;
        }
        let deed = self.truth.begin(host, number);
        let (truth, timeline, writer) = (self.truth.clone(), self.timeline.clone(), node.writer.clone());
        let (skew, moment) = (self.skews[number], Moment::from_millis(own_now(node)));
        let by_policy = self.chance.of_thousand(500);
        self.timeline.spawn(number, async move {
            let subject = Subject::Host(address(host));
            let made = if by_policy {
                let order = BanOrder {
                    subject,
                    span,
                    reason: "guessing".into(),
                    message: None,
                    reach: Reach::Site,
                    by: Arc::new(PolicyStamp {
                        name: "guard".into(),
                        version: "1".into(),
                        digest: "d".into(),
                        settings: "s".into(),
                    }),
                    accesses: Arc::default(),
                };
                writer.impose(order, portcullis::ledger::Grounds::default(), moment).await.ok()
            } else {
                let reason = "by hand".to_owned();
                writer.add(subject, span, reason, Reach::Site, "root", moment).await.ok().map(|added| added.ban)
            };
            let Some(ban) = made else { return };
            let again = !truth.is_new(ban.id);
            let one: &mut Deed = &mut truth.deeds()[deed];
            if again {
                // Somebody else's ban holds, or nothing came of it.
                one.lift = Lifted::Begun;
                return;
            }
            one.id = Some(ban.id);
            one.acked = Some(timeline.micros());
            one.ends = ban.expires.map(|end| {
                let own = end.millis().saturating_add_signed(-skew);
                own.saturating_sub(BEGINNING) * 1000
            });
        });
    }

    fn lift(&mut self, number: usize, host: usize) {
        let Some(node) = &self.nodes[number] else { return };
        {
            let mine = self.truth.of(host);
            let mut deeds = self.truth.deeds();
            // Of two bans of one host a node may know one.
            let twins = mine.iter().filter(|deed| deeds[**deed].lift == Lifted::No).count() > 1;
            if twins || mine.iter().any(|deed| deeds[*deed].acked.is_none()) {
                return;
            }
            for deed in mine {
                if deeds[deed].lift == Lifted::No {
                    deeds[deed].lift = Lifted::Begun;
                }
            }
        }
        let (truth, timeline, writer) = (self.truth.clone(), self.timeline.clone(), node.writer.clone());
        let moment = Moment::from_millis(own_now(node));
        self.timeline.spawn(number, async move {
            let lifted = writer.lift(Which::Subject(Subject::Host(address(host))), "root", moment).await;
            let ids: Vec<BanId> = lifted.iter().map(|ban| ban.id).collect();
            let now = timeline.micros();
            let mine = truth.of(host);
            let mut deeds = truth.deeds();
            for deed in mine {
                let deed = &mut deeds[deed];
                if deed.lift != Lifted::Begun {
                    continue;
                }
                let Some(id) = deed.id else { continue };
                deed.lift = if ids.contains(&id) { Lifted::Done(number, now) } else { Lifted::No };
            }
        });
    }

    fn forget(&mut self, number: usize, other: usize) {
        let Some(node) = &self.nodes[number] else { return };
        let mut made = Vec::new();
        for (index, deed) in self.truth.deeds().iter_mut().enumerate() {
            if deed.maker == other && deed.lift == Lifted::No {
                deed.lift = Lifted::Begun;
                made.extend(deed.acked.map(|_| index));
            }
        }
        let (truth, timeline, writer) = (self.truth.clone(), self.timeline.clone(), node.writer.clone());
        let (moment, name) = (Moment::from_millis(own_now(node)), super::node::name(other));
        self.timeline.spawn(number, async move {
            writer.forget_node(&name, None, "root", moment).await;
            let now = timeline.micros();
            let mut deeds = truth.deeds();
            made.into_iter().for_each(|index| deeds[index].lift = Lifted::Done(number, now));
        });
    }

    fn connect(&mut self, number: usize, host: usize, judge: &Judge) {
        let Some(node) = &self.nodes[number] else { return };
        let must = judge.must_refuse_at_once(self, number, host);
        let (truth, complaints) = (self.truth.clone(), Arc::clone(&self.complaints));
        let (bans, time, timeline) = (node.bans.clone(), Arc::clone(&node.time), self.timeline.clone());
        let begun = self.timeline.micros();
        self.timeline.spawn(number, async move {
            let ip = address(host);
            let now = || Moment::from_millis(super::planted::Now::millis(&*time));
            let refused = match bans.on_host(ip, &[], now()) {
                Some(ban) => Some(ban),
                None => bans.ask_pool_host(ip, &[], now()).await,
            };
            let mine = truth.of(host);
            let lifted_meanwhile = mine.into_iter().any(|deed| truth.deeds()[deed].lift != Lifted::No);
            if must && refused.is_none() && !lifted_meanwhile {
                let text = format!("n{number} lets host {host} in, which came at {:.3} s", begun as f64 / 1e6);
                complaints.lock().expect("one thread").push(text);
            }
            if timeline.micros() > begun + 1_000_000 {
                let text = format!("n{number} keeps host {host} waiting from {:.3} s on", begun as f64 / 1e6);
                complaints.lock().expect("one thread").push(text);
            }
        });
    }

    fn figures(&self, looks: u64) -> Figures {
        let mut figures = Figures { looks, ..Figures::default() };
        let mut print = Chance::new(looks, 6);
        for server in 0..self.network.servers() {
            let (load, held) = self.network.with(server, |cache, _| (cache.load, cache.held()));
            figures.requests += load.requests;
            let busiest = self.network.with(server, |cache, _| cache.by_second.iter().copied().max());
            figures.busiest_second = figures.busiest_second.max(busiest.unwrap_or(0));
            figures.held_bytes = figures.held_bytes.max(held.1);
            for number in [load.requests, load.keys_read, load.bytes_in, load.bytes_out, held.0 as u64, held.1] {
                print = Chance::new(print.next() ^ number, 6);
            }
        }
        figures.print = print.next();
        figures.bans = self.truth.deeds().iter().filter(|deed| deed.acked.is_some()).count() as u64;
        figures
    }

    /// Whether a server is up.
    pub(super) fn is_up(&self, server: usize) -> bool {
        self.network.way(server) == Way::Well
    }
}

pub(super) fn own_now(node: &Node) -> u64 {
    super::planted::Now::millis(&*node.time)
}
