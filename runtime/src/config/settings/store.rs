//! What nodes share, and how bans are kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::Fsync;
use crate::store::Distribution;

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
    /// Of these, the most that one other node made; more of it are not taken in.
    pub table_per_node: usize,
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
