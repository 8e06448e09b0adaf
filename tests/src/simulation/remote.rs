//! A node's way to one memcached: the real breaker and deadline over the pretend network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use portcullis::store::{Advice, Breaker, Holder, Key, ServerHealth, StoreError, Swap, TimeToLive, Values, Versioned};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::chance::Chance;
use super::executor::Timeline;
use super::network::{Cache, Network};

/// One server, as one node sees it.
#[derive(Debug)]
pub struct Remote {
    timeline: Timeline,
    network: Network,
    node: usize,
    server: usize,
    deadline: Duration,
    breaker: Mutex<Breaker>,
    chance: Mutex<Chance>,
}

/// The breaker reckons in instants: those of this run begin here.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

impl Remote {
    /// From a node to a server.
    pub fn new(
        network: &Network,
        timeline: &Timeline,
        (node, server): (usize, usize),
        settings: &portcullis::config::Settings,
        chance: Chance,
    ) -> Arc<Remote> {
        Arc::new(Remote {
            timeline: timeline.clone(),
            network: network.clone(),
            node,
            server,
            deadline: settings.timeouts.store,
            breaker: Mutex::new(Breaker::new(settings.store.breaker_failures, settings.store.breaker_pause)),
            chance: Mutex::new(chance),
        })
    }

    fn now(&self) -> Instant {
        beginning() + Duration::from_micros(self.timeline.micros())
    }

    async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Cache) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let advice = self.breaker.lock().expect("one thread").advice(self.now());
        if advice == Advice::RefuseAndTry {
            let again = Arc::clone(self);
            // No node owns the trial: one that is stopped has no breaker to tell either.
            self.timeline.spawn(super::executor::NOBODY, async move {
                let tried = again.try_once(|_| ()).await;
                again.judge(&tried);
            });
        }
        if advice != Advice::Go {
            return Err(StoreError::Unavailable("left alone".into()));
        }
        let done = self.try_once(work).await;
        self.judge(&done);
        done
    }

    async fn try_once<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Cache) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.network.refuses(self.node, self.server) {
            self.timeline.pause(Duration::from_micros(200)).await;
            return Err(StoreError::Unavailable("refused".into()));
        }
        let (tell, answer) = oneshot::channel();
        self.network.ask(self.node, self.server, work, move |reply| drop(tell.send(reply)));
        let mut late = self.timeline.pause(self.deadline);
        let mut answer = Some(answer);
        std::future::poll_fn(move |context| {
            use std::task::Poll::{Pending, Ready};
            if let Some(waiting) = &mut answer {
                match std::pin::Pin::new(waiting).poll(context) {
                    Ready(Ok(Ok(value))) => return Ready(Ok(value)),
                    // What is lost on its way is heard of by nobody.
                    Ready(_) => answer = None,
                    Pending => {}
                }
            }
            std::pin::Pin::new(&mut late).poll(context).map(|()| Err(StoreError::Unavailable("late".into())))
        })
        .await
    }

    fn judge<T>(&self, done: &Result<T, StoreError>) {
        let mut breaker = self.breaker.lock().expect("one thread");
        if done.is_ok() {
            breaker.succeeded();
        } else {
            let chance = self.chance.lock().expect("one thread").below(1000) as f64 / 1000.0;
            breaker.failed(self.now(), chance);
        }
    }
}

impl Holder for Remote {
    async fn get_many(self: Arc<Self>, keys: Vec<Key>) -> Result<Values, StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let found = self.call(move |cache| cache.get(&keys)).await?;
        Ok(Arc::new(found.into_iter().collect::<HashMap<_, _>>()))
    }

    async fn gets(self: &Arc<Self>, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let key = key.as_str().to_owned();
        self.call(move |cache| cache.gets(&key)).await
    }

    async fn set(self: &Arc<Self>, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<(), StoreError> {
        let (key, value) = (key.as_str().to_owned(), value.to_vec());
        self.call(move |cache| cache.set(&key, &value, ttl)).await
    }

    async fn add(self: &Arc<Self>, key: &Key, value: &[u8], ttl: TimeToLive) -> Result<bool, StoreError> {
        let (key, value) = (key.as_str().to_owned(), value.to_vec());
        self.call(move |cache| cache.add(&key, &value, ttl)).await
    }

    async fn delete(self: &Arc<Self>, key: &Key) -> Result<bool, StoreError> {
        let key = key.as_str().to_owned();
        self.call(move |cache| cache.delete(&key)).await
    }

    async fn increment(self: &Arc<Self>, key: &Key, by: u64) -> Result<Option<u64>, StoreError> {
        let key = key.as_str().to_owned();
        self.call(move |cache| cache.increment(&key, by)).await?
    }

    async fn cas(self: &Arc<Self>, key: &Key, value: &[u8], version: u64, ttl: TimeToLive) -> Result<Swap, StoreError> {
        let (key, value) = (key.as_str().to_owned(), value.to_vec());
        self.call(move |cache| cache.cas(&key, &value, version, ttl)).await
    }

    fn health(&self) -> ServerHealth {
        ServerHealth { breaker: self.breaker.lock().expect("one thread").name().to_owned(), ..ServerHealth::default() }
    }
}
