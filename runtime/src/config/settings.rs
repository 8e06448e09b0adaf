//! What is in force, as meant: every path resolved, every span and size checked. Rust holds no default;
//! see `defaults.toml`, where each key is described for operators.

mod listeners;
mod policies;
mod record;
mod store;
mod tls;
mod users;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::net::socket::Patience;

pub use listeners::{Host, Listen, ListenTls, ProxyData, ProxyProtocol};
pub use policies::{Bounds, Grant, Instance, Mode, OnError, Policies, PolicySettings, Source};
pub use record::Record;
pub use store::{Bans, ProftpdForm, Store, StoreEngine, StoreServer};
pub use tls::{CertificateMatch, ClientCertificates, DataResumption, Tls, TlsSessions, TlsVersion};
pub use users::{Anonymous, Pam, Users};

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

/// When a record that was written is forced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before it is acknowledged; survives a power cut.
    Always,
    /// By the operating system in its own time; survives a crash of this process.
    Never,
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
    /// How it names users whom nobody has here.
    pub unknown_users: UnknownUsers,
    /// A line of xferlog(5) for each transfer goes there.
    pub xferlog: Option<PathBuf>,
    /// A line of JSON for each transfer goes there.
    pub transfers: Option<PathBuf>,
    /// Lines of each log that may wait to be written.
    pub queue: usize,
}

/// How the log names users whom nobody has here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownUsers {
    /// By a pseudonym.
    Masked,
    /// As they were typed.
    Full,
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
