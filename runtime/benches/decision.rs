//! What a decision costs: on the thread that guests run on, and as a session sees it.
//!
//! `cargo bench --bench decision`. Targets for the middle of many: fresh without a store call 20 us, with
//! store calls 25 us, warm 3 us, JavaScript fresh 150 us and warm 25 us, an event that nobody wants 20 ns. One
//! policy in five languages is loaded and asked where its components are (`examples/policies/failed-logins/build`
//! makes that of Python). Behind criterion's own rows it prints the
//! tails: eight sessions at once (p99 under 100 us), 100 loaded policies of which one is asked, and what a
//! swap under full load adds to any decision (under 5 ms).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::config::{self, Settings};
use portcullis::events::{Cause, Event, Kind, LoginFailure, TlsFacts};
use portcullis::moment::Moment;
use portcullis::net::Networks;
use portcullis::policy::{Deps, Engine, KeyPolicy, Policies};
use portcullis::store::{Derive, Key, Memory, Purpose};

fn settings(instance: &str) -> Settings {
    let text = format!(
        "tls.self-signed = true\n[[policy]]\nname = 'brute-force'\nsource = 'builtin:brute-force'\n\
         instance = {instance}\nsettings = {{}}\n"
    );
    config::parse(&text, "bench", Path::new("/")).expect("settings").settings
}

/// Keys without a key policy.
struct NoKeys;

#[async_trait]
impl Derive for NoKeys {
    async fn derive(&self, _: &Purpose) -> Vec<Key> {
        Vec::new()
    }
}

async fn policies(settings: &Settings, keys: bool) -> Arc<Policies> {
    loaded(settings, keys).await.0
}

/// With the time that it took to compile and configure the policies, the key policy's aside.
async fn loaded(settings: &Settings, keys: bool) -> (Arc<Policies>, Duration) {
    let engine = Engine::start(settings).expect("engine");
    let keys: Arc<dyn Derive> =
        if keys { KeyPolicy::load(engine.clone(), settings).await.expect("keys") } else { Arc::new(NoKeys) };
    let deps = Deps {
        store: Arc::new(Memory::new(1_000_000, 65_536)),
        keys,
        bans: Arc::new(|_, _| None),
        networks: Arc::new(Networks::new(&BTreeMap::new())),
    };
    let began = Instant::now();
    let policies = Policies::load(engine, settings, deps).await.expect("policies");
    (policies, began.elapsed())
}

fn event(kind: Kind) -> Event {
    let peer = ([192, 0, 2, 7], 40_000).into();
    let mut event = Event::ordinary(kind, peer, Moment::from_millis(1_700_000_000_000));
    event.facts.server = "ftp.example.org".into();
    event.facts.classes = vec!["internet".into()];
    event.facts.user = Some("alice".into());
    event.facts.tls = Some(TlsFacts {
        version: "1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: Some("ftp.example.org".into()),
        ..TlsFacts::default()
    });
    event
}

fn failed(cause: Cause) -> Event {
    event(Kind::LoginFailed(LoginFailure { cause, attempt_tag: 7 }))
}

/// The same a little later: what a policy may ask of the store in one moment is bounded.
fn later(event: &mut Event) -> &Event {
    event.at = event.at.plus(Duration::from_millis(10));
    event
}

fn decision(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    // The policy looks at the cause first: one that it ignores is decided without the store. One stale
    // password, repeated, is counted and never banned.
    let (without, mut with) = (failed(Cause::DeniedByRule), failed(Cause::WrongPassword));
    for (name, instance) in [("fresh", "'fresh'"), ("warm", "{ warm = 1000000 }")] {
        let settings = settings(instance);
        let policies = runtime.block_on(policies(&settings, true));
        let mut group = criterion.benchmark_group(name);
        group.bench_function("without a store call", |bench| {
            bench.iter(|| runtime.block_on(policies.decide_here(black_box(&without))));
        });
        group.bench_function("with store calls", |bench| {
            bench.iter(|| runtime.block_on(policies.decide_here(black_box(later(&mut with)))));
        });
        group.bench_function("as a session sees it", |bench| {
            bench.iter(|| runtime.block_on(policies.decide(black_box(&without))));
        });
        group.finish();
        assert_eq!(policies.list()[0].failures, 0, "{:?}", policies.list()[0].last_error);
    }
    languages(criterion, &runtime);
    tails();
    let policies = runtime.block_on(policies(&settings("'fresh'"), false));
    let nobody = event(Kind::Connect);
    criterion.bench_function("an event that nobody wants", |bench| {
        bench.iter(|| black_box(policies.wants(black_box(nobody.kind.occasion()))));
    });
}

/// One policy in every language: a decision without a store call, and with one.
fn languages(criterion: &mut Criterion, runtime: &tokio::runtime::Runtime) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (without, mut with) = (failed(Cause::DeniedByRule), failed(Cause::WrongPassword));
    for language in ["rust", "c", "zig", "javascript", "python"] {
        let component = match language {
            "python" => root.join("target/languages/python.wasm"),
            _ => root.join(format!("examples/policies/failed-logins/{language}/failed-logins.wasm")),
        };
        if !component.is_file() {
            println!("{language}: there is no {}", component.display());
            continue;
        }
        for (name, instance) in [("fresh", "'fresh'"), ("warm", "{ warm = 1000000 }")] {
            let text = format!(
                "tls.self-signed = true\npolicies.load-deadline = '10m'\npolicies.compiled-cache = '0 B'\n\
                 [[policy]]\nname = 'p'\nsource = 'file:{}'\ninstance = {instance}\n\
                 settings = {{ attempts = 100000 }}\n",
                component.display()
            );
            let settings = config::parse(&text, "bench", Path::new("/")).expect("settings").settings;
            let (policies, took) = runtime.block_on(loaded(&settings, true));
            println!("{language}: loaded in {} ms with nothing compiled before", took.as_millis());
            let mut group = criterion.benchmark_group(format!("{language}, {name}"));
            group.bench_function("without a store call", |bench| {
                bench.iter(|| runtime.block_on(policies.decide_here(black_box(&without))));
            });
            group.bench_function("with a store call", |bench| {
                bench.iter(|| runtime.block_on(policies.decide_here(black_box(later(&mut with)))));
            });
            group.finish();
            let row = &policies.list()[0];
            assert_eq!(row.failures, 0, "{:?}", row.last_error);
        }
    }
}

/// Sessions that decide at once.
const SESSIONS: usize = 8;
/// Decisions of each.
const DECISIONS: usize = 5000;

/// What criterion does not show: the slow ones among many at once.
fn tails() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let event = Arc::new(failed(Cause::DeniedByRule));
    for (name, instance) in [("fresh", "'fresh'"), ("warm", "{ warm = 1000000 }")] {
        let policies = runtime.block_on(policies(&settings(instance), true));
        let took = runtime.block_on(at_once(&policies, &event));
        println!("{SESSIONS} sessions at once, {name}: {}", shown(took));
    }

    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/built/brute-force.wasm");
    for loaded in [1, 100] {
        let rows: String = (0..loaded)
            .map(|number| {
                // One is asked; the others have no client of their class.
                let class = if number == 0 { "" } else { "classes = ['nobody']" };
                format!(
                    "[[policy]]\nname = 'p{number}'\nsource = 'file:{}'\nsettings = {{}}\n{class}\n",
                    component.display()
                )
            })
            .collect();
        let text = format!("tls.self-signed = true\nnetworks.nobody = ['203.0.113.0/24']\n{rows}");
        let settings = config::parse(&text, "bench", Path::new("/")).expect("settings").settings;
        let before = memory();
        let policies = runtime.block_on(policies(&settings, true));
        let each = memory().saturating_sub(before) / loaded;
        let took = runtime.block_on(at_once(&policies, &event));
        println!("{loaded} policies loaded, one asked: {}; {each} KiB of memory for each with its code", shown(took));
    }

    let chains = ["'fresh'", "{ warm = 1000000 }"].map(|instance| settings(instance).chain);
    let policies = runtime.block_on(policies(&settings("'fresh'"), true));
    let quiet = runtime.block_on(at_once(&policies, &event));
    let swapped = runtime.block_on(async {
        let swaps = {
            let policies = policies.clone();
            tokio::spawn(async move {
                for chain in chains.iter().cycle().skip(1).take(10) {
                    policies.reload(chain).await.expect("a swap");
                }
            })
        };
        let mut took = Vec::new();
        while !swaps.is_finished() {
            took.extend(at_once(&policies, &event).await);
        }
        swaps.await.expect("swapped");
        took
    });
    println!("a chain that stays: {}\nten swaps meanwhile: {}", shown(quiet), shown(swapped));
    assert_eq!(policies.list()[0].failures, 0, "no decision was dropped");
}

async fn at_once(policies: &Arc<Policies>, event: &Arc<Event>) -> Vec<Duration> {
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (policies, event) = (policies.clone(), event.clone());
            tokio::spawn(async move {
                let mut took = Vec::with_capacity(DECISIONS);
                for _ in 0..DECISIONS {
                    let began = Instant::now();
                    black_box(policies.decide(&event).await);
                    took.push(began.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for session in sessions {
        all.extend(session.await.expect("a session"));
    }
    all
}

fn shown(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000].as_nanos() as f64 / 1000.0;
    format!("p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, longest {:.1} us", at(500), at(990), at(999), at(1000))
}

/// Resident memory of this process in KiB.
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4
}

criterion_group!(benches, decision);
criterion_main!(benches);
