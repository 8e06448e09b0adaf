//! Whatever a guest does, it is answered in time, counted, and nothing of it is carried out.

#![expect(clippy::disallowed_methods, reason = "a test is slow on purpose, and gives up in the middle")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::events::Kind;
use portcullis::moment::Moment;
use portcullis::policy::{Decision, Deps, Engine, Policies, Ruling};
use portcullis::store::{Key, StoreError, Swap, Versioned};

use super::fixture::{NOW, deps, event, hostile, load, row, settings};

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
async fn w_07_a_flood_of_store_calls_ends_at_the_quota_and_the_policy_is_told() {
    let bounds = "cpu = '2s', wall = '5s', host-calls = 10000, store-operations = 50, suspend-after = 1000";
    let policies =
        load(&format!("policies.deadline = '5s'\n{}", hostile("slow", &format!("bounds = {{ {bounds} }}")))).await;
    for _ in 0..2 {
        policies.decide(&event(Kind::Connect)).await;
    }
    let used = row(&policies).used;
    assert_eq!((used.store_operations, used.store_operations_max), (50, 50), "both decisions are of one moment");
    assert_eq!(used.store_refused, 19_950);
    // A second later there is as much again.
    let mut later = event(Kind::Connect);
    later.at = Moment::from_millis(NOW + 1000);
    policies.decide(&later).await;
    assert_eq!(row(&policies).used.store_operations, 100);
}

#[tokio::test]
async fn w_07_bytes_of_the_store_have_a_quota_as_well() {
    let policies = load(&hostile("store-times", "bounds = { cpu = '1s', store-bytes = '1 KiB' }")).await;
    let bytes = "for-ever".len() as u64 + 1;
    for _ in 0..200 {
        policies.decide(&event(Kind::Connect)).await;
    }
    let used = row(&policies).used;
    assert_eq!(used.store_bytes, 1024 / bytes * bytes, "{used:?}");
    assert_eq!(used.store_operations + used.store_refused, 200);
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
async fn f_21_where_all_instances_are_busy_the_rest_wait_to_the_deadline_and_are_answered_as_configured() {
    const DEADLINE: Duration = Duration::from_secs(3);
    for (on_error, refused) in [("refuse", true), ("pass", false)] {
        let bounds = "at-once = 1, cpu = '5s', wall = '1s', suspend-after = 1000";
        let text = hostile("loop", &format!("on-error = '{on_error}'\nbounds = {{ {bounds} }}"));
        let policies = load(&format!("policies.deadline = '3s'\n{text}")).await;
        let started = Instant::now();
        let asked: Vec<_> = (0..8)
            .map(|_| {
                let policies = policies.clone();
                tokio::spawn(async move { (policies.decide(&event(Kind::Connect)).await, started.elapsed()) })
            })
            .collect();
        let mut waited = Duration::ZERO;
        for answer in asked {
            let (ruling, after) = answer.await.expect("a task");
            assert_eq!(matches!(ruling.decision, Decision::Refuse { .. }), refused, "{ruling:?}");
            assert!(after < DEADLINE + Duration::from_secs(2), "{after:?}");
            waited = waited.max(after);
        }
        assert!(waited >= DEADLINE / 2, "they wait for their turn: {waited:?}");
        let row = row(&policies);
        assert!((1..8).contains(&row.calls), "not all had an instance: {row:?}");
        assert!(row.last_error.is_some_and(|error| error.contains("bounds.")), "it is told which bound");
    }
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

#[tokio::test]
async fn w_01_w_06_misdeeds_in_memory_management_are_failures() {
    for (mode, words) in [
        ("realloc-loop", "bounds.cpu"),
        ("realloc-outside", "trapped"),
        ("realloc-host-call", "trapped"),
        ("post-return-loop", "bounds.cpu"),
    ] {
        let text = hostile(mode, "bounds = { cpu = '100ms', wall = '20s' }");
        let policies = load(&format!("[policies]\ndeadline = '20s'\n{text}")).await;
        assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default(), "{mode}");
        let error = row(&policies).last_error.expect(mode);
        assert!(error.contains(words), "{mode}: {error}");
    }
}

#[tokio::test]
async fn w_01_w_24_a_guest_that_computes_is_stopped_by_the_clock_on_the_wall_too() {
    let text = hostile("loop", "bounds = { cpu = '10s', wall = '100ms' }");
    let policies = load(&format!("[policies]\ndeadline = '20s'\n{text}")).await;
    let started = Instant::now();
    assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let error = row(&policies).last_error.expect("an error");
    assert!(error.contains("bounds.wall"), "{error}");
}

#[tokio::test]
async fn w_17_a_counter_for_each_address_ends_in_one_overflow() {
    let policies = load(&hostile("metric-flood", "bounds = { cpu = '2s', host-calls = 10000, wall = '5s' }")).await;
    policies.decide(&event(Kind::Connect)).await;
    let told = row(&policies);
    assert!(told.last_error.is_some_and(|error| error.contains("host-calls")));
    assert_eq!(told.metrics.len(), 101, "a hundred series and the overflow");
    let policies = load(&hostile("metric-each", "bounds = { cpu = '1s' }")).await;
    policies.decide(&event(Kind::Connect)).await;
    let names: Vec<String> = row(&policies).metrics.iter().map(|metric| metric.name.clone()).collect();
    assert_eq!(names, ["seen", "_overflow"]);
}

/// A store that answers after ten seconds.
#[derive(Debug)]
struct Asleep;

#[async_trait::async_trait]
impl portcullis::store::Store for Asleep {
    async fn get_many(&self, _: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        Err(sleep().await)
    }
    async fn get_each(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        let error = sleep().await;
        keys.iter().map(|_| Err(error.clone())).collect()
    }
    async fn get_versioned(&self, _: &Key) -> Result<Option<Versioned>, StoreError> {
        Err(sleep().await)
    }
    async fn set(&self, _: &Key, _: &[u8], _: Option<Duration>) -> Result<(), StoreError> {
        Err(sleep().await)
    }
    async fn add(&self, _: &Key, _: &[u8], _: Option<Duration>) -> Result<bool, StoreError> {
        Err(sleep().await)
    }
    async fn delete(&self, _: &Key) -> Result<bool, StoreError> {
        Err(sleep().await)
    }
    async fn increment(&self, _: &Key, _: u64, _: Option<Duration>) -> Result<u64, StoreError> {
        Err(sleep().await)
    }
    async fn compare_and_swap(&self, _: &Key, _: &[u8], _: u64, _: Option<Duration>) -> Result<Swap, StoreError> {
        Err(sleep().await)
    }
    fn health(&self) -> portcullis::store::Health {
        portcullis::store::Health::default()
    }
}

async fn sleep() -> StoreError {
    tokio::time::sleep(Duration::from_secs(10)).await;
    StoreError::Unavailable("asleep".into())
}

#[tokio::test]
async fn s_58_w_07_w_10_a_store_that_sleeps_holds_nobody_and_every_slot_comes_back() {
    for instance in ["'fresh'", "{ warm = 100 }"] {
        let text =
            hostile("slow", &format!("instance = {instance}\nbounds = {{ wall = '200ms', suspend-after = 1000 }}"));
        let settings = settings(&text);
        let engine = Engine::start(&settings).expect("an engine");
        let policies =
            Policies::load(engine, &settings, Deps { store: Arc::new(Asleep), ..deps() }).await.expect("loads");
        let started = Instant::now();
        assert_eq!(policies.decide(&event(Kind::Connect)).await, Ruling::default());
        assert!(started.elapsed() < Duration::from_secs(5), "the wall deadline holds: {:?}", started.elapsed());
        assert!(row(&policies).last_error.is_some_and(|error| error.contains("bounds.wall")));
        // Whoever asked has gone: the call ends with it.
        for _ in 0..100 {
            let asked = event(Kind::Connect);
            let gone = tokio::time::timeout(Duration::from_millis(1), policies.decide(&asked)).await;
            assert!(gone.is_err());
        }
        let end = Instant::now() + Duration::from_secs(20);
        while row(&policies).busy > 0 && Instant::now() < end {
            tokio::task::yield_now().await;
        }
        assert_eq!(row(&policies).busy, 0, "{instance}");
        let error = row(&policies).last_error.expect("an error");
        assert!(!error.contains("enter"), "no instance is entered again: {error}");
    }
}
