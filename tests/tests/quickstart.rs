//! One command, no configuration: what `portcullis quickstart` promises.

use std::os::unix::fs::PermissionsExt;

use tests::program::Program;
use tests::server::Server;
use tests::tree;

fn mode(path: &std::path::Path) -> u32 {
    path.symlink_metadata().expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_ready_file_tells_what_a_script_needs_and_the_server_keeps_it() {
    let server = Server::quickstart().await;
    let ready = server.ready();
    assert!(ready.addresses.iter().all(|address| address.port() != 0), "{ready:?}");
    assert_eq!(ready.user.as_deref(), Some("demo"));
    assert!(ready.password.as_deref().is_some_and(|password| password.len() >= 12), "{ready:?}");
    assert!(ready.certificate.is_file(), "{ready:?}");
    assert_eq!(mode(&ready.admin), 0o600, "the admin socket is its owner's alone");
    assert_eq!(mode(&server.state()), 0o700, "so is the state directory");
    server.enter("127.0.0.1").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_second_start_has_the_same_password_and_certificate() {
    let mut server = Server::quickstart().await;
    let first = server.ready().clone();
    let certificate = std::fs::read(&first.certificate).expect("a certificate");
    assert_eq!(server.stop().await, Some(0), "a request to stop ends it in good order");
    server.start().await;
    assert_eq!(server.ready().password, first.password);
    assert_eq!(std::fs::read(&server.ready().certificate).expect("a certificate"), certificate);
    server.enter("127.0.0.1").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn two_machines_never_have_the_same_password() {
    let one = Server::quickstart().await;
    let other = Server::quickstart().await;
    assert_ne!(one.password(), other.password());
}

#[tokio::test]
async fn the_welcome_file_is_there_and_what_is_uploaded_stays() {
    let server = Server::quickstart().await;
    let mut client = server.enter("127.0.0.1").await;
    let mut listing = client.open_data("NLST", &tests::client::DataTls::Resuming).await;
    let names = String::from_utf8(listing.read_all().await).expect("names");
    client.reply().await.expect(226);
    let welcome = names.lines().next().expect("a file that says welcome").to_owned();
    assert!(!client.download(&welcome).await.is_empty());

    let bytes = tree::content(1, 3_000_000);
    client.upload("three megabytes.bin", &bytes).await.expect(226);
    assert!(client.download("three megabytes.bin").await == bytes, "what comes back is what was sent");
    assert!(std::fs::read(server.root().join("three megabytes.bin")).expect("a file of the root") == bytes);
}

#[tokio::test]
async fn the_printed_lines_run_as_they_were_printed() {
    let server = Server::quickstart().await;
    let words = server.words();
    let runs = |line: &&str| ["curl ", "lftp ", "echo "].iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = words.lines().map(str::trim).filter(runs).collect();
    for program in ["curl ", "lftp "] {
        assert!(lines.iter().any(|line| line.contains(program)), "no {program}line was printed:\n{words}");
    }
    for line in lines {
        let here = tempfile::tempdir().expect("a scratch folder");
        let input = if line.starts_with("lftp") { "ls\nbye\n" } else { "" };
        Program::new("sh").arg("-c").arg(line).within(here.path()).input(input).run().await.good();
    }
}
