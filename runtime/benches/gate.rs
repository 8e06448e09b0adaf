//! The gate with a million bans: `cargo bench --bench gate`.
//!
//! Prints how long the journal takes to load, checks that neither a refused nor an admitted peer costs an
//! allocation, then measures `admit` for a banned host, a host in a banned network, and everybody else; and
//! looks hosts, networks and users up among a million mixed bans. Targets: loaded within 2 s, 300 ns for each
//! admission and each look-up of a host or a network.
#![allow(missing_docs, reason = "criterion's macros make public items without any")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::config::Settings;
use portcullis::gate::{Gate, Refusal};
use portcullis::ledger::record::Record;
use portcullis::ledger::table::Table;
use portcullis::ledger::{Ban, BanId, By, Reach, Subject, journal};
use portcullis::moment::Moment;
use portcullis::net::{Networks, Peer};
use portcullis::store::{Derive, Key, Purpose};

const HOSTS: u32 = 1_000_000;
const NETWORKS: u32 = 10_000;
const TRIES: u32 = 4096;
/// The best of many passes is what the gate costs on a machine that does nothing else.
const PASSES: u32 = 300;

/// Counts what each thread allocates: others, such as the ledger's writer, have work of their own.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "an allocator that counts can be written in no other way")]
// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct NoKeys;

#[async_trait]
impl Derive for NoKeys {
    async fn derive(&self, _: &Purpose) -> Vec<Key> {
        Vec::new()
    }
}

/// Addresses spread over the whole of IPv4 outside of 10.0.0.0/8, so that no cache helps.
fn banned_host(number: u32) -> IpAddr {
    let ip = number.wrapping_mul(2_654_435_761);
    IpAddr::V4(if ip >> 24 == 10 { ip | 0x8000_0000 } else { ip }.into())
}

/// One of the /24 networks in 10.0.0.0/8.
fn banned_network(number: u32) -> ipnet::IpNet {
    ipnet::Ipv4Net::new((0x0a00_0000 | (number << 8)).into(), 24).expect("a network").into()
}

fn ban(number: u32, subject: Subject, now: Moment) -> Record {
    Record::Ban(Arc::new(Ban {
        id: BanId::from_bits(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)),
        subject,
        reach: Reach::Site,
        reason: "too many failed logins".into(),
        message: None,
        by: By::Operator { name: "root".into() },
        node: "node-1".into(),
        site: "site-1".into(),
        created: now,
        expires: Some(now.plus(Duration::from_secs(3600 + u64::from(number) % 3600))),
        evidence: Vec::new(),
        clock: None,
        course: None,
    }))
}

fn write_journal(state: &Path, now: Moment) {
    let file = std::fs::File::create(state.join("bans.journal")).expect("a new file");
    let mut out = std::io::BufWriter::new(file);
    for number in 0..HOSTS {
        let record = ban(number, Subject::host(banned_host(number)), now);
        out.write_all(&journal::line(&record)).expect("written");
    }
    for number in 0..NETWORKS {
        let record = ban(HOSTS + number, Subject::network(banned_network(number)), now);
        out.write_all(&journal::line(&record)).expect("written");
    }
    out.flush().expect("written");
}

fn settings(state: &Path) -> Settings {
    let text = "tls.self-signed = true\nbans.table = 2000000\nbans.upkeep = \"1h\"\n";
    let mut settings = portcullis::config::parse(text, "bench.toml", state).expect("settings").settings;
    settings.server.state = state.to_owned();
    settings
}

/// CPU time of all threads: on a busy machine it says more than the time that has passed.
fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

fn peer(ip: IpAddr) -> Peer {
    Peer::new(SocketAddr::new(ip, 4000))
}

/// Allocations and mean time of one pass over the peers.
fn pass(gate: &Gate, peers: &[Peer], now: Moment, refused: bool) -> (u64, Duration) {
    let before = ALLOCATIONS.get();
    let start = Instant::now();
    for peer in peers {
        let answer = gate.admit(*peer, now);
        assert_eq!(matches!(answer, Err(Refusal::Banned(_))), refused, "{peer}");
    }
    let spent = start.elapsed() / u32::try_from(peers.len()).unwrap_or(u32::MAX);
    (ALLOCATIONS.get() - before, spent)
}

fn admit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let state = tempfile::tempdir().expect("a directory");
    let now = Moment::now();
    write_journal(state.path(), now);

    let settings = settings(state.path());
    let (start, spent) = (Instant::now(), cpu());
    let store = portcullis::store::open(&settings, portcullis::store::Secrets::default());
    let (bans, _writer) = portcullis::ledger::open(&settings, store, Arc::new(NoKeys)).expect("a ledger");
    println!("loaded {} bans from disk in {:?}, {:?} of CPU time", bans.len(), start.elapsed(), cpu() - spent);
    assert_eq!(bans.len(), (HOSTS + NETWORKS) as usize);

    let gate = Gate::new(&settings, bans, Arc::new(Networks::new(&settings.networks)));
    let spread = |number: u32| number.wrapping_mul(40_503) % HOSTS;
    let hosts: Vec<Peer> = (0..TRIES).map(|number| peer(banned_host(spread(number)))).collect();
    let networks: Vec<Peer> = (0..TRIES).map(|number| peer(banned_network(spread(number) % NETWORKS).addr())).collect();
    let others: Vec<Peer> = (0..TRIES)
        .map(|number| peer(IpAddr::V4((banned_host_bits(spread(number)) ^ 0x0000_0001).into())))
        .filter(|peer| gate.admit(*peer, now).is_ok())
        .collect();
    for (name, peers, refused) in
        [("host ban", &hosts, true), ("network ban", &networks, true), ("no ban", &others, false)]
    {
        let (mut allocations, cold) = pass(&gate, peers, now, refused);
        let mut best = cold;
        for _ in 1..PASSES {
            let (more, mean) = pass(&gate, peers, now, refused);
            allocations += more;
            best = best.min(mean);
        }
        let count = peers.len();
        println!("{name}: {count} addresses, each {cold:?} cold, {best:?} in the best pass, {allocations} allocations");
        assert_eq!(allocations, 0, "admit allocates: {name}");
        let mut next = peers.iter().cycle();
        criterion.bench_function(&format!("admit, {name}"), |bench| {
            bench.iter(|| {
                let peer = next.next().expect("the cycle has no end");
                black_box(gate.admit(black_box(*peer), now)).is_ok()
            });
        });
    }
}

/// The subjects of a million mixed bans: half hosts of both families, a quarter networks, a quarter users.
fn mixed(number: u32) -> Subject {
    let v6 = |bits: u128| IpAddr::V6((0x2001_0db8_u128 << 96 | bits).into());
    let spread = number.wrapping_mul(2_654_435_761);
    match number % 8 {
        0..3 => Subject::host(banned_host(number)),
        3 => Subject::host(v6(u128::from(spread) << 32 | u128::from(number))),
        4 => Subject::network(ipnet::Ipv4Net::new((spread & 0xffff_ff00).into(), 24).expect("a network").into()),
        5 => Subject::network(ipnet::IpNet::new(v6(u128::from(spread) << 64), 64).expect("a network")),
        6 => Subject::User(format!("user-{number}")),
        _ => Subject::UserAtHost(format!("user-{number}"), banned_host(number)),
    }
}

fn look_up(criterion: &mut Criterion) {
    let now = Moment::now();
    let mut table = Table::new(2_000_000);
    let start = Instant::now();
    let filled = table.fill(now, |take| {
        (0..HOSTS).for_each(|number| take(ban(number, mixed(number), now).into()));
        Ok::<(), ()>(())
    });
    assert_eq!(filled, Ok(0));
    println!("filled a table with {} mixed bans in {:?}", table.len(), start.elapsed());
    for (name, kinds) in [("hosts", 0..4), ("networks", 4..6), ("users", 6..8)] {
        let spread = |number: u32| number.wrapping_mul(40_503) % HOSTS;
        let asked: Vec<Subject> =
            (0..).map(spread).filter(|number| kinds.contains(&(number % 8))).take(TRIES as usize).map(mixed).collect();
        let once = || {
            let start = Instant::now();
            for subject in &asked {
                assert!(black_box(&table).exactly(black_box(subject), now).is_some());
            }
            start.elapsed() / TRIES
        };
        let cold = once();
        let best = (1..PASSES).map(|_| once()).min().unwrap_or(cold);
        println!("look-up of {name}: each {cold:?} cold, {best:?} in the best pass");
        let mut next = asked.iter().cycle();
        criterion.bench_function(&format!("look-up, {name}"), |bench| {
            bench.iter(|| table.exactly(black_box(next.next().expect("the cycle has no end")), now).is_some());
        });
    }
}

fn banned_host_bits(number: u32) -> u32 {
    match banned_host(number) {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(_) => unreachable!("made as IPv4 above"),
    }
}

criterion_group!(benches, admit, look_up);
criterion_main!(benches);
