//! Before and at the login: what a stranger can learn, and what a guess costs.

use std::time::{Duration, Instant};

use tests::server::Server;

const SOMEBODY: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

#[tokio::test]
async fn s_20_an_unknown_user_and_a_wrong_password_read_alike() {
    let server = Server::serve().await;
    let mut replies = Vec::new();
    for user in [server.user(), "nobody-by-that-name", "root"] {
        let mut client = server.protected(SOMEBODY).await;
        let asked = client.command(&format!("USER {user}")).await;
        let refused = client.command("PASS wrong").await;
        replies.push((asked.code, asked.text().replace(user, "USER"), refused.text()));
    }
    assert_eq!(replies[0], replies[1], "unknown against wrong");
    assert_eq!(replies[0], replies[2], "forbidden against wrong");
}

#[tokio::test]
async fn s_14_a_password_of_a_mebibyte_is_refused_unhashed_and_nobody_waits() {
    let mut server = Server::serve().await;
    let mut bystander = server.enter(NEIGHBOUR).await;
    let before = server.process().peak_kib();
    let mut client = server.protected(SOMEBODY).await;
    client.command("USER demo").await.expect(331);
    let _ = client.send(format!("PASS {}\r\n", "p".repeat(1 << 20)).as_bytes()).await;
    let reply = client.try_reply().await;
    assert!(reply.is_none_or(|reply| matches!(reply.code, 421 | 500 | 501 | 530)));
    assert!(server.process().peak_kib() - before < 16 * 1024);
    bystander.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_16_auth_forgets_the_user_and_protection_is_never_taken_back() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    let mut client = server.welcome(SOMEBODY).await;
    client.command(&format!("USER {}", server.user())).await.expect(331);
    client.upgrade(&server.tls()).await;
    client.command(&format!("PASS {}", server.password())).await.expect(503);
    let again = client.command("AUTH TLS").await;
    assert!(matches!(again.code, 500..=504 | 534), "{again}");
    let clear = client.command("CCC").await;
    assert!(matches!(clear.code, 500..=504 | 533 | 534), "{clear}");
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
}

#[tokio::test]
async fn three_wrong_passwords_end_the_connection_and_not_the_neighbours() {
    let server = Server::serve().await;
    let mut neighbour = server.protected(NEIGHBOUR).await;
    let mut client = server.protected(SOMEBODY).await;
    for _ in 0..2 {
        client.log_in(server.user(), "wrong").await.expect("an answer").expect(530);
    }
    let last = client.log_in(server.user(), "wrong").await.expect("an answer");
    assert!(matches!(last.code, 421 | 530), "{last}");
    assert!(client.try_command("NOOP").await.is_none_or(|reply| reply.code == 421));
    neighbour.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_and_the_next_address_has_its_own() {
    let server = Server::serve_with(|config| {
        config.set("limits.unauthenticated-per-address", 3);
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(server.welcome(SOMEBODY).await);
    }
    server.assert_refused(SOMEBODY).await.expect("a reason").expect(421);
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    open.clear();
    tests::deadline::until_asked(tests::deadline::SOON, "room for the address", async || {
        matches!(server.knock(SOMEBODY).await, tests::server::Door::Open(_)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_25_guesses_at_the_same_time_are_counted_one_by_one() {
    let server = Server::serve().await;
    let mut guesses = Vec::new();
    for guess in 0..8 {
        let mut client = server.protected(SOMEBODY).await;
        let user = server.user().to_owned();
        guesses.push(tokio::spawn(async move { client.log_in(&user, &format!("at-once-{guess}")).await }));
    }
    for guess in guesses {
        guess.await.expect("a guess ends");
    }
    server.assert_refused(SOMEBODY).await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_failed_login_is_answered_late_and_a_good_one_at_once() {
    let server = Server::serve_with(|config| {
        config.set("users.failure-delay", "700ms").set("users.failure-delay-longest", "700ms");
    })
    .await;
    let started = Instant::now();
    server.try_login(SOMEBODY, server.user(), "wrong").await.expect("an answer").expect(530);
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
}
