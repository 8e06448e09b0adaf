//! What the tests ask: an engine over the defaults, and events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis::config::{self, Settings};
use portcullis::events::{Cause, Event, Kind, LoginFailure};
use portcullis::moment::Moment;
use portcullis::net::Networks;
use portcullis::policy::{Decision, Deps, Engine, LoadError, Policies, PolicyStatus};
use portcullis::store::{Derive, Key, Namespace, Purpose};
use tokio::task::JoinHandle;

/// Milliseconds of Unix time at which all events happen.
pub const NOW: u64 = 1_700_000_000_000;

/// The hostile guest's file.
pub fn hostile_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile/hostile.wasm")
}

/// Bytes of the hostile guest.
pub fn hostile_bytes() -> Vec<u8> {
    std::fs::read(hostile_file()).expect("the hostile guest is built")
}

/// A `[[policy]]` that misbehaves as `mode` says.
pub fn hostile(mode: &str, more: &str) -> String {
    format!(
        "[[policy]]\nname = 'hostile'\nsource = 'file:{}'\nsettings = {{ mode = '{mode}' }}\n{more}\n",
        hostile_file().display()
    )
}

/// The defaults with a text over them. CPU bounds are wide enough for a busy machine.
pub fn settings(text: &str) -> Settings {
    config::parse(&format!("tls.self-signed = true\n{text}"), "test", Path::new("/"))
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
        .settings
}

/// Keys without a key policy.
pub struct PlainKeys;

#[async_trait]
impl Derive for PlainKeys {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        match purpose {
            Purpose::Entry { policy, key } => {
                Namespace::Policy(policy.clone()).key(key.as_bytes()).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A memory store, no bans, no networks.
pub fn deps() -> Deps {
    Deps {
        store: Arc::new(portcullis::store::Memory::new(10_000, 65_536)),
        keys: Arc::new(PlainKeys),
        bans: Arc::new(|_, _| None),
        networks: Arc::new(Networks::new(&std::collections::BTreeMap::new())),
    }
}

/// The chain of a configuration.
pub async fn try_load(text: &str) -> Result<Arc<Policies>, Vec<LoadError>> {
    let settings = settings(text);
    let engine = Engine::start(&settings).expect("an engine");
    Policies::load(engine, &settings, deps()).await
}

/// The chain of a configuration.
pub async fn load(text: &str) -> Arc<Policies> {
    try_load(text).await.expect("policies")
}

/// An event of a client at 192.0.2.7.
pub fn event(kind: Kind) -> Event {
    let mut event = Event::ordinary(kind, ([192, 0, 2, 7], 40_000).into(), Moment::from_millis(NOW));
    event.facts.user = Some("alice".into());
    event
}

/// A wrong password, told apart by its tag.
pub fn wrong_password(tag: u16) -> Event {
    event(Kind::LoginFailed(LoginFailure { cause: Cause::WrongPassword, attempt_tag: tag }))
}

/// The only policy's row.
pub fn row(policies: &Policies) -> PolicyStatus {
    policies.list().into_iter().next().expect("a policy")
}

/// A chain that refuses everybody goes on to while something else is under way; its slowest decision.
pub async fn refusing_meanwhile<T>(policies: &Policies, other: &JoinHandle<T>, name: &str) -> Duration {
    let mut longest = Duration::ZERO;
    while !other.is_finished() {
        let asked = Instant::now();
        let ruling = policies.decide(&event(Kind::Connect)).await;
        assert!(matches!(ruling.decision, Decision::Refuse { .. }), "{name}: {ruling:?}");
        longest = longest.max(asked.elapsed());
        tokio::task::yield_now().await;
    }
    longest
}
