//! The chain: order, modes, what a ruling holds, and what an instance forgets.

use std::time::Duration;

use portcullis::events::{Kind, Occasion};
use portcullis::ledger::Subject;
use portcullis::policy::{Decision, Ruling};

use super::fixture::{event, hostile, load, row, wrong_password};

#[tokio::test]
async fn five_different_wrong_passwords_are_banned_and_one_stale_password_is_not() {
    let policies = load("").await;
    for _ in 0..20 {
        assert_eq!(policies.decide(&wrong_password(1)).await, Ruling::default());
    }
    for tag in 2..5 {
        assert_eq!(policies.decide(&wrong_password(tag)).await.bans, []);
    }
    let ruling = policies.decide(&wrong_password(5)).await;
    let ban = ruling.bans.first().expect("a ban");
    assert_eq!(ban.subject, Subject::parse("192.0.2.7").expect("host"));
    assert_eq!(ban.by.name, "brute-force");
    assert_eq!(ban.by.digest, row(&policies).digest);
    let row = row(&policies);
    assert_eq!((row.calls, row.failures, row.bans), (24, 0, 1), "{:?}", row.last_error);
    assert!(row.p50_micros > 0.0 && row.p99_micros >= row.p50_micros);
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_not_asked_about() {
    let policies = load("").await;
    assert!(policies.wants(Occasion::LoginFailed));
    assert!(!policies.wants(Occasion::Connect));
    assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default());
    assert_eq!(row(&policies).calls, 0);
}

#[tokio::test]
async fn the_first_decision_ends_the_chain() {
    let second = hostile("refuse", "").replace("name = 'hostile'", "name = 'second'");
    let policies = load(&format!("{}{second}", hostile("allow", "bounds = { cpu = '1s' }"))).await;
    let ruling = policies.decide(&event(Kind::Connect)).await;
    assert_eq!(ruling.decision, Decision::Allow);
    assert_eq!(ruling.by.expect("by").name, "hostile");
    assert_eq!(policies.list().iter().map(|row| row.calls).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn a_ban_lets_the_next_policy_speak() {
    let second = hostile("refuse-and-close", "").replace("name = 'hostile'", "name = 'second'");
    let policies = load(&format!("{}{second}", hostile("ban-peer", "bounds = { cpu = '1s' }"))).await;
    let ruling = policies.decide(&event(Kind::Connect)).await;
    assert_eq!(ruling.bans.len(), 1);
    assert!(matches!(ruling.decision, Decision::Refuse { close: true, .. }));
    assert_eq!(ruling.by.expect("by").name, "second");
}

#[tokio::test]
async fn observe_records_and_changes_nothing() {
    for mode in ["refuse", "ban-peer", "trap"] {
        let policies = load(&hostile(mode, "mode = 'observe'\non-error = 'refuse'")).await;
        assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default(), "{mode}");
        let row = row(&policies);
        assert_eq!(row.refusals + row.bans + row.failures, 1, "{mode}");
    }
}

#[tokio::test]
async fn s_62_delays_are_clamped() {
    let policies =
        load(&format!("[policies]\nlongest-delay = '2s'\n{}", hostile("longest-times", "bounds = { cpu = '1s' }")))
            .await;
    assert_eq!(policies.decide(&event(Kind::Connect)).await.delay, Duration::from_secs(2));
}

#[tokio::test]
async fn s_59_a_fresh_instance_knows_nothing_of_earlier_calls_and_a_warm_one_is_bounded() {
    for instance in ["'fresh'", "{ warm = 2 }"] {
        let policies =
            load(&hostile("keeps-state", &format!("instance = {instance}\nbounds = {{ cpu = '1s' }}"))).await;
        for _ in 0..5 {
            policies.decide(&event(Kind::Connect)).await;
        }
        let row = row(&policies);
        assert_eq!((row.calls, row.failures), (5, 0), "{instance}: {:?}", row.last_error);
    }
}

#[tokio::test]
async fn w_12_a_warm_instance_that_failed_is_replaced() {
    let policies = load(&hostile("trap", "instance = { warm = 100 }\nbounds = { cpu = '1s' }")).await;
    for _ in 0..3 {
        policies.decide(&event(Kind::Connect)).await;
    }
    let error = row(&policies).last_error.expect("an error");
    assert!(error.contains("unreachable"), "{error}");
}
