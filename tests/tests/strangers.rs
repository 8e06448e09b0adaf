//! Crowds, false names and side doors: what a stranger gains by them, which is nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::config::USER;
use tests::recorder::{events, recording, seen};
use tests::server::{Server, address};
use tests::tls;
use tokio::task::JoinSet;

const STRANGER: &str = "127.0.0.2";
const BYSTANDER: &str = "127.0.0.3";

/// The slowest but two of two hundred answers.
async fn p99(client: &mut Client) -> Duration {
    let mut spans = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        client.command("NOOP").await.expect(200);
        spans.push(start.elapsed());
    }
    spans.sort_unstable();
    spans[197]
}

#[tokio::test]
async fn s_03_a_flood_of_handshakes_is_capped_for_each_source_and_slows_nobody_who_is_in() {
    const PER_ADDRESS: usize = 8;
    let server = Server::serve_with(|config| {
        config.set("timeouts.handshake", "2s").set("limits.unauthenticated-per-address", PER_ADDRESS as i64);
    })
    .await;
    let mut bystander = server.enter(BYSTANDER).await;
    let idle = p99(&mut bystander).await;

    // One source: so many handshakes, and the next is turned away before TLS.
    let mut halves = Vec::new();
    for _ in 0..PER_ADDRESS {
        halves.push(server.welcome(STRANGER).await);
    }
    server.assert_refused(STRANGER).await.expect("a reason").expect(421);
    // Many sources, each with a part of a ClientHello.
    for number in 1..=100 {
        halves.push(server.welcome(&format!("127.0.9.{number}")).await);
    }
    for half in &mut halves {
        half.command("AUTH TLS").await.expect(234);
        half.send(b"\x16\x03\x01\x02\x00\x01").await.expect("sent");
    }
    // And some who handshake as fast as they can.
    let over = Arc::new(AtomicBool::new(false));
    let mut greedy = JoinSet::new();
    for number in 1..=2 {
        let (over, target, tls) = (Arc::clone(&over), server.address(), server.tls());
        greedy.spawn(async move {
            let mut done = 0;
            while !over.load(Ordering::Relaxed) {
                let (mut client, greeting) = Client::greeted(address(&format!("127.0.8.{number}")), target).await;
                if greeting.is_some_and(|reply| reply.code == 220) {
                    client.upgrade(&tls).await;
                    done += 1;
                }
            }
            done
        });
    }
    let flooded = p99(&mut bystander).await;
    over.store(true, Ordering::Relaxed);
    let done: u32 = greedy.join_all().await.into_iter().sum();
    assert!(done > 0, "they did handshake");
    // Cores that are shared with the flood itself make answers wait for their turn.
    let most = (idle * 5).max(Duration::from_millis(100));
    assert!(flooded <= most, "p99 of NOOP: {flooded:?}, idle {idle:?}");

    for half in &mut halves {
        assert!(half.until_closed(Duration::from_secs(10)).await.is_empty(), "no text into half a handshake");
    }
    server.welcome(STRANGER).await.upgrade(&server.tls()).await;
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_34_no_event_names_a_victim_as_the_peer_that_somebody_else_wrote_into_a_command() {
    const VICTIM: &str = "127.0.0.77";
    let server = recording(&[], |_| {}).await;
    let mut client = server.enter(STRANGER).await;
    for command in ["PORT 127,0,0,77,195,81", "EPRT |1|127.0.0.77|50001|", "PROXY TCP4 127.0.0.77 127.0.0.1 1 2"] {
        client.send(format!("{command}\r\n").as_bytes()).await.expect("sent");
        let reply = client.reply().await;
        assert!(matches!(reply.code, 501 | 421), "{command}: {reply}");
    }
    seen(&server, "disconnected", STRANGER).await;
    let peers: Vec<String> = events(&server).iter().map(|event| event["peer"].to_string()).collect();
    assert!(peers.len() > 5 && peers.iter().all(|peer| peer.contains(STRANGER)), "{peers:?}");
    server.enter(VICTIM).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_86_another_port_another_name_and_implicit_tls_share_one_budget() {
    let server = Server::serve_with(|config| {
        config
            .table("listener", "address = \"127.0.0.1:0\"\ntls = \"implicit\"")
            .table("listener", "address = \"127.0.0.1:0\"")
            .table("host", "name = \"shop\"\nnames = [\"shop.example\"]");
    })
    .await;
    let [explicit, implicit, other] = server.ready().addresses[..] else { panic!("three listeners") };
    let trusted = || tls::trusting(&server.ready().certificate, tls::TLS_ANY);
    let guess = async |number: u32| {
        let target = [explicit, implicit, other][number as usize % 3];
        let mut client = Client::connect(address(STRANGER), target).await.expect("the server accepts");
        if target == implicit {
            client.handshake(&trusted()).await.expect("TLS comes first");
            client.reply().await.expect(220);
        } else {
            client.reply().await.expect(220);
            if number.is_multiple_of(2) {
                client.command("HOST shop.example").await.expect(220);
            }
            client.upgrade(&trusted()).await;
        }
        client.log_in(USER, &format!("wrong-{number}")).await.expect("an answer");
    };
    // Attempt tags have 12 bits: of five guesses two may look alike, so that a sixth is needed.
    let mut guesses = 0;
    while server.admin(&["bans", "list", "--json"]).await.good().out.find(STRANGER).is_none() {
        assert!(guesses < 6, "each door had a budget of its own");
        guess(guesses).await;
        guesses += 1;
    }
    assert!(guesses >= 5, "banned after {guesses}");
    for target in [explicit, other] {
        let (_, reply) = Client::greeted(address(STRANGER), target).await;
        assert!(reply.is_none_or(|reply| reply.code != 220));
    }
    let mut client = Client::connect(address(STRANGER), implicit).await.expect("the kernel accepts");
    assert!(client.handshake(&trusted()).await.is_err(), "no TLS for the banned");
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
}
