//! A neutral judge: pyftpdlib's functional test-suite, FTP and FTPS, against this server. Nothing in it is
//! changed but where the server is; `tests/judges/pyftpdlib/not-applicable.txt` says what is not run, and why.

use tests::place;
use tests::program::Program;
use tests::server::{Server, portcullis};
use toml::Value;

/// The suite's release that `tests/run` unpacks.
const SUITE: &str = "pyftpdlib-2.2.0";
/// Fewer cases than these are not the whole suite.
const CASES_MIN: usize = 263;

#[tokio::test]
async fn pyftpdlibs_own_tests_are_content_with_this_server() {
    let python = place::repository().join("target/judges/python");
    let suite = place::repository().join("target/judges").join(SUITE);
    assert!(suite.is_dir() && python.is_dir(), "there is no {}; tests/run unpacks it", suite.display());
    let judge = place::repository().join("tests/judges/pyftpdlib");

    let mut server = Server::prepared(|config| {
        config.set("tls.required", false).set("policy", Value::Array(Vec::new()));
        config.set("limits.connections-per-address", 1000).set("limits.unauthenticated-per-address", 1000);
        config.set("users.anonymous.enabled", true).set("users.anonymous.home", "root");
    })
    .await;
    let hash = portcullis(&["user", "hash"]).input("12345\n").run().await.good().out;
    let users = format!("[[user]]\nname = 'user'\npassword = '{}'\nhome = 'root'\n", hash.trim());
    std::fs::write(server.folder().join("users.toml"), users).expect("the users can be written");
    server.start().await;

    let results = server.folder().join("results");
    let files = ["test_functional.py", "test_functional_ssl.py"].map(|name| suite.join("tests").join(name));
    let path = std::env::join_paths([&suite, &judge, &python]).expect("paths without colons");
    let answer = Program::new("python3")
        .args([
            "-m",
            "pytest",
            "-p",
            "portcullis_judge",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "-q",
            "--tb=short",
        ])
        .args(files)
        .within(&server.root())
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("JUDGE_PORT", server.address().port().to_string())
        .env("JUDGE_EXCEPT", judge.join("not-applicable.txt"))
        .env("JUDGE_RESULTS", &results)
        .run()
        .await
        .good();
    let told = std::fs::read_to_string(&results).expect("the plugin wrote how the cases ended");
    let others: Vec<&str> = told.lines().filter(|line| !line.starts_with("passed ")).collect();
    assert!(others.is_empty(), "neither passed nor listed: {others:#?}\n{}", answer.out);
    assert!(told.lines().count() >= CASES_MIN, "{} cases are not the whole suite", told.lines().count());
}
