//! The clients that people have: curl, lftp, Python's ftplib.

use std::path::Path;

use tempfile::TempDir;
use tests::program::{Answer, Program};
use tests::server::Server;
use tests::tree;

fn curl(server: &Server, path: &str) -> Program {
    Program::new("curl")
        .args(["--silent", "--show-error", "--ssl-reqd", "--max-time", "60", "--cacert"])
        .arg(&server.ready().certificate)
        .args(["--user", &format!("{}:{}", server.user(), server.password())])
        .arg(format!("ftp://{}/{path}", server.address()))
}

#[tokio::test]
async fn curl_uploads_and_downloads_with_each_tls_version_and_passive_form() {
    let server = Server::quickstart().await;
    let here = TempDir::new().expect("a scratch folder");
    let bytes = tree::content(7, 700_001);
    std::fs::write(here.path().join("up"), &bytes).expect("a file");
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"][..]] {
        for passive in [&["--ftp-pasv", "--disable-epsv"][..], &["--ftp-pasv"][..]] {
            let run = |program: Program| program.args(version).args(passive).within(here.path()).run();
            run(curl(&server, "deep/er/file.bin").args(["--ftp-create-dirs", "--upload-file", "up"])).await.good();
            run(curl(&server, "deep/er/file.bin").args(["--output", "down"])).await.good();
            assert!(std::fs::read(here.path().join("down")).expect("a file") == bytes, "{version:?} {passive:?}");
            let listed = run(curl(&server, "deep/er/")).await.good();
            assert!(listed.out.contains("file.bin"), "{}", listed.out);
            run(curl(&server, "deep/er/").args(["--quote", "-DELE file.bin"])).await.good();
        }
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

const FTPLIB: &str = r#"
import ftplib, io, os, ssl, sys

class Reusing(ftplib.FTP_TLS):
    """Data connections resume the session of the control connection."""
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size

kind, version, certificate, host, port, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
if version == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
else:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
ftp = (Reusing if kind == "reusing" else ftplib.FTP_TLS)(context=context, timeout=30)
ftp.connect(host, int(port))
ftp.login(user, password)
ftp.prot_p()
data = os.urandom(200_000)
for round in range(3):
    name = f"ftplib-{kind}-{version}-{round}"
    ftp.storbinary(f"STOR {name}", io.BytesIO(data))
    back = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", back.write)
    assert back.getvalue() == data, "what comes back is what was sent"
    assert ftp.size(name) == len(data)
    assert name in ftp.nlst()
    assert name in dict(ftp.mlsd())
    ftp.rename(name, name + ".moved")
    ftp.delete(name + ".moved")
ftp.mkd("made-by-ftplib")
ftp.cwd("made-by-ftplib")
assert ftp.pwd() == "/made-by-ftplib", ftp.pwd()
ftp.cwd("..")
ftp.rmd("made-by-ftplib")
ftp.quit()
print("ftplib is content")
"#;

async fn ftplib(server: &Server, kind: &str, version: &str) -> Answer {
    Program::new("python3")
        .args(["-c", FTPLIB, kind, version])
        .arg(Path::new(&server.ready().certificate))
        .args([server.address().ip().to_string(), server.address().port().to_string()])
        .args([server.user(), server.password()])
        .run()
        .await
}

#[tokio::test]
async fn python_ftplib_works_with_each_tls_version() {
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        for kind in ["plain", "reusing"] {
            let answer = ftplib(&server, kind, version).await.good();
            assert!(answer.out.contains("ftplib is content"));
        }
    }
}

#[tokio::test]
async fn where_resumption_is_required_ftplib_gets_in_by_resuming_and_not_otherwise() {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require");
    })
    .await;
    for version in ["1.2", "1.3"] {
        let content = ftplib(&server, "reusing", version).await.good();
        assert!(content.out.contains("ftplib is content"));
        let refused = ftplib(&server, "plain", version).await;
        assert_ne!(refused.code, Some(0), "a data connection of its own session is refused with TLS {version}");
    }
}
