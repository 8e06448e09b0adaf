//! What happened is written down, and played again: the same bytes each time, and the exact difference that
//! another setting would have made.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::place;
use tests::program::Answer;
use tests::recording;
use tests::server::{Server, portcullis};

const ATTACKER: &str = "127.0.4.2";
const NEIGHBOUR: &str = "127.0.4.3";

/// Events that are generated; `tests/replay-million` sets a million.
fn count() -> u64 {
    std::env::var("REPLAY_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60_000)
}

async fn replay(files: &[PathBuf], more: &[&str]) -> Answer {
    let mut arguments = vec!["policy".to_owned(), "replay".to_owned()];
    for file in files {
        arguments.extend(["--events".to_owned(), file.to_string_lossy().into_owned()]);
    }
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    portcullis(&arguments).for_at_most(4 * tests::deadline::LATE).run().await.good()
}

fn bans(report: &Value) -> &Vec<Value> {
    report["bans"].as_array().expect("a list of bans")
}

async fn recording_server(pseudonyms: bool) -> (Server, PathBuf) {
    let mut file = PathBuf::new();
    let server = Server::serve_with(|config| {
        config.set("record.file", "events.jsonl").set("record.pseudonyms", pseudonyms);
        config.set("networks.office", vec![format!("{NEIGHBOUR}/32")]);
    })
    .await;
    file.push(server.folder().join("events.jsonl"));
    (server, file)
}

/// Waits until the file tells of the end of every connection that is over.
async fn written(file: &Path, word: &str) -> String {
    tests::deadline::until(tests::deadline::SOON, word, || {
        let text = std::fs::read_to_string(file).ok()?;
        (text.ends_with('\n') && text.contains(word)).then_some(text)
    })
    .await
}

#[tokio::test]
async fn what_real_clients_did_is_written_without_secrets_and_replays_to_the_same_ban() {
    let (server, file) = recording_server(false).await;
    let mut friend = server.enter(NEIGHBOUR).await;
    let tries = server.guess_until_banned(ATTACKER, 7).await;
    friend.command("QUIT").await.expect(221);
    let text = written(&file, "quit").await;
    for word in ["\"portcullis-events\":1", "\"connect\"", "login-failed", "login-succeeded", ATTACKER, "\"office\""] {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
    for secret in [server.password(), "wrong-1"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    let report = replay(std::slice::from_ref(&file), &["--policy", "builtin:brute-force", "--json"]).await.json();
    let [ban] = bans(&report).as_slice() else { panic!("one ban: {report}") };
    assert_eq!(ban["subject"]["host"], ATTACKER, "{ban}");
    assert_eq!((&ban["event"], &ban["policy"]), (&"login-failed".into(), &"brute-force".into()), "{ban}");
    let real = server.admin(&["bans", "explain", ATTACKER, "--json"]).await.good().json();
    assert_eq!((&real[0]["reason"], &real[0]["by"]["digest"]), (&ban["reason"], &report["policies"][0]["digest"]));
    // The whole chain of the server, from its own configuration.
    let config = server.config_file().to_string_lossy().into_owned();
    let whole = replay(std::slice::from_ref(&file), &["--config", &config, "--json"]).await.json();
    assert_eq!(whole["bans"], report["bans"]);
    // Who is exempt is answered as it was then.
    let exempt = ["--policy", "builtin:brute-force", "--settings", r#"{"exempt":["office"],"limit":1}"#, "--json"];
    assert_eq!(bans(&replay(std::slice::from_ref(&file), &exempt).await.json()).len(), 1);
    // With a higher limit nobody is banned, and the difference says so.
    let limit = (tries + 5).to_string();
    let settings = format!(r#"{{"limit":{limit}}}"#);
    let other =
        ["--policy", "builtin:brute-force", "--against", "builtin:brute-force", "--against-settings", &settings];
    let told = replay(std::slice::from_ref(&file), &other).await.out;
    assert!(told.contains("\n-  ") && told.contains(ATTACKER), "{told}");
}

#[tokio::test]
async fn s_33_bans_of_users_that_nobody_granted_are_counted_as_forbidden() {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let events = folder.path().join("events.jsonl");
    recording::write(&events, 2000, 42);
    let (files, recorder) = ([events], place::guest("recorder").to_string_lossy().into_owned());
    let rule = r#"{"rules":[{"on":"login-failed","ban":["user"],"seconds":600}]}"#;
    let told = replay(&files, &["--policy", &recorder, "--settings", rule]).await.out;
    assert!(told.contains("banned     nobody") && told.contains("times: a ban of a user from everywhere"), "{told}");

    let config = folder.path().join("granted.toml");
    let text = format!(
        "tls.self-signed = true\n[[policy]]\nname = 'recorder'\nsource = 'file:{recorder}'\n\
         grants = ['log', 'user-bans']\nsettings = {{ rules = [{{ on = 'login-failed', ban = ['user'], seconds = 600 }}] }}\n"
    );
    std::fs::write(&config, text).expect("written");
    let told = replay(&files, &["--config", &config.to_string_lossy()]).await.out;
    assert!(told.contains("forbidden  nothing") && told.contains("user:user-"), "{told}");
}

#[tokio::test]
async fn pseudonyms_hide_addresses_and_replay_to_as_many_bans() {
    let (server, file) = recording_server(true).await;
    server.guess_until_banned(ATTACKER, 7).await;
    let text = written(&file, "login-failed").await;
    assert!(!text.contains(ATTACKER) && text.contains("\"pseudonyms\":true"), "{text}");
    let config = server.config_file().to_string_lossy().into_owned();
    let report = tests::deadline::until_asked(tests::deadline::SOON, "the last failed login", async || {
        let report = replay(std::slice::from_ref(&file), &["--config", &config, "--json"]).await.json();
        (bans(&report).len() == 1).then_some(report)
    })
    .await;
    assert_ne!(bans(&report)[0]["subject"]["host"], ATTACKER);
}

#[tokio::test]
async fn a_long_recording_replays_to_the_same_bytes_and_a_threshold_shows_its_exact_difference() {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let file = folder.path().join("events.jsonl");
    recording::write(&file, count(), 42);
    let files = [file];
    let policy = ["--policy", "builtin:brute-force"];
    let (one, two) = (replay(&files, &policy).await, replay(&files, &policy).await);
    assert_eq!(one.out, two.out);
    eprintln!("{}", one.err);
    let json = [&policy[..], &["--json"]].concat();
    let before = replay(&files, &json).await;
    assert_eq!(before.out, replay(&files, &json).await.out);
    let before = before.json();
    assert_eq!(before["events"], count());
    assert!(bans(&before).len() > 100 && before["spared"].as_u64() > Some(0), "{}", before["bans"].to_string().len());
    // A ban for a guesser only: who mistypes the same password for ever is one attempt.
    for ban in bans(&before) {
        let host = ban["subject"]["host"].as_str().expect("a host");
        let parts: Vec<u64> = host.split('.').map(|part| part.parse().expect("a byte")).collect();
        assert_eq!((parts[2] * 250 + parts[3] - 1) % 10, 0, "{host} only mistyped");
    }
    let stricter = [&json[..], &["--against", "builtin:brute-force", "--against-settings", r#"{"limit":4}"#]].concat();
    let compared = replay(&files, &stricter).await.json();
    assert_eq!(compared["before"], before);
    let changes = compared["changes"].as_array().expect("changes");
    let of = |change: &str| changes.iter().filter(|row| row["change"] == change).count();
    let after = bans(&compared["after"]);
    assert!(after.len() > bans(&before).len(), "a lower limit bans more");
    assert_eq!(after.len() as i64 - bans(&before).len() as i64, of("new") as i64 - of("gone") as i64);
    for change in changes.iter().filter(|change| change["change"] == "other") {
        assert!(
            change["after"]["at"].as_u64() <= change["before"]["at"].as_u64()
                || change["before"]["reason"] != change["after"]["reason"],
            "{change}"
        );
    }
    let none = [&policy[..], &["--against", "builtin:brute-force"]].concat();
    assert!(replay(&files, &none).await.out.ends_with("no ban differs\n"));
}

#[tokio::test]
async fn what_is_no_recording_or_no_policy_is_told() {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, "{\"hello\":1}\n").expect("written");
    let name = file.to_string_lossy().into_owned();
    let run = |arguments: Vec<String>| async move {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        portcullis(&arguments).run().await
    };
    let words = |more: &[&str]| -> Vec<String> {
        ["policy", "replay", "--events", &name].iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let answer = run(words(&["--policy", "builtin:brute-force"])).await.exits(1);
    assert!(answer.err.contains("is no recording"), "{}", answer.err);
    recording::write(&file, 10, 1);
    let answer = run(words(&["--policy", "/nowhere.wasm"])).await.exits(1);
    assert!(answer.err.contains("nowhere"), "{}", answer.err);
    run(words(&["--policy", "builtin:brute-force", "--settings", "[]"])).await.exits(2);
    run(words(&[])).await.exits(2);
}
