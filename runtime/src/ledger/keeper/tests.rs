mod disk;
mod forgetting;
mod orders;
mod others;

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;

use super::*;
use crate::config::Settings;
use crate::ledger::{Filter, Grounds, LedgerError, NotImposed, Reach, Subject, again, fixtures, follow, journal, open};
use crate::policy::{BanOrder, PolicyStamp};
use crate::store::{Found, Key, Memory, Namespace, Purpose, Store, StoreError, Swap, TimeToLive, Versioned};

/// Keys as a simple key policy derives them: a host is found by its own key and by that of its /24.
struct PlainKeys;

#[async_trait]
impl Derive for PlainKeys {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        let key = |text: &str| Namespace::Bans.key(text.as_bytes()).expect("key");
        let around = |ip: &IpAddr| {
            let net = ipnet::IpNet::new(*ip, 24).expect("net").trunc();
            Subject::network(net).to_string()
        };
        match purpose {
            Purpose::LookUpBan(Subject::Host(ip)) => {
                vec![key(&Subject::Host(*ip).to_string()), key(&around(ip))]
            }
            Purpose::LookUpBan(subject) | Purpose::StoreBan(subject, _) => vec![key(&subject.to_string())],
            Purpose::Entry { .. } | Purpose::TlsSession(_) => Vec::new(),
        }
    }
}

/// One key for everybody.
struct OneKey;

#[async_trait]
impl Derive for OneKey {
    async fn derive(&self, _: &Purpose) -> Vec<Key> {
        vec![Key::parse("pc1.b.all").expect("key")]
    }
}

/// A store that nodes share, and that fails while it is told to.
#[derive(Debug)]
struct Failing {
    inner: Memory,
    down: std::sync::atomic::AtomicBool,
}

impl Failing {
    fn new() -> Arc<Failing> {
        Arc::new(Failing { inner: Memory::new(1000, 65_536), down: false.into() })
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    fn up(&self) -> Result<&Memory, StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Store for Failing {
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        match self.up() {
            Ok(store) => store.get_each(keys).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }
    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.up()?.get_versioned(key).await
    }
    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.up()?.set(key, value, ttl).await
    }
    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        self.up()?.add(key, value, ttl).await
    }
    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        self.up()?.delete(key).await
    }
    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        self.up()?.increment(key, by, ttl).await
    }
    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        self.up()?.compare_and_swap(key, value, version, ttl).await
    }
    fn health(&self) -> crate::store::Health {
        self.inner.health()
    }
}

/// A node: a ledger over a state directory and a store that others may share.
struct Node {
    bans: Bans,
    writer: BanWriter,
    state: tempfile::TempDir,
}

fn settings(node: &str, state: &Path) -> Settings {
    // Upkeep is done by hand in these tests.
    let lines =
        "bans.upkeep = \"1h\"\nbans.sync = \"1h\"\nstore.deadline = \"5s\"\nbans.protected = [\"198.51.100.0/28\"]\n";
    let mut settings = fixtures::settings(lines);
    settings.server.node = node.into();
    settings.server.state = state.to_owned();
    settings
}

fn memory() -> SharedStore {
    Failing::new()
}

fn node_with(node: &str, store: SharedStore, keys: Arc<dyn Derive>) -> Node {
    let state = tempfile::tempdir().expect("directory");
    let (bans, writer) = open(&settings(node, state.path()), store, keys).expect("open");
    Node { bans, writer, state }
}

fn node(node: &str, store: &SharedStore) -> Node {
    node_with(node, Arc::clone(store), Arc::new(PlainKeys))
}

/// Lets the first look at the pool's journal pass, which each node takes as it starts: what a node learns
/// after it, it learns by asking.
async fn first_look() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

impl Node {
    async fn ban(&self, subject: &str, now: Moment) -> Arc<Ban> {
        let span = Some(Duration::from_secs(600));
        let subject = Subject::parse(subject).expect(subject);
        self.writer.add(subject, span, "test".into(), Reach::Site, "root", now).await.expect("imposed").ban
    }

    fn bans_host(&self, text: &str) -> bool {
        self.bans.on_host(ip(text), &[], Moment::now()).is_some()
    }

    async fn pool_bans_host(&self, text: &str) -> bool {
        self.bans.ask_pool_host(ip(text), &[], Moment::now()).await.is_some()
    }

    async fn lift(&self, subject: &str) -> usize {
        let which = Which::Subject(Subject::parse(subject).expect(subject));
        self.writer.lift(which, "root", Moment::now()).await.len()
    }

    async fn upkeep(&self) {
        self.bans.0.sweep(Moment::now());
        pool::publish_waiting(&self.bans.0, Duration::from_secs(60)).await;
        while follow::round(&self.bans.0, Moment::now()).await {}
        while self.bans.0.again.is_under_way() {
            again::step(&self.bans.0, Moment::now()).await;
        }
    }

    /// As after kill -9: the same state directory, another process.
    fn restart(self, store: &SharedStore) -> Node {
        let copy = tempfile::tempdir().expect("directory");
        fs::copy(self.journal(), copy.path().join("bans.journal")).expect("copy");
        let (bans, writer) =
            open(&settings("again", copy.path()), Arc::clone(store), Arc::new(PlainKeys)).expect("open");
        Node { bans, writer, state: copy }
    }

    fn journal(&self) -> std::path::PathBuf {
        self.state.path().join("bans.journal")
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn order(subject: &str, span: Option<Duration>) -> BanOrder {
    let by = PolicyStamp { name: "p".into(), version: "1".into(), digest: "d".into(), settings: "s".into() };
    BanOrder {
        subject: Subject::parse(subject).expect(subject),
        span,
        reason: "test".into(),
        message: None,
        reach: Reach::Site,
        by: Arc::new(by),
        accesses: Arc::default(),
    }
}
