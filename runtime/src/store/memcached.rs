//! memcached servers as one store: each key on one server, a few connections to each, a deadline on every
//! operation, and a breaker that leaves a failing server alone.
//!
//! A connection is taken out of its pool for an operation and put back only after a complete answer; an
//! operation that fails or is cancelled drops it, so that no answer ever reaches another client.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::breaker::{Advice, Breaker};
use super::ring;
use super::wire::Connection;
use super::{Health, Key, ServerHealth, Store, StoreError, Swap, TimeToLive, Versioned};
use crate::config::settings;
use crate::moment::Moment;
use crate::waits::{self, Wait};

/// Longer times are dates to memcached.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// The memcached engine.
#[derive(Debug)]
pub struct Memcached {
    servers: Vec<Arc<Server>>,
    value_bytes: usize,
}

struct Server {
    address: String,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    breaker: Mutex<Breaker>,
    deadline: Duration,
    value_bytes: usize,
    operations: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Memcached {
    /// For servers as the configuration spells them: their names decide who holds which key.
    pub fn new(servers: &[String], settings: &settings::Store, deadline: Duration) -> Memcached {
        let server = |address: &String| {
            Arc::new(Server {
                address: address.clone(),
                idle: Mutex::default(),
                permits: Semaphore::new(settings.connections),
                breaker: Mutex::new(Breaker::new(settings.breaker_failures, settings.breaker_pause)),
                deadline,
                value_bytes: settings.value_bytes,
                operations: AtomicU64::new(0),
                failures: AtomicU64::new(0),
                last_error: Mutex::default(),
            })
        };
        Memcached { servers: servers.iter().map(server).collect(), value_bytes: settings.value_bytes }
    }

    fn index_of(&self, key: &Key) -> usize {
        ring::holder(self.servers.iter().map(|server| server.address.as_str()), key)
    }

    fn server(&self, key: &Key) -> Result<&Arc<Server>, StoreError> {
        self.servers.get(self.index_of(key)).ok_or_else(|| StoreError::Unavailable("no servers".into()))
    }

    fn checked(&self, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > self.value_bytes { Err(StoreError::TooLarge) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Memcached {
    /// Servers are asked side by side. While some answer, keys of those that do not are as missing, and
    /// `health` says so.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut shares: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for key in keys {
            shares.entry(self.index_of(key)).or_default().push(key.clone());
        }
        let mut found: HashMap<String, Vec<u8>> = HashMap::new();
        let mut answers = Vec::with_capacity(shares.len());
        if shares.len() <= 1 {
            for (index, share) in shares {
                answers.push(Arc::clone(&self.servers[index]).get_many(share).await);
            }
        } else {
            let mut asked = JoinSet::new();
            for (index, share) in shares {
                asked.spawn(Arc::clone(&self.servers[index]).get_many(share));
            }
            answers = asked.join_all().await;
        }
        let mut error = None;
        let mut answered = false;
        for answer in answers {
            match answer {
                Ok(values) => {
                    answered = true;
                    found.extend(values);
                }
                Err(why) => error = Some(why),
            }
        }
        match error {
            Some(error) if !answered => Err(error),
            _ => Ok(keys.iter().map(|key| found.get(key.as_str()).cloned()).collect()),
        }
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let server = self.server(key)?;
        let work = async {
            let mut lease = server.lease().await?;
            let got = lease.connection().protocol(std::slice::from_ref(key)).gets_cas(key).await;
            lease.end(match got {
                Ok((value, version)) => Ok(Some(Versioned { value, version })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            })
        };
        server.within_deadline(work).await
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.checked(value)?;
        let server = self.server(key)?;
        let work = async {
            let mut command = format!("set {key} 0 {} {}\r\n", expiry(ttl, Moment::now()), value.len()).into_bytes();
            command.extend_from_slice(value);
            command.extend_from_slice(b"\r\n");
            let mut lease = server.lease().await?;
            let sent = lease.connection().exchange(&command).await;
            lease.end_saying(sent, &[("STORED", ())])
        };
        server.within_deadline(work).await
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        self.checked(value)?;
        let server = self.server(key)?;
        let work = async {
            let mut lease = server.lease().await?;
            let added = lease.connection().protocol(&[]).add(key, value, expiry(ttl, Moment::now())).await;
            let sent = added.or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            });
            lease.end_saying(sent, &[("STORED", true), ("NOT_STORED", false)])
        };
        server.within_deadline(work).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        let server = self.server(key)?;
        let work = async {
            let mut lease = server.lease().await?;
            let sent = lease.connection().exchange(format!("delete {key}\r\n").as_bytes()).await;
            lease.end_saying(sent, &[("DELETED", true), ("NOT_FOUND", false)])
        };
        server.within_deadline(work).await
    }

    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        if let Some(count) = self.server(key)?.increment(key, by).await? {
            return Ok(count);
        }
        if self.add(key, by.to_string().as_bytes(), ttl).await? {
            return Ok(by);
        }
        // Another node was faster; its window holds.
        let count = self.server(key)?.increment(key, by).await?;
        count.ok_or_else(|| StoreError::Refused("a counter vanished as soon as it was made".into()))
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        self.checked(value)?;
        let server = self.server(key)?;
        let work = async {
            let mut lease = server.lease().await?;
            let expiry = expiry(ttl, Moment::now());
            let swapped = lease.connection().protocol(&[]).cas(key, value, version, expiry).await;
            // The answer's own word is read below, whatever the crate made of it.
            let sent =
                swapped.map(drop).or_else(|error| if lease.connection().is_in_step() { Ok(()) } else { Err(error) });
            lease.end_saying(sent, &[("STORED", Swap::Stored), ("EXISTS", Swap::Changed), ("NOT_FOUND", Swap::Missing)])
        };
        server.within_deadline(work).await
    }

    fn health(&self) -> Health {
        Health {
            engine: "memcached".into(),
            degraded: self.servers.iter().any(|server| !server.breaker.lock().is_closed()),
            servers: self.servers.iter().map(|server| server.health()).collect(),
        }
    }
}

impl Server {
    /// Runs an operation under the deadline, and tells the breaker how it went.
    async fn within_deadline<T>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let advice = self.breaker.lock().advice(Instant::now());
        if advice != Advice::Go {
            if advice == Advice::RefuseAndTry {
                tokio::spawn(Arc::clone(self).try_again());
            }
            return Err(StoreError::Unavailable(format!("{} is left alone for a while", self.address)));
        }
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.judge(self.bounded(work).await)
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        waits::for_at_most(self.deadline, Wait::Store, work).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("{} did not answer within the deadline", self.address)))
        })
    }

    fn judge<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Garbled(_))) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                *self.last_error.lock() = Some(error.to_string());
                self.idle.lock().clear();
                if self.breaker.lock().failed(Instant::now(), chance()) {
                    tracing::warn!(server = %self.address, %error, "store.left-alone");
                }
            }
            _ => {
                if self.breaker.lock().succeeded() {
                    tracing::info!(server = %self.address, "store.back");
                }
            }
        }
        result
    }

    /// A trial that no client waits for.
    async fn try_again(self: Arc<Self>) {
        let work = async {
            let mut lease = self.lease().await?;
            let version = lease.connection().protocol(&[]).version().await;
            lease.end(version)
        };
        // The breaker has heard of it.
        let _ = self.judge(self.bounded(work).await);
    }

    /// A connection for one operation: an idle one that is still good, or a new one.
    async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let unavailable =
            |error: io::Error| StoreError::Unavailable(format!("{}: {}", self.address, crate::config::plain(&error)));
        let permit = self.permits.acquire().await.map_err(|_| StoreError::Unavailable("shutting down".into()))?;
        loop {
            let idle = self.idle.lock().pop();
            let connection = match idle {
                Some(mut idle) => {
                    if idle.is_stale() {
                        continue;
                    }
                    idle
                }
                None => Connection::open(&self.address, self.value_bytes).await.map_err(unavailable)?,
            };
            return Ok(Lease { server: self, connection, _permit: permit });
        }
    }

    async fn get_many(self: Arc<Self>, mut keys: Vec<Key>) -> Result<HashMap<String, Vec<u8>>, StoreError> {
        keys.sort_unstable();
        keys.dedup();
        let work = async {
            let mut lease = self.lease().await?;
            let got = lease.connection().protocol(&keys).get_multi(&keys).await;
            lease.end(got)
        };
        self.within_deadline(work).await
    }

    /// `None`: there is no such counter.
    async fn increment(self: &Arc<Self>, key: &Key, by: u64) -> Result<Option<u64>, StoreError> {
        let work = async {
            let mut lease = self.lease().await?;
            let counted = lease.connection().protocol(&[]).increment(key, by).await;
            lease.end(match counted {
                Ok(count) => Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            })
        };
        self.within_deadline(work).await
    }

    fn health(&self) -> ServerHealth {
        ServerHealth {
            address: self.address.clone(),
            breaker: self.breaker.lock().name().to_owned(),
            operations: self.operations.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A connection that is in use. Dropped, it is closed; ended in step, it goes back to its pool.
struct Lease<'a> {
    server: &'a Server,
    connection: Connection,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Ends an operation whose result the crate has understood.
    fn end<T>(self, result: io::Result<T>) -> Result<T, StoreError> {
        let result = result.map_err(|error| self.connection.meaning(&error));
        let understood = matches!(result, Ok(_) | Err(StoreError::NotACounter | StoreError::TooLarge));
        if !self.connection.is_in_step() && result.is_ok() {
            return Err(StoreError::Garbled("an answer without an end".into()));
        }
        if understood && self.connection.is_in_step() {
            self.server.idle.lock().push(self.connection);
        }
        result
    }

    /// Ends an operation whose answer is one of a few words.
    fn end_saying<T: Copy>(self, sent: io::Result<()>, words: &[(&str, T)]) -> Result<T, StoreError> {
        let said = sent.and_then(|()| {
            let answer = self.connection.answer();
            let meant = words.iter().find(|(word, _)| *word == answer);
            meant.map(|(_, meaning)| *meaning).ok_or_else(|| io::ErrorKind::InvalidData.into())
        });
        self.end(said)
    }
}

/// The time to live as memcached reads it: seconds, or a date when they are many. What lies beyond its
/// calendar never expires there; the records' own ends decide.
fn expiry(ttl: TimeToLive, now: Moment) -> u32 {
    let Some(ttl) = ttl else { return 0 };
    let seconds = u64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    let time = if seconds <= RELATIVE_SECONDS_MAX { seconds } else { now.seconds().saturating_add(seconds) };
    i32::try_from(time).map_or(0, i32::unsigned_abs)
}

/// A number in 0..1 that spreads what many nodes would else do at once.
fn chance() -> f64 {
    let mut byte = [0];
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 256.0,
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests;
