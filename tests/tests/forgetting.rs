//! What one node of a pool can do to the others, and how it is undone: quota, clamp, `cluster forget`.

use serde_json::{Value, json};
use tests::cluster::Cluster;
use tests::deadline::{self, SOON};
use tests::server::{Door, Server};

const FRIEND: &str = "127.0.0.3";

/// What a node says of its ledger.
async fn ledger(node: &Server) -> Value {
    node.admin(&["status", "--json"]).await.good().json()["bans"].take()
}

async fn until(node: &Server, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    deadline::until_asked(SOON, what, async || Some(ledger(node).await).filter(|bans| fits(bans))).await
}

async fn until_held(node: &Server, count: u64) {
    until(node, "the bans to be known", |bans| bans["bans"] == count).await;
}

async fn ban(node: &Server, subject: &str) {
    node.admin(&["bans", "add", subject, "--for", "1h"]).await.good();
}

/// Lets a node make bans of these addresses, each as `change` would have it.
async fn ban_many(node: &Server, hosts: &[String], change: impl Fn(&mut Value)) {
    ban(node, "user:nobody-else").await;
    let export = node.admin(&["bans", "export", "--text", "nobody-else"]).await.good().out;
    let first: Value = serde_json::from_str(export.trim()).expect("a line of JSON");
    node.admin(&["bans", "lift", "user:nobody-else"]).await.good();
    let lines: String = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| {
            let mut ban = first.clone();
            ban["id"] = format!("{:032x}", number + 1).into();
            ban["subject"] = json!({ "host": host });
            change(&mut ban);
            format!("{ban}\n")
        })
        .collect();
    let file = node.folder().join("many.jsonl");
    std::fs::write(&file, lines).expect("written");
    node.admin(&["bans", "import", &file.to_string_lossy()]).await.good();
}

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("127.9.{}.{}", number / 250, number % 250)).collect()
}

#[tokio::test]
async fn s_75_a_node_gone_wild_fills_no_other_table_and_keeps_no_stranger_out_beyond_its_quota() {
    let pool = Cluster::with(2, |number, config| {
        if number == 0 {
            config.set("bans.table-per-node", 100);
        }
    })
    .await;
    let hosts = hosts(150);
    ban_many(pool.node(1), &hosts, |_| {}).await;
    until_held(pool.node(1), 150).await;
    let told = until(pool.node(0), "what is over the quota to be counted", |bans| {
        bans["bans"] == 100 && bans["over_quota"].as_u64() >= Some(50)
    })
    .await;
    assert!(told["over_quota"].as_u64() < Some(150), "{told}");
    let (mut refused, mut beyond) = (0, None);
    for host in &hosts {
        match pool.node(0).knock(host).await {
            Door::Refused(_) => refused += 1,
            Door::Open(_) => beyond = Some(host),
        }
    }
    let beyond = beyond.expect("somebody beyond the quota");
    assert_eq!(refused, 100, "the memcached that knows all of them is asked about each");
    pool.node(1).assert_refused(beyond).await;
    pool.node(0).enter(FRIEND).await.command("NOOP").await.expect(200);
    // There is room for the bans of this node and of others.
    ban(pool.node(0), beyond).await;
    pool.node(0).assert_refused(beyond).await;
    let line = pool.node(0).logged("the quota", |line| line.message().starts_with("ledger.over-quota")).await;
    assert_eq!(line.text("node"), "node-1");
    let status = pool.node(0).admin(&["status"]).await.good().out;
    assert!(status.contains("beyond `bans.table-per-node` NOT TAKEN IN"), "{status}");
}

#[tokio::test]
async fn s_75_a_policy_of_another_node_bans_nobody_longer_than_one_here_may_and_an_operator_does() {
    let pool = Cluster::with(2, |number, config| {
        if number == 0 {
            config.set("bans.longest", "1h").set("bans.spread-percent", 10);
        }
    })
    .await;
    let two = ["127.9.0.1".to_owned(), "127.9.0.2".to_owned()];
    let by = json!({ "kind": "policy", "name": "wild", "version": "1", "digest": "d", "settings": "s" });
    ban_many(pool.node(1), &two, |ban| {
        ban["expires"] = (ban["created"].as_u64().expect("a moment") + 400 * 86_400_000).into();
        if ban["subject"]["host"] == "127.9.0.1" {
            ban["by"] = by.clone();
        }
    })
    .await;
    until_held(pool.node(0), 2).await;
    let seconds = async |node: &Server, host: &str| {
        let told = node.admin(&["bans", "explain", host, "--json"]).await.good().json();
        (told[0]["expires"].as_u64().expect("an end") - told[0]["created"].as_u64().expect("a moment")) / 1000
    };
    assert_eq!(seconds(pool.node(0), "127.9.0.1").await, 3960);
    assert_eq!(seconds(pool.node(0), "127.9.0.2").await, 400 * 86_400);
    assert_eq!(seconds(pool.node(1), "127.9.0.1").await, 400 * 86_400, "what happens there is that node's");
}

#[tokio::test]
async fn s_75_one_command_forgets_a_node_on_every_node_for_good_and_its_later_bans_count() {
    let mut pool = Cluster::of(3).await;
    let hosts = hosts(20);
    ban_many(pool.node(1), &hosts, |_| {}).await;
    ban(pool.node(0), "127.8.0.1").await;
    for node in 0..3 {
        until_held(pool.node(node), 21).await;
        pool.node(node).assert_refused(&hosts[7]).await;
    }
    let forgotten = pool.node(0).admin(&["cluster", "forget", "node-1", "--json"]).await.good().json();
    assert_eq!(
        (&forgotten["node"], &forgotten["site"], &forgotten["ended"], &forgotten["told"]),
        (&json!("node-1"), &json!("cluster"), &json!(20), &json!(true)),
        "{forgotten}"
    );
    // At once where it was said, within the sync interval elsewhere.
    pool.node(0).enter(&hosts[7]).await.command("NOOP").await.expect(200);
    for node in 0..3 {
        until(pool.node(node), "the node to be forgotten", |bans| bans["bans"] == 1 && bans["forgotten"] == 1).await;
        for host in &hosts {
            pool.node(node).welcome(host).await;
        }
        pool.node(node).assert_refused("127.8.0.1").await;
    }
    let line = pool.node(2).logged("the word", |line| line.message().starts_with("node.forgotten")).await;
    assert_eq!((line.text("node"), line.text("told")), ("node-1", "node-0"));
    let audit = |line: &tests::log::Line| line.message() == "admin.audit" && line.text("what") == "cluster-forget";
    let line = pool.node(0).logged("the audit", audit).await;
    assert_eq!(line.text("outcome"), "20 bans ended");

    // Neither a restart nor a new node brings anything back, though memcached still holds all of it.
    pool.node_mut(0).crash_and_restart().await;
    let later = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("server.site", "cluster").set("server.node", "later");
    })
    .await;
    for node in [pool.node(0), &later] {
        until(node, "the node to be forgotten", |bans| bans["bans"] == 1 && bans["forgotten"] == 1).await;
        for host in &hosts {
            node.welcome(host).await;
        }
        node.assert_refused("127.8.0.1").await;
    }
    // Nor does a memcached that was emptied, for a node that knows nothing but what it is told from then on.
    pool.memcached.flush().await;
    let last = Server::serve_with(|config| {
        config.store(&[pool.memcached.address()]).set("server.site", "cluster").set("server.node", "last");
    })
    .await;
    until(&last, "the node to be forgotten", |bans| bans["bans"] == 1 && bans["forgotten"] == 1).await;

    ban(pool.node(1), &hosts[7]).await;
    for node in [pool.node(0), pool.node(1), pool.node(2), &later, &last] {
        // A node that has started of late waits for the entry that tells of it, and of the clock of its maker.
        deadline::until_asked(SOON, "the new ban to hold", async || match node.knock(&hosts[7]).await {
            Door::Refused(_) => Some(()),
            Door::Open(_) => None,
        })
        .await;
        node.welcome(&hosts[8]).await;
    }
}

#[tokio::test]
async fn s_75_what_is_said_of_a_node_that_banned_nobody_and_of_names_that_nobody_has() {
    let server = Server::serve().await;
    let told = server.admin(&["cluster", "forget", "nobody"]).await.good().out;
    assert!(told.starts_with("0 bans of node nobody") && told.contains("is the name right?"), "{told}");
    assert!(told.contains("no store that other nodes share"), "{told}");
    for name in ["", "a\u{1b}[31m", &"n".repeat(257)] {
        assert_eq!(server.admin(&["cluster", "forget", name]).await.code, Some(2), "{name:?}");
    }
    let status = server.admin(&["status"]).await.good().out;
    assert!(status.contains("nodes forgotten: 1"), "{status}");
}
