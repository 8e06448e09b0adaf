//! Names and clocks of memcached servers: a name that leads elsewhere, or nowhere, or is never answered; a clock that
//! is a day off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::deadline::{self, SOON};
use tests::ordeal::{self, BANNED, Ordeal};
use tests::place;
use tests::server::Server;
use tests::stand_in::StandIn;

/// What stands before the system's resolver, compiled once.
fn resolver() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resolver.so");
            let source = place::repository().join("tests/resolver/resolver.c");
            let built = Command::new("cc")
                .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
                .args([&library, &source])
                .arg("-ldl")
                .status()
                .expect("a C compiler");
            assert!(built.success(), "the resolver is compiled");
            library
        })
        .clone()
}

/// A node whose resolver says of `cache.test` what stands in the file `name` of its folder.
async fn resolving(servers: &[String], word: &str) -> Server {
    let mut server = ordeal::prepared_node("resolving", servers, |config| {
        config.set("store.resolve", "1s");
    })
    .await;
    says(&server, word);
    let mut command = Command::new(place::binary());
    command.env("LD_PRELOAD", resolver()).env("RESOLVER", server.folder().join("name"));
    server.start_by(command, Stdio::null()).await;
    server
}

fn says(server: &Server, word: &str) {
    tests::config::replace(&server.folder().join("name"), word.as_bytes());
}

fn bans_at(store: &StandIn) -> Vec<String> {
    store.names().into_iter().filter(|name| name.starts_with("pc1.b.")).collect()
}

#[tokio::test]
async fn f_25_a_name_that_fails_hangs_or_leads_elsewhere_is_followed_and_no_client_waits() {
    let ((first, second), other) = (StandIn::twins(), StandIn::start());
    let servers = [format!("cache.test:{}", first.port()), other.address()];
    let ordeal = Ordeal::of(resolving(&servers, "127.0.0.1").await, &servers).await;
    for last in 10..40 {
        ordeal.server.admin(&["bans", "add", &format!("127.0.1.{last}"), "--for", "1h"]).await.good();
    }
    ordeal.settled().await;
    let (here, there) = (bans_at(&first), bans_at(&other));
    assert!(here.len() > 5 && there.len() > 5, "{} and {}", here.len(), there.len());

    // What is known stays good while the resolver fails, or says nothing at all.
    for word in ["fails", "hangs"] {
        says(&ordeal.server, word);
        if word == "fails" {
            deadline::until_asked(SOON, "the failure to be told", async || {
                let status = ordeal.status().await;
                let error = status["store"]["servers"][0]["last_error"].as_str().unwrap_or_default();
                error.contains("is not resolved").then_some(())
            })
            .await;
        }
        first.hang_up();
        for _ in 0..5 {
            ordeal.log_in().await;
            ordeal.server.assert_refused(BANNED).await;
        }
        let status = ordeal.status().await;
        assert_eq!(status["store"]["degraded"], false, "{word}: {status}");
    }

    // It leads elsewhere: the same keys stand there soon.
    says(&ordeal.server, "127.0.0.2");
    deadline::until_asked(Duration::from_secs(30), "the new address to hold what the old one held", async || {
        ordeal.log_in().await;
        let mut found = bans_at(&second);
        found.retain(|name| here.contains(name));
        (found.len() == here.len()).then_some(())
    })
    .await;
    assert_eq!((bans_at(&second), bans_at(&other)), (here, there), "no key has moved to another server");
    let before = first.heard().len();
    for _ in 0..5 {
        ordeal.log_in().await;
    }
    assert_eq!(first.heard().len(), before, "nobody asks at the old address");
}

#[tokio::test]
async fn f_25_a_server_starts_serves_and_stops_while_the_resolver_never_answers() {
    let store = StandIn::start();
    let servers = [format!("cache.test:{}", store.port())];
    let mut server = resolving(&servers, "hangs").await;
    server.try_login("127.0.0.3", "demo", "wrong-once").await.expect("an answer").expect(530);
    let tries = server.guess_until_banned("127.0.0.2", 14).await;
    assert!(tries >= 5, "{tries}");
    assert_eq!(store.connections(), 0);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn f_10_a_store_whose_clock_is_a_day_ahead_forgets_and_is_told_again() {
    let store = StandIn::start();
    let ordeal = Ordeal::over(&[store.address()]).await;
    assert_eq!(bans_at(&store).len(), 1);
    store.turn_clock(24 * 3600);
    assert_eq!(bans_at(&store).len(), 0, "a ban of an hour has ended there");
    ordeal.holds().await;
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_10_a_store_whose_clock_is_a_day_behind_lengthens_no_ban() {
    let store = StandIn::start();
    let ordeal = Ordeal::with(&[store.address()], |config| {
        config.set("bans.presence", "1s");
    })
    .await;
    let short = "127.0.0.12";
    ordeal.server.admin(&["bans", "add", short, "--for", "2s"]).await.good();
    ordeal.settled().await;
    store.turn_clock(-24 * 3600);
    let (known, kept) = (ordeal.status().await["bans"]["bans"].clone(), bans_at(&store).len());
    assert_eq!((known, kept), (2.into(), 2));
    deadline::until_asked(SOON, "the end of the ban", async || {
        matches!(ordeal.server.knock(short).await, tests::server::Door::Open(_)).then_some(())
    })
    .await;
    assert_eq!(bans_at(&store).len(), 2, "the store still has it");
    // A node that never heard of it finds it there, and in the journal. As long as it knows nothing of the clock
    // by which the ban ends, it may hold it.
    let later = ordeal::node("later", &[store.address()], |_| {}).await;
    deadline::until_asked(SOON, "the end of the ban at the other node", async || {
        matches!(later.knock(short).await, tests::server::Door::Open(_)).then_some(())
    })
    .await;
    deadline::until_asked(SOON, "the other ban to be known", async || {
        let status = later.admin(&["status", "--json"]).await.good().json();
        (status["bans"]["bans"] == 1).then_some(())
    })
    .await;
    drop(later.welcome(short).await);
    later.assert_refused(BANNED).await;
    let lines = fs::read_to_string(later.folder().join("server.log")).expect("a log");
    assert!(!lines.contains("panicked"));
}
