//! Two nodes, one memcached: what one learns, both know.

use std::time::{Duration, Instant};

use tests::cluster::Cluster;

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

#[tokio::test]
async fn banned_on_one_node_refused_on_the_other_at_the_next_connect() {
    let pool = Cluster::of(2).await;
    pool.node(0).guess_until_banned(ATTACKER, 7).await;
    pool.node(1).assert_refused(ATTACKER).await;
    pool.node(1).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    pool.node(0).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn guesses_spread_over_the_nodes_share_one_budget() {
    let pool = Cluster::of(2).await;
    for guess in 0..7 {
        pool.node(guess % 2).try_login(ATTACKER, "demo", &format!("guess-{guess}")).await;
    }
    pool.node(0).assert_refused(ATTACKER).await;
    pool.node(1).assert_refused(ATTACKER).await;
    pool.node(1).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn f_01_with_memcached_killed_known_bans_hold_and_logins_go_on() {
    let mut pool = Cluster::of(2).await;
    pool.node(0).guess_until_banned(ATTACKER, 7).await;
    pool.node(1).assert_refused(ATTACKER).await;
    pool.memcached.kill();
    for node in 0..2 {
        pool.node(node).assert_refused(ATTACKER).await;
        for _ in 0..10 {
            let started = Instant::now();
            pool.node(node).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
            assert!(started.elapsed() < Duration::from_secs(3), "a login took {:?}", started.elapsed());
        }
    }
}

#[tokio::test]
async fn with_memcached_gone_both_nodes_keep_the_ban_over_a_restart() {
    let mut pool = Cluster::of(2).await;
    pool.node(0).guess_until_banned(ATTACKER, 7).await;
    pool.node(1).assert_refused(ATTACKER).await;
    pool.memcached.kill();
    for node in 0..2 {
        pool.node_mut(node).crash_and_restart().await;
        pool.node(node).assert_refused(ATTACKER).await;
        pool.node(node).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn a_ban_by_hand_reaches_the_other_node_and_so_does_its_end() {
    let pool = Cluster::of(2).await;
    let add = ["bans", "add", ATTACKER, "--for", "1h", "--reason", "by hand"];
    pool.node(0).admin(&add).await.good();
    pool.node(1).assert_refused(ATTACKER).await;
    pool.node(0).admin(&["bans", "lift", ATTACKER]).await.good();
    pool.node(0).enter(ATTACKER).await.command("NOOP").await.expect(200);
}
