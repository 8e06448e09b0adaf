//! memcached absent, dying, hanging, talking nonsense: logins and local bans go on.

use std::time::{Duration, Instant};

use tests::deadline;
use tests::memcached::Memcached;
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
