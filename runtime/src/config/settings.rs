//! What is in force, as meant: every path resolved, every span and size checked. Rust holds no default;
//! see `defaults.toml`, where each key is described for operators.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

mod listeners;

use crate::auth::Rights;
use crate::net::socket::Patience;
use crate::store::Distribution;

pub use listeners::{Host, Listen, ListenTls, ProxyData, ProxyProtocol};

mod record;

pub use record::Record;

/// Everything that a server is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `server.listen` and every `[[listener]]`.
    pub listeners: Vec<Listen>,
    /// `[server]` as a virtual server, then every `[[host]]`.
    pub hosts: Vec<Host>,
    /// `[tls]`
    pub tls: Tls,
    /// `[passive]`
    pub passive: Passive,
    /// `[users]`
    pub users: Users,
    /// `[files]`
    pub files: Files,
    /// `[timeouts]`, with the deadlines of `[policies]` and `[store]` beside them.
    pub timeouts: Timeouts,
    /// `[limits]`
    pub limits: Limits,
    /// `[store]`
    pub store: Store,
    /// `[bans]`
    pub bans: Bans,
    /// `[networks]`: named sets of networks; the names are the classes of an event.
    pub networks: BTreeMap<String, Vec<IpNet>>,
    /// `[policies]`: what holds for all policies.
    pub policies: Policies,
    /// `[[policy]]`, in order of asking; those with `mode = "off"` are left out.
    pub chain: Vec<PolicySettings>,
    /// `[keys]`: the key policy.
    pub keys: PolicySettings,
    /// `[admin]`
    pub admin: Admin,
    /// `[record]`
    pub record: Record,
    /// `[log]`
    pub log: Log,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Servers of one site share their bans.
    pub site: String,
    /// This server's name in events, bans and logs.
    pub node: String,
    /// Bans, keys, the admin socket live here; mode 0700.
    pub state: PathBuf,
    /// Connections that the kernel may queue before they are accepted.
    pub backlog: u32,
    /// Idle time before a keep-alive probe, on control and data connections; below what NAT boxes forget.
    pub keepalive: Duration,
    /// After this time without an acknowledgement of what was sent a connection is dead.
    pub unacknowledged: Duration,
    /// How often it is told what a stop still waits for.
    pub drain_report: Duration,
    /// Pause before accepting again when the process is out of descriptors.
    pub accept_pause: Duration,
}

impl Server {
    /// Of control and data connections.
    pub const fn patience(&self) -> Patience {
        Patience { keepalive: self.keepalive, unacknowledged: self.unacknowledged }
    }
}

/// `[tls]`
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM chain; `None` with `self_signed`.
    pub certificate: Option<PathBuf>,
    /// PEM key; `None` with `self_signed`.
    pub key: Option<PathBuf>,
    /// Make a certificate and key in the state directory when no files are named.
    pub self_signed: bool,
    /// USER, PASS and data only under TLS.
    pub required: bool,
    /// The lowest version.
    pub minimum: TlsVersion,
    /// What to do about a data connection that does not resume its control connection's session.
    pub data_resumption: DataResumption,
    /// TLS 1.3 tickets sent on a control connection.
    pub control_tickets: usize,
    /// TLS 1.3 tickets sent on the data connection of a download or a listing; uploads get none.
    pub data_tickets: usize,
    /// Where sessions that clients may resume are.
    pub sessions: TlsSessions,
    /// From a full handshake until its session is resumed no more.
    pub session_life: Duration,
    /// How long one key seals.
    pub ticket_rotation: Duration,
    /// Sessions that may wait to be written into the store; more are not shared.
    pub session_queue: usize,
    /// Sessions kept on this node for clients that resume by session id; the oldest makes room. A control
    /// connection's own session is kept besides, for its data connections.
    pub session_ids: usize,
    /// A FIN without close_notify at the end of an upload: `true` makes it an error (426).
    pub strict_close: bool,
    /// Whether clients show certificates on control connections.
    pub client_certificates: ClientCertificates,
    /// PEM file of those who issue them; there unless they are off.
    pub client_authorities: Option<PathBuf>,
    /// A certificate whose common name is a user's name logs that user in.
    pub client_names: bool,
    /// Users and the certificates that log them in, without a password.
    pub client_users: BTreeMap<String, Vec<CertificateMatch>>,
    /// How often the ends of certificates are looked at.
    pub expiry_check: Duration,
}

/// Where sessions that clients may resume are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsSessions {
    /// In tickets that every node with the cluster's key opens.
    Tickets,
    /// In the shared store, sealed with the cluster's key.
    Store,
    /// In tickets that this node alone opens.
    Node,
}

/// The lowest TLS version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246)
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446)
    #[serde(rename = "1.3")]
    V13,
}

/// Which certificate is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateMatch {
    /// The SHA-256 of its DER form, lower-case hex.
    Fingerprint(String),
    /// The common name of its subject.
    CommonName(String),
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    Off,
    /// One that is shown must be good.
    Optional,
    /// Without a good one there is no handshake.
    Required,
}

/// How data connections prove that they belong to their control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataResumption {
    /// No resumption on data connections.
    Off,
    /// Offered; what did not resume is logged.
    Log,
    /// A data connection that does not resume its own control connection's session is refused (522).
    Require,
}

/// `[passive]`
#[derive(Clone, Debug)]
pub struct Passive {
    /// Ports for PASV and EPSV; `None`: any that the system gives.
    pub ports: Option<RangeInclusive<u16>>,
    /// The IPv4 address told in 227; `None`: the control connection's own.
    pub address: Option<IpAddr>,
    /// The same for clients of named networks, in order of name.
    pub address_for: Vec<(String, Option<IpAddr>)>,
    /// The part of the ports that one address may hold at once.
    pub share_percent: u8,
}

/// `[users]`
#[derive(Clone, Debug)]
pub struct Users {
    /// TOML file of users.
    pub file: PathBuf,
    /// Names that may never log in, such as root.
    pub forbidden: Vec<String>,
    /// Password checks at once; more wait.
    pub hashes_at_once: usize,
    /// Pause before a failed login is answered; doubles with each failure of the connection.
    pub failure_delay: Duration,
    /// The longest such pause.
    pub failure_delay_longest: Duration,
    /// End the sessions of users who were removed, disabled or forbidden.
    pub end_removed: bool,
    /// `[users.anonymous]`; `None`: nobody comes in without a password.
    pub anonymous: Option<Anonymous>,
    /// `[users.pam]`; `None`: nobody but the users of the file comes in with one.
    pub pam: Option<Pam>,
}

/// `[users.pam]`
#[derive(Clone, Debug)]
pub struct Pam {
    /// What PAM's own configuration calls this server.
    pub service: String,
    /// The group of the file of users whose keys hold for them.
    pub group: String,
    /// Logins that PAM is asked about at once; more wait, `timeouts.pam` in all.
    pub at_once: usize,
    /// No wrong password is answered sooner after PAM was, or would have been, asked.
    pub failure_time: Duration,
}

/// `[users.anonymous]`
#[derive(Clone, Debug)]
pub struct Anonymous {
    /// The folder that they see as `/`.
    pub home: PathBuf,
    /// What they may do there.
    pub permissions: Rights,
    /// Patterns of passwords that are refused.
    pub refused_passwords: Vec<String>,
}

/// `[files]`
#[derive(Clone, Debug)]
pub struct Files {
    /// When an uploaded file is forced to disk: before its 226, or by the operating system in its own time.
    pub fsync: Fsync,
    /// Entries of a folder in a reply to STAT; more are cut off, and the reply says so.
    pub entries_in_reply: usize,
    /// Files and folders in a home folder that are counted for a quota; more are left out.
    pub quota_scan: u64,
    /// What TYPE A does to line ends.
    pub ascii: Ascii,
    /// What becomes of an upload that was not completed.
    pub partial: Partial,
    /// Permission bits that new files and folders do not get.
    pub umask: u16,
    /// Bytes of a file, or of a part of it, that HASH and its like read.
    pub hash_bytes: u64,
    /// Files that are hashed at once; more wait.
    pub hashes_at_once: usize,
    /// Threads that may wait for one disk at once.
    pub workers_per_disk: usize,
}

/// What TYPE A does to line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ascii {
    /// LF on disk, CRLF on the wire.
    Convert,
    /// Nothing: bytes pass as they are.
    Passthrough,
}

/// What becomes of an upload that was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// Nothing: the file of that name, if there was one, is as it was.
    Discard,
    /// It takes the file's place, so that the client can go on with it.
    Keep,
}

/// `[timeouts]`: one field for each [`crate::waits::Wait`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is described at its `Wait`")]
pub struct Timeouts {
    pub handshake: Duration,
    pub login: Duration,
    pub idle: Duration,
    pub no_transfer: Duration,
    pub proxy_header: Duration,
    pub reply_stall: Duration,
    pub data_open: Duration,
    pub stalled: Duration,
    pub linger: Duration,
    pub drain: Duration,
    pub hash: Duration,
    pub pam: Duration,
    pub disk: Duration,
    pub disk_flush: Duration,
    /// `policies.deadline`
    pub ruling: Duration,
    /// `store.deadline`
    pub store: Duration,
    /// `admin.deadline`
    pub admin: Duration,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address (IPv6: one /64).
    pub connections_per_address: usize,
    /// Connections that have not logged in yet, in all.
    pub unauthenticated: usize,
    /// Of these, from one address (IPv6: one /64).
    pub unauthenticated_per_address: usize,
    /// New connections in all; `None`: as fast as they come.
    pub rate: Option<Rate>,
    /// From one network (IPv4: one /24, IPv6: one /48).
    pub rate_per_network: Option<Rate>,
    /// From one address (IPv6: one /64).
    pub rate_per_address: Option<Rate>,
    /// Addresses, and networks, whose rates are remembered.
    pub rate_entries: usize,
    /// Failed logins before the connection is closed.
    pub login_tries: u32,
    /// Unknown commands before login, before the connection is closed.
    pub unknown_commands: u32,
    /// Bytes of a command line, CRLF included.
    pub line_bytes: usize,
    /// Bytes of a password.
    pub password_bytes: usize,
    /// Commands that wait while a transfer runs; then reading stops.
    pub queued_commands: usize,
    /// Bytes of replies that a client has not taken; then reading stops.
    pub reply_bytes: usize,
    /// The most that SITE IDLE takes.
    pub idle_longest: Duration,
    /// Bytes of the buffers of one transfer.
    pub transfer_buffer: usize,
    /// Bytes a second that all transfers together send; `None`: as fast as it goes.
    pub download: Option<u64>,
    /// Bytes a second that all transfers together receive; `None`: as fast as it goes.
    pub upload: Option<u64>,
}

/// So many in a span; as many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub connections: u32,
    /// In which a full burst is forgotten.
    pub span: Duration,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// Which engine.
    pub engine: StoreEngine,
    /// How keys are spread over the servers.
    pub distribution: Distribution,
    /// Servers that keep a copy of each value, besides the one that holds it.
    pub replicas: usize,
    /// File with `user:password` for memcached's ASCII authentication.
    pub credentials: Option<PathBuf>,
    /// File with the cluster's key; with it values are sealed and names hidden.
    pub cluster_key: Option<PathBuf>,
    /// How often names of servers are resolved again.
    pub resolve: Duration,
    /// Connections to each memcached server.
    pub connections: usize,
    /// Failures in a row after which a server is left alone.
    pub breaker_failures: u32,
    /// Pause before a server that was left alone is tried again.
    pub breaker_pause: Duration,
    /// A server that is left alone, or is back, is logged once in this time.
    pub log_interval: Duration,
    /// Bytes of the largest value, either way.
    pub value_bytes: usize,
    /// Entries of the memory engine; the soonest to expire makes room.
    pub memory_entries: usize,
}

/// The engine of the shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEngine {
    /// In this process; shared with nobody.
    Memory,
    /// memcached servers, spelled alike on every node.
    Memcached(Vec<StoreServer>),
}

/// One memcached server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreServer {
    /// `host:port` or the path of a socket, as typed.
    pub name: String,
    /// Name, address without brackets, or the path of a socket.
    pub host: String,
    /// 0 with a socket.
    pub port: u16,
    /// Its share of the keys, relative to the others.
    pub weight: u32,
}

impl StoreServer {
    /// Reads `host:port` or `/path/of/socket`, and perhaps ` weight=N` behind it.
    pub fn parse(text: &str) -> Option<StoreServer> {
        let (name, weight) = text.split_once(" weight=").unwrap_or((text, "1"));
        let weight = weight.parse().ok().filter(|weight| (1..=1000).contains(weight))?;
        let (host, port) = if name.starts_with('/') {
            (name, 0)
        } else {
            let (host, port) = name.rsplit_once(':')?;
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            (bare.unwrap_or(host), port.parse().ok().filter(|port| *port > 0)?)
        };
        let visible = !host.is_empty() && host.chars().all(|mark| mark.is_ascii_graphic());
        visible.then(|| StoreServer { name: name.to_owned(), host: host.to_owned(), port, weight })
    }

    /// Whether nobody else's machine can reach it, by its name.
    pub fn is_local(&self) -> bool {
        self.port == 0
            || self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// `[bans]`
#[derive(Clone, Debug)]
pub struct Bans {
    /// Networks that can never be banned, whatever a policy or another node says.
    pub protected: Vec<IpNet>,
    /// The longest ban that a policy may ask for.
    pub longest: Duration,
    /// Ends are spread by up to this many per cent, so that a botnet does not return as one.
    pub spread_percent: u8,
    /// Bans in force at once; when full a new one is refused and told.
    pub table: usize,
    /// Shortest prefix of a network ban, IPv4.
    pub shortest_v4_prefix: u8,
    /// Shortest prefix of a network ban, IPv6.
    pub shortest_v6_prefix: u8,
    /// Whether a policy's ban of an address, a network or a class ends sessions whose user is logged in.
    pub end_logged_in: bool,
    /// When ban records reach the disk.
    pub fsync: Fsync,
    /// Records that may wait for the disk or for the store, and bans that may wait for a slow session.
    pub queue: usize,
    /// Whether bans are shared with ProFTPD's mod_ban, and in which form.
    pub share_proftpd: ProftpdForm,
    /// Of those, only what the same address and port wrote counts.
    pub share_proftpd_match_server: bool,
    /// The key policy says under which keys, in that form.
    pub share_proftpd_by_policy: bool,
    /// How often the pool's journal is looked at.
    pub sync: Duration,
    /// Entries of the pool's journal that are read at once.
    pub sync_page: usize,
    /// How long an entry of the pool's journal may come after its number.
    pub gap_patience: Duration,
    /// How often a node tells the others that it is there, and what its clock says.
    pub presence: Duration,
    /// How often ended bans are swept and failed writes tried again.
    pub upkeep: Duration,
    /// Bans that are swept in one such round, and bans that are compared with a store that has forgotten.
    pub upkeep_batch: usize,
    /// Text for a banned client when the ban has none; `%a` address, `%u` user, `%t` time left.
    pub message: String,
    /// Events of an address that are remembered as evidence; the oldest makes room.
    pub evidence: usize,
    /// Addresses whose events are remembered; the one unheard of longest makes room.
    pub evidence_addresses: usize,
}

/// The form in which ProFTPD's mod_ban keeps bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProftpdForm {
    /// None is shared.
    Off,
    /// `BanCacheOptions UseJSON`
    Json,
    /// Its default.
    Tpl,
}

/// When a record that was written is forced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before it is acknowledged; survives a power cut.
    Always,
    /// By the operating system in its own time; survives a crash of this process.
    Never,
}

/// `[policies]`
#[derive(Clone, Debug)]
pub struct Policies {
    /// Decisions under way at once, over all policies.
    pub at_once: usize,
    /// Threads that run guests.
    pub threads: usize,
    /// Largest component file, bytes.
    pub component_bytes: u64,
    /// How long compiling and configuring one policy may take.
    pub load_deadline: Duration,
    /// Bytes of memory that the process may have which compiles a component of a file.
    pub compiler_memory: u64,
    /// Quiet time after a file change before it is read.
    pub reload_quiet: Duration,
    /// How often watched files are looked at where the file system tells nothing.
    pub reload_poll: Duration,
    /// Bytes of compiled code that are kept on disk; 0: none.
    pub compiled_cache: u64,
    /// Decisions of a policy behind its swap, within which the one before comes back if it fails.
    pub probation: u32,
    /// Failures within the probation that bring the one before back.
    pub probation_failures: u32,
    /// Failures of one policy are told once in this time; the line counts those that it stands for.
    pub failure_log_interval: Duration,
    /// Answers of the key policy that are remembered.
    pub remembered_keys: usize,
    /// How long the pool remembers who succeeded from a network, for the fact `history`.
    pub history: Duration,
    /// Longest delay (tarpit) that a verdict may ask for.
    pub longest_delay: Duration,
    /// Bans in one verdict.
    pub bans_per_verdict: usize,
}

/// One `[[policy]]`, or `[keys]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// The operator's name for it: in logs, bans, and as its namespace in the store.
    pub name: String,
    /// Where its component comes from.
    pub source: Source,
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// Handed to `configure` as JSON.
    pub settings: serde_json::Value,
    /// What a failure of the policy means to the client.
    pub on_error: OnError,
    /// Fresh for each decision, or warm for a number of calls.
    pub instance: Instance,
    /// Host interfaces that it may import, and powers that it has.
    pub grants: Vec<Grant>,
    /// With the event, determines the randomness that WASI gives.
    pub random_seed: u64,
    /// Virtual servers whose clients it is asked about; none: all.
    pub servers: Vec<String>,
    /// Classes of clients that it is asked about; none: all.
    pub classes: Vec<String>,
    /// Its bounds.
    pub bounds: Bounds,
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `builtin:NAME`: embedded in this binary.
    Builtin(String),
    /// `file:PATH`
    File(PathBuf),
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Carried out.
    Enforce,
    /// Evaluated and recorded, never carried out.
    Observe,
    /// Not loaded.
    Off,
}

/// What a failure of a policy means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// As if it had no opinion.
    Pass,
    /// As if it had refused.
    Refuse,
}

/// How long an instance of a guest lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// One decision: nothing leaks from one client to the next.
    Fresh,
    /// This many decisions.
    Warm(u32),
}

/// What may be granted: a host interface, or a power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in wit/")]
pub enum Grant {
    Store,
    Bans,
    Networks,
    Clock,
    Log,
    Metrics,
    /// No interface: bans of a user from everywhere, with which whoever knows a name can shut its owner out.
    UserBans,
}

/// The bounds of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// CPU time of one call, ms resolution.
    pub cpu: Duration,
    /// Wall-clock time of one call, host calls included.
    pub wall: Duration,
    /// Bytes of all its memories together.
    pub memory: usize,
    /// Elements of all its tables together.
    pub table_elements: usize,
    /// Host calls of one call.
    pub host_calls: u32,
    /// Bytes that one host call or result may carry.
    pub transfer_bytes: usize,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Operations of the store a second.
    pub store_operations: u64,
    /// Bytes of keys and values a second, written and read.
    pub store_bytes: u64,
    /// Log lines a second.
    pub log_lines: u32,
    /// Counters of its own in the server's metrics.
    pub metric_series: usize,
    /// Failures in a row after which it is suspended.
    pub suspend_after: u32,
    /// Pause after which a suspended policy is tried with one call.
    pub suspend_for: Duration,
    /// Its decisions under way at once.
    pub at_once: usize,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// Connections at once; more wait.
    pub connections: usize,
    /// Bytes of a request.
    pub line_bytes: usize,
    /// Bans in one answer; the rest in the next.
    pub page: usize,
    /// Pause before accepting again when that failed.
    pub accept_pause: Duration,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// Form of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// A line of xferlog(5) for each transfer goes there.
    pub xferlog: Option<PathBuf>,
    /// A line of JSON for each transfer goes there.
    pub transfers: Option<PathBuf>,
    /// Lines of each log that may wait to be written.
    pub queue: usize,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}
