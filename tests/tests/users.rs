//! The file of users, as its users meet it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::{Duration, Instant};

use tests::client::{Client, DataTls};
use tests::config::{Config, PASSWORD};
use tests::server::{self, Server};

const HERE: &str = "127.0.0.1";

/// A server whose file of users is `users`; `HASH` stands for the hash of the harness's password. The
/// folders `root`, `home` and `shared` are there.
async fn with_users(users: &str, change: impl FnOnce(&mut Config)) -> Server {
    let mut server = Server::prepared(change).await;
    for folder in ["home", "shared"] {
        fs::create_dir_all(server.folder().join(folder)).expect("a folder");
    }
    write_users(&server, users).await;
    server.start().await;
    server
}

async fn write_users(server: &Server, users: &str) {
    let place = server.folder().join("users.toml");
    let draft = server.folder().join("users.draft");
    fs::write(&draft, users.replace("HASH", server::password_hash().await)).expect("a draft");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(&draft, &place).expect("the users can be replaced");
}

async fn refused(client: &mut Client, command: &str, code: u16) {
    match client.try_open_data(command, &DataTls::Resuming).await {
        Err(reply) => assert_eq!(reply.code, code, "{command}: {reply}"),
        Ok(_) => panic!("{command} was opened"),
    }
}

#[tokio::test]
async fn a_drop_box_takes_new_files_and_shows_changes_and_gives_nothing() {
    let users = "[[user]]\nname = 'box'\npassword = 'HASH'\nhome = 'home'\npermissions = ['write', 'mkdir']\n";
    let server = with_users(users, |_| {}).await;
    let mut client = server.enter_as(HERE, "box").await;
    client.command("MKD in").await.expect(257);
    client.upload("in/new", b"mine").await.expect(226);
    for command in ["RETR in/new", "LIST", "MLSD in", "STOR in/new", "APPE in/new"] {
        refused(&mut client, command, 550).await;
    }
    for command in ["DELE in/new", "RMD in", "RNFR in/new"] {
        client.command(command).await.expect(550);
    }
    let facts = client.command("MLST in/new").await.expect(250).text();
    assert!(facts.contains("perm=;"), "T-59: {facts}");
    assert_eq!(fs::read(server.folder().join("home/in/new")).expect("the file"), b"mine");
}

#[tokio::test]
async fn anonymous_reads_and_changes_nothing_and_is_off_by_default() {
    let server = with_users("", |config| {
        config
            .set("users.anonymous.enabled", true)
            .set("users.anonymous.home", "shared")
            .set("users.anonymous.refused-passwords", vec!["*@bots.example"]);
    })
    .await;
    fs::write(server.folder().join("shared/file"), "for all").expect("a file");
    for name in ["anonymous", "ftp", "Anonymous"] {
        let mut client = server.protected(HERE).await;
        client.log_in(name, "me@").await.expect("an answer").expect(230);
        client.protect_data().await;
        assert_eq!(client.download("file").await, b"for all");
        refused(&mut client, "STOR new", 550).await;
        client.command("DELE file").await.expect(550);
        let facts = client.command("MLST file").await.expect(250).text();
        assert!(facts.contains("perm=r;"), "T-59: {facts}");
    }
    server.try_login("127.0.0.2", "ftp", "x@bots.example").await.expect("an answer").expect(530);
    server
        .logged("the cause", |line| line.message() == "login.failed" && line.text("cause") == "AnonymousRefused")
        .await;

    let closed = with_users("", |_| {}).await;
    closed.try_login(HERE, "anonymous", "me@").await.expect("an answer").expect(530);
}

/// The name of a user, and a row of the file that lets the user in.
fn row(name: &str, more: &str) -> String {
    format!("[[user]]\nname = '{name}'\npassword = 'HASH'\nhome = 'home'\n{more}\n")
}

#[tokio::test]
async fn hashes_that_people_bring_let_them_in() {
    let user = |name: &str, hash: &str| format!("[[user]]\nname = '{name}'\npassword = '{hash}'\nhome = 'home'\n");
    let users = [
        user("five", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
        user(
            "six",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        user("two", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        row("argon", ""),
    ];
    let server = with_users(&users.concat(), |_| {}).await;
    for (name, password) in [("five", "Hello world!"), ("six", "Hello world!"), ("two", "U*U"), ("argon", PASSWORD)] {
        server.try_login(HERE, name, password).await.expect("an answer").expect(230);
    }
    server.try_login("127.0.0.2", "six", "hello world!").await.expect("an answer").expect(530);
}

#[tokio::test]
async fn a_change_of_the_users_is_live_and_ends_the_sessions_of_those_who_were_removed() {
    let users = [row("alice", ""), row("bob", ""), row("carol", "")].concat();
    let mut server = with_users(&users, |_| {}).await;
    let (mut alice, mut bob, mut carol) = (
        server.enter_as(HERE, "alice").await,
        server.enter_as(HERE, "bob").await,
        server.enter_as(HERE, "carol").await,
    );
    let changed = [row("alice", "read-only = true"), row("bob", "enabled = false"), row("dave", "")].concat();
    write_users(&server, &changed).await;
    bob.reply().await.expect(421);
    carol.reply().await.expect(421);
    assert!(bob.try_command("NOOP").await.is_none());
    alice.upload("kept", b"what a session may do it may to its end").await.expect(226);
    for (name, code) in [("bob", 530), ("carol", 530), ("dave", 230)] {
        server.try_login("127.0.0.2", name, PASSWORD).await.expect("an answer").expect(code);
    }
    let mut again = server.enter_as(HERE, "alice").await;
    refused(&mut again, "STOR new", 550).await;
    server.logged("the outcome", |line| line.is_outcome() && line.text("outcome") == "revoked").await;

    write_users(&server, "[[user]]\nname = 'eve'\npasword = 'x'\nhome = 'nowhere'\n").await;
    server.process().signal(rustix::process::Signal::HUP);
    let told = |what: &'static str| move |line: &tests::log::Line| line.raw.contains(what);
    server.logged("the mistake", told("unknown key `user[0].pasword`")).await;
    server.logged("the place", told("users.toml:3")).await;
    let answer = server.admin(&["policy", "reload"]).await.exits(1);
    assert!(answer.err.contains("did you mean `password`?") && answer.err.contains("nowhere"), "{answer:?}");
    alice.command("NOOP").await.expect(200);
    server.try_login("127.0.0.3", "dave", PASSWORD).await.expect("the old users are in force").expect(230);
}

#[tokio::test]
async fn sessions_of_removed_users_go_on_where_the_operator_says_so() {
    let server = with_users(&[row("alice", ""), row("bob", "")].concat(), |config| {
        config.set("users.end-removed", false);
    })
    .await;
    let mut bob = server.enter_as(HERE, "bob").await;
    write_users(&server, &row("alice", "")).await;
    server.logged("the reload", |line| line.message() == "reload.done").await;
    server.try_login("127.0.0.2", "bob", PASSWORD).await.expect("an answer").expect(530);
    bob.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn who_comes_from_elsewhere_or_too_late_reads_what_a_wrong_password_reads() {
    let users =
        [row("office", "networks = ['127.0.0.5']"), row("past", "expires = 2020-01-01"), row("off", "enabled = false")];
    let server = with_users(&users.concat(), |_| {}).await;
    let mut replies = Vec::new();
    for (name, password) in [("office", PASSWORD), ("past", PASSWORD), ("off", PASSWORD), ("office", "wrong")] {
        let from = format!("127.0.0.{}", 10 + replies.len());
        let reply = server.try_login(&from, name, password).await.expect("an answer").expect(530);
        replies.push(reply.text());
    }
    replies.dedup();
    assert_eq!(replies.len(), 1, "S-20: {replies:?}");
    server.try_login("127.0.0.5", "office", PASSWORD).await.expect("an answer").expect(230);
}

#[tokio::test]
async fn a_virtual_folder_is_listed_and_has_its_own_permissions() {
    let folder = "folders = [{ path = '/shared', to = 'shared', permissions = ['list', 'read'] }]";
    let server = with_users(&row("alice", folder), |_| {}).await;
    fs::write(server.folder().join("shared/news"), "for all").expect("a file");
    let mut client = server.enter_as(HERE, "alice").await;
    let mut data = client.open_data("MLSD", &DataTls::Resuming).await;
    let listing = String::from_utf8_lossy(&data.read_all().await).into_owned();
    client.reply().await.expect(226);
    assert!(listing.contains("type=dir;perm=el;") && listing.ends_with(" shared\r\n"), "{listing}");
    client.command("CWD shared").await.expect(250);
    assert_eq!(client.download("news").await, b"for all");
    refused(&mut client, "STOR own", 550).await;
    client.command("RNFR /shared").await.expect(550);
    client.command("CWD ../..").await.expect(250);
    client.upload("own", b"x").await.expect(226);
}

#[tokio::test]
async fn sessions_and_transfers_of_a_user_are_bounded_and_others_do_not_notice() {
    let limits = "limits = { sessions = 3, sessions-per-address = 2, transfers = 1 }";
    let server = with_users(&[row("alice", limits), row("bob", "")].concat(), |_| {}).await;
    let (mut one, mut two) = (server.enter_as(HERE, "alice").await, server.enter_as(HERE, "alice").await);
    let full = server.try_login(HERE, "alice", PASSWORD).await.expect("an answer").expect(421);
    assert!(full.text().contains("Too many connections"), "lftp waits and tries again at these words: {full}");
    let mut third = server.protected("127.0.0.2").await;
    third.log_in("alice", PASSWORD).await.expect("an answer").expect(230);
    server.try_login("127.0.0.3", "alice", PASSWORD).await.expect("an answer").expect(421);
    server.try_login("127.0.0.3", "bob", PASSWORD).await.expect("an answer").expect(230);

    let mut slow = one.open_data("STOR slow", &DataTls::Resuming).await;
    refused(&mut two, "STOR other", 450).await;
    let mut data = two.open_data("LIST", &DataTls::Resuming).await;
    data.read_all().await;
    two.reply().await.expect(226);
    slow.close().await;
    one.reply().await.expect(226);
    two.upload("other", b"x").await.expect(226);
    third.command("QUIT").await.expect(221);
    tests::deadline::until_asked(tests::deadline::SOON, "a place for the next", async || {
        let reply = server.try_login("127.0.0.3", "alice", PASSWORD).await.expect("an answer");
        (reply.code == 230).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_slow_lane_is_slow_both_ways_and_the_neighbours_is_not() {
    let limits = "limits = { download = '200 KiB', upload = '200 KiB' }";
    let server = with_users(&[row("slow", limits), row("fast", "")].concat(), |_| {}).await;
    let bytes = tests::tree::content(3, 150 * 1024);
    let (mut slow, mut fast) = (server.enter_as(HERE, "slow").await, server.enter_as(HERE, "fast").await);
    let timed = async |client: &mut Client, name: &str| {
        let started = Instant::now();
        client.upload(name, &bytes).await.expect(226);
        let up = started.elapsed();
        assert_eq!(client.download(name).await, bytes);
        (up, started.elapsed() - up)
    };
    let ((up, down), (fast_up, fast_down)) = tokio::join!(timed(&mut slow, "a"), timed(&mut fast, "b"));
    // 150 KiB at 200 KiB a second, of which a tenth of a second's worth may go at once.
    let least = Duration::from_millis(600);
    assert!(up >= least && down >= least, "{up:?} {down:?}");
    assert!(fast_up + fast_down < up + down, "{fast_up:?} {fast_down:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_14_a_thousand_logins_at_once_move_nobody_who_is_in() {
    // crypt's hash at twice its usual cost: milliseconds, as the check of a password is everywhere.
    let hash = "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA";
    let users = [row("in", ""), format!("[[user]]\nname = 'many'\npassword = '{hash}'\nhome = 'home'\n")].concat();
    let server = with_users(&users.replace("'HASH'", &format!("'{hash}'")), |config| {
        config
            .set("tls.required", false)
            .set("limits.connections", 1200)
            .set("limits.connections-per-address", 1200)
            .set("limits.unauthenticated", 1200)
            .set("limits.unauthenticated-per-address", 1200)
            .no_policies();
    })
    .await;
    let mut inside = server.welcome(HERE).await;
    inside.log_in("in", "Hello world!").await.expect("an answer").expect(230);
    let mut waiting = Vec::new();
    for _ in 0..1000 {
        let mut client = server.welcome("127.0.0.2").await;
        client.command("USER many").await.expect(331);
        client.send(b"PASS Hello world!\r\n").await.expect("sent");
        waiting.push(client);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let started = Instant::now();
        inside.command("NOOP").await.expect(200);
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "a NOOP took {slowest:?} beside them");
    for mut client in waiting {
        client.reply().await.expect(230);
    }
}

#[tokio::test]
async fn s_51_a_quota_stops_an_upload_and_a_deletion_makes_room() {
    let limits = "limits = { quota = '100 KiB', quota-files = 3 }";
    let mut server = with_users(&row("alice", limits), |_| {}).await;
    fs::write(server.folder().join("home/there"), vec![0; 60 * 1024]).expect("a file");
    let mut client = server.enter_as(HERE, "alice").await;
    let bytes = tests::tree::content(5, 80 * 1024);
    client.upload("big", &bytes).await.expect(552);
    assert!(!server.folder().join("home/big").exists(), "nothing is left of it");
    client.upload("small", &bytes[..30 * 1024]).await.expect(226);
    client.command("ALLO 20480").await.expect(552);
    let room = client.command("AVBL").await.expect(213).text();
    assert_eq!(room, "213 10240", "what is left of the quota");
    client.command("MKD one").await.expect(257);
    client.command("MKD two").await.expect(552);
    client.command("DELE there").await.expect(250);
    client.upload("small", &bytes).await.expect(226);

    server.crash_and_restart().await;
    let mut client = server.enter_as(HERE, "alice").await;
    client.upload("again", &bytes[..30 * 1024]).await.expect(552);
    client.upload("again", &bytes[..10 * 1024]).await.expect(226);
}

#[tokio::test]
async fn s_51_a_full_disk_is_told_as_such_and_leaves_nothing() {
    let mut server = Server::prepared(|config| {
        config.set("log.level", "warn");
    })
    .await;
    // No file grows beyond 32 MiB, as on a disk that is full there; the engine's own are smaller.
    server.start_behind("trap '' XFSZ; ulimit -f 65536").await;
    let mut client = server.enter(HERE).await;
    let bytes = tests::tree::content(9, 33 * 1024 * 1024);
    client.upload("file", &bytes[..1000]).await.expect(226);
    client.upload("file", &bytes).await.expect(452);
    assert_eq!(fs::read_dir(server.root()).expect("the root").count(), 1, "nothing is left of it");
    assert_eq!(client.download("file").await, &bytes[..1000], "the old file is as it was");
    let mut data = client.open_data("APPE file", &DataTls::Resuming).await;
    data.write_all(&bytes).await;
    data.close().await;
    client.reply().await.expect(452);
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn each_transfer_is_a_line_in_both_logs_which_a_signal_opens_anew() {
    let mut server = Server::serve_with(|config| {
        config.set("log.xferlog", "xfer.log").set("log.transfers", "transfers.json");
    })
    .await;
    let (xferlog, json) = (server.folder().join("xfer.log"), server.folder().join("transfers.json"));
    let lines = |place: &std::path::Path| -> Vec<String> {
        fs::read_to_string(place).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let mut client = server.enter(HERE).await;
    client.upload("evil name\u{202e}", b"12345").await.expect(226);
    assert_eq!(client.download("evil name\u{202e}").await, b"12345");
    let mut data = client.open_data("STOR half", &DataTls::Resuming).await;
    data.write_all(b"123").await;
    client.send(b"ABOR\r\n").await.expect("sent");
    client.reply().await.expect(426);
    client.reply().await.expect(226);

    let told = tests::deadline::until(tests::deadline::SOON, "three lines", || {
        let told = lines(&xferlog);
        (told.len() == 3 && lines(&json).len() == 3).then_some(told)
    })
    .await;
    let ends = ["b _ i r demo ftp 0 * c", "b _ o r demo ftp 0 * c", "b _ i r demo ftp 0 * i"];
    for (line, end) in told.iter().zip(ends) {
        assert!(line.ends_with(end) && line.split(' ').filter(|field| !field.is_empty()).count() == 18, "S-38: {line}");
    }
    assert!(told[0].contains(" 127.0.0.1 5 /evil_name_ b "), "S-37: {}", told[0]);
    let rows: Vec<serde_json::Value> =
        lines(&json).iter().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!(
        (&rows[0]["direction"], &rows[0]["bytes"], &rows[0]["complete"]),
        (&"upload".into(), &5.into(), &true.into())
    );
    assert_eq!((&rows[1]["direction"], &rows[1]["protected"]), (&"download".into(), &true.into()));
    assert_eq!((&rows[2]["end"], &rows[2]["complete"]), (&"aborted".into(), &false.into()));

    fs::rename(&xferlog, server.folder().join("xfer.log.1")).expect("rotate");
    server.process().signal(rustix::process::Signal::HUP);
    tests::deadline::until(tests::deadline::SOON, "the new file", || xferlog.exists().then_some(())).await;
    client.upload("later", b"x").await.expect(226);
    tests::deadline::until(tests::deadline::SOON, "a line in it", || (lines(&xferlog).len() == 1).then_some(())).await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn f_29_nobody_waits_for_a_log_that_nobody_reads() {
    let mut server = Server::prepared(|config| {
        config.set("log.level", "trace").set("log.queue", 16);
    })
    .await;
    // The server's log is a pipe, which holds 64 KiB; a connection is a line or more.
    let place = server.folder().join("server.log");
    tests::program::Program::new("mkfifo").arg(&place).run().await.good();
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut pipe = fs::File::options().read(true).write(true).custom_flags(flags).open(&place).expect("a pipe");
    server.start().await;
    for _ in 0..400 {
        server.welcome(HERE).await.command("QUIT").await.expect(221);
    }
    // Whoever reads again is told how much is missing.
    let (mut words, mut room) = (Vec::new(), vec![0; 64 * 1024]);
    tests::deadline::until_asked(tests::deadline::SOON, "the count of what is missing", async || {
        server.welcome(HERE).await.command("QUIT").await.expect(221);
        while let Ok(count @ 1..) = pipe.read(&mut room) {
            words.extend_from_slice(&room[..count]);
        }
        let text = String::from_utf8_lossy(&words);
        text.lines().any(|line| line.contains("\"log.dropped\"") && line.contains("\"lines\":")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_list_of_users_tells_everything_but_the_hashes() {
    let users = [
        "[[group]]\nname = 'staff'\nhome = 'home'\nread-only = true\n".to_owned(),
        "[[user]]\nname = 'alice'\npassword = 'HASH'\ngroup = 'staff'\nexpires = 2040-01-01\n".to_owned(),
        row("bob", "enabled = false"),
    ];
    let server = with_users(&users.concat(), |_| {}).await;
    let config = server.config_file().to_string_lossy().into_owned();
    let table = server::portcullis(&["user", "list", "--config", &config]).run().await.good().out;
    let alice = table.lines().find(|line| line.starts_with("alice")).expect("alice");
    assert!(alice.contains("staff") && alice.contains("list,read") && alice.contains("2040-01-02"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("bob") && line.contains("no")), "{table}");
    let json = server::portcullis(&["user", "list", "--config", &config, "--json"]).run().await.good();
    assert_eq!(json.json()[0]["permissions"], serde_json::json!(["list", "read"]));
    assert!(!table.contains("$argon2") && !json.out.contains("$argon2"), "no hash is shown");
}
