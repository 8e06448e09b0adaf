//! Each verdict and each subject of a ban: what a real client notices of it, and what a bystander does not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::client::DataTls;
use tests::config::{PASSWORD, USER};
use tests::deadline::{self, SOON};
use tests::recorder::{count, record, recording, seen};
use tests::server::{Door, Server};

const CLIENT: &str = "127.0.0.2";
const BYSTANDER: &str = "127.0.0.3";

async fn bans(server: &Server) -> Vec<Value> {
    server.admin(&["bans", "list", "--json"]).await.good().json().as_array().cloned().expect("a list")
}

/// A server whose recorder bans `subject` when a client says XYZZY.
async fn banning(subject: &str, more: impl FnOnce(&mut tests::config::Config)) -> Server {
    let rule = format!(
        "{{ on = 'command-unknown', about = 'XYZZY', ban = ['{subject}'], seconds = 600, message = 'Gone: %a %u %c, for %t' }}"
    );
    recording(&[&rule], more).await
}

#[tokio::test]
async fn pass_leaves_everything_as_it_was() {
    let server = recording(&[], |_| {}).await;
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
    assert!(bans(&server).await.is_empty());
}

#[tokio::test]
async fn allow_is_the_last_word_and_replaces_no_password() {
    let server = Server::serve_with(|config| {
        record(config, &["{ on = 'login-attempt', decision = 'allow' }"], "");
        config.policy(&format!(
            "name = 'second'\nsource = 'file:{}'\nsettings = {{ rules = [{{ on = 'login-attempt', decision = 'refuse', text = 'never' }}] }}",
            tests::place::guest("recorder").display()
        ));
    })
    .await;
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
    server.try_login(CLIENT, USER, "wrong").await.expect("an answer").expect(530);
}

#[tokio::test]
async fn refuse_at_the_door_stands_in_place_of_the_greeting() {
    let rule = "{ on = 'connect', about = '127.0.0.2 ', decision = 'refuse', text = 'Closed for you' }";
    let server = recording(&[rule], |_| {}).await;
    let reply = server.assert_refused(CLIENT).await.expect("a reason").expect(530);
    assert!(reply.text().contains("Closed for you"), "{reply}");
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn refuse_behind_the_handshake_closes() {
    let server = recording(&["{ on = 'tls-established', decision = 'refuse', text = 'Not with that' }"], |_| {}).await;
    let mut client = server.welcome(CLIENT).await;
    client.command("AUTH TLS").await.expect(234);
    client.handshake(&server.tls()).await.expect("the handshake itself is fine");
    let told = client.until_closed(SOON).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].code == 421 && told[0].text().contains("Not with that"), "{}", told[0]);
}

#[tokio::test]
async fn refuse_keeps_a_user_out_whose_password_is_right() {
    for (kind, decision) in [("login-attempt", "refuse"), ("login-succeeded", "refuse"), ("login-succeeded", "close")] {
        let rule = format!("{{ on = '{kind}', about = '127.0.0.2 ', decision = '{decision}', text = 'No' }}");
        let server = recording(&[&rule], |_| {}).await;
        let reply = server.try_login(CLIENT, USER, PASSWORD).await.expect("an answer").expect(530);
        assert!(reply.text().contains("No"), "{kind}: {reply}");
        server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn refuse_answers_in_place_of_a_command_and_in_its_turn() {
    let rules = [
        "{ on = 'command', about = 'DELE', decision = 'refuse', text = 'Nothing is deleted here' }",
        "{ on = 'command', about = 'SYST', decision = 'refuse' }",
        "{ on = 'command', about = 'RNFR', decision = 'close', text = 'Go away' }",
    ];
    let server = recording(&rules, |_| {}).await;
    std::fs::write(server.root().join("file"), vec![7; 8 << 20]).expect("a file");
    let mut client = server.enter(CLIENT).await;
    let reply = client.command("DELE file").await.expect(550);
    assert!(reply.text().contains("Nothing is deleted here"), "{reply}");
    assert!(server.root().join("file").exists());
    client.command("SYST").await.expect(550);
    client.command("NOOP").await.expect(200);

    // One that waits behind a transfer is answered behind it.
    let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
    client.send(b"DELE file\r\n").await.expect("sent");
    seen(&server, "command", "DELE").await;
    data.read_all().await;
    client.reply().await.expect(226);
    client.reply().await.expect(550);

    client.command("RNFR file").await.expect(421);
    assert_eq!(client.until_closed(SOON).await.len(), 0);
    assert_eq!(seen(&server, "disconnected", "refused").await["user"], USER);
}

#[tokio::test]
async fn refuse_fails_a_transfer_and_the_next_one_may_go() {
    let rules = [
        "{ on = 'transfer-started', about = '/secret', decision = 'refuse', text = 'Not that one' }",
        "{ on = 'transfer-started', about = '/last', decision = 'close', text = 'Enough' }",
    ];
    let server = recording(&rules, |_| {}).await;
    for name in ["secret", "open", "last"] {
        std::fs::write(server.root().join(name), name).expect("a file");
    }
    let mut client = server.enter(CLIENT).await;
    let reply = client.try_open_data("RETR secret", &DataTls::Resuming).await.err().expect("refused").expect(550);
    assert!(reply.text().contains("Not that one"), "{reply}");
    assert_eq!(client.download("open").await, b"open");
    client.try_open_data("STOR secret", &DataTls::Resuming).await.err().expect("refused").expect(550);
    assert_eq!(std::fs::read(server.root().join("secret")).expect("the file"), b"secret");
    client.try_open_data("RETR last", &DataTls::Resuming).await.err().expect("refused").expect(421);
    assert_eq!(client.until_closed(SOON).await.len(), 0);
    assert_eq!(count(&server, "transfer-ended"), 1, "what was refused has no end");
}

#[tokio::test]
async fn delay_makes_the_answer_wait_and_nobody_else() {
    let rules = [
        "{ on = 'command-unknown', about = '127.0.0.2 ', delay = 700 }",
        "{ on = 'login-failed', about = '127.0.0.2 ', delay = 4000000000 }",
    ];
    let server = recording(&rules, |config| {
        config.set("policies.longest-delay", "800ms");
    })
    .await;
    for (source, shortest) in [(CLIENT, 700), (BYSTANDER, 0)] {
        let mut client = server.welcome(source).await;
        let started = Instant::now();
        client.command("XYZZY").await.expect(500);
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(shortest), "{source}: {took:?}");
        assert!(shortest > 0 || took < Duration::from_millis(600), "{source}: {took:?}");
    }
    let started = Instant::now();
    server.try_login(CLIENT, USER, "wrong").await.expect("an answer").expect(530);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(800) && took < Duration::from_secs(10), "clamped: {took:?}");
}

#[tokio::test]
async fn a_ban_of_a_host_ends_its_sessions_and_keeps_it_out_until_it_is_lifted() {
    let rules = [
        "{ on = 'command-unknown', about = 'XYZZY', ban = ['host'], seconds = 600, message = 'Gone %a %u: %t' }",
        "{ on = 'command-unknown', about = 'PARDON', lift = ['host'] }",
    ];
    let server = recording(&rules, |_| {}).await;
    let mut other = server.enter(CLIENT).await;
    let mut client = server.enter(CLIENT).await;
    let reply = client.try_command("XYZZY").await.expect("an answer");
    assert!(reply.text().contains("Gone 127.0.0.2 demo"), "{reply}");
    let told = other.until_closed(SOON).await;
    assert!(told[0].text().contains("Gone 127.0.0.2"), "{told:?}");
    let reply = server.assert_refused(CLIENT).await.expect("a reason").expect(530);
    assert!(reply.text().contains("Gone 127.0.0.2"), "{reply}");
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
    let ban = bans(&server).await.remove(0);
    assert_eq!((&ban["subject"], &ban["by"]["name"]), (&json!({ "host": CLIENT }), &json!("recorder")), "{ban}");
    server.admin(&["bans", "lift", CLIENT]).await.good();
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_policy_lifts_its_own_ban() {
    let rules = [
        "{ on = 'command-unknown', about = 'XYZZY', ban = ['user-at-host'], seconds = 600 }",
        "{ on = 'command-unknown', about = 'PARDON', lift = ['user-at-host'] }",
    ];
    let server = recording(&rules, |_| {}).await;
    for word in ["XYZZY", "PARDON"] {
        let mut client = server.protected(CLIENT).await;
        client.command("USER eve").await.expect(331);
        client.try_command(word).await;
        let wanted = usize::from(word == "XYZZY");
        deadline::until_asked(SOON, "the ban, then none", async || (bans(&server).await.len() == wanted).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_ban_of_a_network_holds_for_all_in_it() {
    let server = banning("network:127.0.0.0/29", |_| {}).await;
    // Loopback as a whole cannot be banned; a part of it can.
    server.welcome(CLIENT).await.try_command("XYZZY").await;
    for source in ["127.0.0.2", "127.0.0.5"] {
        server.assert_refused(source).await;
    }
    server.enter("127.0.0.9").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_ban_of_a_user_holds_wherever_it_comes_from_with_the_right_password() {
    let server = banning("user", |config| {
        config.set("policies.grants", vec!["log", "user-bans"]);
    })
    .await;
    let mut open = server.enter(BYSTANDER).await;
    let mut client = server.protected(CLIENT).await;
    client.command(&format!("USER {USER}")).await.expect(331);
    client.try_command("XYZZY").await;
    for source in [CLIENT, BYSTANDER] {
        let reply = server.try_login(source, USER, PASSWORD).await.expect("an answer").expect(530);
        assert!(reply.text().contains("Gone"), "{reply}");
    }
    assert!(open.until_closed(SOON).await[0].text().contains("Gone"), "its open session ends");
}

#[tokio::test]
async fn s_33_no_policy_bans_a_user_from_everywhere_without_the_grant() {
    let server = banning("user", |_| {}).await;
    let mut open = server.enter(BYSTANDER).await;
    let mut client = server.protected(CLIENT).await;
    client.command(&format!("USER {USER}")).await.expect(331);
    client.try_command("XYZZY").await.expect("an answer").expect(500);
    let line = server.logged("no ban", |line| line.message() == "ban.not-imposed").await;
    assert!(line.text("why").contains("`user-bans`") && line.text("policy") == "recorder", "{}", line.raw);
    assert!(bans(&server).await.is_empty());
    open.command("NOOP").await.expect(200);
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_ban_of_a_user_at_a_host_leaves_both_alone_apart() {
    let server = banning("user-at-host", |_| {}).await;
    let mut client = server.protected(CLIENT).await;
    client.command(&format!("USER {USER}")).await.expect(331);
    client.try_command("XYZZY").await;
    server.try_login(CLIENT, USER, PASSWORD).await.expect("an answer").expect(530);
    let reply = server.try_login(CLIENT, "somebody-else", "wrong").await.expect("an answer").expect(530);
    assert!(!reply.text().contains("Gone"), "{reply}");
    server.enter(BYSTANDER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_ban_of_a_class_holds_for_its_networks() {
    let server = banning("class:lab", |config| {
        config.set("networks.lab", vec!["127.0.0.2/31"]);
    })
    .await;
    server.welcome("127.0.0.9").await.try_command("XYZZY").await;
    for source in [CLIENT, BYSTANDER] {
        assert!(matches!(server.knock(source).await, Door::Refused(Some(reply)) if reply.text().contains("Gone")));
    }
    server.enter("127.0.0.9").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn an_alert_is_one_line_for_people() {
    let rule = "{ on = 'connect', alert = 'look \\u001b[2J here' }";
    let server = recording(&[&rule.replace('\'', "\"")], |_| {}).await;
    server.welcome(CLIENT).await;
    let line = server.logged("the alert", |line| line.message() == "policy.alert").await;
    assert_eq!(line.text("alert"), "look \\u{1b}[2J here");
}

#[tokio::test]
async fn observe_records_and_changes_nothing_for_a_client() {
    let server = Server::serve_with(|config| {
        let rule = "{ on = 'connect', decision = 'close', ban = ['host'], seconds = 60 }";
        record(config, &[rule], "mode = 'observe'");
    })
    .await;
    server.enter(CLIENT).await.command("NOOP").await.expect(200);
    let line = server
        .logged("what would have been", |line| line.message() == "policy.observed: nothing was carried out")
        .await;
    assert!(line.text("bans").contains(CLIENT), "{}", line.raw);
    assert!(bans(&server).await.is_empty());
}

#[tokio::test]
async fn a_policy_is_asked_about_its_own_servers_and_classes_only() {
    let refuse = ["{ on = 'connect', decision = 'refuse', text = 'Not you' }"];
    for (more, refused) in [
        ("classes = ['lab']", true),
        ("classes = ['office']", false),
        ("servers = ['main']", true),
        ("servers = ['main']\nclasses = ['office', 'lab']", true),
    ] {
        let server = Server::serve_with(|config| {
            config.set("networks.lab", vec!["127.0.0.2/32"]).set("networks.office", vec!["192.0.2.0/24"]);
            record(config, &refuse, more);
        })
        .await;
        assert_eq!(matches!(server.knock(CLIENT).await, Door::Refused(_)), refused, "{more}");
    }
}
