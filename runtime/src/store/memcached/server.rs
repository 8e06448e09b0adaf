//! One memcached server: its connections, its breaker, its figures, its operations.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::address::{self, Address};
use super::reads::Reads;
use super::{Holder, StoreError, Swap, TimeToLive, Values, Versioned};
use crate::auth::Secret;
use crate::config::settings::{self, StoreServer};
use crate::latency::Latency;
use crate::moment::Moment;
use crate::store::breaker::{Advice, Breaker, Telling};
use crate::store::wire::{Connection, Limits};
use crate::store::{Key, ServerHealth};
use crate::waits::{self, Wait};

/// Longer times are dates to memcached.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// One server.
pub struct Server {
    /// As configured.
    pub(super) name: String,
    /// Of one operation.
    pub(super) deadline: Duration,
    /// Where work goes that no client waits for.
    pub(super) background: Handle,
    pub(super) reads: Reads,
    pub(super) idle: Mutex<Vec<Connection>>,
    pub(super) permits: Semaphore,
    address: Address,
    /// How often the name has led elsewhere: connections from before are not used again. Changed and compared with
    /// `idle` locked.
    moves: AtomicU64,
    credentials: Option<Arc<Secret>>,
    breaker: Mutex<Breaker>,
    telling: Mutex<Telling>,
    limits: Limits,
    latency: Latency,
    operations: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Server {
    pub(super) fn new(
        one: &StoreServer,
        settings: &settings::Store,
        deadline: Duration,
        credentials: Option<Arc<Secret>>,
    ) -> Arc<Server> {
        let server = Arc::new(Server {
            name: one.name.clone(),
            deadline,
            background: Handle::current(),
            reads: Reads::default(),
            idle: Mutex::default(),
            permits: Semaphore::new(settings.connections),
            address: Address::of(one),
            moves: AtomicU64::new(0),
            credentials,
            breaker: Mutex::new(Breaker::new(settings.breaker_failures, settings.breaker_pause)),
            telling: Mutex::new(Telling::new(settings.log_interval)),
            limits: Limits { value_bytes: settings.value_bytes },
            latency: Latency::new(),
            operations: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last_error: Mutex::default(),
        });
        if Address::is_name(one) {
            let following = address::follow(Arc::downgrade(&server), one.host.clone(), one.port, settings.resolve);
            server.background.spawn(following);
        }
        server
    }

    /// The name leads elsewhere now: connections to the old place are not used again.
    pub(super) fn moved(&self, found: Vec<SocketAddr>) {
        let Address::Tcp(known) = &self.address else { return };
        let mut known = known.lock();
        if known.iter().any(|address| found.contains(address)) && known.len() == found.len() {
            return;
        }
        if !known.is_empty() {
            tracing::info!(server = %self.name, addresses = ?found, "store.moved");
        }
        *known = found;
        let mut idle = self.idle.lock();
        self.moves.fetch_add(1, Ordering::Relaxed);
        idle.clear();
    }

    /// The resolver failed; what is known stays good.
    pub(super) fn unresolved(&self, error: &io::Error) {
        let why = crate::config::plain(error);
        *self.last_error.lock() = Some(format!("{} is not resolved: {why}", self.name));
        tracing::debug!(server = %self.name, %why, "store.unresolved");
    }

    /// Runs an operation under the deadline, and tells the breaker how it went.
    async fn within_deadline<T>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let advice = self.breaker.lock().advice(Instant::now());
        if advice != Advice::Go {
            if advice == Advice::RefuseAndTry {
                self.background.spawn(Arc::clone(self).try_again());
            }
            return Err(StoreError::Unavailable(format!("{} is left alone for a while", self.name)));
        }
        self.operations.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let result = self.bounded(work).await;
        self.latency.record(start.elapsed());
        self.judge(result)
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        waits::for_at_most(self.deadline, Wait::Store, work).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("{} did not answer within the deadline", self.name)))
        })
    }

    fn judge<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let is_away = matches!(result, Err(StoreError::Unavailable(_) | StoreError::Garbled(_)));
        let is_refused = matches!(result, Err(StoreError::Refused(_)));
        if let Err(error) = result.as_ref()
            && (is_away || is_refused)
        {
            self.failures.fetch_add(1, Ordering::Relaxed);
            *self.last_error.lock() = Some(error.to_string());
        }
        if is_away {
            self.idle.lock().clear();
        }
        let alone = {
            let mut breaker = self.breaker.lock();
            if is_away {
                breaker.failed(Instant::now(), chance());
            } else if !is_refused {
                breaker.succeeded();
            }
            !breaker.is_closed()
        };
        self.tell(alone);
        result
    }

    /// Tells the operator whether the server is left alone, if that is news and it is time.
    fn tell(&self, alone: bool) {
        let Some(changes) = self.telling.lock().hear(alone, Instant::now()) else { return };
        if alone {
            let error = self.last_error.lock().clone().unwrap_or_default();
            tracing::warn!(server = %self.name, changes, %error, "store.left-alone");
        } else {
            tracing::info!(server = %self.name, changes, "store.back");
        }
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
        let permit = self.permits.acquire().await.map_err(|_| StoreError::Unavailable("shutting down".into()))?;
        loop {
            // Read with the same lock that a move takes: an old connection never counts as one from after the move.
            let (idle, moves) = {
                let mut idle = self.idle.lock();
                (idle.pop(), self.moves.load(Ordering::Relaxed))
            };
            let connection = match idle {
                Some(mut idle) => {
                    if idle.is_stale() {
                        continue;
                    }
                    idle
                }
                None => self.connect().await.map_err(|error| {
                    StoreError::Unavailable(format!("{}: {}", self.name, crate::config::plain(&error)))
                })?,
            };
            return Ok(Lease { server: self, connection, moves, _permit: permit });
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let mut connection = match &self.address {
            Address::Unix(path) => Connection::unix(path, self.limits).await?,
            Address::Tcp(known) => {
                let known = known.lock().clone();
                Connection::tcp(&known, self.limits).await?
            }
        };
        if let Some(credentials) = &self.credentials {
            connection.authenticate(credentials).await?;
        }
        Ok(connection)
    }

    /// One multi-get.
    pub(super) async fn read(self: &Arc<Self>, mut keys: Vec<Key>) -> Result<Values, StoreError> {
        keys.sort_unstable();
        keys.dedup();
        let work = async {
            let mut lease = self.lease().await?;
            let (encoded, plain): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(Key::is_encoded);
            let mut got = match plain.is_empty() {
                false => lease.connection().protocol(&plain).get_multi(&plain).await,
                true => Ok(HashMap::new()),
            };
            if let Ok(values) = &mut got
                && !encoded.is_empty()
            {
                match lease.connection().get_encoded(&encoded).await {
                    Ok(more) => values.extend(more),
                    Err(error) => got = Err(error),
                }
            }
            lease.end(got)
        };
        self.within_deadline(work).await.map(Arc::new)
    }
}

impl Holder for Server {
    async fn get_many(self: Arc<Self>, keys: Vec<Key>) -> Result<Values, StoreError> {
        self.share(keys).await
    }

    async fn gets(self: &Arc<Self>, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let work = async {
            let mut lease = self.lease().await?;
            let got = lease.connection().protocol(std::slice::from_ref(key)).gets_cas(key).await;
            lease.end(match got {
                Ok((value, version)) => Ok(Some(Versioned { value, version })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            })
        };
        self.within_deadline(work).await
    }

    async fn set(self: &Arc<Self>, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        let work = async {
            let (time, length) = (expiry(ttl, Moment::now()), value.len());
            let mut command = match key.is_encoded() {
                true => format!("ms {key} {length} b T{time}\r\n"),
                false => format!("set {key} 0 {time} {length}\r\n"),
            }
            .into_bytes();
            command.extend_from_slice(value);
            command.extend_from_slice(b"\r\n");
            let mut lease = self.lease().await?;
            let sent = lease.connection().exchange(&command).await;
            lease.end_saying(sent, &[("STORED", ()), ("HD", ())])
        };
        self.within_deadline(work).await
    }

    async fn add(self: &Arc<Self>, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        let sent = AtomicBool::new(false);
        let work = async {
            let mut lease = self.lease().await?;
            sent.store(true, Ordering::Relaxed);
            let added = lease.connection().protocol(&[]).add(key, value, expiry(ttl, Moment::now())).await;
            let answered = added.or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            });
            lease.end_saying(answered, &[("STORED", true), ("NOT_STORED", false)])
        };
        self.within_deadline(work).await.map_err(|error| unconfirmed_if(&sent, error))
    }

    async fn delete(self: &Arc<Self>, key: &Key) -> Result<bool, StoreError> {
        let work = async {
            let mut lease = self.lease().await?;
            let command = match key.is_encoded() {
                true => format!("md {key} b\r\n"),
                false => format!("delete {key}\r\n"),
            };
            let sent = lease.connection().exchange(command.as_bytes()).await;
            let words = [("DELETED", true), ("HD", true), ("NOT_FOUND", false), ("NF", false)];
            lease.end_saying(sent, &words)
        };
        self.within_deadline(work).await
    }

    /// `None`: there is no such counter.
    async fn increment(self: &Arc<Self>, key: &Key, by: u64) -> Result<Option<u64>, StoreError> {
        let sent = AtomicBool::new(false);
        let work = async {
            let mut lease = self.lease().await?;
            sent.store(true, Ordering::Relaxed);
            let counted = lease.connection().protocol(&[]).increment(key, by).await;
            lease.end(match counted {
                Ok(count) => Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            })
        };
        self.within_deadline(work).await.map_err(|error| unconfirmed_if(&sent, error))
    }

    async fn cas(self: &Arc<Self>, key: &Key, value: &[u8], version: u64, ttl: TimeToLive) -> Result<Swap, StoreError> {
        let work = async {
            let mut lease = self.lease().await?;
            let expiry = expiry(ttl, Moment::now());
            let swapped = lease.connection().protocol(&[]).cas(key, value, version, expiry).await;
            // The answer's own word is read below, whatever the crate made of it.
            let sent =
                swapped.map(drop).or_else(|error| if lease.connection().is_in_step() { Ok(()) } else { Err(error) });
            lease.end_saying(sent, &[("STORED", Swap::Stored), ("EXISTS", Swap::Changed), ("NOT_FOUND", Swap::Missing)])
        };
        self.within_deadline(work).await
    }

    fn health(&self) -> ServerHealth {
        ServerHealth {
            address: self.name.clone(),
            breaker: self.breaker.lock().name().to_owned(),
            operations: self.operations.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
            p50_micros: self.latency.percentile(50),
            p99_micros: self.latency.percentile(99),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A connection that is in use. Dropped, it is closed; ended in step, it goes back to its pool.
struct Lease<'a> {
    server: &'a Server,
    connection: Connection,
    /// As they were when it was taken out.
    moves: u64,
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
            let mut idle = self.server.idle.lock();
            if self.moves == self.server.moves.load(Ordering::Relaxed) {
                idle.push(self.connection);
            }
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
pub(super) fn expiry(ttl: TimeToLive, now: Moment) -> u32 {
    let Some(ttl) = ttl else { return 0 };
    let seconds = u64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    let time = if seconds <= RELATIVE_SECONDS_MAX { seconds } else { now.seconds().saturating_add(seconds) };
    i32::try_from(time).map_or(0, i32::unsigned_abs)
}

/// What was sent and not answered may have happened.
fn unconfirmed_if(sent: &AtomicBool, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) if sent.load(Ordering::Relaxed) => StoreError::Unconfirmed(why),
        error => error,
    }
}

/// A number in 0..1 that spreads what many nodes would else do at once.
fn chance() -> f64 {
    let mut byte = [0];
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 256.0,
        Err(_) => 0.5,
    }
}
