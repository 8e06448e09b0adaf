//! memcached absent, dying, hanging, talking nonsense: logins and local bans go on.

use std::time::{Duration, Instant};

use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::ordeal::{BANNED, Ordeal};
use tests::place;
use tests::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

/// A login costs no more than a few store deadlines on top of its own work.
const LOGIN: Duration = Duration::from_secs(3);

async fn the_gate_works_without_the_store(server: &Server) {
    for _ in 0..5 {
        let started = Instant::now();
        server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
        assert!(started.elapsed() < LOGIN, "a login took {:?}", started.elapsed());
    }
    // Until the breaker opens, counting may take longer than a policy has: those guesses are lost.
    let tries = server.guess_until_banned(ATTACKER, 14).await;
    assert!(tries >= 5, "the ban came after {tries} passwords");
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn f_01_an_absent_memcached_stops_neither_start_nor_logins_nor_bans() {
    let nobody = format!("127.0.0.1:{}", place::free_port());
    let server = Server::serve_with(|config| {
        config.store(&[nobody]);
    })
    .await;
    the_gate_works_without_the_store(&server).await;
    let status = server.admin(&["status", "--json"]).await.good();
    assert!(status.out.contains("\"degraded\": true") || status.out.contains("\"degraded\":true"), "{}", status.out);
}

#[tokio::test]
async fn f_01_p_41_a_memcached_that_dies_and_comes_back_is_used_again() {
    let mut memcached = Memcached::start().await;
    let server = Server::serve_with(|config| {
        config.store(&[memcached.address()]);
    })
    .await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    memcached.kill();
    the_gate_works_without_the_store(&server).await;
    memcached.restart().await;
    deadline::until_asked(deadline::SOON, "the server to use memcached again", async || {
        server.try_login(NEIGHBOUR, "demo", "one wrong password").await;
        let status = server.admin(&["status", "--json"]).await.good();
        status.out.replace(' ', "").contains("\"degraded\":false").then_some(())
    })
    .await;
}

#[tokio::test]
async fn f_02_p_42_a_memcached_that_hangs_delays_a_login_only_to_the_deadline() {
    let memcached = Memcached::start().await;
    let server = Server::serve_with(|config| {
        config.store(&[memcached.address()]);
    })
    .await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    memcached.hang();
    the_gate_works_without_the_store(&server).await;
    memcached.go_on();
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_71_a_store_that_talks_nonsense_is_a_store_that_is_away() {
    let nonsense: [&'static [u8]; 6] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"VALUE x 0 4294967295\r\n",
        b"VALUE somebody-elses-key 0 3\r\nyes\r\nEND\r\n",
        b"\n\n\n\n",
        b"STORED\r\nSTORED\r\nSTORED\r\nEND\r\n",
        &[b'A'; 70_000],
    ];
    for words in nonsense {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let liar = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(async move {
                    let mut room = [0u8; 4096];
                    while stream.read(&mut room).await.is_ok_and(|count| count > 0) {
                        if stream.write_all(words).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let server = Server::serve_with(|config| {
            config.store(&[address]);
        })
        .await;
        the_gate_works_without_the_store(&server).await;
        liar.abort();
    }
}

#[tokio::test]
async fn f_01_f_09_killed_and_back_with_nothing_it_is_told_all_of_it_again() {
    let mut memcached = Memcached::start().await;
    let mut ordeal = Ordeal::over(&[memcached.address()]).await;
    memcached.kill();
    ordeal.holds().await;
    ordeal.bans(ATTACKER).await;
    ordeal.holds().await;
    memcached.restart().await;
    ordeal.recovers().await;
    // Empty from one moment to the next: nobody sees it go.
    memcached.restart().await;
    ordeal.holds().await;
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_02_it_hangs_and_goes_on() {
    let memcached = Memcached::start().await;
    let mut ordeal = Ordeal::over(&[memcached.address()]).await;
    memcached.hang();
    ordeal.holds().await;
    ordeal.bans(ATTACKER).await;
    ordeal.holds().await;
    memcached.go_on();
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_08_what_a_full_memcached_evicts_holds_here_and_what_was_lifted_stays_lifted() {
    let memcached = Memcached::start_with(|_| vec!["-m".to_owned(), "2".to_owned()]).await;
    let ordeal = Ordeal::over(&[memcached.address()]).await;
    let lifted = "127.0.0.8";
    ordeal.server.admin(&["bans", "add", lifted, "--for", "1h"]).await.good();
    ordeal.server.admin(&["bans", "lift", lifted]).await.good();
    ordeal.settled().await;
    let bans = async || {
        let names = memcached.names().await;
        names.into_iter().filter(|name| name.starts_with("pc1.b.")).collect::<Vec<_>>()
    };
    for name in bans().await {
        // The list writes names as URIs do.
        let value = memcached.value(&name.replace("%2F", "/")).await;
        assert!(!value.is_empty(), "{name}");
        memcached.fill(20_000, value.len()).await;
    }
    assert!(memcached.statistic("evictions").await > 0);
    assert_eq!(bans().await, [""; 0], "no ban stands there any more");
    ordeal.holds().await;
    drop(ordeal.server.welcome(lifted).await);
    // Over a restart it holds by the node's own ledger.
    let mut ordeal = ordeal;
    ordeal.server.crash_and_restart().await;
    ordeal.holds().await;
    drop(ordeal.server.welcome(lifted).await);
    ordeal.bans(ATTACKER).await;
}

#[tokio::test]
async fn f_04_each_of_three_goes_down_in_turn() {
    let (one, two, three) = tokio::join!(Memcached::start(), Memcached::start(), Memcached::start());
    let mut servers = [one, two, three];
    let addresses: Vec<String> = servers.iter().map(Memcached::address).collect();
    let mut ordeal = Ordeal::over(&addresses).await;
    for (number, server) in servers.iter_mut().enumerate() {
        server.kill();
        ordeal.holds().await;
        ordeal.bans(&format!("127.0.2.{number}")).await;
        ordeal.holds().await;
        server.restart().await;
        ordeal.settled().await;
    }
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_05_down_and_up_again_each_second() {
    let mut memcached = Memcached::start().await;
    let mut ordeal = Ordeal::over(&[memcached.address()]).await;
    let start = Instant::now();
    for cycle in 0..10 {
        memcached.kill();
        ordeal.server.assert_refused(BANNED).await;
        assert!(ordeal.log_in().await < LOGIN);
        deadline::pace(Duration::from_millis(500)).await;
        memcached.restart().await;
        assert!(ordeal.log_in().await < LOGIN);
        deadline::pace(Duration::from_millis(500)).await;
        if cycle == 4 {
            ordeal.bans(ATTACKER).await;
        }
    }
    ordeal.holds().await;
    let told = ordeal.server.log().into_iter().filter(|line| line.message().starts_with("store.")).count();
    let most = 1 + usize::try_from(start.elapsed().as_secs() / 10).expect("a few");
    assert!(told <= most, "{told} lines in the log in {:?}", start.elapsed());
    ordeal.recovers().await;
    // The last word is the right one.
    deadline::until(SOON, "the return to be told", || {
        let log = ordeal.server.log();
        let last = log.into_iter().rev().find(|line| line.message().starts_with("store."))?;
        (last.message() == "store.back").then_some(())
    })
    .await;
}
