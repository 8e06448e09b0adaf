use tempfile::TempDir;
use tests::program::Program;
use tests::server::Server;
use tests::tree;

fn curl(server: &Server, path: &str) -> Program {
    Program::new("curl")
        .args(["--silent", "--show-error", "--ssl-reqd", "--max-time", "60", "--cacert"])
        .arg(&server.ready().certificate)
        .args(["--user", &format!("{}:{}", server.user(), server.password())])
        .arg(format!("ftp://{}/{path}", server.address()))
}

const VERSIONS: [&[&str]; 2] = [&["--tlsv1.2", "--tls-max", "1.2"], &["--tlsv1.3"]];

/// The two ways to a data connection that the client opens, and those to one that the server opens.
const PASSIVE: [(&str, &[&str]); 2] = [("PASV", &["--disable-epsv"]), ("EPSV", &[])];
const ACTIVE: [(&str, &[&str]); 2] =
    [("PORT", &["--disable-eprt", "--ftp-port", "127.0.0.1"]), ("EPRT", &["--ftp-port", "127.0.0.1"])];

const FILES: [(&str, usize); 3] = [("none", 0), ("one", 1), ("many", 10 * 1024 * 1024)];

/// Uploads, downloads and lists files of each size.
async fn moves_and_lists(server: &Server, folder: &str, program: impl Fn(&str) -> Program) {
    let here = TempDir::new().expect("a scratch folder");
    for (name, bytes) in FILES {
        std::fs::write(here.path().join(name), tree::content(7, bytes)).expect("a file");
        let up = program(&format!("{folder}/{name}")).args(["--ftp-create-dirs", "--upload-file", name]);
        up.within(here.path()).run().await.good();
    }
    // One connection for all three.
    let down = program(&format!("{folder}/{{none,one,many}}")).args(["--output", "back-#1"]);
    down.within(here.path()).run().await.good();
    for (name, bytes) in FILES {
        let back = std::fs::read(here.path().join(format!("back-{name}"))).expect("a file");
        assert!(back == tree::content(7, bytes), "{name} in {folder}");
    }
    let listed = program(&format!("{folder}/")).run().await.good();
    assert_eq!(listed.out.lines().count(), FILES.len(), "{}", listed.out);
    let names = program(&format!("{folder}/")).arg("--list-only").run().await.good();
    for (name, _) in FILES {
        assert!(names.out.lines().any(|line| line == name), "{}", names.out);
    }
    let deletions = FILES.map(|(name, _)| format!("-DELE {name}"));
    let quotes = deletions.iter().flat_map(|quote| ["--quote", quote.as_str()]);
    program(&format!("{folder}/")).args(quotes).run().await.good();
    let empty = program(&format!("{folder}/")).run().await.good();
    assert_eq!(empty.out, "");
    assert!(server.root().join(folder).is_dir());
}

#[tokio::test]
async fn curl_moves_and_lists_files_of_each_size_with_each_tls_version_over_each_passive_connection() {
    let server = Server::quickstart().await;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        for (way, options) in PASSIVE {
            let program = |path: &str| curl(&server, path).args(version).args(options);
            moves_and_lists(&server, &format!("{way}-{number}/be/low"), program).await;
        }
    }
}

/// In clear: the curl of Debian 12 forgets TLS on a data connection that it accepted.
#[tokio::test]
async fn curl_moves_and_lists_files_of_each_size_in_clear_over_each_data_connection() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    for (way, options) in PASSIVE.into_iter().chain(ACTIVE) {
        let program = |path: &str| {
            let login = format!("{}:{}", server.user(), server.password());
            let curl = Program::new("curl").args(["--silent", "--show-error", "--max-time", "60", "--user", &login]);
            curl.args(options).arg(format!("ftp://{}/{path}", server.address()))
        };
        moves_and_lists(&server, &format!("{way}/be/low"), program).await;
    }
}

#[tokio::test]
async fn curl_resumes_a_broken_download_and_a_broken_upload() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let bytes = tree::content(8, 500_000);
    std::fs::write(here.path().join("whole"), &bytes).expect("a file");

    std::fs::write(server.root().join("remote"), &bytes).expect("a file");
    std::fs::write(here.path().join("half"), &bytes[..123_456]).expect("a file");
    let run = |program: Program| program.within(here.path()).run();
    run(curl(&server, "remote").args(["--continue-at", "-", "--output", "half"])).await.good();
    assert!(std::fs::read(here.path().join("half")).expect("a file") == bytes, "the download is whole");

    std::fs::write(server.root().join("partial"), &bytes[..200_000]).expect("a file");
    run(curl(&server, "partial").args(["--continue-at", "-", "--upload-file", "whole"])).await.good();
    assert!(std::fs::read(server.root().join("partial")).expect("a file") == bytes, "the upload is whole");
}

#[tokio::test]
async fn curl_without_tls_is_refused_before_it_tells_a_password() {
    let server = Server::quickstart().await;
    let plain = Program::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--user", "demo:told-in-clear"])
        .arg(format!("ftp://{}/", server.address()));
    let answer = plain.run().await;
    assert_eq!(answer.code, Some(67), "curl's `login denied`: {answer:?}");
    assert!(!server.words().contains("told-in-clear"));
}

#[tokio::test]
async fn t_58_curl_tells_a_missing_file_by_its_exit_code() {
    let server = Server::quickstart().await;
    curl(&server, "nothing-here").run().await.exits(78);
    // RFC 959: what cannot be entered cannot be listed.
    curl(&server, "no/folder/").run().await.exits(9);
}
