//! The key policy: what it answers is checked, remembered, and nothing when it fails.

use std::sync::Arc;

use portcullis::config::Settings;
use portcullis::ledger::{Reach, Subject};
use portcullis::policy::{Engine, KeyPolicy};
use portcullis::store::{Derive, Key, Purpose};

use super::fixture::{hostile_file, settings};

async fn loaded(text: &str) -> (Settings, Arc<KeyPolicy>) {
    let settings = settings(text);
    let engine = Engine::start(&settings).expect("engine");
    let keys = KeyPolicy::load(engine, &settings).await.expect("key policy");
    (settings, keys)
}

fn entry(key: &str) -> Purpose {
    Purpose::Entry { policy: "p".into(), key: key.into() }
}

fn texts(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(Key::as_str).collect()
}

#[tokio::test]
async fn the_default_keys_are_namespaced_and_found_again() {
    let (_, keys) = loaded("").await;
    let host = Subject::parse("192.0.2.7").expect("host");
    let written = keys.derive(&Purpose::StoreBan(host.clone(), Reach::Site)).await;
    let looked_up = keys.derive(&Purpose::LookUpBan(host)).await;
    assert!(!written.is_empty() && written.iter().all(|key| looked_up.contains(key)), "{written:?} {looked_up:?}");
    assert!(texts(&written)[0].starts_with("pc1.b."));
    let one = keys.derive(&entry("ta")).await;
    assert_eq!(one.len(), 1);
    assert!(one[0].as_str().starts_with("pc1.c.1.p."));
    assert_ne!(one, keys.derive(&entry("tb")).await);
}

#[tokio::test]
async fn an_answer_is_remembered() {
    let (_, keys) = loaded("").await;
    for _ in 0..10 {
        keys.derive(&entry("ta")).await;
    }
    assert_eq!(keys.status().calls, 1);
}

#[tokio::test]
async fn w_18_a_lying_key_policy_yields_no_keys_and_is_told() {
    for mode in [
        "keys-empty",
        "keys-long",
        "keys-blank",
        "keys-crlf",
        "keys-nul",
        "keys-no-utf8",
        "keys-many",
        "keys-proftpd",
        "trap",
        "loop",
        "recurse",
    ] {
        let text = format!(
            "[keys]\nsource = 'file:{}'\nsettings = {{ mode = '{mode}' }}\nbounds = {{ suspend-after = 100 }}\n",
            hostile_file().display()
        );
        let (_, keys) = loaded(&text).await;
        for purpose in [Purpose::LookUpBan(Subject::User("alice".into())), entry("ta")] {
            assert_eq!(keys.derive(&purpose).await, [], "{mode}");
        }
        let status = keys.status();
        assert_eq!(status.failures, 2, "{mode}: {:?}", status.last_error);
    }
}

#[tokio::test]
async fn w_18_two_policies_never_share_a_key_even_where_the_key_policy_gives_one_to_all() {
    let text = format!("[keys]\nsource = 'file:{}'\nsettings = {{ mode = 'keys-same' }}\n", hostile_file().display());
    let (_, keys) = loaded(&text).await;
    let other = Purpose::Entry { policy: "q".into(), key: "ta".into() };
    assert_ne!(keys.derive(&entry("ta")).await, keys.derive(&other).await);
}

#[tokio::test]
async fn a_bad_key_policy_leaves_the_old_one_in_force() {
    let (settings, keys) = loaded("").await;
    let before = keys.derive(&entry("ta")).await;
    let mut bad = settings.keys.clone();
    bad.source = portcullis::config::settings::Source::Builtin("brute-force".into());
    let error = keys.reload(&bad).await.expect_err("refused");
    assert!(error.to_string().contains("key-guest"), "{error}");
    assert_eq!(keys.derive(&entry("ta")).await, before);
    assert!(keys.status().last_reload.expect("an attempt").error.is_some());
    assert!(!keys.reload(&settings.keys).await.expect("the same"));
}

#[tokio::test]
async fn w_19_one_key_for_everything_still_keeps_purposes_and_owners_apart() {
    let source = hostile_file().display().to_string();
    let (_, keys) = loaded(&format!("[keys]\nsource = 'file:{source}'\nsettings = {{ mode = 'keys-same' }}\n")).await;
    let host = Subject::parse("192.0.2.7").expect("host");
    let entry_of = |policy: &str| Purpose::Entry { policy: policy.into(), key: "ta".into() };
    let mut all = Vec::new();
    for purpose in [entry_of("p"), entry_of("q"), entry_of("_history"), Purpose::StoreBan(host, Reach::Site)] {
        all.extend(keys.derive(&purpose).await.iter().map(|key| key.as_str().to_owned()));
    }
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{all:?}");
}
