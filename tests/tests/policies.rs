//! Every scenario of the default policies, over the built components.

use tests::scenario::{self, Scenario};

#[tokio::test]
async fn brute_force_does_what_its_scenarios_say() {
    let engine = scenario::engine();
    let mut failures = Vec::new();
    for file in scenario::files("brute-force") {
        if let Err(what) = Scenario::read(&file).play(&engine, "brute-force").await {
            failures.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[tokio::test]
async fn proftpd_keys_derives_what_its_scenarios_say() {
    let engine = scenario::engine();
    let mut failures = Vec::new();
    for file in scenario::files("proftpd-keys") {
        if let Err(what) = Scenario::read(&file).ask(&engine, "proftpd-keys").await {
            failures.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[tokio::test]
async fn default_keys_derives_what_its_scenarios_say() {
    let engine = scenario::engine();
    let mut failures = Vec::new();
    for file in scenario::files("default-keys") {
        if let Err(what) = Scenario::read(&file).ask(&engine, "default-keys").await {
            failures.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}
