//! Each kind of event: provoked by a real client, seen with its facts by a policy that records.

use serde_json::json;
use tests::authority::Authority;
use tests::client::DataTls;
use tests::config::USER;
use tests::deadline::{self, SOON};
use tests::recorder::{count, events, recording, seen};
use tests::server::{Door, Server};
use tests::tls;

const CLIENT: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

async fn plain() -> Server {
    recording(&[], |_| {}).await
}

#[tokio::test]
async fn a_connection_is_told_before_its_greeting() {
    let server = recording(&[], |config| {
        config.set("networks.lab", vec!["127.0.0.2/32"]).set("server.name", "north");
    })
    .await;
    let client = server.welcome(CLIENT).await;
    let event = seen(&server, "connect", CLIENT).await;
    assert_eq!(event["peer"], format!("{CLIENT} {}", client.local_address().port()));
    assert_eq!(event["local"], format!("127.0.0.1 {}", server.address().port()));
    assert_eq!((&event["server"], &event["classes"]), (&json!("north"), &json!(["lab"])));
    assert_eq!((&event["user"], &event["in"], &event["tls"]), (&json!(null), &json!(false), &json!(null)));
    assert!(event["at"].as_u64() >= event["started"].as_u64(), "{event}");
    assert_eq!(event["degraded"], false);
}

#[tokio::test]
async fn a_handshake_is_told_with_its_facts() {
    let server = plain().await;
    server.protected(CLIENT).await;
    let event = seen(&server, "tls-established", CLIENT).await;
    let tls = event["tls"].as_array().expect("facts of TLS");
    assert!(tls[0] == "1.3" && tls[1].as_str().is_some_and(|cipher| cipher.contains("AES")), "{event}");
    assert_eq!(tls[4], false, "not resumed: {event}");
}

#[tokio::test]
async fn a_handshake_that_fails_is_told_with_a_reason() {
    let server = plain().await;
    let mut client = server.welcome(CLIENT).await;
    client.command("AUTH TLS").await.expect(234);
    // A record of a handshake that holds none.
    client.send(b"\x16\x03\x01\x00\x05hello").await.expect("sent");
    client.drain(SOON).await;
    let event = seen(&server, "tls-failed", CLIENT).await;
    assert!(event["detail"].as_str().is_some_and(|reason| !reason.is_empty() && reason.len() <= 256), "{event}");
}

#[tokio::test]
async fn a_login_is_told_as_it_is_tried_and_as_it_ends() {
    let server = plain().await;
    server.enter(CLIENT).await;
    let tried = seen(&server, "login-attempt", USER).await;
    assert!(tried["detail"].as_u64() < Some(4096) && tried["in"] == json!(false), "{tried}");
    let succeeded = seen(&server, "login-succeeded", USER).await;
    assert_eq!(succeeded["user"], USER);
    assert_eq!(count(&server, "login-failed"), 0);
}

#[tokio::test]
async fn a_failed_login_is_told_with_its_cause_and_a_tag_that_repeats() {
    let server = plain().await;
    for (at, (user, password, cause)) in [
        (USER, "wrong", "wrong-password"),
        (USER, "wrong", "wrong-password"),
        (USER, "other", "wrong-password"),
        ("nobody-here", "wrong", "unknown-user"),
        (USER, "", "empty-password"),
        ("root", "toor", "forbidden-user"),
    ]
    .into_iter()
    .enumerate()
    {
        server.try_login(CLIENT, user, password).await.expect("an answer").expect(530);
        let last = deadline::until(SOON, "the event in the log", || {
            events(&server).into_iter().filter(|event| event["kind"] == "login-failed").nth(at)
        })
        .await;
        assert_eq!((&last["detail"][0], &last["user"]), (&json!(cause), &json!(user)), "{last}");
        assert_eq!(last["session"][2], 1, "its own failure is counted: {last}");
    }
    let tags: Vec<_> = events(&server)
        .into_iter()
        .filter(|event| event["kind"] == "login-failed")
        .map(|event| event["detail"][1].clone())
        .collect();
    assert_eq!(tags[0], tags[1]);
    assert_ne!((&tags[1], &tags[2]), (&tags[2], &tags[3]));
}

#[tokio::test]
async fn a_refused_anonymous_password_and_a_refused_certificate_are_told_as_such() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "clients");
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let server = recording(&[], |config| {
        config
            .set("users.anonymous.enabled", true)
            .set("users.anonymous.home", text(folder.path()))
            .set("users.anonymous.refused-passwords", vec!["*@spam.example"])
            .set("tls.client-certificates", "optional")
            .set("tls.client-authorities", text(&authority.certificate))
            .set("tls.client-names", true);
    })
    .await;
    server.try_login(CLIENT, "anonymous", "me@spam.example").await.expect("an answer").expect(530);
    let event = seen(&server, "login-failed", "anonymous").await;
    assert_eq!((&event["detail"][0], &event["user"]), (&json!("anonymous-refused"), &json!("anonymous")), "{event}");

    // A good certificate of somebody whom this server does not know.
    let own = tls::certified(&server.ready().certificate, tls::TLS_ANY, &authority.issue("mallory"));
    let mut client = server.welcome(OTHER).await;
    client.upgrade(&own).await;
    client.command("USER mallory").await.expect(530);
    let event = seen(&server, "login-failed", "mallory").await;
    assert_eq!(event["detail"][0], "certificate-refused", "{event}");
    assert!(event["tls"][6].as_str().is_some_and(|digest| digest.len() == 64), "{event}");
}

#[tokio::test]
async fn whatever_is_typed_as_a_name_a_policy_sees_one_without_control_characters_or_none() {
    let server = plain().await;
    let long = [b"USER ", &[b'x'; 300][..], b"\r\n"].concat();
    let endless = [b"USER ", &[b'y'; 10_000][..], b"\r\n"].concat();
    let names: [&[u8]; 5] =
        [b"USER al\xefce\r\n", b"USER \x1b[31mred\r\n", "USER \u{202e}ecila\r\n".as_bytes(), &long, &endless];
    for name in names {
        let mut client = server.protected(CLIENT).await;
        client.send(name).await.expect("sent");
        let reply = client.reply().await;
        let shown = name.escape_ascii();
        assert!(matches!(reply.code, 331 | 500 | 501), "{shown}: {reply}");
        // A name that was taken fails at the password; where none was, there is none to try.
        let code = if reply.code == 331 { 530 } else { 503 };
        client.command("PASS wrong").await.expect(code);
        client.command("QUIT").await.expect(221);
    }
    // A line of the log may be too short for the longest name, which stands at its end.
    let ended = || {
        let said: Vec<String> = server.log().iter().map(|line| line.text("says").to_owned()).collect();
        said.into_iter().filter(|says| says.contains(r#""kind":"disconnected""#)).collect::<Vec<_>>()
    };
    let ended = deadline::until(SOON, "the end of each", || Some(ended()).filter(|all| all.len() == names.len())).await;
    for says in &ended {
        let (_, user) = says.rsplit_once(r#""user":"#).expect("its last field");
        assert!(
            user.len() < 280 && !user.contains(r"\u00"),
            "no control character, and no more than 255 bytes: {says}"
        );
    }
    assert!(ended.iter().any(|says| says.ends_with(r#""user":null}"#)), "a name that is none names nobody");
    server.enter(OTHER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_login_that_a_policy_refuses_is_a_failure_by_rule() {
    let server = recording(&["{ on = 'login-attempt', decision = 'refuse', text = 'Not today' }"], |_| {}).await;
    let reply = server.try_login(CLIENT, server.user(), server.password()).await.expect("an answer").expect(530);
    assert!(reply.text().contains("Not today"), "{reply}");
    assert_eq!(seen(&server, "login-failed", USER).await["detail"][0], "denied-by-rule");
}

#[tokio::test]
async fn commands_of_who_is_logged_in_are_told_and_secrets_are_not() {
    let server = plain().await;
    let mut client = server.enter(CLIENT).await;
    client.command("CWD /nowhere\u{7f}").await;
    client.command("PASS hunter2").await;
    let event = seen(&server, "command", "CWD").await;
    assert_eq!(event["detail"], json!(["CWD", "/nowhere?"]));
    assert!(event["in"] == json!(true) && event["session"][0].as_u64() >= Some(7), "{event}");
    assert_eq!(seen(&server, "command", "PASS").await["detail"], json!(["PASS", null]));
    let words = server.words();
    assert!(!words.contains("hunter2") && !words.contains(server.password()));
    let before = events(&server).into_iter().filter(|event| event["kind"] == "command" && event["in"] == json!(false));
    assert_eq!(before.count(), 0, "strangers' commands are not told");
}

#[tokio::test]
async fn an_unknown_command_is_told_with_what_was_typed() {
    let server = plain().await;
    let mut client = server.welcome(CLIENT).await;
    client.command("XYZZY go north").await.expect(500);
    let event = seen(&server, "command-unknown", CLIENT).await;
    assert_eq!(event["detail"], json!(["XYZZY", "go north"]));
    assert_eq!(event["session"][1], 1, "{event}");
}

#[tokio::test]
async fn another_protocol_is_told_by_its_name() {
    let server = plain().await;
    for (first, name) in [("GET / HTTP/1.1", "http"), ("SSH-2.0-OpenSSH_9.6", "ssh"), ("EHLO me", "smtp")] {
        let mut client = server.welcome(CLIENT).await;
        client.try_command(first).await;
        assert_eq!(seen(&server, "protocol-mismatch", name).await["detail"], name);
    }
    // A client that begins with its handshake, as on a port for implicit TLS.
    let mut client = server.welcome(CLIENT).await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.expect("sent");
    let _ = client.drain(SOON).await;
    seen(&server, "protocol-mismatch", "tls-on-plain-port").await;
}

#[tokio::test]
async fn a_transfer_is_told_as_it_starts_and_as_it_ends() {
    let server = plain().await;
    std::fs::write(server.root().join("file"), vec![7; 100_000]).expect("a file");
    let mut client = server.enter(CLIENT).await;
    client.download("file").await;
    assert_eq!(seen(&server, "transfer-started", "/file").await["detail"], json!(["download", "/file", 0, 0]));
    let ended = seen(&server, "transfer-ended", "/file").await;
    assert_eq!((&ended["detail"][0][2], &ended["detail"][1]), (&json!(100_000), &json!("complete")), "{ended}");
    assert_eq!((&ended["session"][3], &ended["session"][5]), (&json!(1), &json!(100_000)), "{ended}");

    client.upload("new", b"twelve bytes").await.expect(226);
    let ended = seen(&server, "transfer-ended", "/new").await;
    assert_eq!((&ended["detail"][0][0], &ended["detail"][0][2]), (&json!("upload"), &json!(12)), "{ended}");

    let mut data = client.open_data("MLSD", &DataTls::Resuming).await;
    data.read_all().await;
    client.reply().await.expect(226);
    assert_eq!(seen(&server, "transfer-ended", "listing").await["detail"][0][1], "/");

    client.try_open_data("RETR missing", &DataTls::Resuming).await.err().expect("no such file").expect(550);
    assert_eq!(seen(&server, "transfer-ended", "/missing").await["detail"][1], "refused");
}

#[tokio::test]
async fn a_transfer_that_is_given_up_is_told_as_aborted() {
    let server = plain().await;
    std::fs::write(server.root().join("big"), vec![7; 64 << 20]).expect("a file");
    let mut client = server.enter(CLIENT).await;
    let data = client.open_data("RETR big", &DataTls::Resuming).await;
    client.send(b"ABOR\r\n").await.expect("sent");
    client.reply().await.expect(426);
    client.reply().await.expect(226);
    drop(data);
    assert_eq!(seen(&server, "transfer-ended", "/big").await["detail"][1], "aborted");
    let data = client.open_data("RETR big", &DataTls::Resuming).await;
    drop((client, data));
    deadline::until(SOON, "the end of the second transfer", || (count(&server, "transfer-ended") == 2).then_some(()))
        .await;
    let last = seen(&server, "disconnected", CLIENT).await;
    assert_eq!(last["session"][3], 2, "{last}");
}

#[tokio::test]
async fn a_transfer_whose_data_connection_breaks_is_told_as_failed() {
    let server = plain().await;
    std::fs::write(server.root().join("big"), vec![7; 64 << 20]).expect("a file");
    let mut client = server.enter(CLIENT).await;
    let mut data = client.open_data("RETR big", &DataTls::Resuming).await;
    assert!(data.read(&mut [0; 1000]).await > 0);
    data.reset();
    client.reply().await.expect(426);
    assert_eq!(seen(&server, "transfer-ended", "/big").await["detail"][1], "failed");
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn who_transfers_nothing_and_who_reads_no_reply_is_told_by_the_name_of_the_wait() {
    let server = recording(&[], |config| {
        config.set("timeouts.no-transfer", "500ms");
    })
    .await;
    let mut busy = server.enter(CLIENT).await;
    while busy.try_command("NOOP").await.is_some_and(|reply| reply.code == 200) {}
    assert_eq!(seen(&server, "timeout", "no-transfer").await["in"], true);

    let server = recording(&[], |config| {
        config.set("timeouts.reply-stall", "500ms");
    })
    .await;
    let mut deaf = server.enter(CLIENT).await;
    // Far more than the kernel keeps on the way.
    let flood = tokio::spawn(async move { deaf.send("HELP\r\n".repeat(50_000).as_bytes()).await.map(|()| deaf) });
    assert_eq!(seen(&server, "timeout", "reply-stall").await["user"], USER);
    flood.abort();
}

#[tokio::test]
async fn each_wait_that_runs_out_is_told_by_its_name() {
    let server = recording(&[], |config| {
        config
            .set("timeouts.login", "2s")
            .set("timeouts.idle", "1s")
            .set("timeouts.handshake", "300ms")
            .set("timeouts.data-open", "300ms")
            .set("timeouts.stalled", "400ms");
    })
    .await;
    let mut slow = server.welcome(CLIENT).await;
    slow.command("AUTH TLS").await.expect(234);
    seen(&server, "timeout", "handshake").await;

    let mut client = server.enter(CLIENT).await;
    client.command("EPSV").await.expect(229);
    client.command("LIST").await.expect(150);
    client.reply().await.expect(425);
    seen(&server, "timeout", "data-open").await;

    std::fs::write(server.root().join("big"), vec![7; 64 << 20]).expect("a file");
    let data = client.open_data("RETR big", &DataTls::Resuming).await;
    let stalled = seen(&server, "timeout", "stalled").await;
    assert_eq!(stalled["in"], true, "{stalled}");
    assert_eq!(seen(&server, "transfer-ended", "/big").await["detail"][1], "timed-out");
    drop(data);

    let idle = seen(&server, "timeout", "idle").await;
    assert_eq!(idle["user"], USER, "{idle}");

    let mut silent = server.welcome(OTHER).await;
    assert!(!silent.until_closed(SOON).await.is_empty());
    assert_eq!(seen(&server, "timeout", "login").await["user"], json!(null));
}

#[tokio::test]
async fn each_limit_that_is_reached_is_told_by_its_name() {
    let server = recording(&[], |config| {
        config
            .set("limits.connections-per-address", 3)
            .set("limits.unauthenticated-per-address", 2)
            .set("limits.login-tries", 2)
            .set("limits.line-bytes", "512 B")
            .set("limits.password-bytes", "64 B");
    })
    .await;
    let held = [server.welcome(CLIENT).await, server.welcome(CLIENT).await];
    assert!(matches!(server.knock(CLIENT).await, Door::Refused(Some(_))));
    let event = seen(&server, "limit-reached", "unauthenticated-per-address").await;
    assert_eq!((&event["session"][0], &event["in"]), (&json!(0), &json!(false)), "{event}");
    drop(held);

    let mut client = server.protected(OTHER).await;
    client.command(&format!("NOOP {}", "x".repeat(600))).await.expect(500);
    seen(&server, "limit-reached", "line-bytes").await;
    client.log_in(USER, &"x".repeat(65)).await.expect("an answer").expect(501);
    seen(&server, "limit-reached", "password-bytes").await;
    client.log_in(USER, "wrong").await.expect("an answer").expect(530);
    let event = seen(&server, "limit-reached", "login-tries").await;
    assert_eq!(event["session"][2], 1, "{event}");

    let mut client = server.welcome(OTHER).await;
    for _ in 0..3 {
        client.try_command("XYZZY").await;
    }
    seen(&server, "limit-reached", "unknown-commands").await;
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn who_is_turned_away_at_the_door_is_told_by_the_limits_name() {
    for name in ["connections-per-address", "connections", "unauthenticated", "unauthenticated-per-address"] {
        let limit = &format!("limits.{name}");
        let server = recording(&[], |config| {
            config.set("limits.unauthenticated", 3).set(limit, 2);
        })
        .await;
        let held = [server.welcome(CLIENT).await, server.welcome(CLIENT).await];
        assert!(matches!(server.knock(CLIENT).await, Door::Refused(Some(_))), "{limit}");
        let told = deadline::until(SOON, "the limit", || {
            events(&server).into_iter().find(|event| event["kind"] == "limit-reached")
        })
        .await;
        assert_eq!(told["detail"], name, "{told}");
        assert!(told["peer"].as_str().is_some_and(|peer| peer.starts_with(CLIENT)), "{told}");
        drop(held);
    }
    for name in ["rate-per-address", "rate-per-network", "rate"] {
        let server = recording(&[], |config| {
            config.set(&format!("limits.{name}"), "2 in 1h");
        })
        .await;
        for _ in 0..2 {
            drop(server.welcome(CLIENT).await);
        }
        assert!(!matches!(server.knock(CLIENT).await, Door::Open(_)), "{name}");
        let told = seen(&server, "limit-reached", name).await;
        assert_eq!((&told["detail"], &told["session"][0]), (&json!(name), &json!(0)), "{told}");
        let far = if name == "rate-per-network" { "127.9.0.1" } else { OTHER };
        assert_eq!(matches!(server.knock(far).await, Door::Open(_)), name != "rate", "{name} is about {far} too");
    }
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_in_one_word() {
    let server = plain().await;
    let mut client = server.enter(CLIENT).await;
    client.command("QUIT").await.expect(221);
    let event = seen(&server, "disconnected", "quit").await;
    assert_eq!((&event["user"], &event["in"]), (&json!(USER), &json!(true)), "{event}");
    drop(server.welcome(OTHER).await);
    assert_eq!(
        seen(&server, "disconnected", "left").await["peer"].as_str().map(|peer| peer.starts_with(OTHER)),
        Some(true)
    );
}

#[tokio::test]
async fn what_the_pool_remembers_of_a_network_and_its_users_is_told() {
    let rule = "{ on = 'command-unknown', ban = ['user-at-host'], seconds = 60, reach = 'node' }";
    let server = recording(&[rule], |_| {}).await;
    server.try_login(CLIENT, USER, "wrong").await;
    assert_eq!(seen(&server, "login-failed", CLIENT).await["history"], json!([null, 0, 0]));
    let mut client = server.enter(CLIENT).await;
    client.command("QUIT").await;
    let after = deadline::until_asked(SOON, "a success that is remembered", async || {
        server.try_login(CLIENT, USER, "wrong").await;
        let last = events(&server).into_iter().rfind(|event| event["kind"] == "login-failed")?;
        (last["history"][1] == 1).then_some(last)
    })
    .await;
    assert!(after["history"][0].as_u64() <= after["at"].as_u64() && after["history"][0].is_u64(), "{after}");
    server.try_login(CLIENT, "somebody-else", "wrong").await;
    let stranger = seen(&server, "login-failed", "somebody-else").await;
    assert_eq!(stranger["history"], json!([null, 1, 0]));
    server.try_login(OTHER, USER, "wrong").await;
    assert_eq!(seen(&server, "login-failed", OTHER).await["history"], json!([null, 0, 0]));

    // A ban of somebody at this address is remembered as well.
    let mut client = server.protected(CLIENT).await;
    client.command("USER eve").await.expect(331);
    client.try_command("XYZZY").await;
    server.try_login(CLIENT, "somebody-new", "wrong").await;
    assert_eq!(seen(&server, "login-failed", "somebody-new").await["history"], json!([null, 1, 1]));
}

#[tokio::test]
async fn what_nobody_wants_to_know_is_not_told() {
    // The default policy wants failed logins alone.
    let server = Server::serve().await;
    server.enter(CLIENT).await.command("QUIT").await.expect(221);
    let rows = server.admin(&["policy", "list", "--json"]).await.good().json();
    assert_eq!(rows[0]["calls"], 0, "{rows}");
}
