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
