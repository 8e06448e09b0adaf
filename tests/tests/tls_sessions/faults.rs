//! A memcached that is tampered with, hangs or dies, and one that bans are kept in too.

use std::time::{Duration, Instant};

use tests::deadline::{self, SOON};
use tests::program::Program;
use tests::tls::{TLS_12, TLS_13};

use crate::nodes::{Nodes, VERSIONS, text};

/// A full handshake on a busy machine, and what the store may add.
const HANDSHAKE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn p_51_s_73_what_stands_in_memcached_shows_no_secret_and_what_was_put_there_is_ignored() {
    let nodes = Nodes::of("store").await;
    let before = nodes.memcached().names().await;
    let session = text(&nodes.folder.path().join("session.pem"));
    let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", "-tls1_2", "-ign_eof", "-connect"]);
    let openssl = openssl.args([&nodes.address(0), "-servername", "localhost", "-sess_out", &session, "-CAfile"]);
    let said = openssl.arg(&nodes.certificate).input("QUIT\r\n").run().await.good().out;
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name)).expect("a field of the session");
        (0..line.trim().len() / 2)
            .map(|at| u8::from_str_radix(&line.trim()[2 * at..2 * at + 2], 16).expect("hex"))
            .collect()
    };
    let (secret, id): (Vec<u8>, Vec<u8>) = (field("Master-Key:"), field("Session-ID:"));
    assert_eq!((secret.len(), id.len()), (48, 32));
    nodes.stored(0, 1).await;
    let own = [nodes.client(TLS_12), nodes.client(TLS_12), nodes.client(TLS_12)];
    for (at, one) in own.iter().enumerate() {
        nodes.greet(0, one).await;
        nodes.stored(0, at as u64 + 2).await;
    }
    let names: Vec<String> =
        nodes.memcached().names().await.into_iter().filter(|name| !before.contains(name)).collect();
    let mut values = Vec::new();
    for name in &names {
        let value = nodes.memcached().value(name).await;
        let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
        assert!(!has(&secret) && !has(&id) && !has(b"localhost"), "{name}");
        values.push(value);
    }
    assert!(names.iter().all(|name| name.starts_with("pcx1.")), "{names:?}");
    // Whoever owns memcached moves every value one place on, cuts it, writes something of his own.
    let sessions: Vec<usize> = (0..values.len()).filter(|at| values[*at].starts_with(b"pct1")).collect();
    assert_eq!(sessions.len(), 4);
    for (number, at) in sessions.iter().enumerate() {
        let next = &values[sessions[(number + 1) % sessions.len()]];
        let forged = match number {
            0 => next[..next.len() / 2].to_vec(),
            1 => b"a session of mine".to_vec(),
            _ => next.clone(),
        };
        nodes.memcached().set(&names[*at], &forged).await;
    }
    for one in &own {
        assert!(!nodes.greet(1, one).await.resumed(), "a full handshake");
        assert!(nodes.greet(1, one).await.resumed());
    }
    let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", "-tls1_2", "-ign_eof", "-connect"]);
    let openssl = openssl.args([&nodes.address(1), "-servername", "localhost", "-sess_in", &session]);
    let said = openssl.input("QUIT\r\n").run().await.good().out;
    assert!(said.contains("New, TLSv1.2") && said.contains("221 "), "{said}");
    let info = nodes.info(1).await;
    assert_eq!((info["store"]["forged"].as_u64(), info["refused"]["unknown"].as_u64()), (Some(4), Some(4)), "{info}");
    nodes.nodes[1].logged("the forgery", |line| line.message().starts_with("tls.session-forged")).await;
}

#[tokio::test]
async fn p_42_a_memcached_that_hangs_or_dies_makes_full_handshakes_and_blocks_none() {
    for dies in [false, true] {
        let mut nodes = Nodes::with("store", true, |_, config, _| {
            config.set("store.deadline", "50ms");
        })
        .await;
        for (versions, version) in VERSIONS {
            let clients: Vec<_> = (0..6).map(|_| nodes.client(versions)).collect();
            for own in &clients {
                nodes.greet(0, own).await;
            }
            match (dies, nodes.memcached.as_mut().expect("memcached")) {
                (true, memcached) => memcached.kill(),
                (false, memcached) => memcached.hang(),
            }
            for own in &clients {
                let began = Instant::now();
                let client = nodes.greet(1, own).await;
                assert!(!client.resumed() && began.elapsed() < HANDSHAKE, "TLS {version}: {:?}", began.elapsed());
                // What this node made itself it knows without the store.
                assert!(nodes.greet(1, own).await.resumed(), "TLS {version}");
            }
            assert!(nodes.info(1).await["store"]["unavailable"].as_u64() > Some(0));
            match (dies, nodes.memcached.as_mut().expect("memcached")) {
                (true, memcached) => memcached.restart().await,
                (false, memcached) => memcached.go_on(),
            }
            // P-41: and when it is back, sessions cross again.
            deadline::until_asked(SOON, "a session to cross again", async || {
                let own = nodes.client(versions);
                nodes.greet(0, &own).await;
                nodes.greet(1, &own).await.resumed().then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn p_43_with_sessions_and_bans_in_one_store_a_ban_still_holds_after_fifty_sessions() {
    let nodes = Nodes::of("store").await;
    let own = nodes.client(TLS_13);
    for round in 0..50 {
        nodes.greet(round % 2, &own).await;
    }
    nodes.nodes[0].admin(&["bans", "add", "127.0.0.9", "--for", "1h"]).await.good();
    nodes.nodes[0].assert_refused("127.0.0.9").await;
    nodes.nodes[1].assert_refused("127.0.0.9").await;
    for round in 0..50 {
        nodes.greet(round % 2, &own).await;
        nodes.nodes[round % 2].assert_refused("127.0.0.9").await;
    }
    nodes.greet(1, &own).await;
}
