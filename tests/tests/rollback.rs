//! The life of a policy on a running server: swapped, rolled back, kept on disk, and shown as it is.

use std::fs;

use serde_json::Value;
use tests::config::{Config, replace};
use tests::deadline::{self, SOON};
use tests::place;
use tests::server::{Door, Server};

const CLIENT: &str = "127.0.0.2";

fn hostile(config: &mut Config, component: &std::path::Path, mode: &str) {
    config.no_policies().policy(&format!(
        "name = 'guard'\nsource = 'file:{}'\nsettings = {{ mode = '{mode}' }}\n\
         bounds = {{ cpu = '1s', suspend-after = 1000 }}",
        component.display()
    ));
}

async fn guarded(mode: &str) -> Server {
    let mut server = Server::prepared(|_| {}).await;
    let component = server.folder().join("guard.wasm");
    fs::copy(place::guest("hostile"), &component).expect("copied");
    hostile(&mut server.config, &component, mode);
    server.rewrite();
    server.start().await;
    server
}

async fn row(server: &Server) -> Value {
    server.admin(&["policy", "list", "--json"]).await.good().json()[0].clone()
}

#[tokio::test]
async fn w_23_a_policy_that_traps_on_real_clients_only_is_rolled_back_by_itself() {
    let mut server = guarded("refuse").await;
    server.assert_refused(CLIENT).await;
    let good = row(&server).await;
    let component = server.folder().join("guard.wasm");
    hostile(&mut server.config, &component, "trap");
    server.rewrite();
    server.admin(&["policy", "reload"]).await.good();
    assert_ne!(row(&server).await["settings_digest"], good["settings_digest"]);
    // Every client is an event or two; the fifth failure brings the old one back.
    deadline::until_asked(SOON, "the old policy", async || {
        matches!(server.knock(CLIENT).await, Door::Refused(_)).then_some(())
    })
    .await;
    let now = row(&server).await;
    assert_eq!(now["settings_digest"], good["settings_digest"]);
    assert!(now["rolled_back"].as_str().is_some_and(|why| why.contains("trapped")), "{now}");
    let told = server.words().matches("policy.rolled-back").count();
    assert_eq!(told, 1, "one alarm");
    // Not tried again while nothing changes; another change is.
    server.admin(&["policy", "reload"]).await.good();
    server.assert_refused(CLIENT).await;
    let shown = server.admin(&["policy", "list"]).await.good().out;
    assert!(shown.contains("rolled back") && shown.contains("guard: kept: "), "{shown}");
    hostile(&mut server.config, &component, "allow");
    server.rewrite();
    server.admin(&["policy", "reload"]).await.good();
    server.welcome(CLIENT).await;
    assert_eq!(row(&server).await["rolled_back"], Value::Null);
}

#[tokio::test]
async fn w_21_w_22_a_file_that_is_touched_a_thousand_times_broken_and_removed_stops_nobody() {
    let server = guarded("refuse").await;
    let component = server.folder().join("guard.wasm");
    let whole = fs::read(&component).expect("the component");
    let digest = row(&server).await["digest"].clone();
    for at in 0..1000_usize {
        // Written slowly, cut, replaced: whatever a deployment does.
        replace(&component, &whole[..whole.len() * (at % 7) / 7]);
        if at % 100 == 0 {
            server.assert_refused(CLIENT).await;
        }
    }
    fs::remove_file(&component).expect("removed");
    server.admin(&["policy", "reload"]).await.exits(1);
    fs::create_dir(&component).expect("a folder in its place");
    server.admin(&["policy", "reload"]).await.exits(1);
    fs::remove_dir(&component).expect("removed");
    server.assert_refused(CLIENT).await;
    let now = row(&server).await;
    assert_eq!(now["digest"], digest);
    assert!(now["last_reload"]["error"].as_str().is_some_and(|why| why.contains("guard.wasm")), "{now}");
    replace(&component, &whole);
    server.admin(&["policy", "reload"]).await.good();
    server.assert_refused(CLIENT).await;
}

#[tokio::test]
async fn s_64_w_25_compiled_code_that_was_tampered_with_is_compiled_anew() {
    let mut server = guarded("refuse").await;
    let folder = server.state().join("compiled");
    let compiled = || -> Vec<_> {
        let entries = fs::read_dir(&folder).expect("the folder of compiled code");
        let files = entries.map(|entry| entry.expect("an entry").path());
        files.filter(|file| file.file_name().is_some_and(|name| name != "key")).collect()
    };
    let files = compiled();
    assert!(!files.is_empty());
    server.stop().await;
    for file in &files {
        let mut bytes = fs::read(file).expect("compiled code");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(file, bytes).expect("tampered with");
    }
    server.start().await;
    server.assert_refused(CLIENT).await;
    assert!(server.words().contains("policy.cache-refused"));
    server.stop().await;
    let before = server.words().matches("policy.cache-refused").count();
    server.start().await;
    server.assert_refused(CLIENT).await;
    assert_eq!(server.words().matches("policy.cache-refused").count(), before, "what was written anew is good");
    assert_eq!(compiled().len(), files.len());
}

#[tokio::test]
async fn what_a_policy_has_used_of_its_bounds_is_shown() {
    let server = guarded("bad-keys").await;
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
    let used = row(&server).await["used"].clone();
    for (name, least) in [("memory", 65_536), ("host_calls", 16), ("host_calls_max", 32), ("cpu_max_millis", 1000)] {
        assert!(used[name].as_u64() >= Some(least), "{name}: {used}");
    }
    let status = server.admin(&["status", "--json"]).await.good().json();
    assert_eq!(status["policies"][0]["busy"], 0, "{status}");
}
