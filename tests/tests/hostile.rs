//! Policies that misbehave: refused when they are loaded, or counted and answered as `on-error` says. The
//! server goes on serving, and what a guest says never becomes more than a line of text.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::cluster::Cluster;
use tests::config::Config;
use tests::deadline;
use tests::place;
use tests::server::{Door, Server, portcullis};

const SOMEBODY: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

fn hostile(config: &mut Config, mode: &str, more: &str) {
    let component = place::guest("hostile");
    config.policy(&format!(
        "name = 'hostile'\nsource = 'file:{}'\nsettings = {{ mode = '{mode}' }}\n{more}",
        component.display()
    ));
}

/// A server that asks the hostile policy first and `brute-force` behind it.
async fn with(mode: &str, more: &str) -> Server {
    Server::serve_with(|config| {
        hostile(config, mode, more);
        config.policy("name = 'brute-force'\nsource = 'builtin:brute-force'");
    })
    .await
}

async fn row(server: &Server, name: &str) -> Value {
    let rows = server.admin(&["policy", "list", "--json"]).await.good().json();
    let rows = rows.as_array().expect("a list of policies");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} is not loaded")).clone()
}

async fn still_serves(server: &Server, mode: &str) {
    for source in [SOMEBODY, NEIGHBOUR] {
        let started = Instant::now();
        server.enter(source).await.command("NOOP").await.expect(200);
        assert!(started.elapsed() < Duration::from_secs(10), "{mode}: a login took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn s_57_a_policy_that_breaks_a_bound_is_counted_and_passed_over() {
    for mode in ["loop", "recurse", "grow-memory", "trap", "host-calls", "huge-text", "many-bans"] {
        let server = with(mode, "on-error = 'pass'").await;
        still_serves(&server, mode).await;
        let row = row(&server, "hostile").await;
        assert!(row["failures"].as_u64() > Some(0), "{mode}: {row}");
        let bans = server.admin(&["bans", "list", "--json"]).await.good().json();
        assert_eq!(bans.as_array().map(Vec::len), Some(0), "{mode}: {bans}");
        let tries = server.guess_until_banned("127.0.0.4", 7).await;
        assert!(tries >= 5, "{mode}: the policy behind it banned after {tries}");
    }
}

#[tokio::test]
async fn s_57_a_policy_that_floods_is_bounded_and_nobody_waits_for_it() {
    for mode in
        ["slow", "table-of-bans", "networks", "log-flood", "log-megabyte", "many-keys", "many-items", "many-alerts"]
    {
        let server = with(mode, "on-error = 'pass'").await;
        still_serves(&server, mode).await;
        let lines = server.words().lines().count();
        assert!(lines < 2000, "{mode}: {lines} lines in the log");
    }
}

#[tokio::test]
async fn s_57_a_policy_that_floods_the_store_is_stopped_at_its_quota_and_others_have_their_own() {
    let pool = Cluster::with(1, |_, config| {
        config.set("policies.deadline", "5s");
        let bounds = "cpu = '2s', wall = '4s', host-calls = 10000, store-operations = 100, suspend-after = 1000";
        hostile(config, "slow", &format!("bounds = {{ {bounds} }}"));
        config.policy("name = 'brute-force'\nsource = 'builtin:brute-force'");
    })
    .await;
    let server = pool.node(0);
    let (started, before) = (Instant::now(), pool.memcached.statistic("cmd_get").await);
    for _ in 0..10 {
        still_serves(server, "slow").await;
    }
    let tries = server.guess_until_banned("127.0.0.4", 7).await;
    assert!(tries >= 5, "the policy behind it banned after {tries}");
    let reached = pool.memcached.statistic("cmd_get").await - before;
    let allowed = 100 * (started.elapsed().as_secs() + 2);
    let row = row(server, "hostile").await;
    let used = |figure: &str| row["used"][figure].as_u64().expect("a figure");
    assert!(used("store_refused") > 100_000, "{row}");
    assert!(used("store_operations") <= allowed, "{row}");
    // What the server itself asks: bans of those who come, the journal, what is counted of failed logins.
    assert!(reached <= allowed + 1000, "{reached} of {allowed} and what is the server's own");
    let told = server.logged("the quota", |line| line.message().starts_with("policy.store-refused")).await;
    assert_eq!((told.text("policy"), told.text("quota")), ("hostile", "bounds.store-operations"), "{}", told.raw);
    let listed = server.admin(&["policy", "list"]).await.good().out;
    assert!(listed.contains("hostile: quota: ") && !listed.contains("brute-force: quota: "), "{listed}");
}

#[tokio::test]
async fn s_57_a_policy_sees_that_it_is_over_its_quota() {
    let server = with("bad-keys", "bounds = { cpu = '1s', wall = '2s', store-operations = 5 }").await;
    drop(server.welcome(SOMEBODY).await);
    let line = server.logged("what the policy was told", |line| line.raw.contains("over the quota")).await;
    assert!(line.text("alert").contains("bounds.store-operations"), "{}", line.raw);
    assert_eq!(row(&server, "hostile").await["failures"], 0, "an answer is no failure");
}

#[tokio::test]
async fn s_39_keys_and_values_of_a_policy_reach_memcached_checked_or_not_at_all() {
    for mode in ["bad-keys", "long-key", "huge-key", "huge-value", "store-times"] {
        let pool = Cluster::with(1, |_, config| hostile(config, mode, "on-error = 'pass'")).await;
        let before = pool.memcached.statistic("cmd_flush").await;
        still_serves(pool.node(0), mode).await;
        assert_eq!(pool.memcached.statistic("cmd_flush").await, before, "{mode}: nobody flushed");
    }
}

#[tokio::test]
async fn s_38_what_a_policy_says_is_one_line_and_no_reply_of_its_own() {
    let server = with("crlf-text", "").await;
    let mut client = match server.knock(SOMEBODY).await {
        Door::Refused(reply) => {
            let reply = reply.expect("a reason");
            assert_eq!(reply.lines.len(), 1, "{reply}");
            assert!(reply.code >= 400 && !reply.text().contains('\u{1b}'), "{reply}");
            return;
        }
        Door::Open(client) => client,
    };
    client.upgrade(&server.tls()).await;
    let reply = client.log_in(server.user(), server.password()).await.expect("an answer");
    assert_eq!(reply.lines.len(), 1, "{reply}");
    assert!(reply.code >= 400 && !reply.text().contains('\u{1b}'), "{reply}");
    // No second reply stands behind it.
    assert_eq!(client.command("QUIT").await.code, 221);
}

#[tokio::test]
async fn s_38_the_message_of_a_ban_is_one_line_too() {
    for mode in ["crlf-message", "huge-message", "huge-reason"] {
        let server = with(mode, "").await;
        // The verdict on the first connection bans the second.
        let _ = server.knock(SOMEBODY).await;
        if let Door::Refused(Some(reply)) = server.knock(SOMEBODY).await {
            assert_eq!(reply.lines.len(), 1, "{mode}: {reply}");
            assert!(matches!(reply.code, 421 | 530) && reply.text().len() < 600, "{mode}: {reply}");
        }
        server.admin(&["bans", "list"]).await.good();
    }
}

#[tokio::test]
async fn s_35_no_policy_bans_everybody_or_who_is_protected() {
    for mode in ["ban-ourselves", "ban-peer", "for-ever", "longest-times"] {
        let server = Server::serve_with(|config| {
            config.set("bans.protected", vec!["127.0.0.0/8", "::1"]).set("policies.longest-delay", "100ms");
            hostile(config, mode, "");
        })
        .await;
        still_serves(&server, mode).await;
        still_serves(&server, mode).await;
        let line = server.logged("no ban", |line| line.message() == "ban.not-imposed").await;
        assert_eq!((line.text("policy"), line.text("digest").len()), ("hostile", 64), "{mode}: {}", line.raw);
        assert!(line.text("why").contains("`bans.protected`"), "{mode}: {}", line.raw);
    }
    for mode in ["ban-everybody", "nonsense-subjects", "no-time"] {
        let server = with(mode, "").await;
        still_serves(&server, mode).await;
        still_serves(&server, mode).await;
        let bans = server.admin(&["bans", "list", "--json"]).await.good().out;
        assert!(!bans.contains("/0\"") && !bans.contains("/8\""), "{mode}: {bans}");
    }
}

#[tokio::test]
async fn s_62_times_of_a_ban_are_clamped() {
    let server = Server::serve_with(|config| {
        config.set("bans.longest", "1h").set("policies.longest-delay", "100ms");
        hostile(config, "for-ever", "");
    })
    .await;
    let _ = server.knock(SOMEBODY).await;
    server.assert_refused(SOMEBODY).await;
    let bans = server.admin(&["bans", "list", "--json"]).await.good().json();
    let ban = &bans[0];
    let (created, expires) = (ban["created"].as_u64(), ban["expires"].as_u64());
    let span = expires.expect("an end") - created.expect("a beginning");
    assert!(span <= 3_600_000 * 11 / 10, "{ban}");

    // The record itself tells what the policy wanted, and so does the log.
    let which = format!("host:{SOMEBODY}");
    let told = server.admin(&["bans", "explain", &which, "--json"]).await.good().json();
    let clamped = &told[0]["course"]["clamped"];
    assert_eq!(clamped["asked-seconds"], serde_json::Value::Null, "{told}");
    assert_eq!((&clamped["given-seconds"], &clamped["rule"]), (&3600.into(), &"bans.longest".into()), "{told}");
    let story = server.admin(&["bans", "explain", &which]).await.good().out;
    assert!(story.contains("shortened  from until lifted to 1h by `bans.longest`"), "{story}");
    let line = server.logged("the ban", |line| line.message() == "ban.imposed").await;
    assert_eq!(line.text("clamped"), "from until lifted to 1h by `bans.longest`", "{}", line.raw);
}

#[tokio::test]
async fn a_failure_refuses_where_the_operator_wants_that() {
    let server = with("trap", "on-error = 'refuse'").await;
    for _ in 0..3 {
        server.assert_refused(SOMEBODY).await;
    }
    server.admin(&["status"]).await.good();
    assert!(row(&server, "hostile").await["failures"].as_u64() >= Some(3));
}

#[tokio::test]
async fn f_23_memory_ends_for_the_guest_alone_and_a_node_that_is_killed_is_back_with_its_bans() {
    let bounds = "bounds = { cpu = '2s', wall = '4s', memory = '32 MiB', suspend-after = 1000 }";
    let mut server = with("grow-memory", bounds).await;
    still_serves(&server, "grow-memory").await;
    let before = server.process().peak_kib();
    for _ in 0..10 {
        still_serves(&server, "grow-memory").await;
    }
    let (peak, told) = (server.process().peak_kib(), row(&server, "hostile").await);
    // Kept, each of so many decisions' 32 MiB would make four times as much; logins take some too, for hashes.
    assert!(told["failures"].as_u64() > Some(24), "{told}");
    assert!(peak < before + 192 * 1024, "from {before} KiB to {peak} KiB");
    assert!(told["last_error"].as_str().is_some_and(|error| error.contains("trapped")), "{told}");

    server.admin(&["bans", "add", SOMEBODY, "--for", "1h", "--reason", "test"]).await.good();
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        // As the kernel does where memory has run out for all.
        server.kill();
        let killed = Instant::now();
        server.start().await;
        server.assert_refused(SOMEBODY).await;
        shortest = shortest.min(killed.elapsed());
    }
    assert!(shortest < Duration::from_secs(2), "back after {shortest:?}");
}

#[tokio::test]
async fn f_20_a_policy_that_fails_for_ever_is_suspended_and_costs_nothing_then() {
    let server = Server::serve_with(|config| {
        hostile(config, "loop", "on-error = 'pass'\nbounds = { suspend-after = 3, suspend-for = '1h' }");
    })
    .await;
    for _ in 0..3 {
        still_serves(&server, "loop").await;
    }
    let before = row(&server, "hostile").await;
    assert_eq!(before["suspended"], true, "{before}");
    still_serves(&server, "loop").await;
    let after = row(&server, "hostile").await;
    assert_eq!(after["failures"], before["failures"], "it is not asked any more");
}

#[tokio::test]
async fn s_59_an_instance_remembers_nothing_of_an_earlier_client() {
    let server = with("keeps-state", "").await;
    for _ in 0..3 {
        still_serves(&server, "keeps-state").await;
    }
    server.logged("its alerts in the log", |line| line.raw.contains("kept 0")).await;
    let words = server.words();
    assert!(!words.contains("kept 1"), "an instance saw an earlier one's memory");
}

/// The hostile component, told what to do before it has settings.
fn told(phase: &str, folder: &std::path::Path) -> PathBuf {
    let mut bytes = fs::read(place::guest("hostile")).expect("the component can be read");
    let marker = b"HOSTILE-PHASE:";
    let at = bytes.windows(marker.len()).position(|part| part == marker).expect("the component has its marker");
    let at = at + marker.len();
    bytes[at..at + 48].fill(b' ');
    bytes[at..at + phase.len()].copy_from_slice(phase.as_bytes());
    let file = folder.join("told.wasm");
    fs::write(&file, bytes).expect("written");
    file
}

#[tokio::test]
async fn s_60_s_63_what_misbehaves_while_it_is_loaded_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for phase in [
        "describe=loop",
        "describe=recurse",
        "describe=grow-memory",
        "describe=trap",
        "describe=bad-name",
        "describe=long-name",
        "describe=many-events",
        "describe=bad-schema",
        "describe=huge-schema",
        "configure=loop",
        "configure=trap",
        "configure=grow-memory",
        "configure=refuse",
        "configure=many-errors",
        "configure=huge-error",
    ] {
        let file = told(phase, folder.path());
        let started = Instant::now();
        let check = portcullis(&["policy", "check", &file.to_string_lossy()]).for_at_most(deadline::LATE).run().await;
        assert!(matches!(check.code, Some(1 | 2)), "{phase}: {check:?}");
        assert!(!check.err.is_empty() && check.err.len() < 20_000, "{phase}: {} bytes", check.err.len());
        assert!(!check.err.contains("panicked"), "{phase}: {}", check.err);
        assert!(started.elapsed() < Duration::from_secs(65), "{phase} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_hostile_component_swapped_in_leaves_the_old_one_in_force() {
    let server = Server::prepared(|_| {}).await;
    let component = server.folder().join("policy.wasm");
    fs::copy(place::guest("brute-force"), &component).expect("copied");
    let mut server = server;
    server.config.policy(&format!("name = 'brute-force'\nsource = 'file:{}'", component.display()));
    server.rewrite();
    server.start().await;
    let before = row(&server, "brute-force").await["digest"].clone();
    let folder = tempfile::tempdir().expect("a scratch folder");
    for phase in ["describe=trap", "configure=trap", "describe=loop"] {
        tests::config::replace(&component, &fs::read(told(phase, folder.path())).expect("the component"));
        server.admin(&["policy", "reload"]).await.exits(1);
        assert_eq!(row(&server, "brute-force").await["digest"], before, "{phase}");
        server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    }
    let tries = server.guess_until_banned(SOMEBODY, 7).await;
    assert!(tries >= 5);
}

#[tokio::test]
async fn s_36_a_key_policy_that_lies_bans_nobody_else_and_frees_nobody_here() {
    for mode in
        ["keys-same", "keys-none", "keys-empty", "keys-long", "keys-crlf", "keys-nul", "keys-many", "trap", "loop"]
    {
        let pool = Cluster::with(2, |_, config| {
            config.set("keys.source", format!("file:{}", place::guest("hostile").display()));
            config.set("keys.settings.mode", mode);
        })
        .await;
        let flushed = pool.memcached.statistic("cmd_flush").await;
        pool.node(0).admin(&["bans", "add", SOMEBODY, "--for", "1h", "--reason", "test"]).await.good();
        pool.node(0).assert_refused(SOMEBODY).await;
        for node in 0..2 {
            pool.node(node).enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
        }
        assert_eq!(pool.memcached.statistic("cmd_flush").await, flushed, "{mode}: nobody flushed");
    }
}
