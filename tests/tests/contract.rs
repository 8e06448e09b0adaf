//! A component that was built for contract 0.1.0 loads and answers, whatever the server has become.

use std::path::Path;
use std::sync::Arc;

use portcullis::config::{self, Settings};
use portcullis::events::{Cause, Command, Kind, LoginFailure};
use portcullis::ledger::{Reach, Subject};
use portcullis::net::Networks;
use portcullis::policy::{Decision, Deps, KeyPolicy, Policies, Ruling};
use portcullis::store::{Derive, Purpose};
use tests::clockwork::Clockwork;
use tests::place::repository;
use tests::scenario;

/// The committed component itself: never one that was built today.
fn settings(answer: &str) -> Settings {
    let source = repository().join("tests/contracts/0.1.0.wasm");
    let source = format!("source = 'file:{}'\nsettings = {{ answer = '{answer}' }}", source.display());
    let text = format!(
        "server.site = 'home'\ntls.self-signed = true\n\
         policies.grants = ['store', 'bans', 'networks', 'clock', 'log', 'metrics', 'user-bans']\n\
         policies.deadline = '30s'\npolicies.load-deadline = '5m'\n\
         policies.bounds = {{ cpu = '5s', wall = '20s' }}\n[[policy]]\nname = 'contract'\n{source}\n[keys]\n{source}\n"
    );
    config::parse(&text, "contract", Path::new("/")).expect("a good configuration").settings
}

/// Under the keys that its own key policy derives.
async fn loaded(answer: &str) -> Arc<Policies> {
    let (engine, settings) = (scenario::engine(), settings(answer));
    let keys = KeyPolicy::load(engine.clone(), &settings).await.expect("it loads as a key policy");
    let deps = Deps {
        store: Arc::new(Clockwork::default()),
        keys,
        bans: Arc::new(|_, _| None),
        networks: Arc::new(Networks::new(&settings.networks)),
    };
    Policies::load(engine, &settings, deps).await.expect("it loads as a ban policy")
}

async fn asked(policies: &Arc<Policies>, kind: Kind) -> Ruling {
    let peer = "2001:db8::7".parse().expect("an address");
    policies.decide(&scenario::event(kind, peer, Some("alice"))).await
}

#[tokio::test]
async fn a_component_of_contract_0_1_0_answers_every_event_that_it_was_built_for() {
    let policies = loaded("pass").await;
    let command = Command { verb: "XYZZY".into(), argument: Some("north".into()) };
    let failure = LoginFailure { cause: Cause::WrongPassword, attempt_tag: 4095 };
    for (kind, told) in [
        (Kind::Connect, "connect"),
        (Kind::TlsEstablished, "tls-established"),
        (Kind::LoginAttempt(7), "login-attempt 7"),
        (Kind::LoginSucceeded, "login-succeeded"),
        (Kind::LoginFailed(failure), "login-failed wrong-password 4095"),
        (Kind::CommandUnknown(command), "command-unknown XYZZY Some(\"north\")"),
        (Kind::ProtocolMismatch("http".into()), "protocol-mismatch http"),
        (Kind::Timeout("login".into()), "timeout login"),
        (Kind::Disconnected("quit".into()), "disconnected quit"),
    ] {
        let ruling = asked(&policies, kind).await;
        assert_eq!(ruling.bans.first().map(|ban| ban.reason.as_str()), Some(told), "{ruling:?}");
    }
}

#[tokio::test]
async fn a_component_of_contract_0_1_0_sees_and_says_what_it_always_did() {
    let ruling = asked(&loaded("pass").await, Kind::Connect).await;
    assert_eq!(ruling.decision, Decision::Pass);
    assert_eq!(ruling.delay.as_millis(), 1);
    let subjects: Vec<String> = ruling.bans.iter().map(|ban| ban.subject.to_string()).collect();
    let wanted = ["host:2001:db8::7", "network:198.51.100.0/24", "user:alice", "user-at-host:alice@2001:db8::7"];
    assert_eq!(subjects, wanted);
    let reaches: Vec<Reach> = ruling.bans.iter().map(|ban| ban.reach).collect();
    assert_eq!(reaches, [Reach::Node, Reach::Site, Reach::Everywhere, Reach::Site]);
    assert!(ruling.bans.iter().all(|ban| ban.message.as_deref() == Some("%a %u %c %t")));
    let lifts: Vec<String> = ruling.lifts.iter().map(|lift| lift.subject.to_string()).collect();
    assert_eq!(lifts, ["class:office"]);

    let seen = &ruling.bans[1].reason;
    for fact in ["site=home", "node=a", "server=main", "peer=2001:db8::7:40000", "user=Some(\"alice\")"] {
        assert!(seen.contains(fact), "{fact} is missing in {seen}");
    }
    let found = &ruling.bans[2].reason;
    for answer in ["added=false", "swapped=true", "deleted=true", "count=2", "distinct=1", "inside=None"] {
        assert!(found.contains(answer), "{answer} is missing in {found}");
    }
}

#[tokio::test]
async fn a_component_of_contract_0_1_0_decides() {
    assert_eq!(asked(&loaded("allow").await, Kind::Connect).await.decision, Decision::Allow);
    for (answer, close) in [("refuse", false), ("close", true)] {
        let wanted = Decision::Refuse { text: Some("as told".into()), close };
        assert_eq!(asked(&loaded(answer).await, Kind::Connect).await.decision, wanted);
    }
}

#[tokio::test]
async fn a_component_of_contract_0_1_0_derives_keys() {
    let keys = KeyPolicy::load(scenario::engine(), &settings("pass")).await.expect("it loads");
    let subject = Subject::parse("192.0.2.7").expect("a subject");
    let entry = Purpose::Entry { policy: "brute-force".into(), key: "k".into() };
    for (purpose, wanted) in [
        (Purpose::LookUpBan(subject.clone()), Some("pc1.b.home/-/look/host/192.0.2.7")),
        (Purpose::StoreBan(subject.clone(), Reach::Everywhere), Some("pc1.b.home/-/look/host/192.0.2.7")),
        (Purpose::StoreBan(subject, Reach::Node), None),
        (entry, Some("pc1.c.11.brute-force.home/-/entry/brute-force/k")),
        (Purpose::TlsSession(vec![7; 32]), Some("pc1.s.home/-/tls/32")),
    ] {
        let derived = keys.derive(&purpose).await;
        assert_eq!(derived.first().map(|key| key.as_str()), wanted, "{purpose:?}");
    }
}

#[tokio::test]
async fn a_setting_that_it_refuses_is_told_in_its_words() {
    let settings = settings("perhaps");
    let error = KeyPolicy::load(scenario::engine(), &settings).await.expect_err("no such answer");
    let told = format!("{:?}", error.fault);
    assert!(told.contains("answer") && told.contains("perhaps"), "{told}");
}
