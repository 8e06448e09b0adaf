//! Every connection ends in one classified outcome, told once.

use std::collections::HashSet;

use tests::server::Server;

#[tokio::test]
async fn each_connection_has_one_line_with_its_outcome_and_its_client() {
    let server = Server::serve().await;
    server.admin(&["bans", "add", "127.0.0.66", "--for", "1h", "--reason", "test"]).await.good();

    let mut said_goodbye = server.enter("127.0.0.11").await;
    said_goodbye.command("QUIT").await.expect(221);
    drop(server.enter("127.0.0.12").await);
    server.assert_refused("127.0.0.66").await;
    let mut three_tries = server.protected("127.0.0.13").await;
    for _ in 0..3 {
        three_tries.log_in(server.user(), "wrong").await;
    }
    drop(server.welcome("127.0.0.14").await);

    let lines = server.outcomes(5).await;
    let told = |peer: &str| {
        let of_peer: Vec<&str> =
            lines.iter().filter(|line| line.peer_is(peer)).map(|line| line.text("outcome")).collect();
        assert_eq!(of_peer.len(), 1, "{peer}: {of_peer:?}");
        of_peer[0].to_owned()
    };
    let words = ["127.0.0.11", "127.0.0.12", "127.0.0.66", "127.0.0.13"].map(told);
    assert_eq!(words[0], "quit");
    assert_eq!(words.iter().collect::<HashSet<_>>().len(), 4, "each has a word of its own: {words:?}");
    assert_eq!(words[2], "refused");
    // Who is refused at the door gets no number.
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line.number("connection")).collect();
    assert_eq!(numbers.len(), 4, "{lines:?}");
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 4, "each has a number of its own: {numbers:?}");
}

#[tokio::test]
async fn each_ban_has_one_audit_line_with_policy_and_digest() {
    let server = Server::serve().await;
    server.guess_until_banned("127.0.0.2", 7).await;
    let line = server.logged("the audit line of the ban", |line| line.message().starts_with("ban.")).await;
    assert!(line.raw.contains("127.0.0.2") && line.raw.contains("brute-force"), "{}", line.raw);
    assert_eq!(line.text("digest").len(), 64, "{}", line.raw);
}
