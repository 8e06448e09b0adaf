//! S-79, S-87: a password is nowhere but in the file of users, as a hash; nor is one that was typed in the wrong
//! place.

use std::fs;
use std::path::Path;

use tests::client::DataTls;
use tests::cluster::Cluster;
use tests::config::{PASSWORD, USER};
use tests::deadline::{self, SOON};
use tests::recorder::record;
use tests::server::{Server, portcullis};

const WRONG: &str = "Canary-Wrong-4711";
const STRANGER: &str = "127.0.0.2";

#[tokio::test]
async fn s_79_no_password_is_in_the_log_the_events_the_answers_or_the_state() {
    let server = Server::serve_with(|config| {
        config.set("log.level", "trace").set("log.xferlog", "xferlog").set("log.transfers", "transfers.json");
    })
    .await;
    let mut client = server.enter("127.0.0.1").await;
    let mut data = client.open_data("LIST", &DataTls::Resuming).await;
    data.read_all().await;
    client.reply().await.expect(226);
    for guess in 0..7 {
        server.try_login(STRANGER, server.user(), &format!("{WRONG}-{guess}")).await;
    }
    let mut late = server.protected("127.0.0.4").await;
    late.command(&format!("PASS {WRONG}-without-user")).await;
    late.command(&format!("ACCT {WRONG}-account")).await;
    client.command("QUIT").await.expect(221);

    let mut said = vec![("the log".to_owned(), server.words())];
    let config = server.config_file().to_string_lossy().into_owned();
    for arguments in [
        &["bans", "list"][..],
        &["bans", "list", "--json"],
        &["bans", "explain", STRANGER],
        &["bans", "explain", STRANGER, "--json"],
        &["policy", "list", "--json"],
        &["status"],
        &["status", "--json"],
    ] {
        let answer = server.admin(arguments).await;
        said.push((answer.command.clone(), format!("{}{}", answer.out, answer.err)));
    }
    let shown = tests::server::portcullis(&["config", "show", "--config", &config]).run().await.good();
    said.push((shown.command.clone(), shown.out));
    read_all(&server.state(), &mut said);
    for log in ["xferlog", "transfers.json"] {
        said.push((log.to_owned(), fs::read_to_string(server.folder().join(log)).expect("a log of transfers")));
    }

    for (place, text) in said {
        for secret in ["Canary-Wrong", PASSWORD] {
            assert!(!text.contains(secret), "{secret} is in {place}:\n{text}");
        }
    }
}

/// What somebody who is one field ahead types as the user.
const MISTYPED: &str = "Canary-Typed-0815";

async fn cluster_key(folder: &Path) -> String {
    let file = folder.join("cluster.key").to_str().expect("plain").to_owned();
    portcullis(&["cluster", "keygen", "--out", &file]).run().await.good();
    file
}

#[tokio::test]
async fn s_87_a_password_typed_where_the_user_belongs_is_in_no_log_no_ban_and_on_no_other_node() {
    let folder = tempfile::tempdir().expect("folder");
    let key = cluster_key(folder.path()).await;
    let pool = Cluster::with(2, |_, config| {
        config.set("store.cluster-key", key.as_str()).set("log.level", "trace");
    })
    .await;
    let mut unfinished = pool.node(0).protected("127.0.0.4").await;
    unfinished.command(&format!("USER {MISTYPED}")).await.expect(331);
    unfinished.command("QUIT").await.expect(221);
    for guess in 0..5 {
        pool.node(0).try_login(STRANGER, MISTYPED, &format!("next-{guess}")).await;
    }
    let mut said = Vec::new();
    for node in [0, 1].map(|number| pool.node(number)) {
        node.assert_refused(STRANGER).await;
        let told = node.admin(&["bans", "explain", STRANGER, "--json"]).await.good();
        let evidence = told.json()[0]["evidence"].as_array().cloned().expect("a list");
        let users: Vec<_> = evidence.iter().filter_map(|fact| fact["facts"]["user"].as_str()).collect();
        assert!(users.len() >= 5 && users.iter().all(|user| user.starts_with("unknown~")), "{}", told.out);
        assert!(users.iter().all(|user| *user == users[0]), "equal names look alike: {users:?}");
        let shown = node.admin(&["bans", "explain", STRANGER]).await.good().out;
        assert!(shown.contains(users[0]), "{shown}");
        said.extend([("explain".to_owned(), told.out), ("explain".to_owned(), shown)]);
        said.push(("the log".to_owned(), node.words()));
        read_all(&node.state(), &mut said);
    }
    let line = pool
        .node(0)
        .logged("the end of a login", |line| line.message() == "connection.ended" && line.raw.contains("unknown~"));
    line.await;
    for name in pool.memcached.names().await {
        said.push((name.clone(), String::from_utf8_lossy(&pool.memcached.value(&name).await).into_owned()));
        said.push(("a name in memcached".to_owned(), name));
    }
    for (place, text) in said {
        assert!(!text.contains("Canary"), "in {place}:\n{text}");
    }
}

#[tokio::test]
async fn s_87_who_wants_names_in_full_says_so_and_names_of_users_are_never_masked() {
    let server = Server::serve_with(|config| {
        config.set("log.unknown-users", "full");
    })
    .await;
    server.try_login(STRANGER, MISTYPED, "next").await;
    let ended = |name: &'static str| {
        server.logged(name, move |line| line.message() == "connection.ended" && line.raw.contains(name))
    };
    ended(MISTYPED).await;
    let masking = Server::serve_with(|_| {}).await;
    for guess in 0..5 {
        masking.try_login(STRANGER, USER, &format!("wrong-{guess}")).await;
    }
    let told = masking.admin(&["bans", "explain", STRANGER]).await.good().out;
    assert!(told.contains(&format!("user={USER}")) && !told.contains("unknown~"), "{told}");
}

#[tokio::test]
async fn s_87_a_ban_of_a_name_that_nobody_has_holds_on_every_node_and_names_it_nowhere() {
    let rule = format!(
        "{{ on = 'login-failed', about = '{MISTYPED}', ban = ['user-at-host'], seconds = 600, message = 'Gone, {MISTYPED}' }}"
    );
    let pool = Cluster::with(2, |_, config| record(config, &[&rule], "")).await;
    let answer = async |node: usize, source: &str, user: &str| {
        let reply = pool.node(node).try_login(source, user, "wrong").await.expect("an answer").expect(530);
        reply.text().contains("Gone")
    };
    answer(0, STRANGER, MISTYPED).await;
    for node in [0, 1] {
        assert!(answer(node, STRANGER, MISTYPED).await, "node {node}");
        assert!(!answer(node, STRANGER, "somebody-else").await, "node {node}");
        pool.node(node).enter(STRANGER).await.command("NOOP").await.expect(200);
    }
    for node in [0, 1].map(|number| pool.node(number)) {
        let list = deadline::until_asked(SOON, "the ban to be known", async || {
            let list = node.admin(&["bans", "list", "--json"]).await.good();
            list.out.contains("unknown~").then_some(list)
        });
        let list = list.await;
        assert!(!list.out.contains("Canary"), "{}", list.out);
        let exported = node.admin(&["bans", "export"]).await.good();
        assert!(exported.out.contains("Gone, unknown~") && !exported.out.contains("Canary"), "{}", exported.out);
    }
    let lifted = pool.node(1).admin(&["bans", "list", "--json"]).await.good().json();
    pool.node(1).admin(&["bans", "lift", lifted[0]["id"].as_str().expect("an id")]).await.good();
}

fn read_all(folder: &Path, said: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the state can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, said);
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("a file of the state");
            said.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[tokio::test]
async fn s_37_control_characters_of_a_client_never_reach_the_log() {
    let server = Server::serve_with(|config| {
        config.set("log.format", "pretty").set("log.level", "trace");
    })
    .await;
    let mut client = server.protected(STRANGER).await;
    client.send("USER ev\u{1b}[31mil\u{202e}\r\n".as_bytes()).await.expect("sent");
    client.reply().await;
    client.command("PASS x").await;
    client.send("FR\u{7}OB \u{1b}]0;title\u{7}\r\n".as_bytes()).await.expect("sent");
    client.reply().await;
    client.command("QUIT").await;
    let words = server.words();
    let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!words.contains(bad), "{words:?}");
}
