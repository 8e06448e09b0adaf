//! What another tool knows reaches the policies, and bans as anything else does.

use tests::recorder::{events, recording, seen};

const SCANNER: &str = "127.0.5.2";

#[tokio::test]
async fn a_raised_event_reaches_a_policy_with_its_facts_and_bans_whom_it_is_about() {
    let rule = "{ on = 'custom', about = 'portscan', ban = ['host'], seconds = 3600, reach = 'site' }";
    let server = recording(&[rule], |config| {
        config.set("networks.lab", vec![format!("{SCANNER}/32")]);
    })
    .await;
    let mut open = server.enter(SCANNER).await;
    let raise =
        ["event", "raise", "ids.portscan", "--host", SCANNER, "--user", "eve", "--data", r#"{"ports":[22,80]}"#];
    let told = server.admin(&[&raise[..], &["--json"]].concat()).await.good().json();
    assert!(told["heard"] == true && told["bans"].as_array().is_some_and(|bans| bans.len() == 1), "{told}");
    let event = seen(&server, "custom", "ids.portscan").await;
    let text = event.to_string();
    for word in [SCANNER, "eve", "ports", "lab"] {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
    let last = open.until_closed(tests::deadline::SOON).await.pop().expect("a last word");
    last.expect(421);
    server.assert_refused(SCANNER).await;
    let id = told["bans"][0].as_str().expect("an id").to_owned();
    let ban = server.admin(&["bans", "explain", &id, "--json"]).await.good().json();
    assert_eq!(ban[0]["course"]["event"]["event"], "custom", "{ban}");
    let audit = server.logged("the audit", |line| line.text("what") == "event-raise").await;
    assert_eq!((audit.text("about"), audit.text("outcome")), ("ids.portscan", "told"));
    // Twice is no harm.
    let again = server.admin(&raise).await.good().out;
    assert!(again.contains(&id), "{again}");
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_reaches_nobody() {
    let server = recording(&[], |_| {}).await;
    let long = format!("\"{}\"", "x".repeat(20_000));
    let user = "u".repeat(10_000);
    for arguments in [
        &["Upper"][..],
        &["two words"],
        &[""],
        &["x", "--host", "nowhere"],
        &["x", "--data", "{no json"],
        &["x", "--data", &long],
        &["x", "--user", "a\nb"],
        &["x", "--user", &user],
    ] {
        let answer = server.admin(&[&["event", "raise"], arguments].concat()).await.exits(2);
        assert!(!answer.err.is_empty() && answer.err.len() < 1000, "{}", answer.err);
    }
    assert!(events(&server).is_empty());
    let nobody = tests::server::Server::serve().await;
    let told = nobody.admin(&["event", "raise", "anything"]).await.good().out;
    assert!(told.contains("no policy wants"), "{told}");
}
