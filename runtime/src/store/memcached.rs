//! memcached servers as one store: each key on its server, copies on the next ones where the operator wants
//! some, a few connections to each, a deadline on every operation, and a breaker that leaves a failing server
//! alone.
//!
//! A connection is taken out of its pool for an operation and put back only after a complete answer; an
//! operation that fails or is cancelled drops it, so that no answer ever reaches another client.

mod address;
mod holder;
mod reads;
mod server;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::ring::{Place, Ring};
use super::{Found, Health, Key, Store, StoreError, Swap, TimeToLive, Versioned};
use crate::auth::Secret;
use crate::config::settings::{self, StoreServer};
pub use holder::{Holder, Values};
use server::Server;

/// The versions that memcached counts leave these bits free: which copy a version was read from.
const RANK_SHIFT: u32 = 56;

/// The memcached engine: over the servers of the network, or of a simulation.
#[derive(Debug)]
pub struct Memcached<S = Server> {
    servers: Vec<Arc<S>>,
    ring: Ring,
    replicas: usize,
    value_bytes: usize,
    warning: Option<String>,
}

impl Memcached {
    /// For servers as the configuration spells them: their names decide who holds which key. To be called
    /// within a tokio runtime, which does what no client waits for.
    pub fn new(
        servers: &[StoreServer],
        settings: &settings::Store,
        deadline: Duration,
        credentials: Option<Secret>,
    ) -> Memcached {
        let credentials = credentials.map(Arc::new);
        let holders = servers.iter().map(|one| Server::new(one, settings, deadline, credentials.clone())).collect();
        Memcached::over(servers, holders, settings)
    }
}

impl<S: Holder> Memcached<S> {
    /// Over servers of any kind, one for each name.
    pub fn over(names: &[StoreServer], servers: Vec<Arc<S>>, settings: &settings::Store) -> Memcached<S> {
        let places: Vec<Place<'_>> =
            names.iter().map(|server| Place { host: &server.host, port: server.port, weight: server.weight }).collect();
        Memcached {
            ring: Ring::new(settings.distribution, &places),
            servers,
            replicas: settings.replicas,
            value_bytes: settings.value_bytes,
            warning: None,
        }
    }

    /// What `status` tells the operator about it.
    pub(super) fn warn(&mut self, warning: &str) {
        self.warning = Some(warning.to_owned());
    }

    /// The servers that hold a key, its own first.
    fn holders(&self, key: &Key) -> Vec<&Arc<S>> {
        let indices = match self.copies(key) {
            0 => vec![self.ring.holder(key.placed_by())],
            copies => self.ring.holders(key.placed_by(), copies + 1),
        };
        indices.into_iter().filter_map(|index| self.servers.get(index)).collect()
    }

    /// What is spread over the lanes has no copies: each lane stands and falls with its server.
    fn copies(&self, key: &Key) -> usize {
        if key.neighbour().is_some() { 0 } else { self.replicas }
    }

    fn checked(&self, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > self.value_bytes { Err(StoreError::TooLarge) } else { Ok(()) }
    }

    /// Carries an operation out at each holder, its own first. The first that answers speaks for all: where
    /// the others fail, reads go on to find what it holds.
    async fn at_each<'a, T, F>(&'a self, key: &Key, work: impl Fn(&'a Arc<S>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let holders = self.holders(key);
        if let [only] = holders.as_slice() {
            return work(only).await;
        }
        let mut error = StoreError::Unavailable("no servers".into());
        for answer in together(holders.into_iter().map(work)).await {
            match answer {
                Ok(answer) => return Ok(answer),
                Err(why) => error = why,
            }
        }
        Err(error)
    }
}

#[async_trait]
impl<S: Holder> Store for Memcached<S> {
    /// Servers are asked side by side, each for all of its keys at once; where copies exist, what one does
    /// not answer the next is asked.
    async fn get_each(&self, keys: &[Key]) -> Vec<Found> {
        let unasked = || Err(StoreError::Unavailable("no servers".into()));
        let mut found: Vec<Found> = keys.iter().map(|_| unasked()).collect();
        let mut open: Vec<usize> = (0..keys.len()).collect();
        for rank in 0..=self.replicas {
            let mut shares: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for number in open.drain(..) {
                let placed_by = keys[number].placed_by();
                let holder = match rank {
                    0 => Some(self.ring.holder(placed_by)),
                    rank if rank > self.copies(&keys[number]) => None,
                    rank => self.ring.holders(placed_by, rank + 1).get(rank).copied(),
                };
                if let Some(holder) = holder {
                    shares.entry(holder).or_default().push(number);
                }
            }
            let asked = shares.iter().map(|(holder, share)| {
                let wanted = share.iter().map(|number| keys[*number].clone()).collect();
                Arc::clone(&self.servers[*holder]).get_many(wanted)
            });
            for (share, answer) in shares.values().zip(together(asked).await) {
                match answer {
                    Ok(values) => {
                        for number in share {
                            found[*number] = Ok(values.get(keys[*number].as_str()).cloned());
                        }
                    }
                    Err(error) => {
                        for number in share {
                            found[*number] = Err(error.clone());
                        }
                        open.extend(share);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        found
    }

    async fn get_versioned(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let mut error = StoreError::Unavailable("no servers".into());
        for (rank, server) in self.holders(key).into_iter().enumerate() {
            match server.gets(key).await {
                Ok(found) => {
                    return Ok(found.map(|found| Versioned {
                        version: (found.version & ((1 << RANK_SHIFT) - 1)) | ((rank as u64) << RANK_SHIFT),
                        ..found
                    }));
                }
                Err(why) => error = why,
            }
        }
        Err(error)
    }

    async fn set(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        self.checked(value)?;
        self.at_each(key, |server| server.set(key, value, ttl)).await
    }

    async fn add(&self, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        self.checked(value)?;
        self.at_each(key, |server| server.add(key, value, ttl)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        self.at_each(key, |server| server.delete(key)).await
    }

    /// Each copy counts for itself; the highest count is right, as a copy may have been away for a while.
    async fn increment(&self, key: &Key, by: u64, ttl: TimeToLive) -> Result<u64, StoreError> {
        let holders = self.holders(key);
        let answers = together(holders.into_iter().map(|server| holder::count(server, key, by, ttl))).await;
        let mut answers = answers.into_iter();
        let first = answers.next().unwrap_or_else(|| Err(StoreError::Unavailable("no servers".into())));
        answers.fold(first, |best, answer| match (best, answer) {
            (Ok(best), Ok(other)) => Ok(best.max(other)),
            (Ok(count), Err(_)) | (Err(_), Ok(count)) => Ok(count),
            (Err(_), Err(error @ StoreError::Unconfirmed(_))) | (Err(error), Err(_)) => Err(error),
        })
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        value: &[u8],
        version: u64,
        ttl: TimeToLive,
    ) -> Result<Swap, StoreError> {
        self.checked(value)?;
        let holders = self.holders(key);
        let rank = usize::try_from(version >> RANK_SHIFT).unwrap_or(usize::MAX);
        let Some(judge) = holders.get(rank) else { return Ok(Swap::Changed) };
        let swap = judge.cas(key, value, version & ((1 << RANK_SHIFT) - 1), ttl).await?;
        if swap == Swap::Stored {
            let others = holders.iter().enumerate().filter(|(other, _)| *other != rank);
            // A copy that is away is out of date until the next write: records carry their own versions.
            let _ = together(others.map(|(_, server)| server.set(key, value, ttl))).await;
        }
        Ok(swap)
    }

    fn lanes(&self) -> usize {
        self.servers.len()
    }

    fn lane_of(&self, key: &Key) -> usize {
        self.ring.holder(key.placed_by())
    }

    fn health(&self) -> Health {
        let servers: Vec<_> = self.servers.iter().map(|server| server.health()).collect();
        Health {
            engine: "memcached".into(),
            degraded: servers.iter().any(|server| server.breaker != "closed"),
            servers,
            warning: self.warning.clone(),
        }
    }
}

/// Runs all of them side by side within this task.
async fn together<T, F: Future<Output = T>>(work: impl Iterator<Item = F>) -> Vec<T> {
    let mut work: Vec<_> = work.map(|work| (Box::pin(work), None)).collect();
    if let [(only, _)] = work.as_mut_slice() {
        return vec![only.await];
    }
    poll_fn(|context| {
        let mut waiting = false;
        for (future, result) in work.iter_mut().filter(|(_, result)| result.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => waiting = true,
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    work.into_iter().filter_map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
