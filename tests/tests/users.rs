//! The file of users, as its users meet it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::client::{Client, DataTls};
use tests::config::{Config, PASSWORD};
use tests::server::{self, Server};

const HERE: &str = "127.0.0.1";

/// A server whose file of users is `users`; `HASH` stands for the hash of the harness's password. The
/// folders `root`, `home` and `shared` are there.
async fn with_users(users: &str, change: impl FnOnce(&mut Config)) -> Server {
    let mut server = Server::prepared(change).await;
    for folder in ["home", "shared"] {
        fs::create_dir_all(server.folder().join(folder)).expect("a folder");
    }
    write_users(&server, users).await;
    server.start().await;
    server
}

async fn write_users(server: &Server, users: &str) {
    let place = server.folder().join("users.toml");
    let draft = server.folder().join("users.draft");
    fs::write(&draft, users.replace("HASH", server::password_hash().await)).expect("a draft");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(&draft, &place).expect("the users can be replaced");
}

/// Logged in, with protected data connections.
async fn enter(server: &Server, user: &str) -> Client {
    let mut client = server.protected(HERE).await;
    client.log_in(user, PASSWORD).await.expect("an answer").expect(230);
    client.protect_data().await;
    client.command("TYPE I").await.expect(200);
    client
}

async fn refused(client: &mut Client, command: &str, code: u16) {
    match client.try_open_data(command, &DataTls::Resuming).await {
        Err(reply) => assert_eq!(reply.code, code, "{command}: {reply}"),
        Ok(_) => panic!("{command} was opened"),
    }
}

#[tokio::test]
async fn a_drop_box_takes_new_files_and_shows_changes_and_gives_nothing() {
    let users = "[[user]]\nname = 'box'\npassword = 'HASH'\nhome = 'home'\npermissions = ['write', 'mkdir']\n";
    let server = with_users(users, |_| {}).await;
    let mut client = enter(&server, "box").await;
    client.command("MKD in").await.expect(257);
    client.upload("in/new", b"mine").await.expect(226);
    for command in ["RETR in/new", "LIST", "MLSD in", "STOR in/new", "APPE in/new"] {
        refused(&mut client, command, 550).await;
    }
    for command in ["DELE in/new", "RMD in", "RNFR in/new"] {
        client.command(command).await.expect(550);
    }
    let facts = client.command("MLST in/new").await.expect(250).text();
    assert!(facts.contains("perm=;"), "T-59: {facts}");
    assert_eq!(fs::read(server.folder().join("home/in/new")).expect("the file"), b"mine");
}

#[tokio::test]
async fn anonymous_reads_and_changes_nothing_and_is_off_by_default() {
    let server = with_users("", |config| {
        config
            .set("users.anonymous.enabled", true)
            .set("users.anonymous.home", "shared")
            .set("users.anonymous.refused-passwords", vec!["*@bots.example"]);
    })
    .await;
    fs::write(server.folder().join("shared/file"), "for all").expect("a file");
    for name in ["anonymous", "ftp", "Anonymous"] {
        let mut client = server.protected(HERE).await;
        client.log_in(name, "me@").await.expect("an answer").expect(230);
        client.protect_data().await;
        assert_eq!(client.download("file").await, b"for all");
        refused(&mut client, "STOR new", 550).await;
        client.command("DELE file").await.expect(550);
        let facts = client.command("MLST file").await.expect(250).text();
        assert!(facts.contains("perm=r;"), "T-59: {facts}");
    }
    server.try_login("127.0.0.2", "ftp", "x@bots.example").await.expect("an answer").expect(530);
    server
        .logged("the cause", |line| line.message() == "login.failed" && line.text("cause") == "AnonymousRefused")
        .await;

    let closed = with_users("", |_| {}).await;
    closed.try_login(HERE, "anonymous", "me@").await.expect("an answer").expect(530);
}
