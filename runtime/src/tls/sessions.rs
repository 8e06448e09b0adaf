//! Sessions that clients may resume: the keys of tickets, what this node keeps, what the pool keeps, and what
//! was counted of them.
//!
//! Trust: a ticket, an id and what stands in the store are a stranger's bytes until they open. rustls asks
//! while it works on a handshake, so that nothing here waits but `pool.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::keys::{KeySpan, Keys};
use super::pool::{Asked, Pool, PoolCounts};
use super::record::{Context, Record, Refused};
use crate::config::settings::{Settings, TlsSessions};
use crate::moment::Moment;
use crate::store::Subkey;

/// What tickets are bound to: a stored session is no ticket, and a ticket is no stored session.
const TICKET: &[u8] = b"ticket";
/// The file in the state folder that remembers the last clear.
const FILE: &str = "tls-sessions-cleared";

/// What all connections share.
pub struct Sessions {
    pub(super) way: TlsSessions,
    pub(super) keys: Keys,
    pub(super) life: Duration,
    rotation: Duration,
    site: String,
    /// Names of the virtual servers, by `HostId`.
    servers: Vec<String>,
    /// When sessions were cleared last, in milliseconds of Unix time; 0: never. Grows with each time.
    pub(super) generation: AtomicU64,
    kept: Mutex<Cache>,
    counts: Counts,
    /// Where the last clear is remembered over a restart, if anything that was issued outlives one.
    pub(super) file: Option<PathBuf>,
    /// How often it is looked whether sessions were cleared elsewhere.
    pub(super) every: Duration,
    pub(super) pool: Option<Pool>,
}

#[derive(Default)]
struct Counts {
    full: AtomicU64,
    resumed: AtomicU64,
    offered: AtomicU64,
    data_full: AtomicU64,
    data_resumed: AtomicU64,
    unknown: AtomicU64,
    expired: AtomicU64,
    cleared: AtomicU64,
    other_server: AtomicU64,
    other_clients: AtomicU64,
}

/// How sessions are resumed, and how often they were, since the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionsInfo {
    /// `tls.sessions` as it is in force.
    pub way: TlsSessions,
    /// Seconds from a full handshake until its session is resumed no more.
    pub life_seconds: u64,
    /// Seconds that a key seals.
    pub rotation_seconds: u64,
    /// Keys of the cluster's file that open tickets; 0: this node's own keys.
    pub cluster_keys: usize,
    /// Keys by time, the newest first.
    pub keys: Vec<KeySpan>,
    /// When sessions were cleared last.
    pub cleared: Option<Moment>,
    /// Handshakes on control connections without a session.
    pub full: u64,
    /// With one.
    pub resumed: u64,
    /// Handshakes on control connections in which a session was offered.
    pub offered: u64,
    /// Full handshakes on data connections.
    pub data_full: u64,
    /// Resumed ones.
    pub data_resumed: u64,
    /// Offers that were not taken, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Sessions that this node keeps, for clients that resume by id.
    pub kept: usize,
    /// The pool's, with `tls.sessions = "store"`.
    pub store: Option<PoolCounts>,
}

/// What a clear reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClearedSessions {
    /// What was issued before is refused from now on.
    pub cleared: Moment,
    /// Sessions that this node forgot.
    pub forgotten: usize,
    /// The other nodes learn of it from the store: `None`, there is none to learn from.
    pub pool: Option<bool>,
    /// Seconds within which they do.
    pub within_seconds: f64,
}

impl Sessions {
    /// As the settings say. `cluster`: secrets of the cluster's key for this use; `asked`: how to reach the store.
    pub fn new(settings: &Settings, cluster: Option<&[Subkey]>, asked: Option<Asked>) -> Arc<Sessions> {
        let tls = &settings.tls;
        let shared = cluster.filter(|_| tls.sessions != TlsSessions::Node);
        let file = shared.map(|_| settings.server.state.join(FILE));
        let remembered = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let remembered = remembered.and_then(|text| text.trim().parse().ok());
        let pool = asked.filter(|asked| shared.is_some() && asked.store.is_shared());
        Arc::new(Sessions {
            way: tls.sessions,
            keys: Keys::new(shared, tls.ticket_rotation, tls.session_life),
            life: tls.session_life,
            rotation: tls.ticket_rotation,
            site: settings.server.site.clone(),
            servers: settings.hosts.iter().map(|host| host.name.clone()).collect(),
            generation: AtomicU64::new(remembered.unwrap_or(0)),
            kept: Mutex::new(Cache::new(tls.session_ids)),
            counts: Counts::default(),
            file,
            every: settings.bans.sync,
            pool: pool.map(|asked| Pool::new(asked, settings)),
        })
    }

    /// For whom sessions of a virtual server are. `clients`: what decides about certificates of clients.
    pub(super) fn context(&self, server: usize, clients: &[u8]) -> Context {
        Context::new(&self.site, self.servers.get(server).map_or("", String::as_str), clients)
    }

    pub(super) fn site(&self) -> &str {
        &self.site
    }

    /// Whether sessions travel in tickets; else by id.
    pub(super) fn by_ticket(&self) -> bool {
        self.way != TlsSessions::Store
    }

    pub(super) fn ticket(&self, record: &Record, now: Moment) -> Option<Vec<u8>> {
        self.keys.seal(TICKET, record.encode(), now)
    }

    pub(super) fn open_ticket(&self, ticket: &[u8], now: Moment) -> Result<Record, Refused> {
        self.keys.open(TICKET, ticket, now).and_then(|plain| Record::decode(&plain)).ok_or(Refused::Unknown)
    }

    /// Keeps a session here, and in the pool where that is the way.
    pub(super) fn keep(&self, id: Vec<u8>, record: &Record) {
        let bytes = record.encode();
        if let Some(pool) = self.pool.as_ref().filter(|_| self.way == TlsSessions::Store) {
            pool.publish(id.clone(), bytes.clone());
        }
        self.kept.lock().put(id, bytes);
    }

    pub(super) fn kept(&self, id: &[u8]) -> Option<Record> {
        Record::decode(self.kept.lock().get(id)?)
    }

    pub(super) fn keeps(&self, id: &[u8]) -> bool {
        self.kept.lock().get(id).is_some()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Sessions were cleared elsewhere, as something that only this cluster can have sealed says: what is older is
    /// refused here too. Ids that were forgotten.
    pub(super) fn learn(&self, generation: u64) -> Vec<Vec<u8>> {
        if self.generation.fetch_max(generation, Ordering::AcqRel) >= generation {
            return Vec::new();
        }
        let gone = self.kept.lock().clear();
        if let Some(pool) = self.pool.as_ref().filter(|_| self.way == TlsSessions::Store) {
            pool.forget(gone.clone());
        }
        gone
    }

    pub(super) fn refuse(&self, reason: Refused) {
        let counter = match reason {
            Refused::Unknown => &self.counts.unknown,
            Refused::Expired => &self.counts.expired,
            Refused::Cleared => &self.counts.cleared,
            Refused::OtherServer => &self.counts.other_server,
            Refused::OtherClients => &self.counts.other_clients,
        };
        one_more(counter);
    }

    pub(super) fn handshake(&self, resumed: bool, offered: bool) {
        one_more(if resumed { &self.counts.resumed } else { &self.counts.full });
        if offered {
            one_more(&self.counts.offered);
        }
    }

    pub(super) fn data_handshake(&self, resumed: bool) {
        one_more(if resumed { &self.counts.data_resumed } else { &self.counts.data_full });
    }

    /// All of it now.
    pub fn info(&self, now: Moment) -> SessionsInfo {
        let (counts, read) = (&self.counts, |counter: &AtomicU64| counter.load(Ordering::Relaxed));
        let refused = [
            ("unknown", &counts.unknown),
            ("expired", &counts.expired),
            ("cleared", &counts.cleared),
            ("other-server", &counts.other_server),
            ("other-client-certificates", &counts.other_clients),
        ];
        SessionsInfo {
            way: self.way,
            life_seconds: self.life.as_secs(),
            rotation_seconds: self.rotation.as_secs(),
            cluster_keys: self.keys.cluster_keys(),
            keys: self.keys.list(now),
            cleared: Some(self.generation()).filter(|at| *at > 0).map(Moment::from_millis),
            full: read(&counts.full),
            resumed: read(&counts.resumed),
            offered: read(&counts.offered),
            data_full: read(&counts.data_full),
            data_resumed: read(&counts.data_resumed),
            refused: refused.map(|(reason, counter)| (reason.to_owned(), read(counter))).into(),
            kept: self.kept.lock().len(),
            store: self.pool.as_ref().filter(|_| self.way == TlsSessions::Store).map(Pool::counts),
        }
    }

    /// Refuses everything that was issued so far, here at once, and on the other nodes where there is a store
    /// to tell them. Control connections that are open keep what their data connections resume.
    pub async fn clear(&self, now: Moment) -> ClearedSessions {
        let before = self.stored_generation().await.unwrap_or_default().max(self.generation());
        let generation = now.millis().max(before + 1);
        let forgotten = self.learn(generation).len();
        self.write_down().await;
        let pool = match &self.pool {
            Some(_) => Some(self.share_generation().await),
            None => None,
        };
        ClearedSessions {
            cleared: Moment::from_millis(generation),
            forgotten,
            pool,
            within_seconds: self.every.as_secs_f64(),
        }
    }
}

pub(super) fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
