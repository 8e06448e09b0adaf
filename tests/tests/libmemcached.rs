//! Keys stand where libmemcached looks for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis::config::settings::{Store as Settings, StoreServer};
use portcullis::store::{Distribution, Key, Memcached, Store};
use tests::memcached;
use tests::place;
use tests::program::Program;

/// The program that asks the library, compiled once.
fn placement() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("placement");
            let source = place::repository().join("tests/libmemcached/placement.c");
            let built = Command::new("cc")
                .args(["-O1", "-Wall", "-o"])
                .arg(&program)
                .arg(source)
                .arg("-lmemcached")
                .status()
                .expect("a C compiler");
            assert!(built.success(), "it needs libmemcached's headers (Debian: libmemcached-dev)");
            program
        })
        .clone()
}

fn settings(distribution: Distribution) -> Settings {
    Settings { distribution, ..portcullis::config::defaults().store }
}

fn store(distribution: Distribution, servers: &[&str]) -> Memcached {
    let servers: Vec<_> = servers.iter().map(|one| StoreServer::parse(one).expect(one)).collect();
    Memcached::new(&servers, &settings(distribution), Duration::from_secs(1), None)
}

fn keys() -> Vec<String> {
    let addresses = (0..1500).map(|number| format!("pc1.b.default/host/192.0.2.{number}"));
    addresses.chain((0..500).map(|number| format!("k{}", number * 7919))).collect()
}

async fn library(distribution: &str, servers: &[&str]) -> Vec<usize> {
    let mut program = Program::new(placement()).args([distribution]);
    for server in servers {
        let server = StoreServer::parse(server).expect(server);
        program = program.args([&server.host, &server.port.to_string(), &server.weight.to_string()]);
    }
    let answer = program.input(keys().join("\n") + "\n").run().await.good();
    answer.out.lines().map(|line| line.parse().expect("a number")).collect()
}

async fn alike(distribution: Distribution, name: &str, servers: &[&str]) {
    let store = store(distribution, servers);
    let ours: Vec<usize> = keys().iter().map(|key| store.lane_of(&Key::parse(key).expect("key"))).collect();
    let theirs = library(name, servers).await;
    assert_eq!(theirs.len(), ours.len());
    let differing = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
    assert_eq!(differing, 0, "{name} {servers:?}: {differing} of {} keys stand elsewhere", ours.len());
}

#[tokio::test]
async fn ketama_places_every_key_where_libmemcached_places_it() {
    alike(Distribution::Ketama, "ketama", &["127.0.0.1:11211", "127.0.0.2:11211", "127.0.0.3:11211"]).await;
    alike(Distribution::Ketama, "ketama", &["10.0.0.1:11311", "cache-b.example:11212"]).await;
    alike(Distribution::Ketama, "ketama", &["/run/a.sock", "/run/b.sock", "127.0.0.1:11211"]).await;
    let weighted = ["10.0.1.1:11211 weight=3", "10.0.1.2:11211", "10.0.1.3:11211 weight=7", "10.0.1.4:2121 weight=13"];
    alike(Distribution::Ketama, "ketama", &weighted).await;
    let many: Vec<String> =
        (0..40).map(|number| format!("10.1.0.{number}:1121{} weight={}", number % 3, 1 + number % 5)).collect();
    alike(Distribution::Ketama, "ketama", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn p_39_consistent_places_every_key_where_mod_memcache_places_it() {
    let three = ["127.0.0.1:21211", "127.0.0.1:21212", "127.0.0.1:21213"];
    alike(Distribution::Consistent, "consistent", &three).await;
    // One that is left out of the list moves its own keys alone, to the same places.
    alike(Distribution::Consistent, "consistent", &three[..2]).await;
    alike(Distribution::Consistent, "consistent", &["127.0.0.1:11211", "10.0.0.9:11211", "/run/m.sock"]).await;
}

#[tokio::test]
async fn libmemcacheds_own_tool_finds_what_the_store_wrote() {
    let (one, two, three) =
        tokio::join!(memcached::Memcached::start(), memcached::Memcached::start(), memcached::Memcached::start());
    let addresses = [one.address(), two.address(), three.address()];
    let store = store(Distribution::Consistent, &addresses.each_ref().map(String::as_str));
    for number in 0..30 {
        let key = format!("key-{number}");
        store.set(&Key::parse(&key).expect("key"), key.as_bytes(), None).await.expect("set");
        let placed = library_server(&addresses, &key).await;
        let servers = format!("--servers={}", addresses[placed]);
        let answer = Program::new("memccat").args([&servers, &key]).run().await.good();
        assert_eq!(answer.out.trim(), key);
    }
    let held =
        [one.statistic("curr_items").await, two.statistic("curr_items").await, three.statistic("curr_items").await];
    assert!(held.iter().sum::<u64>() == 30 && held.iter().all(|count| *count > 0), "{held:?}");
}

async fn library_server(addresses: &[String], key: &str) -> usize {
    let mut program = Program::new(placement()).args(["consistent"]);
    for address in addresses {
        let (host, port) = address.rsplit_once(':').expect("host and port");
        program = program.args([host, port, "1"]);
    }
    program.input(format!("{key}\n")).run().await.good().out.trim().parse().expect("a number")
}
