//! Clients that are slow, greedy, break off or come in a crowd: each has one classified end, and a client
//! who did nothing wrong notices nothing.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::client::{Client, Data, DataTls, dial};
use tests::config::{self, CHEAP_PASSWORD};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::{tls, tree};
use tokio::task::JoinSet;

const ROUGH: &str = "127.0.0.2";
const BYSTANDER: &str = "127.0.0.3";
/// Far more than the kernel keeps on the way.
const LARGE: usize = 40_000_000;

/// One byte after another, slower than anything has to be, until the server hangs up; how long that took.
async fn trickle(client: &mut Client, bytes: &[u8]) -> Duration {
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        if client.send(&[*byte]).await.is_err() || started.elapsed() > SOON {
            break;
        }
        // The server's last words and the end.
        if deadline::at_most(Duration::from_millis(100), client.drain(SOON)).await.is_some() {
            break;
        }
    }
    started.elapsed()
}

#[tokio::test]
async fn s_01_s_02_who_sends_a_byte_now_and_then_is_let_go_in_every_phase() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.handshake", "1s").set("timeouts.login", "2s").set("timeouts.idle", "2s");
    })
    .await;

    let mut before_tls = server.welcome("127.0.1.1").await;
    let mut in_handshake = server.welcome("127.0.1.2").await;
    in_handshake.command("AUTH TLS").await.expect(234);
    let mut before_login = server.protected("127.0.1.3").await;
    let mut logged_in = server.enter("127.0.1.4").await;
    let line = b"NOOOOOOOOOOOOOOOOP";
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let taken = tokio::join!(
        trickle(&mut before_tls, line),
        trickle(&mut in_handshake, hello),
        trickle(&mut before_login, line),
        trickle(&mut logged_in, line),
    );
    for taken in [taken.0, taken.1, taken.2, taken.3] {
        assert!(taken < Duration::from_secs(8), "let go after {taken:?}");
    }
    assert_eq!(server.endings("127.0.1.1", 1).await, ["login-timeout"]);
    assert_eq!(server.endings("127.0.1.2", 1).await, ["handshake-timeout"]);
    assert_eq!(server.endings("127.0.1.3", 1).await, ["login-timeout"]);
    assert_eq!(server.endings("127.0.1.4", 1).await, ["idle-timeout"]);
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_02_t_28_a_data_handshake_that_never_comes_costs_one_transfer_and_no_session() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.handshake", "1s");
    })
    .await;
    let mut client = server.enter(ROUGH).await;
    let target = client.epsv().await;
    let silent = dial(address(ROUGH), target).await.expect("the passive port accepts");
    client.command("STOR file").await.expect(150);
    client.reply().await.expect(522);
    drop(silent);
    assert!(!server.root().join("file").exists(), "nothing was stored");
    client.upload("file", b"the next one is fine").await.expect(226);
}

#[tokio::test]
async fn s_02_a_hello_in_many_small_records_is_a_hello() {
    let server = Server::serve().await;
    for versions in [tls::TLS_12, tls::TLS_13] {
        let mut small = (*tls::trusting(&server.ready().certificate, versions)).clone();
        small.max_fragment_size = Some(32);
        let mut client = server.enter_with(ROUGH, &std::sync::Arc::new(small)).await;
        client.upload("file", &tree::content(1, 10_000)).await.expect(226);
        assert!(client.download("file").await == tree::content(1, 10_000));
    }
}

#[tokio::test]
async fn s_10_who_opens_an_upload_and_sends_nothing_is_stopped_and_nothing_is_stored() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.stalled", "1s");
    })
    .await;
    let mut client = server.enter(ROUGH).await;
    let mut data = client.open_data("STOR file", &DataTls::Resuming).await;
    data.write_all(b"the first bytes").await;
    client.reply().await.expect(426);
    drop(data);
    assert_eq!(tree::read(&server.root()).len(), 0, "nothing was stored");
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn t_25_a_reset_in_mid_transfer_is_426_and_the_old_file_stays() {
    let server = Server::serve().await;
    std::fs::write(server.root().join("large"), tree::content(3, LARGE)).expect("a file");
    std::fs::write(server.root().join("old"), b"as it was").expect("a file");
    let mut bystander = server.enter(BYSTANDER).await;
    for versions in [tls::TLS_12, tls::TLS_13] {
        let mut client = server.enter_with(ROUGH, &tls::trusting(&server.ready().certificate, versions)).await;
        let mut up = client.open_data("STOR old", &DataTls::Resuming).await;
        up.write_all(&tree::content(4, 1_000_000)).await;
        up.reset();
        client.reply().await.expect(426);

        let mut down = client.open_data("RETR large", &DataTls::Resuming).await;
        down.read(&mut [0; 1000]).await;
        down.reset();
        client.reply().await.expect(426);
        client.command("QUIT").await.expect(221);
    }
    assert_eq!(std::fs::read(server.root().join("old")).expect("it is there"), b"as it was");
    let names: Vec<String> = tree::read(&server.root()).into_keys().collect();
    assert_eq!(names, ["large", "old"], "no part of an upload is left");
    assert_eq!(server.endings(ROUGH, 2).await, ["quit", "quit"]);
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_55_a_control_connection_that_is_reset_in_mid_transfer_has_one_outcome_and_leaves_nothing() {
    let mut server = Server::serve().await;
    std::fs::write(server.root().join("large"), tree::content(3, LARGE)).expect("a file");
    let mut bystander = server.enter(BYSTANDER).await;
    let before = server.process().sockets();

    let mut client = server.enter(ROUGH).await;
    let mut up: Data = client.open_data("STOR new", &DataTls::Resuming).await;
    up.write_all(&tree::content(4, 1_000_000)).await;
    client.reset();
    assert_eq!(server.endings(ROUGH, 1).await, ["broken"]);

    let mut client = server.enter("127.0.0.4").await;
    let mut down = client.open_data("RETR large", &DataTls::Resuming).await;
    down.read(&mut [0; 1000]).await;
    client.reset();
    assert_eq!(server.endings("127.0.0.4", 1).await, ["broken"]);

    drop((up, down));
    let process = server.process();
    deadline::until(SOON, "the sockets to be closed", || (process.sockets() <= before).then_some(())).await;
    let root = server.root();
    deadline::until(SOON, "the part to go", || (tree::read(&root).len() == 1).then_some(())).await;
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_51_a_file_too_large_for_the_system_is_552_or_452_and_the_server_lives_on() {
    let mut server = Server::prepared(|_| {}).await;
    // In blocks of 512 bytes: some 3 MB.
    server.start_behind("ulimit -f 6000").await;
    let mut bystander = server.enter(BYSTANDER).await;
    std::fs::write(server.root().join("old"), b"as it was").expect("a file");
    let mut client = server.enter(ROUGH).await;
    for command in ["STOR new", "STOR old", "APPE more"] {
        let mut data = client.open_data(command, &DataTls::Resuming).await;
        // The server may stop taking bytes at any of them.
        let _ = deadline::at_most(SOON, send_all(&mut data, &tree::content(5, 8_000_000))).await;
        drop(data);
        let reply = client.reply().await;
        assert!(matches!(reply.code, 452 | 552), "{command}: {reply}");
    }
    assert_eq!(std::fs::read(server.root().join("old")).expect("it is there"), b"as it was");
    assert!(!server.root().join("new").exists(), "half a file is no file");
    client.upload("new", &tree::content(6, 1_000_000)).await.expect(226);
    bystander.command("NOOP").await.expect(200);
}

/// As much as the other side takes.
async fn send_all(data: &mut Data, bytes: &[u8]) {
    use tokio::io::AsyncWriteExt;
    let _ = match data {
        Data::Clear(stream) => stream.write_all(bytes).await,
        Data::Protected(stream) => stream.write_all(bytes).await,
    };
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_sent_arrives_whole_and_one_that_is_cut_does_not_seem_whole() {
    let server = Server::serve().await;
    let bytes = tree::content(3, LARGE);
    let place = server.root().join("file");
    std::fs::write(&place, &bytes).expect("a file");
    let mut client = server.enter(ROUGH).await;
    let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
    std::fs::remove_file(&place).expect("removed");
    assert!(data.read_all().await == bytes);
    client.reply().await.expect(226);
    client.command("SIZE file").await.expect(550);

    std::fs::write(&place, &bytes).expect("a file");
    let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
    std::fs::OpenOptions::new().write(true).open(&place).and_then(|file| file.set_len(1)).expect("cut");
    let got = data.try_read_all().await;
    assert!(got.is_err(), "there is no proper end: {:?} bytes", got.map(|bytes| bytes.len()));
    let reply = client.reply().await;
    assert!(matches!(reply.code, 426 | 451 | 550), "{reply}");
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn t_53_ten_thousand_noops_at_once_get_ten_thousand_answers_and_cost_no_memory() {
    const COUNT: usize = 10_000;
    let mut server = Server::serve().await;
    let mut bystander = server.enter(BYSTANDER).await;
    let mut client = server.enter(ROUGH).await;
    let before = server.process().peak_kib();
    client.send("NOOP\r\n".repeat(COUNT).as_bytes()).await.expect("sent");
    for _ in 0..COUNT {
        client.reply().await.expect(200);
    }
    client.command("PWD").await.expect(257);
    let grown = server.process().peak_kib() - before;
    assert!(grown < 4 * 1024, "memory grew by {grown} KiB");
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_08_t_74_a_thousand_passive_ports_asked_for_in_a_row_are_one_at_a_time_and_none_at_the_end() {
    let mut server = Server::serve().await;
    let before = server.process().sockets();
    let mut client = server.enter(ROUGH).await;
    for round in 0..500 {
        client.pasv().await;
        let last = client.epsv().await;
        // Now and then somebody comes, who is never served.
        if round % 50 == 0 {
            drop(dial(address(ROUGH), last).await.expect("the passive port accepts"));
        }
        if round % 100 == 0 {
            let held = server.process().sockets();
            assert!(held <= before + 2, "{held} sockets, {before} before");
        }
    }
    client.command("ABOR").await;
    client.command("QUIT").await.expect(221);
    drop(client);
    server.endings(ROUGH, 1).await;
    let process = server.process();
    deadline::until(SOON, "the sockets to be closed", || (process.sockets() <= before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s_14_a_thousand_logins_at_once_all_succeed_and_who_is_in_is_still_answered() {
    const LOGINS: usize = 1000;
    raise_descriptors(3 * LOGINS as u64);
    let server = Server::serve_with(|config| {
        // On a machine with little to spare the last of them waits long for its hash.
        config.set("timeouts.login", "10m").set("timeouts.idle", "10m").set("log.level", "info");
        config.set("limits.connections", 2000).set("limits.unauthenticated", 2000);
    })
    .await;
    let mut bystander = server.enter(BYSTANDER).await;
    let tls = server.tls();
    let mut waiting = Vec::with_capacity(LOGINS);
    for number in 0..LOGINS {
        let mut client = server.welcome(&format!("127.1.7.{}", 1 + number / 4)).await;
        client.upgrade(&tls).await;
        client.command(&format!("USER {}", server.user())).await.expect(331);
        waiting.push(client);
    }
    let mut all = JoinSet::new();
    for mut client in waiting {
        let password = server.password().to_owned();
        all.spawn(async move {
            client.send(format!("PASS {password}\r\n").as_bytes()).await.expect("sent");
            let replies = deadline::within(deadline::LATE, "the login", client.await_reply()).await;
            replies.expect("an answer").expect(230);
            client
        });
    }
    let mut slowest = Duration::ZERO;
    let mut ins = Vec::with_capacity(LOGINS);
    while ins.len() < LOGINS {
        let started = Instant::now();
        bystander.command("NOOP").await.expect(200);
        slowest = slowest.max(started.elapsed());
        while let Some(done) = all.try_join_next() {
            ins.push(done.expect("a login"));
        }
        deadline::pace(Duration::from_millis(20)).await;
    }
    println!("the slowest answer of a session that was in took {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "it took {slowest:?}");
    assert_eq!(server.log().iter().filter(|line| line.is_outcome()).count(), 0, "nobody was turned away");
}

/// A session's worth, in KiB of the server's memory.
const SESSION_KIB_MAX: f64 = 16.0;

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_sessions_take_less_than_16_kib_each_and_leave_nothing_behind() {
    const SESSIONS: usize = 5000;
    raise_descriptors(2 * SESSIONS as u64);
    let mut server = Server::prepared(|config| {
        config.set("timeouts.idle", "1h").set("log.level", "warn").set("server.backlog", 4096);
        config.set("limits.connections", 6000).set("limits.unauthenticated", 6000);
        config.set("limits.connections-per-address", 1000).set("limits.unauthenticated-per-address", 1000);
    })
    .await;
    config::make_password_cheap(server.folder());
    server.start().await;
    // What the first clients find must be made once.
    drop(crowd(&server, 50).await);
    let before = server.process().own_kib();
    let mut figures = Vec::new();
    for _ in 0..2 {
        let mut sessions = crowd(&server, SESSIONS).await;
        let with = server.process().own_kib();
        sessions[SESSIONS / 2].command("NOOP").await.expect(200);
        drop(sessions);
        let (process, few) = (server.process(), 100);
        deadline::until(SOON, "the sockets to be closed", || (process.sockets() < few).then_some(())).await;
        figures.push((with, server.process().own_kib()));
    }
    let each = |with: u64| with.saturating_sub(before) as f64 / SESSIONS as f64;
    println!("{before} KiB before; with {SESSIONS} sessions and after, twice: {figures:?} KiB");
    println!("{:.1} KiB and {:.1} KiB for each session", each(figures[0].0), each(figures[1].0));
    assert!(each(figures[0].0) < SESSION_KIB_MAX, "{:.1} KiB for each session", each(figures[0].0));
    // Memory that was given back is used again.
    assert!(figures[1].0 < figures[0].0 + figures[0].0 / 20, "the second crowd takes more: {figures:?}");
}

/// Sessions under TLS, logged in, half of them with TLS 1.2.
async fn crowd(server: &Server, count: usize) -> Vec<Client> {
    const AT_ONCE: usize = 40;
    let (target, user) = (server.address(), server.user().to_owned());
    let kinds = [tls::TLS_12, tls::TLS_13].map(|versions| tls::trusting(&server.ready().certificate, versions));
    let mut all = JoinSet::new();
    let mut ins = Vec::with_capacity(count);
    for number in 0..count {
        if all.len() >= AT_ONCE {
            ins.push(all.join_next().await.expect("one").expect("a session"));
        }
        let (tls, user) = (kinds[number % 2].clone(), user.clone());
        let source = address(&format!("127.2.0.{}", 1 + number % 20));
        all.spawn(async move {
            let (mut client, greeting) = Client::greeted(source, target).await;
            greeting.expect("a greeting").expect(220);
            client.upgrade(&tls).await;
            client.log_in(&user, CHEAP_PASSWORD).await.expect("an answer").expect(230);
            client.protect_data().await;
            client
        });
    }
    while let Some(one) = all.join_next().await {
        ins.push(one.expect("a session"));
    }
    ins
}

/// The server inherits the limit.
fn raise_descriptors(wanted: u64) {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: now.maximum.map(|most| most.max(wanted)) };
        setrlimit(Resource::Nofile, raised).unwrap_or_else(|error| {
            panic!("this test opens {wanted} files and the limit cannot be raised ({error}): ulimit -n {wanted}")
        });
    }
}
