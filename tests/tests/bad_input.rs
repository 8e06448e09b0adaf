//! What strangers send: a clear reply or a close, one classified outcome each, bounded memory, and nobody
//! else notices.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::client::{Client, Reply};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::tree;

const STRANGER: &str = "127.0.0.2";
const BYSTANDER: &str = "127.0.0.3";

async fn impatient() -> Server {
    Server::serve_with(|config| {
        config.set("timeouts.handshake", "1s").set("timeouts.login", "2s").set("log.level", "debug");
    })
    .await
}

/// Sends bytes as a stranger, reads until the server closes; its replies and the outcome in the log.
async fn send(server: &Server, bytes: &[u8]) -> (Vec<Reply>, String) {
    let before = server.log().iter().filter(|line| line.is_outcome() && line.peer_is(STRANGER)).count();
    let mut client = server.welcome(STRANGER).await;
    // The server may close before it has read everything.
    let _ = client.send(bytes).await;
    let replies = client.until_closed(SOON).await;
    let outcome = server.endings(STRANGER, before + 1).await;
    assert_eq!(outcome.len(), before + 1, "one connection has one outcome: {outcome:?}");
    (replies, outcome.last().expect("an outcome").clone())
}

#[tokio::test]
async fn garbage_gets_a_clear_reply_or_a_close_and_one_outcome() {
    let server = impatient().await;
    let mut bystander = server.enter(BYSTANDER).await;
    for seed in 0..4 {
        let (replies, outcome) = send(&server, &tree::content(seed, 64 * 1024)).await;
        assert!(replies.iter().all(|reply| matches!(reply.code, 500 | 501 | 421)), "{replies:?}");
        assert!(!outcome.is_empty());
    }
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_06_ten_megabytes_without_a_line_end_cost_one_reply_and_no_memory() {
    let mut server = impatient().await;
    let mut bystander = server.enter(BYSTANDER).await;
    let before = server.process().peak_kib();
    let (replies, _) = send(&server, &vec![b'A'; 10 * 1024 * 1024]).await;
    assert!(replies.iter().filter(|reply| reply.code == 500).count() <= 1, "{replies:?}");
    let grown = server.process().peak_kib() - before;
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB");
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_07_nul_bytes_are_refused_and_the_session_goes_on() {
    let server = impatient().await;
    let mut client = server.protected(STRANGER).await;
    client.send(b"USER de\0mo\r\n").await.expect("sent");
    let reply = client.reply().await;
    assert!(matches!(reply.code, 500 | 501), "{reply}");
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
}

#[tokio::test]
async fn another_protocol_on_this_port_is_told_by_its_name_and_closed() {
    let server = impatient().await;
    let mut bystander = server.enter(BYSTANDER).await;
    let strangers: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "http"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "ssh"),
        (b"EHLO mail.example.org\r\n", "smtp"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls-on-plain-port"),
    ];
    for (bytes, name) in strangers {
        let (replies, outcome) = send(&server, bytes).await;
        assert!(replies.len() <= 1, "{name}: {replies:?}");
        assert_eq!(outcome, "protocol-mismatch", "{name}");
        for reply in replies {
            assert!(!reply.text().contains("localhost") && !reply.text().contains("example"), "no echo: {reply}");
        }
    }
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_15_clear_bytes_behind_auth_end_the_connection() {
    let server = impatient().await;
    let mut client = server.welcome(STRANGER).await;
    client.send(b"AUTH TLS\r\nUSER demo\r\n").await.expect("sent");
    let replies = client.until_closed(SOON).await;
    assert!(replies.iter().all(|reply| reply.code != 331), "{replies:?}");
    assert_eq!(server.endings(STRANGER, 1).await.len(), 1);
}

#[tokio::test]
async fn s_17_a_user_in_clear_is_refused_and_the_password_reaches_nothing() {
    let server = impatient().await;
    let mut client = server.welcome(STRANGER).await;
    let reply = client.command("USER demo").await;
    assert!(matches!(reply.code, 530 | 534 | 550), "{reply}");
    client.command("PASS canary-in-clear").await;
    client.command("QUIT").await.expect(221);
    server.endings(STRANGER, 1).await;
    assert!(!server.words().contains("canary-in-clear"));
}

#[tokio::test]
async fn s_02_half_a_handshake_and_silence_end_at_the_handshake_deadline() {
    let server = impatient().await;
    let mut client = server.welcome(STRANGER).await;
    client.command("AUTH TLS").await.expect(234);
    let started = Instant::now();
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").await.expect("sent");
    client.drain(SOON).await;
    let taken = started.elapsed();
    assert!(taken > Duration::from_millis(900) && taken < Duration::from_secs(5), "closed after {taken:?}");
    assert_eq!(server.endings(STRANGER, 1).await, ["handshake-timeout"]);
}

#[tokio::test]
async fn s_01_the_login_deadline_is_absolute() {
    let server = impatient().await;
    let mut client = server.protected(STRANGER).await;
    let started = Instant::now();
    let mut commands = 0;
    while client.try_command("NOOP").await.is_some_and(|reply| reply.code != 421) {
        deadline::pace(Duration::from_millis(200)).await;
        commands += 1;
    }
    let taken = started.elapsed();
    assert!(commands > 2, "it answered {commands} commands");
    assert!(taken > Duration::from_millis(1500) && taken < Duration::from_secs(6), "closed after {taken:?}");
    assert_eq!(server.endings(STRANGER, 1).await, ["login-timeout"]);
}

#[tokio::test]
async fn s_06_unknown_verbs_are_counted_and_then_the_connection_is_closed() {
    let server = impatient().await;
    let (replies, outcome) = send(&server, "FROB\r\n".repeat(1000).as_bytes()).await;
    assert!(replies.len() < 20, "{} replies", replies.len());
    assert_eq!(outcome, "too-many-unknown");
}

#[tokio::test]
async fn two_thousand_connections_that_say_nothing_harm_nobody_and_end_at_the_deadline() {
    const SILENT: usize = 2000;
    raise_descriptors(3 * SILENT as u64);
    let mut server = Server::serve_with(|config| {
        config.set("timeouts.login", "20s").set("log.level", "debug");
        config.set("limits.connections", 4000).set("limits.unauthenticated", 3000);
    })
    .await;
    let mut early = server.enter(BYSTANDER).await;
    let before = server.process().resident_kib();

    let mut silent = Vec::with_capacity(SILENT);
    for number in 0..SILENT {
        // Four from each address: under the limit of those who are not logged in.
        let source = address(&format!("127.0.{}.{}", 10 + number / 400, 1 + number / 4 % 100));
        let (client, greeting) = Client::greeted(source, server.address()).await;
        assert_eq!(greeting.map(|reply| reply.code), Some(220), "connection {number} from {source}");
        silent.push(client);
    }
    let each = (server.process().resident_kib().saturating_sub(before)) as f64 / SILENT as f64;
    println!("{each:.1} KiB for each silent connection");
    assert!(each < 64.0, "{each:.1} KiB for each silent connection");

    early.command("NOOP").await.expect(200);
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);

    for client in &mut silent {
        let last = client.until_closed(Duration::from_secs(60)).await.pop();
        assert_eq!(last.map(|reply| reply.code), Some(421));
    }
    // Theirs, and that of the bystander's second session.
    let outcomes = server.outcomes(SILENT + 1).await;
    let mut by_word: HashMap<String, usize> = HashMap::new();
    for line in outcomes.iter().filter(|line| !line.peer_is(BYSTANDER)) {
        *by_word.entry(line.text("outcome").to_owned()).or_default() += 1;
    }
    assert_eq!(by_word, HashMap::from([("login-timeout".to_owned(), SILENT)]));
    early.command("NOOP").await.expect(200);
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
