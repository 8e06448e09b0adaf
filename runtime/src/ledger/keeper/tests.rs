use std::fs;
use std::io::Write;
use std::path::Path;

use async_trait::async_trait;

use super::*;
use crate::config::Settings;
use crate::ledger::{LedgerError, again, fixtures, follow, journal, open};
use crate::policy::PolicyStamp;
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

#[tokio::test]
async fn f_12_a_ban_that_was_acknowledged_survives_a_kill() {
    let store = memory();
    let one = node("a", &store);
    for (number, subject) in ["host:192.0.2.7", "network:203.0.113.0/24", "user:eve"].into_iter().enumerate() {
        one.ban(subject, Moment::now()).await;
        assert_eq!(fs::read_to_string(one.journal()).expect("journal").lines().count(), number + 1);
    }
    one.lift("user:eve").await;
    let again = one.restart(&memory());
    assert!(again.bans_host("192.0.2.7") && again.bans_host("203.0.113.9") && !again.bans_host("192.0.2.8"));
    assert!(again.bans.on_user("eve", ip("192.0.2.1"), Moment::now()).is_none());
}

#[tokio::test]
async fn f_15_a_torn_and_a_damaged_journal_give_back_what_is_whole() {
    let store = memory();
    let one = node("a", &store);
    for last in 1..=3 {
        one.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    let mut bytes = fs::read(one.journal()).expect("journal");
    let second = bytes.iter().position(|byte| *byte == b'\n').expect("line") + 20;
    bytes[second] ^= 1;
    bytes.extend(b"12345678 {\"ban\":{\"id\"");
    fs::write(one.journal(), bytes).expect("write");
    let again = one.restart(&store);
    assert!(again.bans_host("192.0.2.1") && !again.bans_host("192.0.2.2") && again.bans_host("192.0.2.3"));
    let names: Vec<_> = fs::read_dir(again.state.path())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
        .collect();
    assert!(names.iter().any(|name| name.starts_with("bans.journal.damaged-")), "{names:?}");
    let whole = fs::read(again.journal()).expect("journal");
    let reading = journal::read(&whole, drop);
    assert_eq!((reading.records, reading.damaged, reading.torn_bytes), (2, 0, 0));
}

#[tokio::test]
async fn a_torn_record_alone_is_cut_off_and_the_next_is_written_after_it() {
    let store = memory();
    let one = node("a", &store);
    one.ban("host:192.0.2.1", Moment::now()).await;
    let mut file = fs::OpenOptions::new().append(true).open(one.journal()).expect("open");
    file.write_all(b"deadbeef {\"ban").expect("write");
    let again = one.restart(&store);
    again.ban("host:192.0.2.2", Moment::now()).await;
    let third = again.restart(&store);
    assert!(third.bans_host("192.0.2.1") && third.bans_host("192.0.2.2"));
}

#[tokio::test]
async fn f_31_an_older_version_goes_on_with_a_newer_ledger_and_keeps_what_it_does_not_know() {
    let store = memory();
    let one = node("a", &store);
    one.ban("host:192.0.2.1", Moment::now()).await;
    one.ban("host:192.0.2.3", Moment::now()).await;
    let known = fs::read_to_string(one.journal()).expect("journal");
    let (known, other) = known.trim_end().split_once('\n').expect("two lines");
    let json = |line: &str| line.split_once(' ').expect("a sum").1.to_owned();
    let (known, json, other) = (format!("{known}\n"), json(known), json(other));
    let line = |json: &str| format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    // A kind of record, a kind of subject and a field that come later.
    let kind = line("{\"pardon\":{\"id\":1}}");
    let subject = line(&json.replacen("{\"host\":\"192.0.2.1\"}", "{\"telephone\":\"112\"}", 1));
    let field = line(&other.replacen("{\"ban\":{", "{\"ban\":{\"weight\":[7],", 1));
    assert!(subject.contains("telephone") && field.contains("weight") && field.contains("192.0.2.3"));
    fs::write(one.journal(), [&kind, known.as_str(), &subject, &field].map(String::from).concat()).expect("write");
    let again = one.restart(&store);
    assert!(again.bans_host("192.0.2.1") && again.bans_host("192.0.2.3"));
    let aside = |node: &Node| fs::read_dir(node.state.path()).expect("folder").count();
    assert_eq!(aside(&again), 2, "the journal and its lock: nothing was damaged");
    again.bans.0.journal.fail_for_test();
    again.upkeep().await;
    again.ban("host:192.0.2.2", Moment::now()).await;
    let rewritten = fs::read_to_string(again.journal()).expect("journal");
    assert!(rewritten.starts_with(&[kind, subject].concat()), "{rewritten}");
    let third = again.restart(&store);
    assert!(["192.0.2.1", "192.0.2.2", "192.0.2.3"].iter().all(|host| third.bans_host(host)));
}

#[tokio::test]
async fn two_servers_never_share_a_journal() {
    let one = node("a", &memory());
    let second = open(&settings("b", one.state.path()), memory(), Arc::new(PlainKeys));
    assert!(matches!(second, Err(LedgerError::InUse(_))));
}

#[tokio::test]
async fn f_16_when_the_disk_fails_the_ban_holds_and_is_written_later() {
    let store = memory();
    let one = node("a", &store);
    one.bans.0.journal.fail_for_test();
    one.ban("host:192.0.2.1", Moment::now()).await;
    assert!(one.bans_host("192.0.2.1") && one.bans.standing().unsaved);
    assert!(node("b", &store).pool_bans_host("192.0.2.1").await, "published all the same");
    one.upkeep().await;
    // The writer works in order: once this one is on disk, so is the other.
    one.ban("host:192.0.2.2", Moment::now()).await;
    assert!(!one.bans.standing().unsaved);
    let again = one.restart(&memory());
    assert!(again.bans_host("192.0.2.1") && again.bans_host("192.0.2.2"));
}

#[tokio::test]
async fn the_journal_is_rewritten_when_most_of_it_is_history() {
    let one = node("a", &memory());
    let slack = 50;
    for number in 0..slack {
        one.ban(&format!("host:192.0.2.{number}"), Moment::now()).await;
    }
    for number in 1..slack {
        one.lift(&format!("host:192.0.2.{number}")).await;
    }
    one.bans.0.table.write().sweep(Moment::now().plus(Duration::from_secs(3600)), 1000);
    one.bans.0.journal.tidy(1, 10);
    one.ban("host:203.0.113.1", Moment::now()).await;
    assert!(fs::read_to_string(one.journal()).expect("journal").lines().count() <= 2);
    assert!(!one.state.path().join("bans.journal.new").exists());
}

#[tokio::test]
async fn a_ban_of_one_node_refuses_on_another_and_stays_learnt() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    first_look().await;
    let mut news = two.bans.watch();
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    one.ban("network:203.0.113.0/24", Moment::now()).await;
    one.ban("user:eve", Moment::now()).await;
    assert!(!two.bans_host("192.0.2.7"));
    assert!(two.pool_bans_host("192.0.2.7").await);
    assert_eq!(news.recv().await.expect("news").id, ban.id);
    assert!(two.bans_host("192.0.2.7"), "learnt");
    assert!(two.pool_bans_host("203.0.113.200").await && two.bans_host("203.0.113.1"));
    assert!(two.bans.ask_pool_user("eve", ip("192.0.2.99"), None, Moment::now()).await.is_some());
    assert!(two.bans.ask_pool_user("bob", ip("192.0.2.99"), None, Moment::now()).await.is_none());
    assert!(!two.pool_bans_host("192.0.2.8").await, "the neighbour is fine");
    assert_eq!(two.bans.standing().learnt, 3);
    two.ban("host:192.0.2.200", Moment::now()).await;
    assert!(two.restart(&memory()).bans_host("192.0.2.7"), "durable too");
}

#[tokio::test]
async fn a_ban_of_a_certificate_or_a_fingerprint_is_learnt_at_the_login() {
    let store = memory();
    let one = node("a", &store);
    for subject in ["client-certificate:ab12", "tls-fingerprint:t13d"] {
        one.ban(subject, Moment::now()).await;
    }
    let tls = |digest: &str, ja4: &str| TlsFacts {
        client_certificate: Some(digest.to_owned()),
        ja4: Some(ja4.to_owned()),
        ..TlsFacts::default()
    };
    for (facts, banned) in [(tls("ab12", "x"), true), (tls("x", "t13d"), true), (tls("x", "y"), false)] {
        let other = node("b", &store);
        let found = other.bans.ask_pool_user("eve", ip("192.0.2.7"), Some(&facts), Moment::now()).await;
        assert_eq!(found.is_some(), banned, "{facts:?}");
    }
}

#[tokio::test]
async fn s_36_one_key_for_everybody_bans_only_whom_the_record_names() {
    let store = memory();
    let one = node_with("a", Arc::clone(&store), Arc::new(OneKey));
    let two = node_with("b", store, Arc::new(OneKey));
    one.ban("host:192.0.2.7", Moment::now()).await;
    one.ban("host:192.0.2.8", Moment::now()).await;
    assert!(!two.pool_bans_host("192.0.2.9").await);
    assert!(two.pool_bans_host("192.0.2.7").await && two.pool_bans_host("192.0.2.8").await);
    one.lift("host:192.0.2.7").await;
    let three = node_with("c", Arc::clone(&one.bans.0.store), Arc::new(OneKey));
    assert!(!three.pool_bans_host("192.0.2.7").await && three.pool_bans_host("192.0.2.8").await);
}

#[tokio::test]
async fn a_ban_of_another_site_or_of_one_node_stays_there() {
    let store = memory();
    let one = node("a", &store);
    let state = tempfile::tempdir().expect("directory");
    let mut elsewhere = settings("c", state.path());
    elsewhere.server.site = "elsewhere".into();
    let (far, _writer) = open(&elsewhere, Arc::clone(&store), Arc::new(PlainKeys)).expect("open");
    let (now, near) = (Moment::now(), node("b", &store));
    let add = async |subject: &str, reach| {
        let subject = Subject::parse(subject).expect("subject");
        one.writer.add(subject, None, "test".into(), reach, "root", now).await.expect("imposed");
    };
    add("host:192.0.2.1", Reach::Node).await;
    add("host:192.0.2.2", Reach::Site).await;
    add("host:192.0.2.3", Reach::Everywhere).await;
    let mut found = Vec::new();
    for last in 1..=3 {
        let peer = ip(&format!("192.0.2.{last}"));
        let near = near.bans.ask_pool_host(peer, &[], now).await.is_some();
        found.push((near, far.ask_pool_host(peer, &[], now).await.is_some()));
    }
    assert_eq!(found, [(false, false), (true, false), (true, true)]);
}

#[tokio::test]
async fn a_lift_opens_at_once_and_reaches_nodes_that_learnt_the_ban() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(two.pool_bans_host("192.0.2.7").await);
    assert_eq!(one.lift("host:192.0.2.7").await, 1);
    assert!(!one.bans_host("192.0.2.7") && !one.pool_bans_host("192.0.2.7").await);
    assert!(two.bans_host("192.0.2.7"), "has not heard of it yet");
    two.upkeep().await;
    assert!(!two.bans_host("192.0.2.7") && !two.pool_bans_host("192.0.2.7").await);
    assert_eq!(one.lift("host:192.0.2.7").await, 0);
    // A new ban holds, everywhere.
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(one.bans_host("192.0.2.7") && two.pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn a_ban_that_only_others_know_can_be_lifted_here() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert_eq!(two.lift("host:192.0.2.7").await, 1);
    one.upkeep().await;
    assert!(!one.bans_host("192.0.2.7"));
}

#[tokio::test]
async fn f_08_an_older_copy_of_a_lifted_ban_never_returns() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    let key = PlainKeys.derive(&Purpose::StoreBan(ban.subject.clone(), ban.reach)).await.remove(0);
    let old = store.get_many(std::slice::from_ref(&key)).await.expect("get").remove(0).expect("published");
    one.lift("host:192.0.2.7").await;
    store.set(&key, &old, None).await.expect("replayed");
    assert!(!one.pool_bans_host("192.0.2.7").await);
    one.upkeep().await;
    assert!(!two.pool_bans_host("192.0.2.7").await, "the lift was published again");
}

#[tokio::test]
async fn f_07_what_the_store_did_not_take_is_published_later() {
    let failing = Failing::new();
    let store: SharedStore = failing.clone();
    let (one, two) = (node("a", &store), node("b", &store));
    failing.set_down(true);
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(one.bans_host("192.0.2.7"));
    assert!(!two.pool_bans_host("192.0.2.7").await);
    assert_eq!((one.bans.standing().unpublished, two.bans.standing().unanswered), (1, 1));
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 1);
    failing.set_down(false);
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 0);
    assert!(two.pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn f_09_a_store_that_restarts_empty_gets_its_bans_back() {
    let store = memory();
    let one = node("a", &store);
    for last in 0..200 {
        one.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    let empty = memory();
    let one = one.restart(&empty);
    let two = node("b", &empty);
    assert!(!two.pool_bans_host("192.0.2.7").await);
    one.upkeep().await;
    for last in 0..200 {
        assert!(two.pool_bans_host(&format!("192.0.2.{last}")).await, "{last}");
    }
}

#[tokio::test]
async fn f_09_a_ban_is_told_again_when_its_journal_is_lost_unread_although_the_record_stands() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    first_look().await;
    one.ban("host:192.0.2.1", Moment::now()).await;
    one.upkeep().await;
    two.upkeep().await;
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    for head in one.bans.0.sync.streams.heads() {
        store.delete(head).await.expect("deleted");
    }
    one.upkeep().await;
    two.upkeep().await;
    assert!(two.bans_host("192.0.2.7") && two.bans.get(ban.id).is_some());
}

#[tokio::test]
async fn rubbish_in_the_store_bans_nobody() {
    let store = memory();
    let one = node("a", &store);
    let key = Namespace::Bans.key(b"host:192.0.2.7").expect("key");
    let wide = fixtures::ban("network:0.0.0.0/0", Moment::now(), None);
    let over = fixtures::ban("host:192.0.2.7", Moment::from_millis(1000), Some(1));
    let protected = fixtures::ban("host:198.51.100.1", Moment::now(), None);
    let mut value = b"\xff\xfe rubbish\n{\"ban\":7}\n".to_vec();
    for ban in [wide, over, protected] {
        let mut ban = Ban::clone(&ban);
        ban.reach = Reach::Everywhere;
        value.extend(serde_json::to_vec(&Record::Ban(Arc::new(ban))).expect("json"));
        value.push(b'\n');
    }
    store.set(&key, &value, None).await.expect("set");
    store.set(&Namespace::Bans.key(b"host:198.51.100.1").expect("key"), &value, None).await.expect("set");
    assert!(!one.pool_bans_host("192.0.2.7").await && !one.pool_bans_host("198.51.100.1").await);
    assert_eq!(one.bans.standing().strange, 2);
    assert!(one.bans.is_empty());
}

#[tokio::test]
async fn trying_again_while_banned_does_not_lengthen_the_ban() {
    let one = node("a", &memory());
    let now = Moment::now();
    let hour = Duration::from_secs(3600);
    let first = one.writer.impose(order("host:192.0.2.7", Some(hour)), Grounds::default(), now).await.expect("imposed");
    let end = first.expires.expect("an end");
    assert!(now.plus(hour) <= end && end <= now.plus(hour + hour / 10));
    let later = now.plus(Duration::from_secs(60));
    let again =
        one.writer.impose(order("host:192.0.2.7", Some(hour)), Grounds::default(), later).await.expect("imposed");
    assert_eq!(again, first);
    assert_eq!(one.bans.list(&Filter::default(), now).await.len(), 1);
}

#[tokio::test]
async fn a_wider_reach_takes_the_place_of_a_narrower_and_never_ends_sooner() {
    let store = memory();
    let one = node("a", &store);
    let now = Moment::now();
    let subject = Subject::parse("192.0.2.7").expect("host");
    let add = |span, reach| one.writer.add(subject.clone(), span, "test".into(), reach, "root", now);
    let narrow = add(Some(Duration::from_secs(600)), Reach::Node).await.expect("imposed").ban;
    let wide = add(Some(Duration::from_secs(60)), Reach::Site).await.expect("imposed").ban;
    assert_eq!(wide.reach, Reach::Site);
    assert!(wide.outlasts(&narrow));
    assert!(node("b", &store).pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn whom_the_operator_protects_nobody_bans() {
    let store = memory();
    let one = node("a", &store);
    let refused = one.writer.impose(order("host:198.51.100.1", None), Grounds::default(), Moment::now()).await;
    assert!(matches!(refused, Err(NotImposed::Protected(_))));
    let now = Moment::now();
    for subject in ["user:eve", "tls-fingerprint:t13"] {
        one.ban(subject, now).await;
    }
    let refuses = |text: &str| {
        (one.bans.on_user("eve", ip(text), now).is_some(), one.bans.on_tls(None, Some("t13"), ip(text), now).is_some())
    };
    assert_eq!(refuses("198.51.100.1"), (false, false));
    assert_eq!(refuses("198.51.100.16"), (true, true));
}

#[tokio::test]
async fn a_full_table_says_so() {
    let state = tempfile::tempdir().expect("directory");
    let mut settings = settings("a", state.path());
    settings.bans.table = 1;
    let (_bans, writer) = open(&settings, memory(), Arc::new(PlainKeys)).expect("open");
    writer.impose(order("host:192.0.2.1", None), Grounds::default(), Moment::now()).await.expect("imposed");
    let refused = writer.impose(order("host:192.0.2.2", None), Grounds::default(), Moment::now()).await;
    assert_eq!(refused, Err(NotImposed::Full(1)));
}

#[tokio::test]
async fn a_store_that_nobody_shares_holds_no_bans() {
    let store: SharedStore = Arc::new(Memory::new(100, 65_536));
    let one = node("a", &store);
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    one.upkeep().await;
    let keys = PlainKeys.derive(&Purpose::StoreBan(ban.subject.clone(), ban.reach)).await;
    assert_eq!(store.get_many(&keys).await, Ok(vec![None]));
    assert!(one.bans_host("192.0.2.7"));
    assert_eq!(one.lift("host:192.0.2.7").await, 1);
}

#[tokio::test]
async fn a_ban_too_large_to_publish_holds_here_and_blocks_no_other() {
    let store = memory();
    let one = node("a", &store);
    let mut large = order("host:192.0.2.7", None);
    large.reason = "x".repeat(1 << 20);
    one.writer.impose(large, Grounds::default(), Moment::now()).await.expect("imposed");
    assert!(one.bans_host("192.0.2.7"));
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 0);
    one.ban("host:192.0.2.8", Moment::now()).await;
    assert!(node("b", &store).pool_bans_host("192.0.2.8").await);
}

#[tokio::test]
async fn p_29_an_operators_second_word_lengthens_a_ban_and_never_shortens_it() {
    let store = memory();
    let (one, now) = (node("a", &store), Moment::now());
    let subject = Subject::parse("192.0.2.7").expect("host");
    let add = |seconds: u64, reach| {
        let span = Some(Duration::from_secs(seconds));
        one.writer.add(subject.clone(), span, "test".into(), reach, "root", now)
    };
    let first = add(600, Reach::Site).await.expect("imposed");
    assert!(!first.already);
    for (seconds, reach) in [(600, Reach::Site), (60, Reach::Node)] {
        let again = add(seconds, reach).await.expect("kept");
        assert!(again.already && again.ban.id == first.ban.id);
    }
    let longer = add(6000, Reach::Node).await.expect("imposed");
    assert!(!longer.already && longer.ban.outlasts(&first.ban));
    assert_eq!((longer.ban.reach, one.bans.len()), (Reach::Site, 1), "it reaches as far as before");
    // A policy's order is no attempt to correct one.
    let order = one.writer.impose(order("host:192.0.2.7", Some(Duration::MAX)), Grounds::default(), now).await;
    assert_eq!(order.expect("kept").id, longer.ban.id);
}

#[tokio::test]
async fn an_import_brings_back_what_was_exported_and_a_second_one_changes_nothing() {
    let store = memory();
    let (one, now) = (node("a", &store), Moment::now());
    let ban = one.ban("192.0.2.7", now).await;
    let import = |writer: &BanWriter| {
        let (writer, ban) = (writer.clone(), Ban::clone(&ban));
        async move { writer.import(ban, "root", now).await }
    };
    assert_eq!(import(&one.writer).await, Ok(Imported::Kept));
    let other = node("b", &memory());
    assert_eq!(import(&other.writer).await, Ok(Imported::Added));
    assert_eq!(import(&other.writer).await, Ok(Imported::Kept));
    assert_eq!(other.bans.get(ban.id).as_deref(), Some(&*ban));
    other.lift("192.0.2.7").await;
    assert_eq!(import(&other.writer).await, Ok(Imported::Lifted));
    let protected = Ban { subject: Subject::parse("198.51.100.1").expect("host"), ..Ban::clone(&ban) };
    assert!(matches!(other.writer.import(protected, "root", now).await, Err(NotImposed::Protected(_))));
}
