//! Runs futures on one thread in virtual time: nothing waits, and which of several futures that are ready goes on
//! is drawn by the seed. What a seed does once it does always.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::chance::Chance;

/// Work of one node, or of nobody.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whose work it is: what a node that is stopped no longer does.
pub type Owner = usize;

/// Nobody's: it goes on whatever happens.
pub const NOBODY: Owner = usize::MAX;

enum Due {
    Wake(Waker),
    Act(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct State {
    micros: u64,
    order: u64,
    due: BTreeMap<(u64, u64), Due>,
    new: VecDeque<(Owner, Work)>,
}

/// The time of a run, and what is to happen when.
#[derive(Clone, Default)]
pub struct Timeline(Arc<Mutex<State>>);

impl std::fmt::Debug for Timeline {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Timeline").field(&self.micros()).finish()
    }
}

impl Timeline {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("one thread")
    }

    /// Microseconds since the beginning.
    pub fn micros(&self) -> u64 {
        self.state().micros
    }

    /// Does something after so many microseconds.
    pub fn after(&self, micros: u64, act: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.order += 1;
        let at = (state.micros + micros, state.order);
        state.due.insert(at, Due::Act(Box::new(act)));
    }

    /// Begins work.
    pub fn spawn(&self, owner: Owner, work: impl Future<Output = ()> + Send + 'static) {
        self.state().new.push_back((owner, Box::pin(work)));
    }

    /// Ends after this span.
    pub fn pause(&self, span: Duration) -> Pause {
        Pause { timeline: self.clone(), span: u64::try_from(span.as_micros()).unwrap_or(u64::MAX / 4), at: None }
    }
}

/// A pause that is under way from its first poll on.
pub struct Pause {
    timeline: Timeline,
    span: u64,
    at: Option<(u64, u64)>,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timeline = self.timeline.clone();
        let mut state = timeline.state();
        let span = self.span;
        let at = *self.at.get_or_insert_with(|| {
            state.order += 1;
            (state.micros.saturating_add(span), state.order)
        });
        if at.0 <= state.micros {
            return Poll::Ready(());
        }
        state.due.insert(at, Due::Wake(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let gone = self.timeline.state().due.remove(&at);
            drop(gone);
        }
    }
}

struct Bell {
    task: u64,
    rung: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("one thread").push(self.task);
        }
    }
}

struct Task {
    owner: Owner,
    work: Work,
    bell: Arc<Bell>,
}

/// Runs the work of a timeline.
pub struct Executor {
    timeline: Timeline,
    tasks: BTreeMap<u64, Task>,
    ready: Arc<Mutex<Vec<u64>>>,
    next: u64,
    chance: Chance,
    /// Who stands still, and what of theirs is ready.
    still: BTreeSet<Owner>,
    waiting: Vec<u64>,
}

impl Executor {
    /// Over a timeline; `chance` draws who goes on.
    pub fn new(timeline: &Timeline, chance: Chance) -> Executor {
        Executor {
            timeline: timeline.clone(),
            tasks: BTreeMap::new(),
            ready: Arc::default(),
            next: 0,
            chance,
            still: BTreeSet::new(),
            waiting: Vec::new(),
        }
    }

    /// Everything up to this moment, included.
    pub fn run_until(&mut self, micros: u64) {
        loop {
            self.run_what_is_ready();
            let due = {
                let mut state = self.timeline.state();
                let next = state.due.first_key_value().map(|(at, _)| *at).filter(|at| at.0 <= micros);
                let Some(at) = next else {
                    state.micros = state.micros.max(micros);
                    return;
                };
                state.micros = state.micros.max(at.0);
                state.due.remove(&at)
            };
            match due {
                Some(Due::Wake(waker)) => waker.wake(),
                Some(Due::Act(act)) => act(),
                None => {}
            }
        }
    }

    /// An owner stands still, or goes on: what became ready meanwhile is done then.
    pub fn pause(&mut self, owner: Owner, still: bool) {
        if still {
            self.still.insert(owner);
        } else if self.still.remove(&owner) {
            self.ready.lock().expect("one thread").append(&mut self.waiting);
        }
    }

    /// Drops all work of an owner, in the middle of it.
    pub fn stop(&mut self, owner: Owner) {
        self.take_new();
        self.tasks.retain(|_, task| task.owner != owner);
    }

    fn take_new(&mut self) {
        loop {
            let new = self.timeline.state().new.pop_front();
            let Some((owner, work)) = new else { return };
            self.next += 1;
            let bell = Arc::new(Bell { task: self.next, rung: AtomicBool::new(true), ready: Arc::clone(&self.ready) });
            self.ready.lock().expect("one thread").push(self.next);
            self.tasks.insert(self.next, Task { owner, work, bell });
        }
    }

    fn run_what_is_ready(&mut self) {
        loop {
            self.take_new();
            let task = {
                let mut ready = self.ready.lock().expect("one thread");
                match ready.len() {
                    0 => return,
                    1 => ready.swap_remove(0),
                    count => ready.swap_remove(self.chance.below(count as u64) as usize),
                }
            };
            let Some(one) = self.tasks.get_mut(&task) else { continue };
            if self.still.contains(&one.owner) {
                self.waiting.push(task);
                continue;
            }
            one.bell.rung.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&one.bell));
            if one.work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.tasks.remove(&task);
            }
        }
    }
}
