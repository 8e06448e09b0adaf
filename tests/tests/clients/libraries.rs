//! Libraries for programs: Java, JavaScript, Perl, Rust.

use tempfile::TempDir;
use tests::place;
use tests::program::Program;
use tests::server::Server;
use tests::tree;

/// VERSION CERTIFICATE HOST PORT USER PASSWORD, as most of the programs take them.
fn told(program: Program, server: &Server, version: &str) -> Program {
    program
        .arg(version)
        .arg(&server.ready().certificate)
        .args([server.address().ip().to_string(), server.address().port().to_string()])
        .args([server.user(), server.password()])
}

#[tokio::test]
async fn commons_net_of_java_works_and_resumes_where_it_is_taught_to() {
    const JAR: &str = "/usr/share/java/commons-net.jar";
    let here = TempDir::new().expect("a scratch folder");
    let compiler = Program::new("javac").args(["-cp", JAR, "-d"]).arg(here.path());
    compiler.arg(place::client("CommonsNet.java")).run().await.good();
    let run = async |server: &Server, kind: &str, version: &str| {
        let java = Program::new("java").arg("-Djdk.tls.useExtendedMasterSecret=true");
        // What it takes to reach the sessions of the JDK.
        let java = java.args(["--add-opens", "java.base/sun.security.ssl=ALL-UNNAMED"]);
        let java = java.args(["--add-opens", "java.base/sun.security.util=ALL-UNNAMED"]);
        let java = java.arg("-cp").arg(format!("{JAR}:{}", here.path().display())).args(["CommonsNet", kind]);
        told(java, server, version).run().await
    };
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        let answer = run(&server, "plain", version).await.good();
        assert!(answer.out.contains("Commons Net is content"));
    }
    let strict = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require");
    })
    .await;
    let answer = run(&strict, "resuming", "1.2").await.good();
    assert!(answer.out.contains("Commons Net is content"));
    assert_ne!(run(&strict, "plain", "1.2").await.code, Some(0), "a session of its own is refused");
}

#[tokio::test]
async fn basic_ftp_of_node_works_with_each_tls_version_and_resumes() {
    let here = TempDir::new().expect("a scratch folder");
    let source = here.path().join("source");
    tree::make(&source, 60);
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require");
    })
    .await;
    for version in ["1.2", "1.3"] {
        let back = here.path().join(version);
        let node =
            Program::new("node").arg(place::client("basic_ftp.cjs")).arg(place::fetched("node_modules/basic-ftp"));
        let answer = told(node, &server, version).arg(&source).arg(&back).run().await.good();
        assert!(answer.out.contains("basic-ftp is content"));
        tree::assert_same(&source, &back);
    }
}

#[tokio::test]
async fn net_ftp_of_perl_works_with_each_tls_version_in_passive_and_in_active_mode() {
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        for passive in ["1", "0"] {
            let perl = Program::new("perl").arg(place::client("net_ftp.pl")).arg(passive);
            let answer = told(perl, &server, version).run().await.good();
            assert!(answer.out.contains("Net::FTP is content"));
        }
    }
}

#[tokio::test]
async fn suppaftp_of_rust_verifies_the_certificate_and_works_with_each_tls_version() {
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        let rust = Program::new(place::fetched("suppaftp-judge")).arg(version).arg(&server.ready().certificate);
        let rust = rust.arg(server.address().to_string()).args([server.user(), server.password()]);
        let answer = rust.run().await.good();
        assert!(answer.out.contains("suppaftp is content"));
    }
}
