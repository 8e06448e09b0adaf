//! S-79: a password is nowhere but in the file of users, as a hash.

use std::fs;
use std::path::Path;

use tests::client::DataTls;
use tests::config::PASSWORD;
use tests::server::Server;

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
