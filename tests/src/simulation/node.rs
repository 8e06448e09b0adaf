//! One node: the server's real ledger over a pretend store, disk, clock and chance.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portcullis::config::Settings;
use portcullis::config::settings::StoreServer;
use portcullis::ledger::outside::{Outside, Pause};
use portcullis::ledger::{self, Ban, BanWriter, Bans, Subject};
use portcullis::moment::Moment;
use portcullis::store::{Derive, Key, Memcached, Namespace, Purpose};
use tokio::sync::broadcast;

use super::chance::Chance;
use super::disk::MemoryDisk;
use super::executor::Timeline;
use super::network::Network;
use super::planted::{Now, Planted, Seam};
use super::remote::Remote;

/// Unix time of the beginning of every run, in milliseconds.
pub const BEGINNING: u64 = 1_700_000_000_000;

/// Who owns the rounds of a node: its number and this.
pub const ROUNDS: usize = 1_000_000;

/// A node's clock and its chance.
#[derive(Debug)]
pub struct OwnTime {
    timeline: Timeline,
    /// Milliseconds that its clock is ahead.
    skew: i64,
    chance: Mutex<Chance>,
}

impl Outside for OwnTime {
    fn now(&self) -> Moment {
        Moment::from_millis(self.millis())
    }

    fn shown(&self) -> Moment {
        self.now()
    }

    fn pause(&self, span: Duration) -> Pause {
        Box::pin(self.timeline.pause(span))
    }

    fn chance(&self) -> u128 {
        self.chance.lock().expect("one thread").bits()
    }
}

impl Now for OwnTime {
    fn millis(&self) -> u64 {
        (BEGINNING + self.timeline.micros() / 1000).saturating_add_signed(self.skew)
    }
}

/// Keys as key policies derive them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each subject has its own.
    Own,
    /// All hosts of a /24 share one.
    Shared,
}

#[async_trait]
impl Derive for Keys {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        match purpose {
            Purpose::LookUpBan(subject) | Purpose::StoreBan(subject, _) => vec![self.of(subject)],
            Purpose::Entry { .. } | Purpose::TlsSession(_) => Vec::new(),
        }
    }
}

impl Keys {
    fn of(self, subject: &Subject) -> Key {
        let derived = match (self, subject) {
            (Keys::Shared, Subject::Host(IpAddr::V4(ip))) => format!("net:{:?}", &ip.octets()[..3]).replace(' ', ""),
            (_, subject) => subject.to_string(),
        };
        Namespace::Bans.key(derived.as_bytes()).expect("visible and short")
    }
}

/// What a node is called.
pub fn name(number: usize) -> String {
    format!("n{number}")
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For all nodes.
    pub settings: Settings,
    /// The servers, by name.
    pub servers: Vec<StoreServer>,
    /// How keys are derived.
    pub keys: Keys,
    /// The bug in it.
    pub planted: Option<Planted>,
}

impl Plan {
    /// The defaults, over so many servers.
    pub fn new(servers: usize) -> Plan {
        let mut settings = portcullis::config::defaults();
        settings.server.state = PathBuf::from("/nonexistent");
        let name = |number| StoreServer::parse(&format!("cache{number}:11211")).expect("a name");
        Plan { settings, servers: (0..servers).map(name).collect(), keys: Keys::Own, planted: None }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// Asks its ledger.
    pub bans: Bans,
    /// Changes it.
    pub writer: BanWriter,
    /// What came into force since it was looked at.
    pub news: broadcast::Receiver<Arc<Ban>>,
    /// Its clock.
    pub time: Arc<OwnTime>,
    /// Its store.
    pub store: Arc<Seam<Memcached<Remote>>>,
    /// When it was started.
    pub started: u64,
}

impl Node {
    /// Starts one over its disk; its work is spawned.
    pub fn start(
        plan: &Plan,
        number: usize,
        skew: i64,
        (timeline, network): (&Timeline, &Network),
        disk: &MemoryDisk,
        mut chance: Chance,
    ) -> Node {
        let mut settings = plan.settings.clone();
        settings.server.node = name(number);
        if let Some(planted) = plan.planted {
            planted.bend(&mut settings);
        }
        let time = Arc::new(OwnTime {
            timeline: timeline.clone(),
            skew,
            chance: Mutex::new(Chance::new(chance.next(), number as u64)),
        });
        let remote = |server| {
            Remote::new(network, timeline, (number, server), &settings, Chance::new(chance.next(), server as u64))
        };
        let remotes = (0..plan.servers.len()).map(remote).collect();
        let engine = Memcached::over(&plan.servers, remotes, &settings.store);
        let store = Arc::new(Seam::new(engine, plan.planted, Arc::clone(&time) as Arc<dyn Now>));
        let mut written = disk.journal();
        if let Some(planted) = plan.planted {
            written = planted.read_back(written);
        }
        let assembled = ledger::assemble(
            &settings,
            Arc::clone(&store) as Arc<_>,
            Arc::new(plan.keys),
            Arc::clone(&time) as Arc<dyn Outside>,
            disk.clone(),
            &written,
        )
        .expect("memory takes everything");
        timeline.spawn(number, assembled.writing);
        timeline.spawn(number + ROUNDS, assembled.upkeep);
        timeline.spawn(number + ROUNDS, assembled.following);
        Node {
            news: assembled.bans.watch(),
            bans: assembled.bans,
            writer: assembled.writer,
            time,
            store,
            started: timeline.micros(),
        }
    }
}
