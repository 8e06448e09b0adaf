//! Reads that come at once share one multi-get: while as many as may are under way, more wait, and the next
//! one takes all of them along.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::server::Server;
use super::{StoreError, Values};
use crate::store::Key;
use crate::waits::{self, Wait};

/// Multi-gets under way: one is answered while the next is on its way.
const AT_ONCE: usize = 2;
/// Keys in one multi-get: well within a deadline, and within what memcached reads in one line.
const KEYS_MAX: usize = 200;

type Answer = Result<Values, StoreError>;

/// The reads of one server.
#[derive(Debug, Default)]
pub(super) struct Reads(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    under_way: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    keys: Vec<Key>,
    told: oneshot::Sender<Answer>,
}

enum Turn {
    Mine(Vec<Key>),
    Later(oneshot::Receiver<Answer>),
}

impl Reads {
    fn join(&self, keys: Vec<Key>) -> Turn {
        let mut queue = self.0.lock();
        if queue.under_way < AT_ONCE {
            queue.under_way += 1;
            return Turn::Mine(keys);
        }
        let (told, answer) = oneshot::channel();
        queue.waiting.push_back(Waiter { keys, told });
        Turn::Later(answer)
    }

    /// Those who wait, as many as one multi-get takes; none ends the turn.
    fn next(&self) -> Vec<Waiter> {
        let mut queue = self.0.lock();
        let mut taken = Vec::new();
        let mut keys = 0;
        while let Some(waiter) = queue.waiting.front()
            && (taken.is_empty() || keys + waiter.keys.len() <= KEYS_MAX)
        {
            keys += waiter.keys.len();
            // Who has gone meanwhile is not asked for.
            taken.extend(queue.waiting.pop_front().filter(|waiter| !waiter.told.is_closed()));
        }
        if taken.is_empty() {
            queue.under_way -= 1;
        }
        taken
    }
}

impl Server {
    /// The values that are there. Ends within the deadline, waiting for others included.
    pub(super) async fn share(self: Arc<Self>, keys: Vec<Key>) -> Answer {
        match self.reads.join(keys) {
            Turn::Mine(keys) => {
                // Passed on when this read ends, and when whoever asked for it has gone.
                let _turn = PassedOn(&self);
                self.read(keys).await
            }
            Turn::Later(answer) => match waits::for_at_most(self.deadline, Wait::Store, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreError::Unavailable("shutting down".into())),
                Err(late) => Err(StoreError::Unavailable(format!("{}: {late}", self.name))),
            },
        }
    }
}

/// Ends a turn: those who wait are served by a task that nobody can cancel.
struct PassedOn<'a>(&'a Arc<Server>);

impl Drop for PassedOn<'_> {
    fn drop(&mut self) {
        let first = self.0.reads.next();
        if !first.is_empty() {
            self.0.background.spawn(serve(Arc::clone(self.0), first));
        }
    }
}

async fn serve(server: Arc<Server>, mut waiters: Vec<Waiter>) {
    while !waiters.is_empty() {
        let keys = waiters.iter_mut().flat_map(|waiter| std::mem::take(&mut waiter.keys)).collect();
        let answer = server.read(keys).await;
        for waiter in waiters {
            // Whoever does not wait any more needs no answer.
            let _ = waiter.told.send(answer.clone());
        }
        waiters = server.reads.next();
    }
}
