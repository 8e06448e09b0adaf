//! The operator's desk: bans listed, added, lifted, exported and imported by people and their scripts.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use tests::program::{Answer, Program};
use tests::server::{Server, portcullis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

async fn add(server: &Server, subject: &str, more: &[&str]) -> Answer {
    server.admin(&[&["bans", "add", subject], more].concat()).await
}

async fn subjects(server: &Server, more: &[&str]) -> Vec<String> {
    let answer = server.admin(&[&["bans", "list", "--json"], more].concat()).await.good().json();
    answer.as_array().expect("a list").iter().map(|row| subject(&row["subject"])).collect()
}

/// `{"host": "192.0.2.1"}` as `host:192.0.2.1`.
fn subject(value: &Value) -> String {
    let (kind, whom) = value.as_object().and_then(|fields| fields.iter().next()).expect("a subject");
    match whom {
        Value::Array(parts) => {
            format!("{kind}:{}@{}", parts[0].as_str().unwrap_or(""), parts[1].as_str().unwrap_or(""))
        }
        whom => format!("{kind}:{}", whom.as_str().unwrap_or("")),
    }
}

async fn with_bans() -> Server {
    let server = Server::serve_with(|config| {
        config.set("networks.office", vec!["203.0.113.0/24"]).set("bans.protected", vec!["198.51.100.0/24"]);
    })
    .await;
    for (subject, span, reason) in [
        ("192.0.2.1", "10m", "seen in the mail log"),
        ("192.0.2.0/24", "2h", "a whole street"),
        ("user:mallory", "1h30m", "left the company"),
        ("mallory@192.0.2.9", "3h", "from home"),
        ("class:office", "4h", "closed today"),
        ("tls-fingerprint:t13d1516h2", "5h", "a scanner"),
    ] {
        add(&server, subject, &["--for", span, "--reason", reason]).await.good();
    }
    server
}

#[tokio::test]
async fn a_list_is_narrowed_by_each_condition_and_comes_in_pages() {
    let server = with_bans().await;
    let all = subjects(&server, &[]).await;
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(subjects(&server, &["--kind", "user"]).await, ["user:mallory"]);
    let near = subjects(&server, &["--network", "192.0.2.0/28"]).await;
    assert_eq!(near, ["host:192.0.2.1", "network:192.0.2.0/24", "user-at-host:mallory@192.0.2.9"]);
    assert_eq!(subjects(&server, &["--text", "STREET"]).await, ["network:192.0.2.0/24"]);
    assert_eq!(subjects(&server, &["--expiring-before", "1h"]).await, ["host:192.0.2.1"]);
    assert_eq!(subjects(&server, &["--expiring-before", "2020-01-01T00:00:00Z"]).await, [""; 0]);
    assert_eq!(subjects(&server, &["--policy", "brute-force"]).await, [""; 0]);
    let mut paged = subjects(&server, &["--limit", "4"]).await;
    paged.extend(subjects(&server, &["--limit", "4", "--skip", "4"]).await);
    assert_eq!(paged, all);
    let text = server.admin(&["bans", "list", "--limit", "4"]).await.good().out;
    assert!(text.contains("--skip 4") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(server.admin(&["bans", "list", "--kind", "planet"]).await.code, Some(2));
    assert_eq!(server.admin(&["bans", "list", "--network", "10.0.0.0/99"]).await.code, Some(2));
}

#[tokio::test]
async fn p_29_adding_and_lifting_twice_is_told_and_changes_nothing() {
    let server = Server::serve().await;
    let first = add(&server, "192.0.2.1", &["--for", "1h", "--json"]).await.good().json();
    let again = add(&server, "192.0.2.1", &["--for", "1h", "--json"]).await.good().json();
    assert_eq!((&first["already"], &again["already"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(first["id"], again["id"]);
    let text = add(&server, "192.0.2.1", &["--for", "5m"]).await.good().out;
    assert!(text.contains("already"), "{text}");
    let longer = add(&server, "192.0.2.1", &["--permanent", "--json"]).await.good().json();
    assert!(longer["already"] == false && longer["expires"].is_null(), "{longer}");
    assert_eq!(subjects(&server, &[]).await, ["host:192.0.2.1"]);
    server.admin(&["bans", "lift", "192.0.2.1"]).await.good();
    assert_eq!(server.admin(&["bans", "lift", "192.0.2.1"]).await.code, Some(1));
}

#[tokio::test]
async fn p_28_bans_by_hand_of_every_kind_are_listed_enforced_and_never_end() {
    let server = Server::serve_with(|config| {
        config.set("networks.office", vec!["127.0.7.0/24"]);
    })
    .await;
    let all = ["127.0.0.5", "127.0.0.6", "user:demo", "mallory@127.0.0.7", "class:office"];
    for subject in all {
        add(&server, subject, &["--permanent", "--reason", "by hand"]).await.good();
    }
    let rows = server.admin(&["bans", "list", "--json"]).await.good().json();
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), all.len());
    assert!(rows.iter().all(|row| row["expires"].is_null() && row["by"]["name"].is_string()), "{rows:?}");
    let shown = server.admin(&["bans", "list"]).await.good().out;
    assert_eq!(shown.matches("until lifted").count(), all.len(), "{shown}");
    for banned in ["127.0.0.5", "127.0.0.6", "127.0.7.9"] {
        server.assert_refused(banned).await;
    }
    let (user, password) = (server.user(), server.password());
    let reply = server.try_login("127.0.0.8", user, password).await.expect("a reply");
    assert_eq!(reply.code, 530, "the user's password is good: {reply}");
    let reply = server.try_login("127.0.0.7", "mallory", "x").await.expect("a reply");
    assert_eq!(reply.code, 530, "{reply}");
}

#[tokio::test]
async fn p_32_no_other_user_of_the_machine_reaches_the_socket() {
    let server = Server::serve().await;
    let socket = &server.ready().admin;
    let mode = std::fs::metadata(socket).expect("a socket").permissions().mode() & 0o777;
    let folder = std::fs::metadata(server.state()).expect("a folder").permissions().mode() & 0o777;
    assert_eq!((mode, folder), (0o600, 0o700));
    if rustix::process::geteuid().is_root() {
        // The way there is open; what stops them is the socket.
        for place in [server.folder(), &server.state()] {
            std::fs::set_permissions(place, PermissionsExt::from_mode(0o755)).expect("the mode can be set");
        }
        let dial = r#"IO::Socket::UNIX->new(Peer => shift) or die "$!\n""#;
        let nobody = Program::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        let said = nobody.args(["perl", "-MIO::Socket::UNIX", "-e", dial]).arg(socket).run().await;
        assert!(said.code != Some(0) && said.err == "Permission denied\n", "{said:?}");
    }
    server.admin(&["bans", "list"]).await.good();
}

#[tokio::test]
async fn p_45_of_ten_thousand_bans_none_is_lost() {
    const COUNT: usize = 10_000;
    let mut server = Server::serve().await;
    add(&server, "127.1.0.0", &["--for", "2h", "--reason", "one of many"]).await.good();
    let first = server.admin(&["bans", "export"]).await.good().out;
    let first: Value = serde_json::from_str(first.trim()).expect("a line of JSON");
    let address = |number: usize| format!("127.1.{}.{}", number / 250, number % 250);
    let lines: String = (1..COUNT)
        .map(|number| {
            let mut ban = first.clone();
            ban["id"] = format!("{number:032x}").into();
            ban["subject"] = serde_json::json!({ "host": address(number) });
            format!("{ban}\n")
        })
        .collect();
    let file = server.folder().join("many.jsonl");
    std::fs::write(&file, lines).expect("written");
    server.admin(&["bans", "import", &file.to_string_lossy()]).await.good();
    for _ in 0..2 {
        assert_eq!(subjects(&server, &[]).await.len(), COUNT);
        for number in [0, 511, 512, 513, 4_999, COUNT - 1] {
            server.assert_refused(&address(number)).await;
        }
        server.enter("127.0.0.3").await.command("NOOP").await.expect(200);
        server.crash_and_restart().await;
    }
}

#[tokio::test]
async fn an_export_is_imported_elsewhere_whole_and_a_second_time_changes_nothing() {
    let server = with_bans().await;
    let export = server.admin(&["bans", "export"]).await.good().out;
    assert_eq!(export.lines().count(), 6);
    let file = server.folder().join("bans.jsonl");
    std::fs::write(&file, &export).expect("written");
    let other = Server::serve_with(|config| {
        config.set("networks.office", vec!["203.0.113.0/24"]).set("bans.protected", vec!["192.0.2.1"]);
    })
    .await;
    let file = file.to_string_lossy();
    let told = other.admin(&["bans", "import", &file]).await.exits(1).out;
    assert!(told.starts_with("4 imported") && told.contains("host:192.0.2.1 is protected"), "{told}");
    assert!(told.contains("network:192.0.2.0/24 is protected"), "{told}");
    let told = other.admin(&["bans", "import", &file]).await.exits(1).out;
    assert!(told.starts_with("0 imported, 4 in force already"), "{told}");
    assert_eq!(other.admin(&["bans", "export", "--kind", "user"]).await.good().out.lines().count(), 1);
    // Nothing of a file with a mistake is taken in.
    let mut broken = std::fs::File::create(other.folder().join("broken")).expect("made");
    write!(broken, "{}\n{{\"ban\": 1}}\n", export.lines().next().expect("a line")).expect("written");
    let third = Server::serve().await;
    let broken = other.folder().join("broken");
    let answer = third.admin(&["bans", "import", &broken.to_string_lossy()]).await.exits(2);
    assert!(answer.err.contains(":2 is no ban"), "{}", answer.err);
    assert_eq!(subjects(&third, &[]).await, [""; 0]);
}

#[tokio::test]
async fn s_35_w_20_what_nobody_may_ban_is_refused_and_who_tried_is_in_the_audit() {
    let server = with_bans().await;
    for (subject, word) in [
        ("0.0.0.0/0", "too wide"),
        ("::/0", "too wide"),
        ("10.0.0.0/8", "too wide"),
        ("198.51.100.7", "protected"),
        ("198.51.0.0/16", "protected"),
        ("eve@198.51.100.7", "protected"),
        ("class:nowhere", "names no set"),
    ] {
        let answer = add(&server, subject, &["--for", "1h"]).await.exits(1);
        assert!(answer.err.contains(word), "{subject}: {}", answer.err);
        let told = server.logged("the audit", |line| {
            line.raw.contains("admin.audit") && line.text("outcome") == "refused" && line.text("about") == subject
        });
        let line = told.await;
        assert!(line.text("what") == "bans-add" && !line.text("operator").is_empty(), "{}", line.raw);
        assert!(line.raw.contains("\"uid\":") && line.raw.contains("\"pid\":"), "{}", line.raw);
    }
    assert_eq!(subjects(&server, &[]).await.len(), 6);
}

#[tokio::test]
async fn durations_and_names_that_make_no_sense_are_told_and_a_thousand_years_are_taken() {
    let server = Server::serve().await;
    for span in ["-5m", "0s", "soon", "99999999999999999999y", ""] {
        let answer = add(&server, "192.0.2.1", &[&format!("--for={span}")]).await;
        assert!(matches!(answer.code, Some(1 | 2)) && !answer.err.is_empty(), "{span}: {answer:?}");
    }
    let endless = format!("user:{}", "x".repeat(10_000));
    for subject in ["user:a\u{1b}[2Jb", "user:a\nb", &endless, "alice", "user:"] {
        let answer = add(&server, subject, &["--for", "1h"]).await.exits(2);
        assert!(answer.err.len() < 1000 && !answer.err.contains('\u{1b}'), "{}", answer.err);
    }
    let long = "y".repeat(10_000);
    add(&server, "192.0.2.1", &["--for", "1h", "--reason", &long]).await.exits(2);
    assert_eq!(subjects(&server, &[]).await, [""; 0]);
    let ban = add(&server, "192.0.2.1", &["--for", "1000years", "--json"]).await.good().json();
    assert!(ban["expires"].as_u64() > Some(31_000_000_000_000), "{ban}");
    let evil = "a\u{1b}[2J\r\nreason \u{202e}txet";
    add(&server, "192.0.2.2", &["--for", "1h", "--reason", evil]).await.good();
    let text = server.admin(&["bans", "list"]).await.good().out;
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && text.lines().count() == 3, "{text}");
}

/// What the socket says to some bytes, up to the end of the connection.
async fn told(server: &Server, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(&server.ready().admin).await.expect("the socket is there");
    // It may hang up before it has taken everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    // A reset in place of an end is an end too.
    let _ = tests::deadline::within(tests::deadline::SOON, "an answer", read).await;
    String::from_utf8(text).expect("text")
}

#[tokio::test]
async fn s_77_garbage_oversize_and_slow_callers_are_answered_or_let_go_and_others_are_served() {
    let server = Server::serve_with(|config| {
        config.set("admin.deadline", "300ms").set("admin.connections", 2).set("admin.line-bytes", "2 KiB");
    })
    .await;
    let nested = "[".repeat(1000);
    for garbage in
        [&b"\n"[..], b"hello\n", b"{}\n", b"\xff\xfe\0\n", b"{\"op\":\"bans-list\",\"filter\":7}\n", nested.as_bytes()]
    {
        let text = told(&server, garbage).await;
        assert!(text.contains("refused") && text.lines().count() == 1, "{garbage:?}: {text}");
    }
    let text = told(&server, &vec![b'x'; 1_000_000]).await;
    assert!(text.is_empty() || text.contains("too long"), "{text}");
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = UnixStream::connect(&server.ready().admin).await.expect("the socket is there");
        stream.write_all(b"{").await.expect("one byte");
        slow.push(stream);
    }
    // Both places are taken by callers who never finish their line.
    add(&server, "192.0.2.1", &["--for", "1h"]).await.good();
    for mut stream in slow {
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        let _ = tests::deadline::within(tests::deadline::SOON, "the end of a slow caller", read).await;
    }
    assert_eq!(subjects(&server, &[]).await, ["host:192.0.2.1"]);
}

#[tokio::test]
async fn no_server_is_exit_code_3() {
    let answer = portcullis(&["bans", "list", "--admin", "/nonexistent/admin.sock"]).run().await;
    assert_eq!(answer.code, Some(3), "{answer:?}");
}
