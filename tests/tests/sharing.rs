//! What one node learns, all know without a client coming back: the pool's journal, over real memcached.

use std::time::{Duration, Instant};

use tests::client::Client;
use tests::cluster::Cluster;
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::place;
use tests::process::Process;
use tests::server::{Server, address, portcullis};

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

async fn ban(node: &Server, subject: &str) {
    node.admin(&["bans", "add", subject, "--for", "1h", "--reason", "by hand"]).await.good();
}

/// Bans that a node holds itself, whoever asks.
async fn held(node: &Server) -> usize {
    let status = node.admin(&["status", "--json"]).await.good().json();
    usize::try_from(status["bans"]["bans"].as_u64().expect("a count")).expect("few")
}

async fn until_held(node: &Server, count: usize) {
    deadline::until_asked(SOON, "the bans to be known", async || (held(node).await == count).then_some(())).await;
}

#[tokio::test]
async fn p_27_s_28_a_ban_elsewhere_ends_open_sessions_within_the_sync_interval() {
    let pool = Cluster::of(2).await;
    let mut banned = pool.node(1).enter(ATTACKER).await;
    let mut neighbour = pool.node(1).enter(NEIGHBOUR).await;
    let start = Instant::now();
    ban(pool.node(0), ATTACKER).await;
    banned.until_closed(SOON).await;
    let took = start.elapsed();
    println!("an open session on another node ended {took:?} after the ban");
    assert!(took < Duration::from_secs(5), "{took:?}");
    neighbour.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn p_30_a_lift_opens_every_node_without_anybody_asking() {
    let pool = Cluster::of(3).await;
    ban(pool.node(0), ATTACKER).await;
    until_held(pool.node(1), 1).await;
    until_held(pool.node(2), 1).await;
    pool.node(2).admin(&["bans", "lift", ATTACKER]).await.good();
    for node in 0..3 {
        until_held(pool.node(node), 0).await;
        pool.node(node).enter(ATTACKER).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn p_31_every_node_explains_a_ban_of_another_whole() {
    let pool = Cluster::of(2).await;
    pool.node(0).guess_until_banned(ATTACKER, 7).await;
    until_held(pool.node(1), 1).await;
    let told = async |node: usize| pool.node(node).admin(&["bans", "explain", ATTACKER, "--json"]).await.good().json();
    let (own, learnt) = (told(0).await[0].take(), told(1).await[0].take());
    assert_eq!((own["learnt"].as_bool(), learnt["learnt"].as_bool()), (Some(false), Some(true)));
    for field in ["id", "subject", "reason", "by", "node", "site", "created", "expires"] {
        assert_eq!(own[field], learnt[field], "{field}");
        assert!(!own[field].is_null(), "{field}");
    }
    assert_eq!((learnt["node"].as_str(), learnt["by"]["name"].as_str()), (Some("node-0"), Some("brute-force")));
    assert!(own["evidence"].as_array().is_some_and(|facts| facts.len() >= 5), "{own}");
    let shown = pool.node(1).admin(&["bans", "explain", ATTACKER]).await.good().out;
    assert!(shown.contains("node-0") && shown.contains("brute-force"), "{shown}");
}

#[tokio::test]
async fn a_node_that_starts_later_knows_every_ban_before_its_first_client_comes() {
    let pool = Cluster::of(1).await;
    for last in 10..40 {
        ban(pool.node(0), &format!("127.0.1.{last}")).await;
    }
    ban(pool.node(0), "user:eve").await;
    pool.node(0).admin(&["bans", "lift", "127.0.1.10"]).await.good();
    let mut later = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("server.site", "cluster").set("server.node", "later");
    })
    .await;
    until_held(&later, 30).await;
    later.enter("127.0.1.10").await.command("NOOP").await.expect(200);
    // By its own ledger from then on.
    let mut pool = pool;
    pool.memcached.kill();
    later.crash_and_restart().await;
    later.assert_refused("127.0.1.39").await;
}

#[tokio::test]
async fn f_09_s_69_a_store_that_was_emptied_is_filled_again_by_those_who_know() {
    let pool = Cluster::of(2).await;
    for last in 10..60 {
        ban(pool.node(0), &format!("127.0.1.{last}")).await;
    }
    until_held(pool.node(1), 50).await;
    let start = Instant::now();
    pool.memcached.flush().await;
    // A node that has never heard of them asks the store, and the store knows.
    let later = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("server.site", "cluster").set("server.node", "later");
    })
    .await;
    until_held(&later, 50).await;
    println!("50 bans were back and learnt {:?} after the store was emptied", start.elapsed());
    later.assert_refused("127.0.1.33").await;
    // One that knows none of it by itself learns what was lifted meanwhile.
    pool.node(0).admin(&["bans", "lift", "127.0.1.33"]).await.good();
    until_held(&later, 49).await;
    later.enter("127.0.1.33").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn f_04_any_one_of_three_servers_may_die_and_bans_go_on_travelling() {
    let (one, two, three) = tokio::join!(Memcached::start(), Memcached::start(), Memcached::start());
    let mut servers = [one, two, three];
    let addresses: Vec<String> = servers.iter().map(Memcached::address).collect();
    let node = |name: &'static str| {
        let addresses = addresses.clone();
        Server::serve_with(move |config| {
            config.store(&addresses).set("server.site", "cluster").set("server.node", name);
        })
    };
    let (a, b) = tokio::join!(node("a"), node("b"));
    let mut known = 0;
    for (dead, server) in servers.iter_mut().enumerate() {
        server.kill();
        for last in 0..10 {
            ban(&a, &format!("127.0.{}.{last}", dead + 1)).await;
            known += 1;
        }
        until_held(&b, known).await;
        b.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
        server.restart().await;
        deadline::until_asked(SOON, "the server to be used again", async || {
            let _ = a.try_login("127.0.0.9", "demo", "wrong once").await;
            let status = a.admin(&["status", "--json"]).await.good().json();
            (status["store"]["degraded"] == false && status["bans"]["unpublished"] == 0).then_some(())
        })
        .await;
    }
    // The same for guesses: one budget, whichever server counts them.
    servers[1].kill();
    a.guess_until_banned(ATTACKER, 14).await;
    until_held(&b, known + 1).await;
    b.assert_refused(ATTACKER).await;
}

#[tokio::test]
async fn a_ban_of_one_node_or_of_another_site_does_not_travel() {
    let pool = Cluster::of(2).await;
    let far = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("server.site", "elsewhere").set("server.node", "far");
    })
    .await;
    for (subject, reach) in [("127.0.1.1", "node"), ("127.0.1.2", "site"), ("127.0.1.3", "everywhere")] {
        pool.node(0).admin(&["bans", "add", subject, "--for", "1h", "--reach", reach]).await.good();
    }
    until_held(pool.node(1), 2).await;
    until_held(&far, 1).await;
    far.assert_refused("127.0.1.3").await;
    far.enter("127.0.1.2").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn three_nodes_three_memcached_and_haproxy_start_with_one_command() {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let binary = place::binary();
    let path = format!(
        "{}:{}",
        binary.parent().expect("a folder").display(),
        std::env::var("PATH").expect("a path to programs")
    );
    let mut command = std::process::Command::new(place::repository().join("examples/pool/start"));
    command.arg(folder.path()).env("PORT", "0").env("PATH", path);
    let balancer = place::free_port();
    command.env("BALANCER_PORT", balancer.to_string());
    let mut pool = Process::start("the pool", &mut command, &folder.path().join("start.log"));
    let words = deadline::until(SOON, "three nodes", || {
        let words = pool.words();
        assert!(pool.ended().is_none(), "{words}");
        words.contains("ban somebody").then_some(words)
    })
    .await;
    assert!(words.contains("node c on"), "{words}");
    let state = |node: &str| folder.path().join(format!("state-{node}")).display().to_string();
    let (a, c) = (state("a"), state("c"));
    portcullis(&["bans", "add", "192.0.2.7", "--for", "1h", "--state", &a]).run().await.good();
    deadline::until_asked(SOON, "the third node to know", async || {
        let list = portcullis(&["bans", "list", "--state", &c]).run().await.good().out;
        list.contains("192.0.2.7").then_some(())
    })
    .await;
    let status = portcullis(&["status", "--state", &c]).run().await.good().out;
    assert!(status.matches("closed:").count() == 3 && !status.contains("WARNING"), "{status}");
    // Through the balancer: each node in its turn, and everybody in his own name.
    let balancer = std::net::SocketAddr::from(([127, 0, 0, 1], balancer));
    let greets = async |source: &str| {
        let (_client, first) = Client::greeted(address(source), balancer).await;
        first.is_some_and(|reply| reply.code == 220)
    };
    for _ in 0..6 {
        assert!(greets(ATTACKER).await && greets(NEIGHBOUR).await);
    }
    portcullis(&["bans", "add", ATTACKER, "--for", "1h", "--state", &a]).run().await.good();
    deadline::until_asked(SOON, "every node to refuse", async || {
        for _ in 0..6 {
            if greets(ATTACKER).await {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert!(greets(NEIGHBOUR).await, "the neighbour behind the same balancer is fine");
    pool.signal(rustix::process::Signal::TERM);
    assert!(pool.end(SOON).await.success());
}
