//! Every key, its range, and what it becomes. Reads like the defaults file.

mod listeners;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::settings::*;
use super::sheet::Section;
use super::takes::{is_name, number, size, text};
use super::tree::{Node, What};
use crate::auth::Rights;
use crate::store::Distribution;

mod record;

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
    let tls = top.section("tls", |at| tls(at, base, &store));
    listeners::balanced(top, &listeners, &tls);
    let hosts = listeners::hosts(top, main, base);
    let passive = top.section("passive", passive);
    let users = top.section("users", |at| users(at, base));
    let files = top.section("files", files);
    let limits = top.section("limits", limits);
    let mut bans = top.section("bans", bans);
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
    let networks = top.section("networks", networks);
    for (name, _) in passive.address_for.iter().filter(|(name, _)| !networks.contains_key(name)) {
        let remedy = format!("define `networks.{name}`, or name one that is there");
        top.mistake(&format!("passive.address-for.{name}"), "is for a set that [networks] does not have", &remedy);
    }
    let whose = Whose {
        servers: hosts.iter().map(|host| host.name.clone()).collect(),
        classes: networks.keys().cloned().collect(),
    };
    let policies = top.section("policies", |at| policies(at, &whose, &mut timeouts));
    let chain = chain(top, base, &whose);
    let keys = top.section_over("keys", "policies", |at| keys(at, base));
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

fn tls(at: &mut Section<'_, '_>, base: &Path, store: &Store) -> Tls {
    let certificate = at.optional_path("certificate", base);
    let key = at.optional_path("key", base);
    let self_signed = at.flag("self-signed");
    match (&certificate, &key) {
        (Some(_), None) => {
            at.mistake("key", "is needed with `tls.certificate`", "name the PEM file of its private key")
        }
        (None, Some(_)) => at.mistake("certificate", "is needed with `tls.key`", "name the PEM file of the chain"),
        (None, None) if !self_signed => at.mistake(
            "certificate",
            "is needed: an FTPS server shows one",
            "name PEM files in `tls.certificate` and `tls.key`, or set `tls.self-signed = true` to try things out",
        ),
        _ => {}
    }
    let client_certificates = at.choice(
        "client-certificates",
        &[
            ("off", ClientCertificates::Off),
            ("optional", ClientCertificates::Optional),
            ("required", ClientCertificates::Required),
        ],
    );
    let client_authorities = at.optional_path("client-authorities", base);
    if client_certificates != ClientCertificates::Off && client_authorities.is_none() {
        at.mistake("client-authorities", "is needed", "name the PEM file of those who issue the clients' certificates");
    }
    let client_users = at.section("client-users", |at| {
        let names = at.names();
        let takes = "a list such as \"cn:alice\" or \"sha256:HEX\"";
        let read = |name: String| {
            let matches = at.required(&name, takes, |node| match &node.what {
                What::List(items) => items.iter().map(|item| certificate_match(text(item)?)).collect(),
                _ => None,
            });
            (name, matches.unwrap_or_default())
        };
        names.into_iter().map(read).collect()
    });
    Tls {
        client_certificates,
        client_authorities,
        client_names: at.flag("client-names"),
        client_users,
        expiry_check: at.span("expiry-check", millis(100)..=seconds(DAY)),
        certificate,
        key,
        self_signed,
        required: at.flag("required"),
        minimum: at.choice("minimum", &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]),
        data_resumption: at.choice(
            "data-resumption",
            &[("off", DataResumption::Off), ("log", DataResumption::Log), ("require", DataResumption::Require)],
        ),
        control_tickets: at.count("control-tickets", 0..=16),
        data_tickets: at.count("data-tickets", 0..=16),
        sessions: tls_sessions(at, store),
        session_life: at.span("session-life", seconds(1)..=seconds(7 * DAY)),
        ticket_rotation: at.span("ticket-rotation", seconds(1)..=seconds(7 * DAY)),
        session_queue: at.count("session-queue", 16..=1_000_000),
        session_ids: at.count("session-ids", 0..=1_000_000),
        strict_close: at.flag("strict-close"),
    }
}

/// What is shared is sealed: without the cluster's key nothing is.
fn tls_sessions(at: &mut Section<'_, '_>, store: &Store) -> TlsSessions {
    let ways = [
        ("auto", None),
        ("tickets", Some(TlsSessions::Tickets)),
        ("store", Some(TlsSessions::Store)),
        ("node", Some(TlsSessions::Node)),
    ];
    let way = at.choice("sessions", &ways);
    let shared = matches!(way, Some(TlsSessions::Tickets | TlsSessions::Store));
    if shared && store.cluster_key.is_none() {
        at.mistake(
            "sessions",
            "needs `store.cluster-key`: sessions leave this node sealed, or not at all",
            "make a key with `portcullis cluster keygen --out FILE`, and name it there on every node",
        );
    }
    if way == Some(TlsSessions::Store) && store.engine == StoreEngine::Memory {
        at.mistake(
            "sessions",
            "needs memcached servers in `store.servers`",
            "name them, or set `tls.sessions = \"tickets\"`, which needs none",
        );
    }
    let fallback = if store.cluster_key.is_some() { TlsSessions::Tickets } else { TlsSessions::Node };
    way.unwrap_or(fallback)
}

fn certificate_match(text: &str) -> Option<CertificateMatch> {
    match text.split_once(':')? {
        ("cn", name) if !name.is_empty() => Some(CertificateMatch::CommonName(name.to_owned())),
        ("sha256", hex) => {
            let hex: String = hex.chars().filter(|mark| *mark != ':').map(|mark| mark.to_ascii_lowercase()).collect();
            let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then_some(CertificateMatch::Fingerprint(hex))
        }
        _ => None,
    }
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

fn users(at: &mut Section<'_, '_>, base: &Path) -> Users {
    Users {
        file: at.path("file", base),
        forbidden: at
            .list("forbidden", "a list of names", usize::MAX, |name| (!name.is_empty()).then(|| name.to_owned())),
        hashes_at_once: at.count("hashes-at-once", 1..=256),
        failure_delay: at.span("failure-delay", Duration::ZERO..=seconds(60)),
        failure_delay_longest: at.span("failure-delay-longest", Duration::ZERO..=seconds(60)),
        end_removed: at.flag("end-removed"),
        anonymous: at.section("anonymous", |at| anonymous(at, base)),
        pam: at.section("pam", pam),
    }
}

fn pam(at: &mut Section<'_, '_>) -> Option<Pam> {
    let service = at.text("service", "a name such as \"portcullis\"", |text| {
        text.is_empty() || is_server_name(text) && !text.starts_with('.')
    });
    let group = at.text("group", "the name of a [[group]]", |text| !text.contains('\0'));
    let at_once = at.count("at-once", 1..=256);
    let failure_time = at.span("failure-time", Duration::ZERO..=seconds(60));
    if service.is_empty() {
        return None;
    }
    if cfg!(not(feature = "pam")) {
        let remedy = "build it with `cargo build --release --features pam`, which needs PAM's library \
                      (Debian: libpam0g-dev), or remove the key";
        at.mistake("service", "needs a server that was built with PAM", remedy);
    }
    if group.is_empty() {
        let remedy = "name a [[group]] of the file of users; its home, permissions, limits and networks hold for them";
        at.mistake("group", "is needed with `users.pam.service`", remedy);
    }
    Some(Pam { service, group, at_once, failure_time })
}

fn anonymous(at: &mut Section<'_, '_>, base: &Path) -> Option<Anonymous> {
    let enabled = at.flag("enabled");
    let takes = format!("a list of {}", Rights::WORDS.map(|word| format!("{word:?}")).join(", "));
    let known = |word: &str| Rights::WORDS.contains(&word).then(|| word.to_owned());
    let mut permissions = Rights::NONE;
    for word in at.list("permissions", &takes, Rights::WORDS.len(), known) {
        permissions.grant(&word);
    }
    let home = at.path("home", base);
    let pattern = |text: &str| (text.len() <= KIB as usize).then(|| text.to_lowercase());
    let refused_passwords =
        at.list("refused-passwords", "a list of up to 100 patterns such as \"*@example.com\"", 100, pattern);
    enabled.then_some(Anonymous { home, permissions, refused_passwords })
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

fn bans(at: &mut Section<'_, '_>) -> Bans {
    let (share_proftpd, share_proftpd_match_server, share_proftpd_by_policy) = at.section("share", |at| {
        let forms = [("off", ProftpdForm::Off), ("json", ProftpdForm::Json), ("tpl", ProftpdForm::Tpl)];
        (
            at.choice("proftpd", &forms),
            at.flag("proftpd-match-server"),
            at.choice("proftpd-keys", &[("server", false), ("policy", true)]),
        )
    });
    let takes = "a list of networks such as \"192.0.2.0/24\" or addresses";
    Bans {
        protected: at.list("protected", takes, usize::MAX, network),
        longest: at.span("longest", seconds(1)..=seconds(3650 * DAY)),
        spread_percent: at.count("spread-percent", 0..=50),
        table: at.count("table", 100..=10_000_000),
        shortest_v4_prefix: at.count("shortest-v4-prefix", 8..=32),
        shortest_v6_prefix: at.count("shortest-v6-prefix", 16..=128),
        end_logged_in: at.flag("end-logged-in"),
        fsync: fsync(at),
        message: at.line("message"),
        evidence: at.count("evidence", 0..=100),
        evidence_addresses: at.count("evidence-addresses", 1..=1_000_000),
        queue: at.count("queue", 16..=1_000_000),
        share_proftpd,
        share_proftpd_match_server,
        share_proftpd_by_policy,
        sync: at.span("sync", millis(10)..=seconds(HOUR)),
        sync_page: at.count("sync-page", 10..=100_000),
        gap_patience: at.span("gap-patience", seconds(1)..=seconds(600)),
        presence: at.span("presence", seconds(1)..=seconds(HOUR)),
        upkeep: at.span("upkeep", millis(10)..=seconds(HOUR)),
        upkeep_batch: at.count("upkeep-batch", 1..=1_000_000),
    }
}

fn networks(at: &mut Section<'_, '_>) -> std::collections::BTreeMap<String, Vec<IpNet>> {
    let takes = "a list of networks such as \"192.0.2.0/24\" or addresses";
    let mut sets = std::collections::BTreeMap::new();
    for name in at.names() {
        let set = at.required(&name, takes, |node| match &node.what {
            What::List(items) => items.iter().map(|item| network(text(item)?)).collect(),
            _ => None,
        });
        if !is_policy_name(&name) {
            at.mistake(&name, "is no name of a set", "it has 1 to 40 lower-case letters, digits or \"-\"");
        }
        sets.insert(name, set.unwrap_or_default());
    }
    sets
}

/// A network in canonical form; an address is a network of one.
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(match network {
        // What is written as IPv4 in IPv6 means the IPv4 network.
        IpNet::V6(six) if six.prefix_len() >= 96 => match six.addr().to_ipv4_mapped() {
            Some(four) => ipnet::Ipv4Net::new(four, six.prefix_len() - 96).ok()?.trunc().into(),
            None => network.trunc(),
        },
        _ => network.trunc(),
    })
}

fn policies(at: &mut Section<'_, '_>, whose: &Whose, timeouts: &mut Timeouts) -> Policies {
    // Read here too, so that a mistake in what holds for all is told once, and at its own place.
    mode(at);
    on_error(at);
    instance(at);
    grants(at);
    random_seed(at);
    concerns(at, whose);
    at.section("bounds", bounds);
    timeouts.ruling = at.span("deadline", millis(1)..=seconds(30));
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Policies {
        at_once: at.count("at-once", 1..=10_000),
        threads: at.auto_count("threads", 1..=256).unwrap_or_else(cores),
        component_bytes: at.size("component-bytes", KIB..=256 * MIB),
        load_deadline: at.span("load-deadline", millis(100)..=seconds(600)),
        compiler_memory: at.size("compiler-memory", 128 * MIB..=64 * 1024 * MIB),
        reload_quiet: at.span("reload-quiet", millis(10)..=seconds(60)),
        longest_delay: at.span("longest-delay", Duration::ZERO..=seconds(60)),
        bans_per_verdict: at.count("bans-per-verdict", 1..=100),
        history: at.span("history", seconds(DAY)..=seconds(365 * DAY)),
        compiled_cache: at.size("compiled-cache", 0..=16 * 1024 * MIB),
        probation: at.count("probation", 0..=1_000_000),
        probation_failures: at.count("probation-failures", 1..=1000),
        failure_log_interval: at.span("failure-log-interval", seconds(1)..=seconds(DAY)),
        reload_poll: at.span("reload-poll", millis(100)..=seconds(HOUR)),
        remembered_keys: at.count("remembered-keys", 0..=10_000_000),
    }
}

fn chain(top: &mut Section<'_, '_>, base: &Path, whose: &Whose) -> Vec<PolicySettings> {
    let mut names = std::collections::BTreeSet::new();
    let chain = top.list_over("policy", "policies", "name", |at| {
        let takes = "1 to 40 lower-case letters, digits or \"-\"";
        let name = at.required("name", takes, |node| text(node).filter(|name| is_policy_name(name)).map(str::to_owned));
        let name = name.unwrap_or_default();
        if !name.is_empty() && !names.insert(name.clone()) {
            at.mistake("name", "is there twice", "give each [[policy]] a name of its own");
        }
        let source = source(at, base);
        let (mode, on_error) = (mode(at), on_error(at));
        let (instance, grants) = (instance(at), grants(at));
        let random_seed = random_seed(at);
        let (servers, classes) = concerns(at, whose);
        let settings = free_table(at, "settings");
        let bounds = at.section("bounds", bounds);
        PolicySettings {
            name,
            source,
            mode,
            settings,
            on_error,
            instance,
            grants,
            random_seed,
            servers,
            classes,
            bounds,
        }
    });
    chain.into_iter().filter(|policy| policy.mode != Mode::Off).collect()
}

fn random_seed(at: &mut Section<'_, '_>) -> u64 {
    at.count("random-seed", 0..=i64::MAX.unsigned_abs())
}

/// Whose clients a policy can be asked about.
struct Whose {
    servers: Vec<String>,
    classes: Vec<String>,
}

fn concerns(at: &mut Section<'_, '_>, whose: &Whose) -> (Vec<String>, Vec<String>) {
    let one_of = |known: &[String], text: &str| known.iter().find(|name| *name == text).cloned();
    let servers =
        at.list("servers", "a list of names of virtual servers", usize::MAX, |name| one_of(&whose.servers, name));
    let classes =
        at.list("classes", "a list of names of `[networks]`", usize::MAX, |name| one_of(&whose.classes, name));
    (servers, classes)
}

fn keys(at: &mut Section<'_, '_>, base: &Path) -> PolicySettings {
    PolicySettings {
        name: "keys".to_owned(),
        source: source(at, base),
        mode: Mode::Enforce,
        settings: free_table(at, "settings"),
        on_error: OnError::Pass,
        instance: instance(at),
        // A key policy imports nothing: it is a pure function of its settings and arguments.
        grants: Vec::new(),
        random_seed: 0,
        servers: Vec::new(),
        classes: Vec::new(),
        bounds: at.section("bounds", bounds),
    }
}

fn source(at: &mut Section<'_, '_>, base: &Path) -> Source {
    let source =
        at.required("source", "\"builtin:NAME\" or \"file:PATH\"", |node| match text(node)?.split_once(':')? {
            (_, "") => None,
            ("builtin", name) => Some(Source::Builtin(name.to_owned())),
            ("file", path) => Some(Source::File(base.join(path))),
            _ => None,
        });
    source.unwrap_or(Source::Builtin(String::new()))
}

fn mode(at: &mut Section<'_, '_>) -> Mode {
    at.choice("mode", &[("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)])
}

fn on_error(at: &mut Section<'_, '_>) -> OnError {
    at.choice("on-error", &[("pass", OnError::Pass), ("refuse", OnError::Refuse)])
}

fn instance(at: &mut Section<'_, '_>) -> Instance {
    at.read("instance", "\"fresh\" or { warm = 1 to 1000000 }", |node| match &node.what {
        What::Text(text) if text == "fresh" => Some(Instance::Fresh),
        What::Table(table) if table.len() == 1 => number(table.get("warm")?, &(1..=1_000_000)).map(Instance::Warm),
        _ => None,
    })
}

fn grants(at: &mut Section<'_, '_>) -> Vec<Grant> {
    let takes = "a list of \"store\", \"bans\", \"networks\", \"clock\", \"log\", \"metrics\", \"user-bans\"";
    at.list("grants", takes, usize::MAX, |grant| match grant {
        "store" => Some(Grant::Store),
        "bans" => Some(Grant::Bans),
        "networks" => Some(Grant::Networks),
        "clock" => Some(Grant::Clock),
        "log" => Some(Grant::Log),
        "metrics" => Some(Grant::Metrics),
        "user-bans" => Some(Grant::UserBans),
        _ => None,
    })
}

fn bounds(at: &mut Section<'_, '_>) -> Bounds {
    Bounds {
        cpu: at.span("cpu", millis(1)..=seconds(10)),
        wall: at.span("wall", millis(1)..=seconds(30)),
        memory: at.size("memory", MIB..=1024 * MIB),
        table_elements: at.count("table-elements", 100..=1_000_000),
        host_calls: at.count("host-calls", 0..=10_000),
        transfer_bytes: at.size("transfer-bytes", KIB..=16 * MIB),
        key_bytes: at.size("key-bytes", 1..=1024),
        value_bytes: at.size("value-bytes", 1..=MIB),
        store_operations: at.count("store-operations", 1..=10_000_000),
        store_bytes: at.size("store-bytes", KIB..=1024 * 1024 * MIB),
        log_lines: at.count("log-lines", 0..=10_000),
        metric_series: at.count("metric-series", 0..=10_000),
        suspend_after: at.count("suspend-after", 1..=1000),
        suspend_for: at.span("suspend-for", millis(100)..=seconds(HOUR)),
        at_once: at.count("at-once", 1..=1000),
    }
}

/// A table that is handed on as it is.
fn free_table(at: &mut Section<'_, '_>, key: &str) -> serde_json::Value {
    let table = |node: &Node| matches!(node.what, What::Table(_)).then(|| node.json());
    at.optional(key, "a table", table).unwrap_or_else(|| serde_json::json!({}))
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
