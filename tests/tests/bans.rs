//! A policy bans who guesses, and nobody else.

use std::fs;
use std::path::PathBuf;

use tests::client::Reply;
use tests::server::Server;

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

#[tokio::test]
async fn five_different_wrong_passwords_ban_the_address_and_nobody_else() {
    let server = Server::quickstart().await;
    let mut early = server.enter(NEIGHBOUR).await;
    let tries = server.guess_until_banned(ATTACKER, 7).await;
    assert!(tries >= 5, "the ban came after {tries} passwords");
    early.command("NOOP").await.expect(200);
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn one_wrong_password_twenty_times_is_a_forgotten_cron_job_and_no_attack() {
    let server = Server::serve().await;
    for _ in 0..20 {
        let reply = server.try_login(ATTACKER, server.user(), "stale-since-monday").await;
        reply.expect("an answer to the login").expect(530);
    }
    server.enter(ATTACKER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_04_a_banned_address_is_refused_before_tls_and_told_so_in_one_line() {
    let server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    let before = policy_calls(&server).await;
    for _ in 0..10 {
        if let Some(reply) = server.assert_refused(ATTACKER).await {
            assert!(matches!(reply.code, 421 | 530) && reply.lines.len() == 1, "{reply}");
        }
    }
    assert_eq!(policy_calls(&server).await, before, "a banned address costs no policy call");
}

/// Calls of all policies so far.
async fn policy_calls(server: &Server) -> u64 {
    let rows = server.admin(&["policy", "list", "--json"]).await.good().json();
    let rows = rows.as_array().expect("a list of policies");
    rows.iter().filter(|row| row["name"] != "keys").map(|row| row["calls"].as_u64().expect("a count")).sum()
}

#[tokio::test]
async fn explain_prints_policy_digest_evidence_and_expiry() {
    let server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    let text = server.admin(&["bans", "explain", ATTACKER]).await.good().out;
    for word in ["brute-force", ATTACKER, "login-failed", "wrong-password"] {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
    let ban = server.admin(&["bans", "explain", ATTACKER, "--json"]).await.good().json();
    let ban = find_ban(&ban, ATTACKER);
    assert_eq!(ban["by"]["name"], "brute-force", "{ban}");
    let digest = ban["by"]["digest"].as_str().expect("a digest");
    assert!(digest.len() == 64 && text.contains(&digest[..12]), "{digest} in\n{text}");
    assert!(ban["expires"].as_u64() > ban["created"].as_u64(), "{ban}");
    let evidence = ban["evidence"].as_array().expect("evidence");
    assert!(evidence.len() >= 5, "{ban}");
    // The event with all its facts, and what the policy asked of the store before it decided.
    let course = &ban["course"];
    assert_eq!(course["event"]["event"], "login-failed", "{ban}");
    assert!(course["event"]["facts"]["tls"]["version"].is_string(), "{ban}");
    let operations: Vec<_> =
        course["store"].as_array().expect("accesses").iter().map(|access| access["operation"].as_str()).collect();
    assert!(operations.contains(&Some("count-distinct")) && operations.contains(&Some("add")), "{ban}");
    assert!(text.contains("count-distinct failures/127.0.0.2/0: 5"), "{text}");
    assert_eq!(ban["learnt"], false, "{ban}");
    let answer = server.admin(&["bans", "explain", NEIGHBOUR]).await;
    assert_eq!(answer.code, Some(1), "who is not banned is told so: {answer:?}");
}

/// The ban of a host, wherever it stands in an answer.
fn find_ban<'a>(answer: &'a serde_json::Value, host: &str) -> &'a serde_json::Value {
    match answer {
        serde_json::Value::Object(fields) if answer["subject"]["host"] == host => {
            assert!(fields.contains_key("by"), "{answer}");
            answer
        }
        serde_json::Value::Object(fields) => {
            fields.values().map(|value| find_ban(value, host)).find(|found| !found.is_null()).unwrap_or(&NOTHING)
        }
        serde_json::Value::Array(items) => {
            items.iter().map(|item| find_ban(item, host)).find(|found| !found.is_null()).unwrap_or(&NOTHING)
        }
        _ => &NOTHING,
    }
}

static NOTHING: serde_json::Value = serde_json::Value::Null;

#[tokio::test]
async fn lift_opens_the_gate_at_once() {
    let server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    server.admin(&["bans", "lift", ATTACKER]).await.good();
    server.enter(ATTACKER).await.command("NOOP").await.expect(200);
    let again = server.admin(&["bans", "lift", ATTACKER]).await;
    assert_eq!(again.code, Some(1), "there is nothing left to lift: {again:?}");
}

#[tokio::test]
async fn an_operator_bans_by_hand_and_open_sessions_of_the_banned_end() {
    let server = Server::serve().await;
    let mut open = server.enter(ATTACKER).await;
    let mut bystander = server.enter(NEIGHBOUR).await;
    server.admin(&["bans", "add", ATTACKER, "--for", "10m", "--reason", "seen in another log"]).await.good();
    server.assert_refused(ATTACKER).await;
    let last: Option<Reply> = open.until_closed(tests::deadline::SOON).await.pop();
    if let Some(reply) = last {
        reply.expect(421);
    }
    bystander.command("NOOP").await.expect(200);
    let listed = server.admin(&["bans", "list", "--json"]).await.good().json();
    assert!(!find_ban(&listed, ATTACKER).is_null(), "{listed}");
    let text = server.admin(&["bans", "list"]).await.good().out;
    assert!(text.contains(ATTACKER), "{text}");
}

#[tokio::test]
async fn f_12_a_ban_survives_kill_9_right_after_it() {
    let mut server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    server.crash_and_restart().await;
    server.assert_refused(ATTACKER).await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn p_46_a_ban_holds_over_a_reload_and_a_restart() {
    let mut server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    server.admin(&["policy", "reload"]).await.good();
    server.assert_refused(ATTACKER).await;
    server.stop().await;
    server.start().await;
    server.assert_refused(ATTACKER).await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_lifted_ban_stays_lifted_after_kill_9() {
    let mut server = Server::serve().await;
    server.guess_until_banned(ATTACKER, 7).await;
    server.admin(&["bans", "lift", ATTACKER]).await.good();
    server.crash_and_restart().await;
    server.enter(ATTACKER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn f_15_a_torn_last_record_is_cut_off_with_a_warning_and_the_others_hold() {
    let mut server = Server::serve().await;
    for host in ["192.0.2.1", "192.0.2.2", ATTACKER] {
        server.admin(&["bans", "add", host, "--for", "1h", "--reason", "test"]).await.good();
    }
    server.admin(&["bans", "add", "192.0.2.99", "--for", "1h", "--reason", "the last one"]).await.good();
    server.kill();
    let ledger = ledger_file(&server);
    let bytes = fs::read(&ledger).expect("the ledger can be read");
    fs::write(&ledger, &bytes[..bytes.len() - 5]).expect("the ledger can be cut");
    server.start().await;
    server.assert_refused(ATTACKER).await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    let listed = server.admin(&["bans", "list", "--json"]).await.good().json();
    for host in ["192.0.2.1", "192.0.2.2", ATTACKER] {
        assert!(!find_ban(&listed, host).is_null(), "{host} in {listed}");
    }
    server
        .logged("a warning about the ledger", |line| line.text("level") == "warn" && line.raw.contains("ledger"))
        .await;
}

#[tokio::test]
async fn f_15_garbage_behind_the_last_record_costs_no_ban() {
    let mut server = Server::serve().await;
    server.admin(&["bans", "add", ATTACKER, "--for", "1h", "--reason", "test"]).await.good();
    server.kill();
    let ledger = ledger_file(&server);
    let mut bytes = fs::read(&ledger).expect("the ledger can be read");
    bytes.extend_from_slice(&[0xFF; 300]);
    fs::write(&ledger, bytes).expect("the ledger can be written");
    server.start().await;
    server.assert_refused(ATTACKER).await;
    server.crash_and_restart().await;
    server.assert_refused(ATTACKER).await;
}

fn ledger_file(server: &Server) -> PathBuf {
    let entries = fs::read_dir(server.state()).expect("the state directory can be read");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bans.journal")))
        .collect();
    found.sort();
    found.pop().expect("a ledger in the state directory")
}
