//! Whoever a ban names is out, whatever it names him by: at the door, at the login, and in mid-session.

use std::time::Duration;

use tests::client::{Client, DataTls};
use tests::server::Server;

const ATTACKER: &str = "127.0.2.2";
const NEIGHBOUR: &str = "127.0.3.3";

/// Within this a session whose subject was banned is over.
const A_SECOND: Duration = Duration::from_secs(1);

async fn server() -> Server {
    Server::serve_with(|config| {
        config.set("networks.workshop", vec!["127.0.2.0/28"]).set("bans.message", "Banned, %t left");
    })
    .await
}

async fn ban(server: &Server, subject: &str) {
    server.admin(&["bans", "add", subject, "--for", "1h", "--reason", "a test"]).await.good();
}

/// The client is told 421 as its last reply, and before it whatever else was owed.
async fn is_thrown_out(client: &mut Client, owed: &[u16]) {
    let replies = client.until_closed(A_SECOND).await;
    let codes: Vec<u16> = replies.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [owed, &[421]].concat(), "{replies:?}");
    assert!(replies.last().is_some_and(|last| last.text().contains("Banned")), "{replies:?}");
}

async fn an_open_session_and_its_upload_end(server: &Server, subject: &str) {
    let mut idle = server.enter(ATTACKER).await;
    let mut busy = server.enter(ATTACKER).await;
    let mut bystander = server.enter(NEIGHBOUR).await;
    let mut data = busy.open_data("STOR half.bin", &DataTls::Resuming).await;
    data.write_all(&[7; 100_000]).await;
    ban(server, subject).await;
    is_thrown_out(&mut idle, &[]).await;
    is_thrown_out(&mut busy, &[426]).await;
    assert!(!server.root().join("half.bin").exists(), "half a file stands under its final name");
    let ended = server.outcomes(2).await;
    assert!(ended.iter().all(|line| line.text("outcome") == "banned"), "{subject}");
    if !subject.starts_with("user:") {
        bystander.command("NOOP").await.expect(200);
        server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn p_27_a_ban_of_a_host_ends_its_sessions_and_uploads_and_shuts_the_door() {
    let server = server().await;
    an_open_session_and_its_upload_end(&server, ATTACKER).await;
    server.assert_refused(ATTACKER).await;
}

#[tokio::test]
async fn p_27_a_ban_of_a_network_ends_its_sessions_and_uploads_and_shuts_the_door() {
    let server = server().await;
    an_open_session_and_its_upload_end(&server, "127.0.2.0/24").await;
    server.assert_refused("127.0.2.77").await;
}

#[tokio::test]
async fn p_23_p_27_a_ban_of_a_class_ends_its_sessions_and_uploads_and_shuts_the_door() {
    let server = server().await;
    an_open_session_and_its_upload_end(&server, "class:workshop").await;
    server.assert_refused("127.0.2.9").await;
    drop(server.welcome("127.0.2.77").await);
}

#[tokio::test]
async fn p_27_a_ban_of_a_user_at_a_host_ends_those_sessions_alone() {
    let server = server().await;
    an_open_session_and_its_upload_end(&server, &format!("user-at-host:{}@{ATTACKER}", server.user())).await;
    let reply = server.try_login(ATTACKER, server.user(), server.password()).await;
    reply.expect("an answer to the login").expect(530);
}

#[tokio::test]
async fn s_28_a_ban_of_a_user_ends_all_sessions_of_that_user() {
    let server = server().await;
    let mut elsewhere = server.enter(NEIGHBOUR).await;
    an_open_session_and_its_upload_end(&server, &format!("user:{}", server.user())).await;
    is_thrown_out(&mut elsewhere, &[]).await;
}

#[tokio::test]
async fn p_22_a_banned_user_gets_one_530_to_its_pass_and_others_may_come_from_there() {
    let server = server().await;
    ban(&server, "user:mallory").await;
    let mut client = server.protected(ATTACKER).await;
    client.command("USER mallory").await.expect(331);
    client.send(b"PASS whatever\r\n").await.expect("sent");
    let replies = client.until_closed(A_SECOND).await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    let text = replies[0].clone().expect(530).text();
    assert!(text.contains("Banned"), "{text}");
    server.enter(ATTACKER).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_user_who_has_not_logged_in_yet_is_refused_at_the_password() {
    let server = server().await;
    let mut named = server.protected(ATTACKER).await;
    named.command(&format!("USER {}", server.user())).await.expect(331);
    ban(&server, &format!("user:{}", server.user())).await;
    named.command(&format!("PASS {}", server.password())).await.expect(530);
}

#[tokio::test]
async fn s_28_a_host_that_waits_for_the_answer_to_its_login_is_thrown_out_at_once() {
    let server = Server::serve_with(|config| {
        config.set("users.failure-delay", "30s").set("users.failure-delay-longest", "30s");
    })
    .await;
    let mut client = server.protected(ATTACKER).await;
    client.command("USER nobody").await.expect(331);
    client.send(b"PASS wrong\r\n").await.expect("sent");
    server.logged("the failed login", |line| line.raw.contains("login.failed")).await;
    ban(&server, ATTACKER).await;
    let replies = client.until_closed(A_SECOND).await;
    assert_eq!(replies.len(), 1, "{replies:?}");
}
