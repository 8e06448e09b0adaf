//! Command-line tools beside curl and lftp.

use tempfile::TempDir;
use tests::program::Program;
use tests::server::Server;
use tests::tree;

#[tokio::test]
async fn rclone_of_go_copies_and_checks_with_ten_transfers_at_once() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let (source, back) = (here.path().join("source"), here.path().join("back"));
    tree::make(&source, 300);
    let password = Program::new("rclone").args(["obscure", server.password()]).run().await.good();
    let remote = format!(
        ":ftp,host={},port={},user={},pass={},explicit_tls=true:all",
        server.address().ip(),
        server.address().port(),
        server.user(),
        password.out.trim()
    );
    let run = async |arguments: &[&str]| {
        let rclone = Program::new("rclone").args(["--config", "/dev/null", "--transfers=10", "--checkers=10"]);
        // Each failed try is a failure here.
        let rclone = rclone.args(["--retries=1", "--low-level-retries=1"]);
        rclone.env("SSL_CERT_FILE", &server.ready().certificate).args(arguments).run().await.good()
    };
    let (from, to) = (source.to_str().expect("text"), back.to_str().expect("text"));
    run(&["copy", "--create-empty-src-dirs", from, &remote]).await;
    tree::assert_same(&source, &server.root().join("all"));
    run(&["check", "--download", from, &remote]).await;
    run(&["copy", "--create-empty-src-dirs", &remote, to]).await;
    tree::assert_same(&source, &back);
    let again = run(&["copy", "--verbose", from, &remote]).await;
    assert!(!again.err.contains("Copied ("), "sizes and times agree: {}", again.err);
}

#[tokio::test]
async fn wget_fetches_a_tree() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let source = server.root().join("tree");
    std::fs::create_dir_all(source.join("be/low")).expect("a folder");
    for (name, bytes) in [("none", 0), ("be/one", 1), ("be/low/many", 3_000_000)] {
        std::fs::write(source.join(name), tree::content(4, bytes)).expect("a file");
    }
    let wget = Program::new("wget").args(["--no-verbose", "--recursive", "--no-host-directories", "--tries=1"]);
    let wget = wget.args(["--timeout=30", "--ca-certificate"]).arg(&server.ready().certificate);
    let wget = wget.args(["--user", server.user(), "--password", server.password()]);
    wget.arg(format!("ftps://localhost:{}/tree/", server.address().port())).within(here.path()).run().await.good();
    tree::assert_same(&source, &here.path().join("tree"));
}

#[tokio::test]
async fn tnftp_and_ncftp_work_in_clear_where_the_operator_allows_it() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    let here = TempDir::new().expect("a scratch folder");
    let bytes = tree::content(5, 1_000_000);
    std::fs::write(here.path().join("up"), &bytes).expect("a file");
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());

    let script = format!(
        "open {host} {port}\nuser {} {}\nbinary\nmkdir tnftp\ncd tnftp\nput up file\nsize file\nls\n\
         get file tnftp-down\nrename file moved\ndelete moved\ncd ..\nrmdir tnftp\nquit\n",
        server.user(),
        server.password()
    );
    // It asks a person nothing, and tells every reply.
    let tnftp = Program::new("tnftp").args(["-n", "-v", "-i", "-p"]).input(script).within(here.path());
    let said = tnftp.run().await.good();
    assert!(std::fs::read(here.path().join("tnftp-down")).is_ok_and(|back| back == bytes), "{}", said.out);
    assert!(!said.out.lines().any(|line| line.starts_with("5") || line.starts_with("4")), "{}", said.out);
    assert!(!server.root().join("tnftp").exists());

    let login = ["-u", server.user(), "-p", server.password(), "-P", &port, "-V"];
    let put = Program::new("ncftpput").args(login).args(["-m", &host, "ncftp", "up"]).within(here.path());
    put.run().await.good();
    assert!(std::fs::read(server.root().join("ncftp/up")).is_ok_and(|stored| stored == bytes));
    std::fs::create_dir(here.path().join("down")).expect("a folder");
    let get = Program::new("ncftpget").args(login).args([&host, "down", "ncftp/up"]).within(here.path());
    get.run().await.good();
    assert!(std::fs::read(here.path().join("down/up")).is_ok_and(|back| back == bytes));
}

#[tokio::test]
async fn openssl_s_client_verifies_and_speaks_behind_auth_tls() {
    let server = Server::quickstart().await;
    let session = format!("USER {}\r\nPASS {}\r\nPWD\r\nQUIT\r\n", server.user(), server.password());
    for version in ["-tls1_2", "-tls1_3"] {
        let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", version, "-quiet"]);
        let openssl = openssl.args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-CAfile"]);
        let openssl = openssl.arg(&server.ready().certificate).args(["-connect", &server.address().to_string()]);
        let said = openssl.input(session.clone()).run().await.good();
        let codes: Vec<&str> = said.out.lines().filter_map(|line| line.get(..3)).collect();
        assert_eq!(codes, ["331", "230", "257", "221"], "{}", said.out);
    }
}
