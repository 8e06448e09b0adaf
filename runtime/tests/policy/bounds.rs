//! Whatever a guest does, it is answered in time, counted, and nothing of it is carried out.

use std::time::{Duration, Instant};

use portcullis::events::Kind;
use portcullis::policy::{Decision, Ruling};

use super::fixture::{event, hostile, load, row};

/// The words of the failure that a mode ends in.
async fn failure_of(mode: &str, more: &str) -> String {
    let policies = load(&hostile(mode, more)).await;
    let started = Instant::now();
    assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default(), "{mode}");
    assert!(started.elapsed() < Duration::from_secs(2), "{mode}: {:?}", started.elapsed());
    let row = row(&policies);
    assert_eq!(row.failures, 1, "{mode}");
    row.last_error.expect("an error")
}

#[tokio::test]
async fn w_01_a_loop_ends_with_its_cpu_time() {
    assert!(failure_of("loop", "bounds = { wall = '5s' }").await.contains("bounds.cpu"));
}

#[tokio::test]
async fn w_02_memory_is_given_up_to_the_bound() {
    let error = failure_of("grow-memory", "bounds = { cpu = '5s', wall = '10s', memory = '8 MiB' }").await;
    assert!(error.contains("trapped"), "{error}");
}

#[tokio::test]
async fn w_03_deep_recursion_is_a_failure() {
    // The guest's own stack lies at the start of its memory: it runs out first, where frames are large.
    let error = failure_of("recurse", "bounds = { cpu = '1s' }").await;
    assert!(error.contains("recurses") || error.contains("out of bounds memory"), "{error}");
}

#[tokio::test]
async fn w_04_w_05_results_that_are_too_large_or_no_text() {
    for mode in ["huge-text", "huge-reason", "huge-message", "many-bans", "many-alerts"] {
        let error = failure_of(mode, "bounds = { cpu = '2s', wall = '5s' }").await;
        assert!(error.contains("transfer-bytes"), "{mode}: {error}");
    }
    for mode in ["no-utf8", "text-outside-memory"] {
        let error = failure_of(mode, "bounds = { cpu = '1s' }").await;
        assert!(error.contains("trapped"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn w_07_host_calls_are_counted() {
    for mode in ["host-calls", "slow", "table-of-bans", "networks", "many-items", "log-flood"] {
        let error = failure_of(mode, "bounds = { cpu = '1s' }").await;
        assert!(error.contains("host-calls"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn w_20_a_verdict_with_nonsense_in_it_is_nothing_as_a_whole() {
    for mode in ["nonsense-subjects", "no-time", "unknown-effect"] {
        let error = failure_of(mode, "bounds = { cpu = '1s' }").await;
        assert!(error.contains("nonsense"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn w_16_w_18_odd_keys_and_lines_are_no_failure() {
    for mode in ["bad-keys", "long-key", "store-times", "log-megabyte"] {
        let policies = load(&hostile(mode, "bounds = { cpu = '1s', transfer-bytes = '4 MiB' }")).await;
        policies.decide(&event(Kind::Connect)).await;
        let row = row(&policies);
        assert_eq!((row.calls, row.failures), (1, 0), "{mode}: {:?}", row.last_error);
    }
}

#[tokio::test]
async fn on_error_says_what_a_failure_means() {
    let policies = load(&hostile("trap", "on-error = 'refuse'")).await;
    let ruling = policies.decide(&event(Kind::Connect)).await;
    assert_eq!(ruling.decision, Decision::Refuse { text: None, close: false });
    assert_eq!(ruling.by.expect("by").name, "hostile");
}

#[tokio::test]
async fn f_20_a_policy_that_fails_in_a_row_is_left_alone_and_tried_again() {
    let text = hostile("trap", "bounds = { suspend-after = 3, suspend-for = '100ms' }");
    let policies = load(&text).await;
    for _ in 0..10 {
        policies.decide(&event(Kind::Connect)).await;
    }
    let suspended = row(&policies);
    assert!(suspended.suspended);
    assert_eq!(suspended.calls, 3);
    let deadline = Instant::now() + Duration::from_secs(20);
    while row(&policies).calls == 3 && Instant::now() < deadline {
        policies.decide(&event(Kind::Connect)).await;
        tokio::task::yield_now().await;
    }
    assert!(row(&policies).calls > 3, "a trial after the pause");
}

#[tokio::test]
async fn w_11_more_decisions_than_instances_wait_for_their_turn() {
    let policies =
        load(&format!("[policies]\nat-once = 2\n{}", hostile("refuse", "bounds = { at-once = 1, cpu = '1s' }"))).await;
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let policies = policies.clone();
            tokio::spawn(async move { policies.decide(&event(Kind::Connect)).await })
        })
        .collect();
    for answer in asked {
        assert!(matches!(answer.await.expect("task").decision, Decision::Refuse { .. }));
    }
    assert_eq!(row(&policies).failures, 0);
}

#[tokio::test]
async fn w_01_busy_guests_do_not_hold_the_callers_threads() {
    let policies = load(&hostile("loop", "bounds = { cpu = '200ms', wall = '300ms', suspend-after = 1000 }")).await;
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let policies = policies.clone();
            tokio::spawn(async move { policies.decide(&event(Kind::Connect)).await })
        })
        .collect();
    // This test has one thread: were a guest on it, these turns would not come while guests are busy.
    let mut turns = 0;
    while busy.iter().any(|task| !task.is_finished()) {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns > 100, "{turns}");
}
