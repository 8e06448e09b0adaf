//! Policies and settings change under a running server; nobody who is at work notices.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tests::client::{Client, DataTls};
use tests::config::{Config, replace};
use tests::deadline::{self, LATE, SOON};
use tests::place;
use tests::server::Server;
use tests::tree;
use tokio::sync::watch;

const BLOCK: usize = 1024 * 1024;
const BLOCKS: u64 = 1024;
const ATTACKER: &str = "127.0.0.2";

/// A server whose `brute-force` comes from a file of its own, and that file.
async fn with_component_file() -> (Server, PathBuf) {
    let mut server = Server::prepared(|_| {}).await;
    let component = server.folder().join("brute-force.wasm");
    fs::copy(place::guest("brute-force"), &component).expect("the component can be copied");
    limit(&mut server.config, &component, 5);
    server.rewrite();
    server.start().await;
    (server, component)
}

/// Configures `brute-force` with a threshold.
fn limit(config: &mut Config, component: &Path, limit: u32) {
    config.no_policies().policy(&format!(
        "name = 'brute-force'\nsource = 'file:{}'\nsettings = {{ limit = {limit} }}",
        component.display()
    ));
}

/// The same component under another digest: a custom section more, which every engine skips.
fn another_build(component: &Path) -> Vec<u8> {
    let mut bytes = fs::read(component).expect("the component can be read");
    let name = b"built-again";
    bytes.push(0);
    bytes.push(u8::try_from(name.len() + 1).expect("small"));
    bytes.push(u8::try_from(name.len()).expect("small"));
    bytes.extend_from_slice(name);
    bytes
}

/// What is in force: digest of the component, digest of the settings.
async fn in_force(server: &Server) -> (String, String) {
    let rows = server.admin(&["policy", "list", "--json"]).await.good().json();
    let rows = rows.as_array().expect("a list of policies");
    let row = rows.iter().find(|row| row["name"] == "brute-force").unwrap_or(&Value::Null);
    let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}")).to_owned();
    (text("digest"), text("settings_digest"))
}

/// Waits until something else is in force; how long that took.
async fn changed_since(server: &Server, before: &(String, String), changed: Instant) -> Duration {
    deadline::until_asked(SOON, "the new policy in force", async || {
        (in_force(server).await != *before).then(|| changed.elapsed())
    })
    .await
}

/// Writes a file of 1 GiB whose every block tells its number.
fn big_file(path: &Path) {
    let mut file = File::create(path).expect("the file can be made");
    let mut block = tree::content(42, BLOCK);
    for number in 0..BLOCKS {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("there is room for 1 GiB");
    }
}

/// Downloads it and checks every byte; slowly until told that there is nothing more to disturb it.
async fn download_and_check(mut client: Client, mut pace: watch::Receiver<bool>, begun: watch::Sender<bool>) {
    let mut data = client.open_data("RETR big", &DataTls::Resuming).await;
    let mut expected = tree::content(42, BLOCK);
    let mut block = Vec::with_capacity(BLOCK + 128 * 1024);
    let mut room = vec![0u8; 128 * 1024];
    let mut number = 0u64;
    loop {
        let count = data.read(&mut room).await;
        if count == 0 {
            break;
        }
        block.extend_from_slice(&room[..count]);
        while block.len() >= BLOCK {
            expected[..8].copy_from_slice(&number.to_le_bytes());
            assert!(block[..BLOCK] == expected[..], "block {number} is not what the file holds");
            block.drain(..BLOCK);
            number += 1;
            let _ = begun.send(true);
            if !*pace.borrow_and_update() {
                deadline::pace(Duration::from_millis(5)).await;
            }
        }
    }
    assert_eq!((number, block.len()), (BLOCKS, 0), "all of it came");
    client.reply().await.expect(226);
    client.command("QUIT").await.expect(221);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threshold_and_component_change_during_a_download_of_1_gib() {
    let (mut server, component) = with_component_file().await;
    big_file(&server.root().join("big"));
    let client = server.enter("127.0.0.9").await;
    let (full_speed, pace) = watch::channel(false);
    let (begun, mut is_begun) = watch::channel(false);
    let download = tokio::spawn(download_and_check(client, pace, begun));
    is_begun.wait_for(|begun| *begun).await.expect("the download begins");

    let old = in_force(&server).await;
    limit(&mut server.config, &component, 2);
    let changed = Instant::now();
    server.rewrite();
    let edited = changed_since(&server, &old, changed).await;
    let with_limit_2 = in_force(&server).await;
    assert_eq!(old.0, with_limit_2.0, "the component is the same");
    let tries = server.guess_until_banned(ATTACKER, 4).await;
    assert!((2..=4).contains(&tries), "the new threshold of 2 banned after {tries}");

    let bytes = another_build(&component);
    let changed = Instant::now();
    replace(&component, &bytes);
    let swapped = changed_since(&server, &with_limit_2, changed).await;
    let now = in_force(&server).await;
    assert_ne!(now.0, with_limit_2.0, "the component is another");
    server.guess_until_banned("127.0.0.5", 4).await;
    let ban = server.admin(&["bans", "explain", "127.0.0.5"]).await.good().out;
    assert!(ban.contains(&now.0[..12]), "the ban names the new component {}:\n{ban}", now.0);

    assert!(!download.is_finished(), "the download was still under way");
    full_speed.send(true).expect("the download listens");
    deadline::within(LATE, "the end of the download", download).await.expect("every byte was right");
    println!("live after: setting {edited:?}, component {swapped:?}");
    assert!(edited < Duration::from_secs(1), "the setting was live after {edited:?}");
    assert!(swapped < Duration::from_secs(1), "the component was live after {swapped:?}");
}

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
    changed_since(&server, &first, Instant::now()).await;

    let second = in_force(&server).await;
    limit(&mut server.config, &component, 3);
    server.rewrite();
    server.admin(&["policy", "reload"]).await.good();
    assert_ne!(in_force(&server).await, second, "the command answers when the new one is in force");
}
