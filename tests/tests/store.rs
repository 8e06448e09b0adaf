//! The store over real memcached servers: credentials, copies, reads that share a trip, figures.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::auth::Secret;
use portcullis::config::settings::{Store as Settings, StoreServer};
use portcullis::store::{self, Key, Store, StoreError};
use tests::cluster::Cluster;
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::server::{Server, portcullis};

const NEIGHBOUR: &str = "127.0.0.3";
const ATTACKER: &str = "127.0.0.2";

fn open(servers: &[&str], settings: &Settings, credentials: Option<&str>) -> Arc<store::Memcached> {
    let servers: Vec<_> = servers.iter().map(|one| StoreServer::parse(one).expect(one)).collect();
    let credentials = credentials.map(|text| Secret::new(text.to_owned()));
    Arc::new(store::Memcached::new(&servers, settings, Duration::from_secs(2), credentials))
}

fn settings() -> Settings {
    portcullis::config::defaults().store
}

fn key(text: impl AsRef<str>) -> Key {
    Key::parse(text.as_ref()).expect("key")
}

async fn guarded() -> Memcached {
    Memcached::start_with(|folder| {
        let file = folder.join("users");
        fs::write(&file, "gate:let-me-in\n").expect("written");
        vec!["-Y".to_owned(), file.display().to_string()]
    })
    .await
}

#[tokio::test]
async fn a_memcached_with_users_and_passwords_serves_who_knows_one() {
    let memcached = guarded().await;
    let address = memcached.address();
    let good = open(&[&address], &settings(), Some("gate:let-me-in"));
    good.set(&key("k"), b"v", None).await.expect("set");
    assert_eq!(good.get_many(&[key("k")]).await, Ok(vec![Some(b"v".to_vec())]));
    let wrong = open(&[&address], &settings(), Some("gate:let-me-out"));
    let refused = wrong.set(&key("k"), b"v", None).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("store.credentials")), "{refused:?}");
    assert!(open(&[&address], &settings(), None).set(&key("k"), b"w", None).await.is_err());
    assert_eq!(good.get_many(&[key("k")]).await, Ok(vec![Some(b"v".to_vec())]));
}

#[tokio::test]
async fn a_server_takes_its_credentials_from_a_file() {
    let memcached = guarded().await;
    let server = Server::serve_with(|config| {
        let file = std::env::temp_dir().join(format!("portcullis-credentials-{}", std::process::id()));
        fs::write(&file, "gate:let-me-in\n").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
        config.store(&[memcached.address()]).set("store.credentials", file.to_str().expect("plain"));
    })
    .await;
    server.guess_until_banned(ATTACKER, 7).await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    let status = server.admin(&["status", "--json"]).await.good().json();
    let row = &status["store"]["servers"][0];
    assert_eq!((&row["breaker"], &row["failures"]), (&"closed".into(), &0.into()), "{row}");
    let (p50, p99) = (row["p50_micros"].as_f64().expect("p50"), row["p99_micros"].as_f64().expect("p99"));
    assert!(p50 > 0.0 && p99 >= p50, "{row}");
    let text = server.admin(&["status"]).await.good().out;
    assert!(text.contains("p99") && !text.contains("let:me in"), "{text}");
}

#[tokio::test]
async fn f_04_with_copies_one_of_three_servers_may_die_and_nothing_is_lost() {
    let (one, two, mut three) = tokio::join!(Memcached::start(), Memcached::start(), Memcached::start());
    let addresses = [one.address(), two.address(), three.address()];
    let mut settings = settings();
    settings.replicas = 1;
    let store = open(&addresses.each_ref().map(String::as_str), &settings, None);
    let keys: Vec<Key> = (0..60).map(|number| key(format!("k{number}"))).collect();
    for key in &keys {
        store.set(key, b"before", None).await.expect("set");
        assert_eq!(store.increment(&self::key(format!("count-{key}")), 3, None).await, Ok(3));
    }
    three.kill();
    let values = store.get_many(&keys).await.expect("get");
    assert!(values.iter().all(|value| value.as_deref() == Some(b"before")), "{values:?}");
    for key in &keys {
        assert_eq!(store.increment(&self::key(format!("count-{key}")), 1, None).await, Ok(4), "{key}");
        let held = store.get_versioned(key).await.expect("gets").expect("there");
        let swap = store.compare_and_swap(key, b"after", held.version, None).await;
        assert_eq!(swap, Ok(store::Swap::Stored), "{key}");
    }
    three.restart().await;
    let values = store.get_each(&keys).await;
    let wrong = values.iter().filter(|value| matches!(value, Ok(Some(value)) if value != b"after")).count();
    assert_eq!(wrong, 0, "no copy is older than what was written");
}

#[tokio::test]
async fn p_44_twenty_nodes_that_count_at_once_count_exactly() {
    let memcached = Memcached::start().await;
    let address = memcached.address();
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let node = open(&[&address], &settings(), None);
        nodes.spawn(async move {
            let mut counts = Vec::new();
            for _ in 0..50 {
                counts.push(node.increment(&key("budget"), 1, Some(Duration::from_secs(60))).await.expect("count"));
            }
            counts
        });
    }
    let mut counts: Vec<u64> = nodes.join_all().await.into_iter().flatten().collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=1000).collect::<Vec<u64>>());
}

#[tokio::test]
async fn reads_that_come_at_once_share_their_trips() {
    let memcached = Memcached::start().await;
    let store = open(&[&memcached.address()], &settings(), None);
    for number in 0..64 {
        store.set(&key(format!("k{number}")), format!("v{number}").as_bytes(), None).await.expect("set");
    }
    let before = store.health().servers[0].operations;
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..100 {
                let values = store.get_many(&[key(format!("k{number}")), key("missing")]).await;
                assert_eq!(values, Ok(vec![Some(format!("v{number}").into_bytes()), None]));
            }
        });
    }
    tasks.join_all().await;
    let trips = store.health().servers[0].operations - before;
    println!("6400 reads of 64 tasks: {trips} trips, {:?}", start.elapsed());
    assert!(trips < 3200, "{trips} trips for 6400 reads");
}

#[tokio::test]
async fn a_reader_that_goes_away_takes_nobody_elses_answer_along() {
    let memcached = Memcached::start().await;
    let store = open(&[&memcached.address()], &settings(), None);
    store.set(&key("k"), b"v", None).await.expect("set");
    memcached.hang();
    let mut tasks = tokio::task::JoinSet::new();
    let mut leaving = Vec::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        let read = async move { store.get_many(&[key("k")]).await };
        if number % 2 == 0 {
            leaving.push(tokio::spawn(read));
        } else {
            tasks.spawn(read);
        }
    }
    // All of them wait by now: the first two for their answers, the others for their turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    for task in leaving {
        task.abort();
    }
    memcached.go_on();
    for answer in tasks.join_all().await {
        assert_eq!(answer, Ok(vec![Some(b"v".to_vec())]));
    }
}

/// Writes a key file that the configuration can name.
async fn cluster_key(folder: &std::path::Path) -> String {
    let file = folder.join("cluster.key");
    let file = file.to_str().expect("plain").to_owned();
    portcullis(&["cluster", "keygen", "--out", &file]).run().await.good();
    let mode = fs::metadata(&file).expect("written").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    portcullis(&["cluster", "keygen", "--out", &file]).run().await.exits(1);
    file
}

#[tokio::test]
async fn s_67_s_74_with_a_cluster_key_memcached_shows_nobody_and_frees_nobody() {
    let folder = tempfile::tempdir().expect("folder");
    let key = cluster_key(folder.path()).await;
    let pool = Cluster::with(2, |_, config| {
        config.set("store.cluster-key", key.as_str());
    })
    .await;
    pool.node(0).guess_until_banned(ATTACKER, 7).await;
    pool.node(1).assert_refused(ATTACKER).await;
    pool.node(1).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    let names = pool.memcached.names().await;
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("pcx1.")), "{names:?}");
    let plain = [ATTACKER, "brute-force", "default/host"];
    let mut sealed = Vec::new();
    for name in &names {
        let value = pool.memcached.value(name).await;
        let text = String::from_utf8_lossy(&value);
        assert!(!plain.iter().any(|word| text.contains(word)), "{name}: {text}");
        if !value.iter().all(u8::is_ascii_digit) {
            sealed.push((name, value));
        }
    }
    // Whoever owns memcached puts what there is under other names, and writes what he likes.
    for (at, (name, _)) in sealed.iter().enumerate() {
        let next = sealed.get(at + 1).map_or(&b"{\"ban\":7}"[..], |(_, value)| value);
        pool.memcached.set(name, next).await;
    }
    let third = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("store.cluster-key", key.as_str()).set("server.site", "cluster");
    })
    .await;
    third.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    deadline::until_asked(SOON, "forged values to be told", async || {
        let status = third.admin(&["status", "--json"]).await.good().json();
        (status["bans"]["forged"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let status = third.admin(&["status", "--json"]).await.good().json();
    assert_eq!(status["bans"]["bans"], 0, "nothing is learnt of what was moved: {status}");
    pool.node(0).assert_refused(ATTACKER).await;
    pool.node(1).assert_refused(ATTACKER).await;
}

#[tokio::test]
async fn without_a_cluster_key_a_memcached_that_others_reach_is_warned_of() {
    let server = Server::serve_with(|config| {
        config.store(&["192.0.2.1:11211".to_owned()]).set("store.deadline", "1ms");
    })
    .await;
    server.logged("the warning", |line| line.text("message").contains("store.unsealed")).await;
    let status = server.admin(&["status"]).await.good().out;
    assert!(status.contains("WARNING") && status.contains("portcullis cluster keygen"), "{status}");
}
