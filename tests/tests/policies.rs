//! Every scenario of the default policies, over the built components.

use tests::scenario::{self, Scenario};

/// Whether the files of a folder are of a key policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Bans,
    Keys,
}

async fn does_what_its_scenarios_say(name: &str, policy: Policy) {
    let engine = scenario::engine();
    let mut failures = Vec::new();
    for file in scenario::files(name) {
        let scenario = Scenario::read(&file);
        let done = match policy {
            Policy::Bans => scenario.play(&engine, name).await,
            Policy::Keys => scenario.ask(&engine, name).await,
        };
        if let Err(what) = done {
            failures.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[tokio::test]
async fn brute_force_does_what_its_scenarios_say() {
    does_what_its_scenarios_say("brute-force", Policy::Bans).await;
}

#[tokio::test]
async fn proftpd_keys_derives_what_its_scenarios_say() {
    does_what_its_scenarios_say("proftpd-keys", Policy::Keys).await;
}

#[tokio::test]
async fn default_keys_derives_what_its_scenarios_say() {
    does_what_its_scenarios_say("default-keys", Policy::Keys).await;
}
