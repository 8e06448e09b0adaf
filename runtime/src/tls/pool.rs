//! Sessions in the shared store, sealed, and the word of a clear, so that every node hears it.
//!
//! A handshake never waits for the network: what a ClientHello offers is fetched before rustls sees it, under
//! the store's deadline, and what is to be kept goes to a bounded queue. Trust: none in what the store holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::record::{Record, Refused};
use super::sessions::{Sessions, one_more};
use crate::config::settings::{Settings, TlsSessions};
use crate::moment::Moment;
use crate::net::Stop;
use crate::store::{Derive, Key, Namespace, Purpose, SharedStore};
use crate::waits::{self, Wait};

/// Sessions of one ClientHello that are looked at: no client offers more than a few.
pub(super) const OFFERS_MAX: usize = 8;
/// Bytes of an id that this server gave.
const ID_BYTES: usize = 32;
/// Sessions that are written at the same time.
const WRITES_AT_ONCE: usize = 32;

/// How to reach the store.
pub struct Asked {
    /// The shared store.
    pub store: SharedStore,
    /// Under which keys.
    pub keys: Arc<dyn Derive>,
}

/// The store as sessions see it.
pub(super) struct Pool {
    asked: Asked,
    deadline: Duration,
    jobs: mpsc::Sender<Job>,
    waiting: Mutex<Option<mpsc::Receiver<Job>>>,
    counts: Counts,
}

enum Job {
    Keep(Vec<u8>, Vec<u8>),
    Forget(Vec<Vec<u8>>),
}

#[derive(Default)]
struct Counts {
    waiting: AtomicU64,
    stored: AtomicU64,
    not_stored: AtomicU64,
    dropped: AtomicU64,
    deleted: AtomicU64,
    fetched: AtomicU64,
    missed: AtomicU64,
    unavailable: AtomicU64,
    forged: AtomicU64,
}

/// What was counted of the store since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCounts {
    /// Sessions that wait to be written, or are just being written.
    pub waiting: u64,
    /// Sessions written.
    pub stored: u64,
    /// Sessions that the store did not take.
    pub not_stored: u64,
    /// Sessions for which the queue had no room.
    pub dropped: u64,
    /// Sessions deleted by a clear.
    pub deleted: u64,
    /// Offered sessions that were found there.
    pub fetched: u64,
    /// That were not.
    pub missed: u64,
    /// About which the store did not answer in time.
    pub unavailable: u64,
    /// Values there that this cluster did not seal for their place.
    pub forged: u64,
}

impl Pool {
    pub(super) fn new(asked: Asked, settings: &Settings) -> Pool {
        let (jobs, waiting) = mpsc::channel(settings.tls.session_queue);
        Pool {
            asked,
            deadline: settings.timeouts.store,
            jobs,
            waiting: Mutex::new(Some(waiting)),
            counts: Counts::default(),
        }
    }

    pub(super) fn publish(&self, id: Vec<u8>, record: Vec<u8>) {
        one_more(&self.counts.waiting);
        if self.jobs.try_send(Job::Keep(id, record)).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            one_more(&self.counts.dropped);
        }
    }

    /// What finds no room ends with its time to live; nobody takes it any more.
    pub(super) fn forget(&self, ids: Vec<Vec<u8>>) {
        let _ = self.jobs.try_send(Job::Forget(ids));
    }

    pub(super) fn counts(&self) -> PoolCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolCounts {
            waiting: read(&self.counts.waiting),
            stored: read(&self.counts.stored),
            not_stored: read(&self.counts.not_stored),
            dropped: read(&self.counts.dropped),
            deleted: read(&self.counts.deleted),
            fetched: read(&self.counts.fetched),
            missed: read(&self.counts.missed),
            unavailable: read(&self.counts.unavailable),
            forged: read(&self.counts.forged),
        }
    }

    /// `None`: the key policy failed, and has told so.
    async fn key(&self, id: &[u8]) -> Option<Key> {
        self.asked.keys.derive(&Purpose::TlsSession(id.to_vec())).await.into_iter().next()
    }
}

impl Sessions {
    /// What the store knows of the sessions that a client offers, no later than the store's deadline.
    pub(super) async fn fetch(&self, ids: &[Vec<u8>]) -> Vec<(Vec<u8>, Record)> {
        let Some(pool) = self.pool.as_ref().filter(|_| self.way == TlsSessions::Store) else { return Vec::new() };
        let ours = |id: &&Vec<u8>| id.len() == ID_BYTES && !self.keeps(id);
        let ids: Vec<Vec<u8>> = ids.iter().filter(ours).take(OFFERS_MAX).cloned().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let count = ids.len() as u64;
        let Ok(found) = waits::for_at_most(pool.deadline, Wait::Store, self.ask(pool, ids)).await else {
            pool.counts.unavailable.fetch_add(count, Ordering::Relaxed);
            return Vec::new();
        };
        found
    }

    async fn ask(&self, pool: &Pool, ids: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Record)> {
        let (mut places, mut asked) = (Vec::new(), Vec::new());
        for id in ids {
            if let Some(key) = pool.key(&id).await {
                places.push(key);
                asked.push(id);
            }
        }
        let answers = pool.asked.store.get_each(&places).await;
        let now = Moment::now();
        let mut found = Vec::new();
        for ((id, key), answer) in asked.into_iter().zip(&places).zip(answers) {
            match answer {
                Err(_) => one_more(&pool.counts.unavailable),
                Ok(None) => one_more(&pool.counts.missed),
                Ok(Some(value)) => {
                    match self.keys.open(key.as_str().as_bytes(), &value, now).and_then(|plain| Record::decode(&plain))
                    {
                        Some(record) => {
                            one_more(&pool.counts.fetched);
                            found.push((id, record));
                        }
                        None => {
                            one_more(&pool.counts.forged);
                            self.refuse(Refused::Unknown);
                            warn!(
                                key = key.as_str(),
                                "tls.session-forged: a value that this cluster did not put there"
                            );
                        }
                    }
                }
            }
        }
        found
    }

    /// Writes what is to be kept, and hears of clears, until the server stops.
    pub async fn keep_in_step(self: Arc<Self>, stop: Stop) {
        tokio::select! {
            () = self.write_all() => {}
            () = self.hear_of_clears() => {}
            () = stop.stopping() => {}
        }
    }

    async fn write_all(self: &Arc<Self>) {
        let Some(pool) = &self.pool else { return std::future::pending().await };
        let Some(mut jobs) = pool.waiting.lock().await.take() else { return };
        let mut batch = Vec::with_capacity(WRITES_AT_ONCE);
        while jobs.recv_many(&mut batch, WRITES_AT_ONCE).await > 0 {
            let mut work = JoinSet::new();
            for job in batch.drain(..) {
                let sessions = self.clone();
                work.spawn(async move { sessions.carry_out(job).await });
            }
            work.join_all().await;
        }
    }

    async fn hear_of_clears(&self) {
        let mut known = self.generation();
        loop {
            let stored = self.stored_generation().await;
            if let Some(stored) = stored {
                self.learn(stored);
            }
            if self.generation() != known {
                known = self.generation();
                info!(at = %Moment::from_millis(known), "tls.sessions-cleared");
                self.write_down().await;
            }
            // A store that forgot is told again.
            if stored.is_some_and(|stored| stored < known) {
                self.share_generation().await;
            }
            waits::pause(self.every).await;
        }
    }

    async fn carry_out(&self, job: Job) {
        let Some(pool) = &self.pool else { return };
        match job {
            Job::Keep(id, record) => {
                let written = match pool.key(&id).await {
                    None => false,
                    Some(key) => match self.keys.seal(key.as_str().as_bytes(), record, Moment::now()) {
                        None => false,
                        Some(sealed) => pool.asked.store.set(&key, &sealed, Some(self.life)).await.is_ok(),
                    },
                };
                pool.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                one_more(if written { &pool.counts.stored } else { &pool.counts.not_stored });
            }
            Job::Forget(ids) => {
                for id in ids {
                    let Some(key) = pool.key(&id).await else { continue };
                    match pool.asked.store.delete(&key).await {
                        Ok(true) => one_more(&pool.counts.deleted),
                        Ok(false) => {}
                        Err(error) => {
                            debug!(%error, "tls.sessions-not-deleted: they end with their time to live");
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Where the last clear stands in the store.
    fn clear_key(&self) -> Option<Key> {
        Namespace::Sessions.key(format!("{}/cleared", self.site()).as_bytes()).ok()
    }

    /// When the store says that sessions were cleared last; 0 if it says nothing, `None` if it is away.
    pub(super) async fn stored_generation(&self) -> Option<u64> {
        let (pool, key) = (self.pool.as_ref()?, self.clear_key()?);
        let value = pool.asked.store.get_many(std::slice::from_ref(&key)).await.ok()?.pop()?;
        let Some(value) = value else { return Some(0) };
        let opened = pool.asked.store.unseal(&key, value).ok();
        let Some(number) = opened.and_then(|plain| <[u8; 8]>::try_from(plain.as_slice()).ok()) else {
            one_more(&pool.counts.forged);
            return Some(0);
        };
        Some(u64::from_be_bytes(number))
    }

    /// Tells the store; whether it heard.
    pub(super) async fn share_generation(&self) -> bool {
        let Some((pool, key)) = self.pool.as_ref().zip(self.clear_key()) else { return false };
        let value = pool.asked.store.close(&key, self.generation().to_be_bytes().to_vec());
        let told = pool.asked.store.set(&key, &value, None).await;
        if let Err(error) = &told {
            warn!(%error, "tls.sessions-cleared: other nodes do not know yet; they will be told");
        }
        told.is_ok()
    }

    /// So that a restart of this node, and of the store too, forgets no clear.
    pub(super) async fn write_down(&self) {
        let Some(file) = self.file.clone() else { return };
        let text = format!("{}\n", self.generation());
        let written = tokio::task::spawn_blocking(move || std::fs::write(file, text)).await;
        if !matches!(written, Ok(Ok(()))) {
            warn!("tls.sessions-cleared: cannot be written into the state folder");
        }
    }
}
