//! Policies and settings change under a running server; what is broken changes nothing.

use std::fs;

use rustix::process::Signal;
use tests::config::replace;
use tests::place;
use tests::server::Server;
use tests::swap::{changed_since, in_force, limit, with_component_file};

const ATTACKER: &str = "127.0.0.2";

#[tokio::test]
async fn f_32_a_broken_configuration_changes_nothing_and_says_why() {
    let (mut server, component) = with_component_file().await;
    let before = in_force(&server).await;
    limit(&mut server.config, &component, 2);
    server.config.set("bans.spread-procent", 5);
    server.rewrite();
    server.logged("the wrong key by name", |line| line.raw.contains("bans.spread-procent")).await;
    let answer = server.admin(&["policy", "reload"]).await.exits(1);
    assert!(answer.err.contains("spread-procent") && answer.err.contains("spread-percent"), "{answer:?}");
    assert_eq!(in_force(&server).await, before);

    fs::write(server.config_file(), "this is no TOML = = =").expect("the file can be written");
    server.admin(&["policy", "reload"]).await.exits(1);
    assert_eq!(in_force(&server).await, before);
    let tries = server.guess_until_banned(ATTACKER, 7).await;
    assert!(tries >= 5, "the old threshold holds, but the ban came after {tries}");
}

#[tokio::test]
async fn f_19_a_broken_half_written_or_missing_component_changes_nothing_and_says_why() {
    let (server, component) = with_component_file().await;
    let before = in_force(&server).await;
    let whole = fs::read(&component).expect("the component can be read");
    let wrongs: [&[u8]; 4] = [b"", b"no component at all", &whole[..whole.len() / 2], b"\0asm\x01\0\0\0"];
    for wrong in wrongs {
        replace(&component, wrong);
        let answer = server.admin(&["policy", "reload"]).await.exits(1);
        assert!(answer.err.contains("brute-force"), "{answer:?}");
        assert_eq!(in_force(&server).await, before);
    }
    fs::remove_file(&component).expect("the component can be removed");
    server.admin(&["policy", "reload"]).await.exits(1);
    fs::create_dir(&component).expect("a folder can be made");
    server.admin(&["policy", "reload"]).await.exits(1);
    assert_eq!(in_force(&server).await, before);
    server.guess_until_banned(ATTACKER, 7).await;

    fs::remove_dir(&component).expect("the folder can be removed");
    replace(&component, &whole);
    server.admin(&["policy", "reload"]).await.good();
}

#[tokio::test]
async fn a_setting_that_the_policy_refuses_changes_nothing_and_says_why() {
    let (mut server, component) = with_component_file().await;
    let before = in_force(&server).await;
    limit(&mut server.config, &component, 0);
    server.rewrite();
    let answer = server.admin(&["policy", "reload"]).await.exits(1);
    assert!(answer.err.contains("limit"), "{answer:?}");
    assert_eq!(in_force(&server).await, before);
}

#[tokio::test]
async fn sighup_and_the_admin_command_reload_too() {
    // Long enough that the watcher is not who reloads.
    let mut server = Server::prepared(|config| {
        config.set("policies.reload-quiet", "1m");
    })
    .await;
    let component = server.folder().join("brute-force.wasm");
    fs::copy(place::guest("brute-force"), &component).expect("the component can be copied");
    limit(&mut server.config, &component, 5);
    server.rewrite();
    server.start().await;

    let first = in_force(&server).await;
    limit(&mut server.config, &component, 4);
    server.rewrite();
    server.process().signal(Signal::HUP);
    changed_since(&server, &first).await;

    let second = in_force(&server).await;
    limit(&mut server.config, &component, 3);
    server.rewrite();
    server.admin(&["policy", "reload"]).await.good();
    assert_ne!(in_force(&server).await, second, "the command answers when the new one is in force");
}
