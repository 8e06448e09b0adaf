//! A disk that hangs: who has files there is told so, and nobody else notices.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use tests::client::DataTls;
use tests::config::PASSWORD;
use tests::deadline::{self, SOON};
use tests::hanging::{BIG_BYTES, CONTENT, Hanging};
use tests::server::{self, Server};

const HERE: &str = "127.0.0.1";
const OTHERS: &str = "127.0.0.2";

/// How long the disk may take, and how many threads may wait for it.
const DISK: Duration = Duration::from_secs(1);
const WORKERS: usize = 4;
/// More than threads that may wait, and than those that serve all sessions.
const STUCK: usize = 12;

/// A server with `stuck`, whose home is on a file system that can hang, `above`, who has that mounted in a home on
/// another, and the harness's user on that other.
async fn with_two_disks() -> (Server, Hanging) {
    let mut server = Server::prepared(|config| {
        config.set("timeouts.disk", "1s").set("files.workers-per-disk", i64::try_from(WORKERS).expect("small"));
    })
    .await;
    let users = server.folder().join("users.toml");
    let hash = server::password_hash().await;
    let row = |name: &str, home: &str| format!("[[user]]\nname = '{name}'\npassword = '{hash}'\nhome = '{home}'\n");
    let all = row("demo", "root") + &row("stuck", "shelf/mount") + &row("above", "shelf");
    fs::write(&users, all).expect("users");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("a mode");
    let at = server.folder().join("shelf/mount");
    fs::create_dir_all(&at).expect("a folder");
    let disk = Hanging::mount(&at);
    server.start().await;
    (server, disk)
}

/// Everything that somebody with files on a good disk does; the longest that one of it took.
async fn bystander(server: &Server, name: &str) -> Duration {
    let mut longest = Duration::ZERO;
    for round in 0..3 {
        let started = Instant::now();
        let mut client = server.enter(OTHERS).await;
        client.upload(&format!("{name}-{round}"), b"mine").await.expect(226);
        assert_eq!(client.download(&format!("{name}-{round}")).await, b"mine");
        client.command(&format!("SIZE {name}-{round}")).await.expect(213);
        let listed = client.open_data("LIST", &DataTls::Resuming).await.read_all().await;
        client.reply().await.expect(226);
        assert!(String::from_utf8_lossy(&listed).contains(name));
        longest = longest.max(started.elapsed());
    }
    longest
}

#[tokio::test]
async fn f_24_a_disk_that_hangs_stops_nobody_whose_files_are_elsewhere() {
    let (mut server, disk) = with_two_disks().await;
    let mut clients = Vec::new();
    for _ in 0..STUCK {
        clients.push(server.enter_as(HERE, "stuck").await);
    }
    assert_eq!(clients[0].download("file").await, CONTENT, "while it answers");
    let mut downloading = server.enter_as(HERE, "stuck").await;
    let mut data = downloading.open_data("RETR big", &DataTls::Resuming).await;
    let mut room = vec![0; 1000];
    assert!(data.read(&mut room).await > 0);

    let mut above = server.enter_as(HERE, "above").await;
    fs::write(server.folder().join("shelf/own"), "mine").expect("a file");
    assert_eq!(above.download("mount/file").await, CONTENT, "while it answers");

    disk.freeze();
    let commands = ["SIZE file", "MDTM file", "CWD /", "DELE file", "MLST file", "HASH file"];
    let asked = clients.into_iter().zip(commands.into_iter().cycle()).map(|(mut client, command)| async move {
        let started = Instant::now();
        let reply = client.command(command).await;
        assert_eq!(reply.code, 451, "{command}: {reply}");
        // The wait for a thread counts.
        assert!(started.elapsed() >= DISK, "{command}");
        client
    });
    let stuck: Vec<_> = asked.map(tokio::spawn).collect();
    deadline::until(SOON, "threads that wait for the disk", || (disk.waiting() > 0).then_some(())).await;
    let (longest, reply) = tokio::join!(bystander(&server, "beside"), async {
        let _ = data.try_read_all().await;
        downloading.reply().await
    });
    assert_eq!(reply.code, 451, "the download: {reply}");
    above.command("SIZE mount/file").await.expect(451);
    assert_eq!(above.download("own").await, b"mine", "what is in the caches of a good disk is told at once");
    let mut clients = Vec::new();
    for client in stuck {
        clients.push(client.await.expect("451 in time"));
    }
    let waiting = disk.waiting();
    assert!((1..=2 * WORKERS).contains(&waiting), "{waiting} threads wait for the disk, and for what holds it");

    // All its threads are held by now: its users cannot come in, others can, and as fast as before.
    let (refused, again) = tokio::join!(server.try_login(HERE, "stuck", PASSWORD), bystander(&server, "beside-again"));
    refused.expect("an answer").expect(530);
    let mut client = clients.pop().expect("many");
    for command in ["RETR file", "LIST"] {
        match client.try_open_data(command, &DataTls::Resuming).await {
            Err(reply) => assert_eq!(reply.code, 451, "{command}: {reply}"),
            Ok(_) => panic!("{command} was opened"),
        }
    }
    assert!(disk.waiting() <= 2 * WORKERS);
    disk.thaw();
    let alone = bystander(&server, "alone").await;
    let bound = alone * 5 + DISK;
    assert!(longest < bound && again < bound, "{longest:?} and {again:?} beside it, {alone:?} without");

    // It answers again: so does all that was waiting.
    let size = async || {
        let reply = client.command("SIZE big").await;
        (reply.code == 213 && reply.text().contains(&BIG_BYTES.to_string())).then_some(())
    };
    deadline::until_asked(SOON, "the disk to be used again", size).await;
    assert_eq!(client.download("file").await, CONTENT);
    assert_eq!(server.enter_as(HERE, "stuck").await.download("file").await, CONTENT);
    above.command("SIZE mount/file").await.expect(213);
    let told = |message: &str| server.log().iter().filter(|line| line.message().starts_with(message)).count();
    let all = || (told("files.disk-answers") == 2).then_some(());
    deadline::until(SOON, "the log to say that both answer", all).await;
    assert_eq!(told("files.disk-hangs"), 2, "told once each");
    drop(disk);
    assert_eq!(server.stop().await, Some(0));
}
