#![expect(clippy::disallowed_methods, reason = "a test waits for what must happen, and no longer")]
//! Swapping the chain: whole, atomic, or not at all.

use std::sync::Arc;
use std::time::Duration;

use portcullis::events::{Kind, Occasion};
use portcullis::policy::{Decision, Watcher};

use super::fixture::{event, hostile, load, row, settings};

#[tokio::test]
async fn a_failed_reload_keeps_the_old_chain_and_says_why() {
    let policies = load(&hostile("refuse", "bounds = { cpu = '1s' }")).await;
    let digest = row(&policies).digest;
    let mut chain = settings(&hostile("allow", "")).chain;
    let mut bad = chain[0].clone();
    bad.name = "bad".into();
    bad.source = portcullis::config::settings::Source::File("/nowhere.wasm".into());
    chain.push(bad);
    let errors = policies.reload(&chain).await.expect_err("refused");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].policy, "bad");
    assert!(matches!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Refuse { .. }));
    let row = row(&policies);
    assert_eq!(row.digest, digest);
    assert_eq!(row.last_reload.expect("an attempt").error, None, "its own settings were fine");
}

#[tokio::test]
async fn what_did_not_change_keeps_its_counters() {
    let first = hostile("refuse", "bounds = { cpu = '1s' }");
    let policies =
        load(&format!("{first}[[policy]]\nname='brute-force'\nsource='builtin:brute-force'\nsettings={{}}\n")).await;
    policies.decide(&event(Kind::Connect)).await;
    let chain = settings(&format!("{first}{}", hostile("pass", "").replace("'hostile'", "'other'"))).chain;
    let report = policies.reload(&chain).await.expect("reloaded");
    assert_eq!(
        (report.kept, report.added, report.removed),
        (vec!["hostile".into()], vec!["other".into()], vec!["brute-force".into()])
    );
    assert_eq!(row(&policies).calls, 1);
    let changed = policies.reload(&settings(&hostile("allow", "")).chain).await.expect("reloaded");
    assert_eq!(changed.changed, ["hostile"]);
    assert_eq!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Allow);
    policies.reload(&[]).await.expect("an empty chain");
    assert!(!policies.wants(Occasion::Connect));
}

#[tokio::test]
async fn s_66_each_verdict_is_of_one_version_while_chains_are_swapped() {
    let chains: Vec<_> =
        ["allow", "refuse"].map(|mode| settings(&hostile(mode, "bounds = { cpu = '1s' }")).chain).into();
    let policies = load(&hostile("allow", "bounds = { cpu = '1s' }")).await;
    let asking = {
        let policies = Arc::clone(&policies);
        tokio::spawn(async move {
            for _ in 0..500 {
                let ruling = policies.decide(&event(Kind::Connect)).await;
                assert_ne!(ruling.decision, Decision::Pass);
            }
        })
    };
    for chain in chains.iter().cycle().take(6) {
        policies.reload(chain).await.expect("reloaded");
    }
    asking.await.expect("no decision was lost");
}

#[tokio::test]
async fn f_19_a_file_that_changed_is_told_once_and_a_touch_is_not() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("policy.wasm");
    std::fs::write(&file, b"one").expect("written");
    let settings = settings("[policies]\nreload-quiet = '10ms'\nreload-poll = '100ms'\n");
    let mut watcher = Watcher::new([file.clone()], &settings.policies);
    let wait = Duration::from_secs(20);
    std::fs::write(&file, b"two").expect("written");
    tokio::time::timeout(wait, watcher.changed()).await.expect("a write");
    // By renaming, as editors and deployments do.
    let beside = folder.path().join("new");
    std::fs::write(&beside, b"three").expect("written");
    std::fs::rename(&beside, &file).expect("renamed");
    tokio::time::timeout(wait, watcher.changed()).await.expect("a rename");
    std::fs::write(&file, b"three").expect("written again");
    std::fs::write(folder.path().join("other"), b"x").expect("written");
    assert!(tokio::time::timeout(Duration::from_millis(500), watcher.changed()).await.is_err(), "the same content");
    std::fs::remove_file(&file).expect("removed");
    tokio::time::timeout(wait, watcher.changed()).await.expect("a removal");
}

#[tokio::test]
async fn w_23_a_policy_that_fails_behind_its_swap_is_rolled_back_and_not_tried_again() {
    let bounds = "bounds = { cpu = '1s', suspend-after = 1000 }";
    let policies = load(&hostile("refuse", bounds)).await;
    let good = row(&policies);
    let bad = settings(&hostile("trap", bounds)).chain;
    policies.reload(&bad).await.expect("it loads well enough");
    assert!(row(&policies).probation > 0);
    for _ in 0..5 {
        assert_eq!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Pass);
    }
    // The fifth failure was the last.
    assert!(matches!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Refuse { .. }));
    let told = row(&policies);
    assert_eq!((&told.settings_digest, told.since), (&good.settings_digest, good.since));
    assert!(told.rolled_back.is_some_and(|why| why.contains("trapped")));
    // The same again is not tried again.
    let report = policies.reload(&bad).await.expect("reloaded");
    assert_eq!(report.kept, ["hostile"]);
    assert!(matches!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Refuse { .. }));
    // Another is.
    policies.reload(&settings(&hostile("allow", bounds)).chain).await.expect("reloaded");
    assert_eq!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Allow);
    assert_eq!(row(&policies).rolled_back, None);
}

#[tokio::test]
async fn a_policy_that_passes_its_probation_stays_whatever_comes_later() {
    let more = "bounds = { cpu = '1s', suspend-after = 1000 }";
    let short = |mode: &str| format!("[policies]\nprobation = 3\n{}", hostile(mode, more));
    let policies = load(&short("refuse")).await;
    policies.reload(&settings(&short("allow")).chain).await.expect("reloaded");
    for _ in 0..4 {
        assert_eq!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Allow);
    }
    assert_eq!(row(&policies).probation, 0);
}

#[tokio::test]
async fn w_22_a_storm_of_reloads_compiles_one_at_a_time_and_the_last_one_counts() {
    let more = "bounds = { cpu = '1s' }";
    let policies = load(&hostile("refuse", more)).await;
    let chains: Vec<_> = ["allow", "refuse"].map(|mode| settings(&hostile(mode, more)).chain).into();
    let mut storm = Vec::new();
    for at in 0..12 {
        let (policies, chain) = (Arc::clone(&policies), chains[at % 2].clone());
        storm.push(tokio::spawn(async move { policies.reload(&chain).await.map(|_| ()) }));
    }
    for _ in 0..200 {
        assert_ne!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Pass);
    }
    for reload in storm {
        reload.await.expect("no crash").expect("each is a good one");
    }
    policies.reload(&chains[0]).await.expect("reloaded");
    assert_eq!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Allow);
}

#[tokio::test]
async fn w_22_settings_that_the_schema_no_longer_takes_leave_the_old_policy_in_force() {
    let policies = load(&hostile("refuse", "bounds = { cpu = '1s' }")).await;
    let mut chain = settings(&hostile("refuse", "bounds = { cpu = '1s' }")).chain;
    chain[0].settings = serde_json::json!({ "mode": 7 });
    let errors = policies.reload(&chain).await.expect_err("refused");
    assert!(errors[0].to_string().contains("settings.mode"), "{}", errors[0]);
    assert!(matches!(policies.decide(&event(Kind::Connect)).await.decision, Decision::Refuse { .. }));
    assert!(row(&policies).last_reload.and_then(|last| last.error).is_some());
}
