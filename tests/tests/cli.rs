//! The command line: exit codes, JSON, and mistakes told so that they can be mended.

use std::fs;

use tests::config::PASSWORD;
use tests::server::{Server, portcullis};

#[tokio::test]
async fn help_reads_well_and_wrong_usage_exits_with_2() {
    let help = portcullis(&["--help"]).run().await.good().out;
    for word in ["quickstart", "serve", "check", "config", "bans", "policy", "status", "user"] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
    for arguments in [&[][..], &["no-such-command"], &["serve"], &["bans", "frobnicate"], &["status", "--no-such-flag"]]
    {
        let answer = portcullis(arguments).run().await.exits(2);
        assert!(answer.out.is_empty() && !answer.err.is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_exit_code_3() {
    let nowhere = tempfile::tempdir().expect("a scratch folder");
    let socket = nowhere.path().join("admin.sock").to_string_lossy().into_owned();
    for command in [&["status"][..], &["bans", "list"], &["policy", "list"], &["bans", "lift", "192.0.2.1"]] {
        let answer = portcullis(command).args(["--admin", &socket]).run().await.exits(3);
        assert!(answer.err.contains("admin.sock"), "{answer:?}");
    }
}

#[tokio::test]
async fn whatever_is_listed_is_listed_as_json_too() {
    let server = Server::quickstart().await;
    server.admin(&["bans", "add", "192.0.2.7", "--for", "1h", "--reason", "test"]).await.good();
    server.admin(&["bans", "add", "network:198.51.100.0/24", "--for", "1h", "--reason", "test"]).await.good();
    for command in [&["bans", "list"][..], &["policy", "list"], &["bans", "explain", "192.0.2.7"], &["status"]] {
        let text = server.admin(command).await.good();
        assert!(!text.out.trim().is_empty(), "{text:?}");
        assert!(!text.out.contains('\u{1b}'), "no colour in a pipe: {text:?}");
        server.admin(&[command, &["--json"]].concat()).await.good().json();
    }
    let bans = server.admin(&["bans", "list", "--json"]).await.good().json();
    assert_eq!(bans.as_array().map(Vec::len), Some(2), "{bans}");
    let nonsense = server.admin(&["bans", "add", "planet:mars", "--for", "1h", "--reason", "test"]).await;
    nonsense.exits(2);
}

#[tokio::test]
async fn check_finds_every_mistake_at_once_and_names_the_nearest_key() {
    let mut server = Server::prepared(|config| {
        config.set("tls.data-resumtion", "require").set("timeouts.login", "yesterday").set("servr.node", "a");
    })
    .await;
    let path = server.config_file().to_string_lossy().into_owned();
    let answer = portcullis(&["check", "--config", &path]).run().await.exits(2);
    for word in ["tls.data-resumtion", "tls.data-resumption", "timeouts.login", "servr", "server"] {
        assert!(answer.err.contains(word), "`{word}` is missing in\n{}", answer.err);
    }
    let served = portcullis(&["serve", "--config", &path]).run().await.exits(2);
    assert!(served.err.contains("tls.data-resumtion"), "serve refuses what check refuses: {served:?}");

    server.config = tests::config::Config::in_folder(server.folder(), tests::server::password_hash().await);
    server.rewrite();
    portcullis(&["check", "--config", &path]).run().await.good();
}

type Change = fn(&mut tests::config::Config);

#[tokio::test]
async fn check_refuses_what_serve_would_files_keys_users_and_policies() {
    let checks: [(&str, Change, &str); 6] = [
        (
            "a certificate that is missing",
            |c| {
                c.set("tls.certificate", "missing.pem").set("tls.key", "missing.key");
            },
            "missing.pem",
        ),
        (
            "a file of users that is missing",
            |c| {
                c.set("users.file", "nobody.toml");
            },
            "nobody.toml",
        ),
        (
            "a built-in policy that is unknown",
            |c| {
                c.policy("name = 'x'\nsource = 'builtin:brute-farce'");
            },
            "brute-f",
        ),
        (
            "a component that is missing",
            |c| {
                c.policy("name = 'x'\nsource = 'file:missing.wasm'");
            },
            "missing.wasm",
        ),
        (
            "a setting that the policy refuses",
            |c| {
                c.policy("name = 'x'\nsource = 'builtin:brute-force'\nsettings = { limit = 0 }");
            },
            "limit",
        ),
        (
            "no certificate at all",
            |c| {
                c.set("tls.self-signed", false);
            },
            "tls",
        ),
    ];
    for (what, change, word) in checks {
        let server = Server::prepared(change).await;
        let path = server.config_file().to_string_lossy().into_owned();
        let answer = portcullis(&["check", "--config", &path]).run().await;
        assert_eq!(answer.code, Some(2), "{what}: {answer:?}");
        assert!(answer.err.contains(word), "{what}: `{word}` is missing in\n{}", answer.err);
    }
}

#[tokio::test]
async fn check_notices_a_key_of_another_certificate() {
    let one = Server::quickstart().await;
    let other = Server::quickstart().await;
    let key = |server: &Server| {
        let folder = server.ready().certificate.parent().expect("a folder").to_owned();
        let keys = fs::read_dir(folder).expect("the state can be read").map(|entry| entry.expect("an entry").path());
        let key = |path: &std::path::PathBuf| {
            path != &server.ready().certificate
                && fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE KEY"))
        };
        keys.into_iter().find(key).expect("a key beside the certificate")
    };
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    for (certificate, key, code) in
        [(one.ready().certificate.clone(), key(&one), 0), (one.ready().certificate.clone(), key(&other), 2)]
    {
        let server = Server::prepared(|config| {
            config.set("tls.self-signed", false);
            config.set("tls.certificate", text(certificate)).set("tls.key", text(key));
        })
        .await;
        let path = text(server.config_file());
        portcullis(&["check", "--config", &path]).run().await.exits(code);
    }
}

#[tokio::test]
async fn the_printed_defaults_are_a_configuration_and_show_says_where_each_value_is_from() {
    let defaults = portcullis(&["config", "defaults"]).run().await.good().out;
    let table: toml::Table = toml::from_str(&defaults).expect("the defaults are TOML");
    assert!(table.contains_key("timeouts") && defaults.contains('#'), "they are documented");

    let server = Server::prepared(|config| {
        config.set("timeouts.login", "77s");
    })
    .await;
    let path = server.config_file().to_string_lossy().into_owned();
    let shown = portcullis(&["config", "show", "--config", &path]).run().await.good().out;
    assert!(shown.contains("77s") || shown.contains("1m 17s") || shown.contains("1m17s"), "{shown}");
    assert!(
        shown.contains("portcullis.toml") && shown.contains("default"),
        "each value says where it is from:\n{shown}"
    );
}

#[tokio::test]
async fn user_hash_reads_stdin_and_prints_a_salted_argon2id_hash() {
    let hash = async || portcullis(&["user", "hash"]).input(format!("{PASSWORD}\n")).run().await.good().out;
    let (one, other) = (hash().await, hash().await);
    assert!(one.trim().starts_with("$argon2id$"), "{one}");
    assert_ne!(one, other, "each has its own salt");
    let nothing = portcullis(&["user", "hash"]).input("").run().await;
    assert_ne!(nothing.code, Some(0), "no password is no password: {nothing:?}");
}

#[tokio::test]
async fn policy_check_and_inspect_work_without_a_server() {
    let good = tests::place::guest("brute-force");
    let good = good.to_string_lossy();
    portcullis(&["policy", "check", &good]).run().await.good();
    let told = portcullis(&["policy", "inspect", &good]).run().await.good().out;
    for word in ["brute-force", "login-failed", "limit"] {
        assert!(told.contains(word), "`{word}` is missing in\n{told}");
    }
    portcullis(&["policy", "inspect", &good, "--json"]).run().await.good().json();
    let nothing = tempfile::NamedTempFile::new().expect("a file");
    fs::write(nothing.path(), "no component").expect("written");
    let answer = portcullis(&["policy", "check", &nothing.path().to_string_lossy()]).run().await;
    assert!(matches!(answer.code, Some(1 | 2)), "{answer:?}");
}

#[tokio::test]
async fn s_77_the_socket_of_another_server_is_not_taken_over() {
    let server = Server::quickstart().await;
    let state = server.state().to_string_lossy().into_owned();
    let second = portcullis(&["quickstart", "--listen", "127.0.0.1:0", "--state", &state]).run().await;
    assert!(matches!(second.code, Some(1 | 2)), "two servers cannot share a state directory: {second:?}");
    server.admin(&["status"]).await.good();
}
