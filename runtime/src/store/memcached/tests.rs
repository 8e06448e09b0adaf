use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server::expiry;
use super::*;
use crate::ledger::fixtures;
use crate::moment::Moment;
use crate::store::contract;
use crate::waits::{self, Wait};

/// A memcached of this test's own, on a socket in a directory of its own.
struct Running {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Running {
    async fn start(with_port: bool) -> Running {
        let directory = tempfile::tempdir().expect("directory");
        let socket = directory.path().join("memcached.sock");
        let ports = directory.path().join("ports");
        let mut command = Command::new("memcached");
        command.args(["-u", "root", "-U", "0", "-m", "16", "-t", "1"]).stdout(Stdio::null()).stderr(Stdio::null());
        if with_port {
            command.args(["-l", "127.0.0.1", "-p", "-1"]).env("MEMCACHED_PORT_FILENAME", &ports);
        } else {
            command.arg("-s").arg(&socket);
        }
        let child = command.spawn().expect("this test needs memcached: install it (Debian: apt-get install memcached)");
        let mut running = Running { child, address: socket.display().to_string(), directory };
        if with_port {
            running.address = format!("127.0.0.1:{}", running.port(&ports).await);
        }
        while !running.accepts() {
            running.is_alive();
            tokio::task::yield_now().await;
        }
        running
    }

    async fn port(&mut self, ports: &Path) -> String {
        loop {
            let text = std::fs::read_to_string(ports).unwrap_or_default();
            let port = text.lines().find_map(|line| line.strip_prefix("TCP INET: "));
            if let Some(port) = port.filter(|_| text.ends_with('\n')) {
                return port.to_owned();
            }
            self.is_alive();
            tokio::task::yield_now().await;
        }
    }

    fn is_alive(&mut self) {
        let ended = self.child.try_wait().expect("wait");
        assert_eq!(ended, None, "memcached ended by itself in {}", self.directory.path().display());
    }

    fn accepts(&self) -> bool {
        match self.address.starts_with('/') {
            true => std::os::unix::net::UnixStream::connect(&self.address).is_ok(),
            false => std::net::TcpStream::connect(&self.address).is_ok(),
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn settings() -> settings::Store {
    let mut settings = fixtures::settings("").store;
    settings.value_bytes = contract::VALUE_BYTES;
    settings.breaker_failures = 2;
    settings.breaker_pause = Duration::from_millis(20);
    settings
}

fn over(addresses: &[&str]) -> Memcached {
    let addresses: Vec<StoreServer> = addresses.iter().map(|&address| server(address)).collect();
    Memcached::new(&addresses, &settings(), Duration::from_secs(2), None)
}

fn server(address: &str) -> StoreServer {
    StoreServer::parse(address).expect(address)
}

fn key(text: &str) -> Key {
    Key::parse(text).expect(text)
}

#[tokio::test]
async fn keeps_the_contract_over_a_unix_socket() {
    let running = Running::start(false).await;
    contract::holds(&over(&[&running.address])).await;
}

#[tokio::test]
async fn keeps_the_contract_over_tcp() {
    let running = Running::start(true).await;
    contract::holds(&over(&[&running.address])).await;
}

#[tokio::test]
async fn keeps_the_contract_over_several_servers() {
    let (one, two, three) = tokio::join!(Running::start(false), Running::start(false), Running::start(false));
    let store = over(&[&one.address, &two.address, &three.address]);
    contract::holds(&store).await;
    for server in store.health().servers {
        assert!(server.operations > 0 && server.failures == 0, "{server:?}");
    }
}

#[tokio::test]
async fn operations_at_once_share_a_few_connections() {
    let running = Running::start(false).await;
    let store = Arc::new(over(&[&running.address]));
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.increment(&key("shared"), 1, None).await });
    }
    let mut counts: Vec<u64> = tasks.join_all().await.into_iter().map(|count| count.expect("count")).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<_>>());
    assert!(store.servers[0].idle.lock().len() <= settings().connections);
}

#[tokio::test]
async fn f_01_a_killed_server_costs_nothing_after_a_few_tries_and_comes_back() {
    let mut running = Running::start(false).await;
    let store = over(&[&running.address]);
    store.set(&key("k"), b"v", None).await.expect("set");
    running.stop();
    std::fs::remove_file(&running.address).expect("the dead server's socket");
    for _ in 0..2 {
        assert!(matches!(store.get_many(&[key("k")]).await, Err(StoreError::Unavailable(_))));
    }
    assert!(store.health().degraded);
    let before = store.health().servers[0].operations;
    assert!(matches!(store.get_many(&[key("k")]).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.health().servers[0].operations, before, "nobody was asked");

    let listener = UnixListener::bind(&running.address).expect("bind");
    tokio::spawn(answer_each(listener, b"VERSION 1\r\n"));
    while store.health().degraded {
        let _ = store.get_many(&[key("k")]).await;
        tokio::task::yield_now().await;
    }
}

/// Answers whatever line comes with the same bytes.
async fn answer_each(listener: UnixListener, answer: &'static [u8]) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut bytes = [0; 1024];
            while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A store whose only server answers each command with these bytes.
async fn hostile(answer: &'static [u8]) -> (Memcached, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("directory");
    let path: PathBuf = directory.path().join("hostile.sock");
    tokio::spawn(answer_each(UnixListener::bind(&path).expect("bind"), answer));
    let mut settings = settings();
    settings.breaker_failures = 1000;
    let server = server(&path.display().to_string());
    (Memcached::new(&[server], &settings, Duration::from_secs(5), None), directory)
}

#[tokio::test]
async fn s_71_nonsense_is_an_error_and_the_connection_is_never_used_again() {
    for answer in [
        &b"VALUE k 0 4294967296\r\n"[..],
        b"VALUE k 0 18446744073709551615\r\n",
        b"VALUE other 0 1\r\nx\r\nEND\r\n",
        b"VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\ny\r\nEND\r\n",
        b"VALUE k 0 1\r\nx\r\nEND\r\nVALUE k 0 1\r\ny\r\nEND\r\n",
        b"END\n",
        b"\0\xff\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        &[b'x'; 100_000],
    ] {
        let (store, _directory) = hostile(answer).await;
        let shown = answer[..answer.len().min(40)].escape_ascii();
        assert!(matches!(store.get_many(&[key("k")]).await, Err(StoreError::Garbled(_))), "get: {shown}");
        assert!(matches!(store.get_versioned(&key("k")).await, Err(StoreError::Garbled(_))), "gets: {shown}");
        assert!(matches!(store.set(&key("k"), b"v", None).await, Err(StoreError::Garbled(_))), "set: {shown}");
        assert!(matches!(store.add(&key("k"), b"v", None).await, Err(StoreError::Garbled(_))), "add: {shown}");
        assert!(matches!(store.delete(&key("k")).await, Err(StoreError::Garbled(_))), "delete: {shown}");
        assert!(matches!(store.increment(&key("k"), 1, None).await, Err(StoreError::Garbled(_))), "incr: {shown}");
        let swapped = store.compare_and_swap(&key("k"), b"v", 1, None).await;
        assert!(matches!(swapped, Err(StoreError::Garbled(_))), "cas: {shown}");
        assert!(store.servers[0].idle.lock().is_empty(), "kept after {shown}");
    }
}

#[tokio::test]
async fn f_07_a_refused_write_is_known_as_failed() {
    let (store, _directory) = hostile(b"SERVER_ERROR out of memory storing object\r\n").await;
    assert!(matches!(store.set(&key("k"), b"v", None).await, Err(StoreError::Refused(_))));
    assert!(matches!(store.add(&key("k"), b"v", None).await, Err(StoreError::Refused(_))));
    assert!(matches!(store.get_many(&[key("k")]).await, Err(StoreError::Refused(_))));
    let (store, _directory) = hostile(b"SERVER_ERROR object too large for cache\r\n").await;
    assert_eq!(store.set(&key("k"), b"v", None).await, Err(StoreError::TooLarge));
}

#[tokio::test]
async fn f_02_a_server_that_says_nothing_costs_one_deadline() {
    let (mut store, _directory) = hostile(b"").await;
    let deadline = Duration::from_millis(30);
    Arc::get_mut(&mut store.servers[0]).expect("no operation is under way").deadline = deadline;
    let start = Instant::now();
    assert!(matches!(store.get_many(&[key("k")]).await, Err(StoreError::Unavailable(_))));
    assert!(start.elapsed() >= deadline);
    assert!(store.servers[0].idle.lock().is_empty(), "its late answer would be another client's");
}

#[tokio::test]
async fn s_71_what_a_server_says_unasked_is_not_the_next_answer() {
    let (store, _directory) = hostile(b"STORED\r\n").await;
    store.set(&key("k"), b"v", None).await.expect("set");
    let mut idle = store.servers[0].idle.lock().pop().expect("kept");
    // The stand-in answers this line although nobody awaits it.
    idle.protocol(&[]).set("k", b"v", 0).await.expect("sent");
    while !idle.is_stale() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cancelled_operation_drops_its_connection() {
    let (store, _directory) = hostile(b"").await;
    let ended = waits::for_at_most(Duration::from_millis(5), Wait::Ruling, store.set(&key("k"), b"v", None)).await;
    assert!(ended.is_err());
    assert!(store.servers[0].idle.lock().is_empty());
    assert_eq!(store.servers[0].permits.available_permits(), settings().connections);
    assert!(!store.health().degraded);
}

#[test]
fn s_27_long_times_are_sent_as_dates() {
    let now = Moment::from_millis(1_700_000_000_000);
    let day = 24 * 3600;
    assert_eq!(expiry(None, now), 0);
    assert_eq!(expiry(Some(Duration::from_millis(1)), now), 1);
    assert_eq!(expiry(Some(Duration::from_millis(1500)), now), 2);
    assert_eq!(expiry(Some(Duration::ZERO), now), 1);
    assert_eq!(expiry(Some(Duration::from_secs(30 * day)), now), 2_592_000);
    assert_eq!(expiry(Some(Duration::from_secs(31 * day)), now), 1_702_678_400);
    assert_eq!(expiry(Some(Duration::from_secs(365 * 100 * day)), now), 0);
}
