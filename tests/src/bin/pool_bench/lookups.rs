//! Look-ups of one thread: sealed ones for each second, and many tasks at once beside a client that is the bare crate.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcache_async::ascii::Protocol;
use portcullis::config::settings::{StoreEngine, StoreServer};
use portcullis::store::{self, ClusterKey, Key, Secrets, SharedStore};
use tests::memcached::Memcached;
use tests::spans::percentile;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::figure::{Figure, Scale, Target, at_once, cpu_of_threads};

const TASKS: usize = 64;
const SEALED_A_SECOND: f64 = 10_000.0;
const TIMES_BARE: f64 = 1.5;
const P99_TO_P50: f64 = 2.0;
/// As large as a ban with its evidence.
const VALUE_BYTES: usize = 600;

/// A connection as the crate leaves it.
pub struct Bare(Mutex<Protocol<TcpStream>>);

impl Bare {
    pub async fn connect(address: &str) -> Bare {
        let stream = TcpStream::connect(address).await.expect("memcached accepts");
        stream.set_nodelay(true).expect("a socket's option");
        Bare(Mutex::new(Protocol::new(stream)))
    }

    pub async fn get(&self, keys: &[&str]) -> usize {
        self.0.lock().await.get_multi(keys).await.expect("memcached answers").len()
    }
}

pub fn measure(scale: &Scale) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let memcached = Memcached::start().await;
        let mut figures = vec![sealed(scale, &memcached).await];
        figures.extend(coalesced(scale, &memcached).await);
        figures
    })
}

fn open(memcached: &Memcached, cluster: Option<ClusterKey>) -> (SharedStore, usize) {
    let mut settings = portcullis::config::defaults();
    let server = StoreServer::parse(&memcached.address()).expect("an address");
    settings.store.engine = StoreEngine::Memcached(vec![server]);
    settings.timeouts.store = Duration::from_secs(5);
    (store::open(&settings, Secrets { credentials: None, cluster }), settings.store.connections)
}

fn key(number: usize) -> Key {
    Key::parse(&format!("pc1.b.bench/host/192.0.2.{}", number % TASKS)).expect("a key")
}

/// CPU seconds of this process while the work is done; memcached's are its own.
async fn spent<T>(work: impl Future<Output = T>) -> (T, f64) {
    let before = cpu_of_threads(std::process::id());
    let done = work.await;
    (done, cpu_of_threads(std::process::id()) - before)
}

async fn sealed(scale: &Scale, memcached: &Memcached) -> Figure {
    let cluster = ClusterKey::parse(&ClusterKey::generate()).expect("a key");
    let (store, _) = open(memcached, Some(cluster));
    for number in 0..TASKS {
        let key = key(number);
        store.set(&key, &store.close(&key, vec![b'x'; VALUE_BYTES]), None).await.expect("set");
    }
    let rounds = scale.lookups / TASKS;
    let ((), cpu) = spent(at_once(TASKS, TASKS, |number| {
        let store = Arc::clone(&store);
        async move {
            let key = key(number);
            for _ in 0..rounds {
                let found = store.get_many(std::slice::from_ref(&key)).await.expect("get").remove(0).expect("there");
                assert_eq!(store.unseal(&key, found).expect("sealed here").len(), VALUE_BYTES);
            }
        }
    }))
    .await;
    let done = (scale.lookups / TASKS * TASKS) as f64;
    Figure::new(
        "sealed look-ups on one core",
        done / cpu,
        "for each CPU second",
        Target::AtLeast(SEALED_A_SECOND),
        format!("{done} of {VALUE_BYTES} bytes by {TASKS} tasks"),
    )
}

async fn coalesced(scale: &Scale, memcached: &Memcached) -> [Figure; 2] {
    let (store, connections) = open(memcached, None);
    let mut bare = Vec::new();
    for _ in 0..connections {
        bare.push(Bare::connect(&memcached.address()).await);
    }
    let bare = Arc::new(bare);
    for number in 0..TASKS {
        store.set(&key(number), &[b'x'; VALUE_BYTES], None).await.expect("set");
    }
    let rounds = scale.lookups / TASKS;
    let times = Arc::new(Mutex::new(Vec::with_capacity(TASKS * rounds)));
    let ((), own) = spent(at_once(TASKS, TASKS, |number| {
        let (store, times) = (Arc::clone(&store), Arc::clone(&times));
        async move {
            for _ in 0..rounds {
                let start = Instant::now();
                let found = store.get_many(&[key(number)]).await.expect("get");
                times.lock().await.push(start.elapsed());
                assert!(found[0].is_some());
            }
        }
    }))
    .await;
    let ((), theirs) = spent(at_once(TASKS, TASKS, |number| {
        let bare = Arc::clone(&bare);
        async move {
            for _ in 0..rounds {
                let found = bare[number % bare.len()].get(&[key(number).as_str()]).await;
                assert_eq!(found, 1);
            }
        }
    }))
    .await;
    let mut times = times.lock().await;
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let done = (rounds * TASKS) as f64;
    [
        Figure::new(
            "look-ups of 64 tasks for each CPU second of the client",
            theirs / own,
            "times those of the bare crate with as many connections",
            Target::AtLeast(TIMES_BARE),
            format!("{:.0} and {:.0} for each CPU second, {connections} connections each", done / own, done / theirs),
        ),
        Figure::new(
            "p99 of these look-ups",
            p99.as_secs_f64() / p50.as_secs_f64(),
            "times their p50",
            Target::AtMost(P99_TO_P50),
            format!("p50 {p50:?}, p99 {p99:?}"),
        ),
    ]
}
