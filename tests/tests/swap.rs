//! The policy's threshold and its component change while 1 GiB is on its way: both are live within a second,
//! and every byte is right. In a file of its own, so that nothing else runs beside what is timed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use portcullis::moment::Moment;
use tests::client::{Client, DataTls};
use tests::config::replace;
use tests::deadline::{self, LATE};
use tests::swap::{another_build, changed_since, in_force, limit, with_component_file};
use tests::tree;
use tokio::sync::watch;

const BLOCK: usize = 1024 * 1024;
const BLOCKS: u64 = 1024;
const ATTACKER: &str = "127.0.0.2";

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
    let changed = Moment::now();
    server.rewrite();
    let with_limit_2 = changed_since(&server, &old).await;
    let edited = changed.until(with_limit_2.since);
    assert_eq!(old.component, with_limit_2.component, "the component is the same");
    let tries = server.guess_until_banned(ATTACKER, 4).await;
    assert!((2..=4).contains(&tries), "the new threshold of 2 banned after {tries}");

    let bytes = another_build(&component);
    let changed = Moment::now();
    replace(&component, &bytes);
    let now = changed_since(&server, &with_limit_2).await;
    let swapped = changed.until(now.since);
    assert_ne!(now.component, with_limit_2.component, "the component is another");
    server.guess_until_banned("127.0.0.5", 4).await;
    let ban = server.admin(&["bans", "explain", "127.0.0.5"]).await.good().out;
    assert!(ban.contains(&now.component), "the ban names the new component {}:\n{ban}", now.component);

    assert!(!download.is_finished(), "the download was still under way");
    full_speed.send(true).expect("the download listens");
    deadline::within(LATE, "the end of the download", download).await.expect("every byte was right");
    println!("live after: setting {edited:?}, component {swapped:?}");
    assert!(edited < Duration::from_secs(1), "the setting was live after {edited:?}");
    assert!(swapped < Duration::from_secs(1), "the component was live after {swapped:?}");
}
