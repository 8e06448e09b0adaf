//! Every key, its range, and what it becomes. Reads like the defaults file; the longer tables have files of their
//! own.

mod bans;
mod listeners;
mod policies;
mod record;
mod tls;
mod users;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::settings::*;
use super::sheet::Section;
use super::takes::{is_name, size, text};
use super::tree::Node;
use crate::store::Distribution;

pub use bans::network;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Reads everything; `base` is the folder that relative paths start from.
pub(super) fn settings(top: &mut Section<'_, '_>, base: &Path) -> Settings {
    let mut timeouts = top.section("timeouts", timeouts);
    let (server, plain, main) = top.section("server", |at| server(at, base));
    let listeners = listeners::listeners(top, &plain);
    let store = top.section("store", |at| store(at, base, &mut timeouts));
    let tls = top.section("tls", |at| tls::tls(at, base, &store));
    listeners::balanced(top, &listeners, &tls);
    let hosts = listeners::hosts(top, main, base);
    let passive = top.section("passive", passive);
    let users = top.section("users", |at| users::users(at, base));
    let files = top.section("files", files);
    let limits = top.section("limits", limits);
    let mut bans = top.section("bans", bans::bans);
    // A balancer's address is not a client's: whatever comes through it, it stays.
    bans.protected
        .extend(listeners.iter().filter_map(|listener| listener.proxy.as_ref()).flat_map(|proxy| &proxy.from));
    let several = matches!(&store.engine, StoreEngine::Memcached(servers) if servers.len() > 1);
    if bans.share_proftpd != ProftpdForm::Off && several && store.distribution != Distribution::Consistent {
        top.mistake(
            "bans.share.proftpd",
            "needs the keys where ProFTPD looks for them",
            "set `store.distribution = \"consistent\"`, and name the servers as its MemcacheServers does",
        );
    }
    if bans.share_proftpd == ProftpdForm::Off && bans.share_proftpd_by_policy {
        let remedy = "set `bans.share.proftpd` to \"json\" or \"tpl\"";
        top.mistake("bans.share.proftpd-keys", "is for bans that are shared with ProFTPD, and none are", remedy);
    }
    let networks = top.section("networks", bans::networks);
    for (name, _) in passive.address_for.iter().filter(|(name, _)| !networks.contains_key(name)) {
        let remedy = format!("define `networks.{name}`, or name one that is there");
        top.mistake(&format!("passive.address-for.{name}"), "is for a set that [networks] does not have", &remedy);
    }
    let whose = policies::Whose {
        servers: hosts.iter().map(|host| host.name.clone()).collect(),
        classes: networks.keys().cloned().collect(),
    };
    let policies = top.section("policies", |at| policies::policies(at, &whose, &mut timeouts));
    let chain = policies::chain(top, base, &whose);
    let keys = top.section_over("keys", "policies", |at| policies::keys(at, base));
    let admin = top.section("admin", |at| admin(at, &mut timeouts));
    let record = top.section("record", |at| record::record(at, base));
    let log = top.section("log", |at| log(at, base));
    Settings {
        server,
        listeners,
        hosts,
        tls,
        passive,
        users,
        files,
        timeouts,
        limits,
        store,
        bans,
        networks,
        policies,
        chain,
        keys,
        admin,
        record,
        log,
    }
}

const NAME: &str = "1 to 64 letters, digits, \".\", \"-\" or \"_\"";

fn is_server_name(text: &str) -> bool {
    is_name(text, 64, |mark| mark.is_ascii_alphanumeric() || ".-_".contains(mark))
}

/// With the addresses of `listen`, and itself as the first virtual server.
fn server(at: &mut Section<'_, '_>, base: &Path) -> (Server, Vec<SocketAddr>, Host) {
    let site = at.text("site", NAME, is_server_name);
    let node = at.text("node", NAME, is_server_name);
    let main = Host {
        name: at.text("name", NAME, is_server_name),
        names: listeners::main_names(at),
        addresses: Vec::new(),
        identity: None,
        banner: at.line("banner"),
    };
    let takes = "a list of up to 16 addresses such as \"0.0.0.0:21\"";
    let listen = at.list("listen", takes, 16, |address| address.parse().ok());
    let server = Server {
        site,
        node: if node == "auto" { host_name() } else { node },
        state: at.path("state", base),
        backlog: at.count("backlog", 1..=65_535),
        keepalive: at.span("keepalive", seconds(10)..=seconds(2 * HOUR)),
        unacknowledged: at.span("unacknowledged", seconds(1)..=seconds(HOUR)),
        drain_report: at.span("drain-report", millis(100)..=seconds(600)),
        accept_pause: at.span("accept-pause", millis(1)..=seconds(10)),
    };
    (server, listen, main)
}

const ADDRESS: &str = "\"same\" or an IPv4 address";

fn passive_address(node: &Node) -> Option<Option<IpAddr>> {
    match text(node)? {
        "same" => Some(None),
        address => Some(Some(IpAddr::V4(address.parse().ok()?))),
    }
}

fn passive(at: &mut Section<'_, '_>) -> Passive {
    Passive {
        ports: at.read("ports", "\"any\" or a range such as \"50000-50999\"", |node| match text(node)? {
            "any" => Some(None),
            range => {
                let (first, last) = range.split_once('-')?;
                let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
                (1..=last).contains(&first).then_some(Some(first..=last))
            }
        }),
        address: at.read("address", ADDRESS, passive_address),
        address_for: at.section("address-for", |at| {
            let names = at.names();
            let read = |name: String| {
                let address = at.required(&name, ADDRESS, passive_address).flatten();
                (name, address)
            };
            names.into_iter().map(read).collect()
        }),
        share_percent: at.count("share-percent", 1..=100),
    }
}

fn files(at: &mut Section<'_, '_>) -> Files {
    Files {
        fsync: fsync(at),
        entries_in_reply: at.count("entries-in-reply", 1..=100_000),
        quota_scan: at.count("quota-scan", 1..=1_000_000_000),
        ascii: at.choice("ascii", &[("convert", Ascii::Convert), ("passthrough", Ascii::Passthrough)]),
        partial: at.choice("partial", &[("discard", Partial::Discard), ("keep", Partial::Keep)]),
        umask: at.read("umask", "three octal digits such as \"022\"", |node| {
            let digits = text(node)?;
            let octal = digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
            octal.then(|| u16::from_str_radix(digits, 8).ok()).flatten()
        }),
        hash_bytes: at.size("hash-bytes", 0..=1024 * 1024 * MIB),
        hashes_at_once: at.count("hashes-at-once", 1..=64),
        workers_per_disk: at.count("workers-per-disk", 1..=256),
    }
}

fn fsync(at: &mut Section<'_, '_>) -> Fsync {
    at.choice("fsync", &[("always", Fsync::Always), ("never", Fsync::Never)])
}

fn timeouts(at: &mut Section<'_, '_>) -> Timeouts {
    let tenth = Duration::from_millis(100);
    Timeouts {
        handshake: at.span("handshake", tenth..=seconds(300)),
        login: at.span("login", tenth..=seconds(600)),
        idle: at.span("idle", tenth..=seconds(DAY)),
        no_transfer: at.span("no-transfer", tenth..=seconds(DAY)),
        proxy_header: at.span("proxy-header", tenth..=seconds(60)),
        reply_stall: at.span("reply-stall", tenth..=seconds(600)),
        data_open: at.span("data-open", tenth..=seconds(300)),
        stalled: at.span("stalled", tenth..=seconds(HOUR)),
        linger: at.span("linger", millis(10)..=seconds(60)),
        drain: at.span("drain", Duration::ZERO..=seconds(HOUR)),
        hash: at.span("hash", tenth..=seconds(HOUR)),
        pam: at.span("pam", tenth..=seconds(60)),
        disk: at.span("disk", tenth..=seconds(HOUR)),
        disk_flush: at.span("disk-flush", tenth..=seconds(HOUR)),
        // These stand in other sections and are filled in when those are read.
        ruling: Duration::ZERO,
        store: Duration::ZERO,
        admin: Duration::ZERO,
    }
}

fn limits(at: &mut Section<'_, '_>) -> Limits {
    let connections = at.auto_count("connections", 1..=1_000_000).unwrap_or_else(connections_by_files);
    let unauthenticated = at.auto_count("unauthenticated", 1..=1_000_000);
    Limits {
        connections,
        connections_per_address: at.count("connections-per-address", 1..=1_000_000),
        unauthenticated: unauthenticated.unwrap_or_else(|| connections.div_ceil(2)),
        unauthenticated_per_address: at.count("unauthenticated-per-address", 1..=1_000_000),
        rate: connection_rate(at, "rate"),
        rate_per_network: connection_rate(at, "rate-per-network"),
        rate_per_address: connection_rate(at, "rate-per-address"),
        rate_entries: at.count("rate-entries", 16..=10_000_000),
        login_tries: at.count("login-tries", 1..=100),
        unknown_commands: at.count("unknown-commands", 1..=1000),
        line_bytes: at.size("line-bytes", 512..=64 * KIB),
        password_bytes: at.size("password-bytes", 8..=4 * KIB),
        queued_commands: at.count("queued-commands", 1..=1024),
        reply_bytes: at.size("reply-bytes", 4 * KIB..=MIB),
        idle_longest: at.span("idle-longest", seconds(10)..=seconds(DAY)),
        transfer_buffer: at.size("transfer-buffer", 4 * KIB..=4 * MIB),
        download: rate(at, "download"),
        upload: rate(at, "upload"),
    }
}

fn rate(at: &mut Section<'_, '_>, key: &str) -> Option<u64> {
    at.read(key, "\"unlimited\" or 1 KiB to 1024 GiB", |node| match text(node)? {
        "unlimited" => Some(None),
        typed => size(typed).filter(|rate| (KIB..=1024 * 1024 * MIB).contains(rate)).map(Some),
    })
}

fn connection_rate(at: &mut Section<'_, '_>, key: &str) -> Option<Rate> {
    at.read(key, "\"off\" or a rate such as \"600 in 1m\", over 1s to 1d", |node| match text(node)? {
        "off" => Some(None),
        rate => {
            let (connections, span) = rate.split_once(" in ")?;
            let (connections, span) = (connections.parse().ok()?, humantime::parse_duration(span).ok()?);
            let fits = connections > 0 && (seconds(1)..=seconds(DAY)).contains(&span);
            fits.then_some(Some(Rate { connections, span }))
        }
    })
}

fn store(at: &mut Section<'_, '_>, base: &Path, timeouts: &mut Timeouts) -> Store {
    let engine = at.choice("engine", &[("auto", None), ("memory", Some(false)), ("memcached", Some(true))]);
    let takes = "a list of up to 64 such as \"127.0.0.1:11211\", \"cache1:11211 weight=2\" or \"/run/memcached.sock\"";
    let servers = at.list("servers", takes, 64, StoreServer::parse);
    if engine == Some(true) && servers.is_empty() {
        at.mistake("servers", "is needed with `store.engine = \"memcached\"`", "name the servers");
    }
    if engine == Some(false) && !servers.is_empty() {
        at.mistake("servers", "is not used with `store.engine = \"memory\"`", "remove one of the two");
    }
    timeouts.store = at.span("deadline", millis(1)..=seconds(10));
    Store {
        engine: if servers.is_empty() { StoreEngine::Memory } else { StoreEngine::Memcached(servers) },
        distribution: at
            .choice("distribution", &[("ketama", Distribution::Ketama), ("consistent", Distribution::Consistent)]),
        replicas: at.count("replicas", 0..=8),
        credentials: at.optional_path("credentials", base),
        cluster_key: at.optional_path("cluster-key", base),
        resolve: at.span("resolve", seconds(1)..=seconds(HOUR)),
        connections: at.count("connections", 1..=64),
        breaker_failures: at.count("breaker-failures", 1..=1000),
        breaker_pause: at.span("breaker-pause", millis(10)..=seconds(300)),
        log_interval: at.span("log-interval", seconds(1)..=seconds(3600)),
        value_bytes: at.size("value-bytes", KIB..=MIB),
        memory_entries: at.count("memory-entries", 100..=100_000_000),
    }
}

fn admin(at: &mut Section<'_, '_>, timeouts: &mut Timeouts) -> Admin {
    timeouts.admin = at.span("deadline", millis(10)..=seconds(600));
    Admin {
        connections: at.count("connections", 1..=1000),
        line_bytes: at.size("line-bytes", KIB..=MIB),
        page: at.count("page", 1..=10_000),
        accept_pause: at.span("accept-pause", millis(1)..=seconds(10)),
    }
}

fn log(at: &mut Section<'_, '_>, base: &Path) -> Log {
    let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
    Log {
        format: at.choice("format", &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]),
        level: at.choice("level", &levels).to_owned(),
        unknown_users: at.choice("unknown-users", &[("masked", UnknownUsers::Masked), ("full", UnknownUsers::Full)]),
        xferlog: at.optional_path("xferlog", base),
        transfers: at.optional_path("transfers", base),
        queue: at.count("queue", 16..=1_000_000),
    }
}

fn is_policy_name(text: &str) -> bool {
    is_name(text, 40, |mark| mark.is_ascii_lowercase() || mark.is_ascii_digit() || mark == '-')
}

/// The host's name as far as it is made of what a node's name may have.
fn host_name() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        told.trim().chars().filter(|mark| mark.is_ascii_alphanumeric() || ".-_".contains(*mark)).collect();
    if name.is_empty() { "node".to_owned() } else { name.chars().take(64).collect() }
}

/// What the limit on open files allows: a session at work has a control connection, a data connection and a
/// file; some descriptors are left for everything else.
fn connections_by_files() -> usize {
    const RANGE: RangeInclusive<u64> = 16..=10_000;
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let fitting = (files.saturating_sub(100) / 3).clamp(*RANGE.start(), *RANGE.end());
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
