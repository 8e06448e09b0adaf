use std::path::Path;

use tempfile::TempDir;
use tests::program::{Answer, Program};
use tests::server::Server;
use tests::tree;

async fn lftp(server: &Server, settings: &str, commands: &str) -> Answer {
    let script = format!(
        "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 30; set ssl:ca-file {}; \
         set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ftp:list-options -a; {settings} \
         open -u {},{} ftp://{}; {commands}; bye",
        server.ready().certificate.display(),
        server.user(),
        server.password(),
        server.address()
    );
    Program::new("lftp").args(["--norc", "-c", &script]).run().await.good()
}

#[tokio::test]
async fn lftp_mirrors_two_hundred_files_with_unusual_names_up_and_down() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let source = here.path().join("source");
    tree::make(&source, 200);
    for (settings, name) in [("set ftp:use-mlsd no;", "by-list"), ("set ftp:use-mlsd yes;", "by-mlsd")] {
        let back = here.path().join(name);
        let up = format!("mirror --reverse --no-umask {} {name}", source.display());
        lftp(&server, settings, &up).await;
        tree::assert_same(&source, &server.root().join(name));
        let down = format!("mirror --parallel=2 {name} {}", back.display());
        lftp(&server, settings, &down).await;
        tree::assert_same(&source, &back);
    }
}

#[tokio::test]
async fn lftp_mirrors_two_thousand_files_both_ways_and_then_finds_nothing_left_to_do() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let (source, back) = (here.path().join("source"), here.path().join("back"));
    tree::make(&source, 2000);
    let mlsd = "set ftp:use-mlsd yes;";
    let up = format!("mirror --reverse --no-umask --parallel=4 {} all", source.display());
    lftp(&server, mlsd, &up).await;
    tree::assert_same(&source, &server.root().join("all"));
    lftp(&server, mlsd, &format!("mirror --parallel=4 all {}", back.display())).await;
    tree::assert_same(&source, &back);
    // MFMT on the way up, MLSD's modify on the way down: sizes and times agree.
    for direction in [format!("all {}", back.display()), format!("--reverse {} all", source.display())] {
        let again = lftp(&server, mlsd, &format!("mirror --dry-run --no-perms {direction}")).await;
        // It makes sure of the folder, whatever there is.
        let left: Vec<&str> = again.out.lines().filter(|line| !line.starts_with("mkdir -p ")).collect();
        assert!(left.is_empty(), "{direction}: {left:?}");
    }
}

/// A name on the client's disk is data, not protocol: it becomes no second command.
#[tokio::test]
async fn t_51_a_line_end_in_a_local_name_is_no_command_on_the_server() {
    let server = Server::quickstart().await;
    std::fs::write(server.root().join("victim"), b"kept").expect("a file");
    let here = TempDir::new().expect("a scratch folder");
    for name in ["two\nlines", "two\r\nDELE victim\r\nlines", "tab\tand\u{1b}escape"] {
        std::fs::write(here.path().join(name), name).expect("a file");
    }
    let log = mirror_up(&server, here.path()).await;
    assert_eq!(std::fs::read(server.root().join("victim")).expect("it is there"), b"kept");
    let stored: Vec<String> = tree::read(&server.root()).into_keys().collect();
    assert!(stored.iter().all(|name| !name.contains(['\n', '\r', '\u{1b}'])), "{stored:?}\n{log:?}");
}

/// Whatever lftp makes of names that the protocol cannot carry: it may fail.
async fn mirror_up(server: &Server, source: &Path) -> Answer {
    let script = format!(
        "set net:max-retries 1; set net:timeout 20; set ssl:ca-file {}; set ftp:ssl-force yes; \
         open -u {},{} ftp://{}; mirror --reverse {} .; bye",
        server.ready().certificate.display(),
        server.user(),
        server.password(),
        server.address(),
        source.display()
    );
    Program::new("lftp").args(["--norc", "-c", &script]).run().await
}
