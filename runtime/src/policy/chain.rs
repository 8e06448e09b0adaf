//! The policies in force, in order: asked together, swapped together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::contract::v0_1::{self, ban::portcullis::policy::types as wit};
use super::describe::{HISTORY, settings_text};
use super::engine::Engine;
use super::fault::LoadError;
use super::history::Memory;
use super::limits;
use super::link::Link;
use super::load::{self, Role};
use super::offer::Deps;
use super::ruling::{Decision, Ruling};
use super::status::{PolicyStatus, ReloadAttempt, ReloadReport};
use super::{digest, text};
use crate::config::settings::{Mode, OnError, Policies as Bounds, PolicySettings, Settings};
use crate::events::{Event, Facts, Occasion};
use crate::ledger::Subject;
use crate::moment::Moment;
use crate::waits::{self, Wait};

/// What the chain's own answer may still take when its deadline has come.
const GRACE: Duration = Duration::from_millis(5);

/// The policies in force.
pub struct Policies {
    engine: Arc<Engine>,
    bounds: Arc<Bounds>,
    ruling: Duration,
    deps: Deps,
    chain: ArcSwap<Chain>,
    /// One bit for each event kind that some policy wants.
    wanted: AtomicU32,
    /// Of these, those whose history some policy wants too.
    with_history: AtomicU32,
    history: Memory,
    /// One reload at a time; the last attempt.
    loading: tokio::sync::Mutex<()>,
    attempt: parking_lot::Mutex<Option<Attempt>>,
    /// What failed its probation is not tried again before it changes.
    rejected: parking_lot::Mutex<BTreeMap<String, Rejected>>,
}

/// A policy that was rolled back.
#[derive(Clone)]
struct Rejected {
    digest: String,
    settings: String,
    why: String,
}

struct Attempt {
    at: Moment,
    errors: Vec<LoadError>,
}

struct Chain {
    links: Vec<Arc<Link>>,
}

impl Policies {
    /// Loads the chain of the settings.
    ///
    /// # Errors
    /// Each policy that cannot be loaded, with the reason.
    pub async fn load(engine: Arc<Engine>, settings: &Settings, deps: Deps) -> Result<Arc<Policies>, Vec<LoadError>> {
        let policies = Policies {
            engine,
            bounds: Arc::new(settings.policies.clone()),
            ruling: settings.timeouts.ruling,
            history: Memory::new(&deps, settings.policies.history, settings.store.value_bytes),
            deps,
            chain: ArcSwap::from_pointee(Chain { links: Vec::new() }),
            wanted: AtomicU32::new(0),
            with_history: AtomicU32::new(0),
            loading: tokio::sync::Mutex::new(()),
            attempt: parking_lot::Mutex::new(None),
            rejected: parking_lot::Mutex::default(),
        };
        policies.replace(&settings.chain).await?;
        Ok(Arc::new(policies))
    }

    /// Does any policy want events of this kind? Costs nanoseconds: an event that nobody wants is not made.
    pub fn wants(&self, occasion: Occasion) -> bool {
        self.wanted.load(Relaxed) & occasion.bit() != 0
    }

    /// Adds the facts that cost something, where a policy that wants the event asks for them.
    pub async fn supply(&self, event: &mut Event) {
        if self.with_history.load(Relaxed) & event.kind.occasion().bit() != 0 {
            event.facts.history = self.history.tell(&event.facts, event.at).await;
        }
    }

    /// Remembers that a user is in, if some policy asks for history.
    pub async fn remember_success(&self, facts: &Facts, now: Moment) {
        if self.with_history.load(Relaxed) != 0
            && let Some(user) = &facts.user
        {
            self.history.succeeded(facts.peer.ip(), user, now).await;
        }
    }

    /// Remembers a ban that a policy imposed, if some policy asks for history.
    pub async fn remember_ban(&self, subject: &Subject, now: Moment) {
        if self.with_history.load(Relaxed) != 0 {
            self.history.banned(subject, now).await;
        }
    }

    /// Whether anything is remembered at all.
    pub fn remembers(&self) -> bool {
        self.with_history.load(Relaxed) != 0
    }

    /// Asks the policies that want the event, in order, until one decides. Ends within the deadline for
    /// rulings, whatever the guests do; they run on threads of their own.
    pub async fn decide(&self, event: &Event) -> Ruling {
        let occasion = event.kind.occasion();
        if !self.wants(occasion) {
            return Ruling::default();
        }
        let chain = self.chain.load_full();
        let deadline = Instant::now() + self.ruling.saturating_sub(GRACE);
        let (engine, bounds, mut asked) = (self.engine.clone(), self.bounds.clone(), Asked::new(event));
        let links = chain.clone();
        let work = self.engine.run(async move { links.decide(&engine, &bounds, &mut asked, deadline).await });
        let answer = waits::for_at_most(self.ruling, Wait::Ruling, work).await;
        if chain.links.iter().any(|link| link.is_condemned()) {
            self.roll_back();
        }
        match answer {
            Ok(Ok(ruling)) => ruling,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(event = occasion.name(), "policy.no-ruling: the guests' threads did not answer in time");
                chain.unanswered(&Asked::new(event))
            }
        }
    }

    /// As [`Self::decide`], on the caller's own thread: for benches, and tools that have nothing else to do.
    pub async fn decide_here(&self, event: &Event) -> Ruling {
        let deadline = Instant::now() + self.ruling;
        self.chain.load_full().decide(&self.engine, &self.bounds, &mut Asked::new(event), deadline).await
    }

    /// Puts another chain in force, all of it or nothing. Policies with the same bytes and settings stay as
    /// they are, with their counters; decisions under way end on the chain that they began with.
    ///
    /// # Errors
    /// Each policy that cannot be loaded; the old chain is still in force then.
    pub async fn reload(&self, chain: &[PolicySettings]) -> Result<ReloadReport, Vec<LoadError>> {
        let result = self.replace(chain).await;
        match &result {
            Ok(report) => {
                let ReloadReport { added, changed, kept, removed } = report;
                tracing::info!(?added, ?changed, ?kept, ?removed, "policy.reloaded");
            }
            Err(errors) => {
                for error in errors {
                    tracing::error!(policy = %error.policy, fault = %error.fault, "policy.not-reloaded: the old chain stays in force");
                }
            }
        }
        result
    }

    /// The policies in force, in order.
    pub fn list(&self) -> Vec<PolicyStatus> {
        let attempt = self.attempt.lock();
        let last = |name: &str| {
            attempt.as_ref().map(|attempt| ReloadAttempt {
                at: attempt.at,
                error: attempt.errors.iter().find(|error| error.policy == name).map(|error| error.fault.to_string()),
            })
        };
        let rejected = self.rejected.lock();
        let chain = self.chain.load();
        chain
            .links
            .iter()
            .map(|link| PolicyStatus {
                last_reload: last(&link.stamp.name),
                rolled_back: rejected.get(&link.stamp.name).map(|rejected| rejected.why.clone()),
                ..link.status()
            })
            .collect()
    }

    /// Puts back what stood before the policies that failed their probation.
    fn roll_back(&self) {
        let mut rejected = self.rejected.lock();
        let chain = self.chain.load_full();
        let mut links = chain.links.clone();
        for link in &mut links {
            let Some(before) = link.replacement() else { continue };
            let stamp = &link.stamp;
            let entry =
                Rejected { digest: stamp.digest.clone(), settings: stamp.settings.clone(), why: link.disgrace() };
            rejected.insert(stamp.name.clone(), entry);
            *link = before;
        }
        // A reload that came in between has the last word; what it kept is looked at with the next decision.
        if links.iter().zip(&chain.links).any(|(new, old)| !Arc::ptr_eq(new, old)) {
            let before = self.chain.compare_and_swap(&chain, Arc::new(Chain { links: links.clone() }));
            if Arc::ptr_eq(&*before, &chain) {
                self.subscribe(&links);
            }
        }
    }

    /// Notes what is wanted by some policy.
    fn subscribe(&self, links: &[Arc<Link>]) {
        let kinds = |links: &mut dyn Iterator<Item = &Arc<Link>>| links.fold(0, |all, link| all | link.wanted);
        self.wanted.store(kinds(&mut links.iter()), Relaxed);
        self.with_history.store(kinds(&mut links.iter().filter(|link| link.facts & HISTORY != 0)), Relaxed);
    }

    async fn replace(&self, settings: &[PolicySettings]) -> Result<ReloadReport, Vec<LoadError>> {
        let _one = self.loading.lock().await;
        let old = self.chain.load_full();
        let (mut links, mut errors, mut report) = (Vec::new(), Vec::new(), ReloadReport::default());
        for policy in settings.iter().filter(|policy| policy.mode != Mode::Off) {
            let before = old.links.iter().find(|link| link.stamp.name == policy.name);
            match self.link(policy, before).await {
                Ok(link) => {
                    let list = match before {
                        None => &mut report.added,
                        Some(before) if Arc::ptr_eq(before, &link) => &mut report.kept,
                        Some(_) => &mut report.changed,
                    };
                    list.push(policy.name.clone());
                    links.push(link);
                }
                Err(error) => errors.push(error),
            }
        }
        *self.attempt.lock() = Some(Attempt { at: Moment::now(), errors: errors.clone() });
        if !errors.is_empty() {
            return Err(errors);
        }
        let gone = |link: &&Arc<Link>| !links.iter().any(|new: &Arc<Link>| new.stamp.name == link.stamp.name);
        report.removed = old.links.iter().filter(gone).map(|link| link.stamp.name.clone()).collect();
        self.chain.store(Arc::new(Chain { links: links.clone() }));
        self.subscribe(&links);
        Ok(report)
    }

    async fn link(&self, settings: &PolicySettings, before: Option<&Arc<Link>>) -> Result<Arc<Link>, LoadError> {
        let load = async {
            let bytes = load::fetch(&self.engine, settings, &self.bounds).await?;
            if let Some(before) = before
                && before.settings == *settings
                && before.stamp.digest == digest::sha256(&bytes)
            {
                self.rejected.lock().remove(&settings.name);
                return Ok(before.clone());
            }
            if let Some(before) = before
                && let Some(rejected) = self.rejected.lock().get(&settings.name)
                && rejected.is(&bytes, settings)
            {
                tracing::warn!(policy = %settings.name, why = %rejected.why, "policy.still-rolled-back: change its file or its settings");
                return Ok(before.clone());
            }
            let loaded = load::load(&self.engine, Some(Role::Ban), bytes, settings, &self.bounds).await?;
            let before = before.cloned();
            let link = Link::new(&self.engine, loaded, settings, &self.bounds, &self.deps, before)?;
            self.rejected.lock().remove(&settings.name);
            Ok(Arc::new(link))
        };
        load.await.map_err(|fault: super::LoadFault| fault.of(&text::line(&settings.name)))
    }
}

impl Rejected {
    fn is(&self, bytes: &[u8], settings: &PolicySettings) -> bool {
        self.digest == digest::sha256(bytes)
            && self.settings == digest::sha256(settings_text(&settings.settings).as_bytes())
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chain = self.chain.load();
        out.debug_list().entries(chain.links.iter().map(|link| &link.stamp.name)).finish()
    }
}

/// An event as guests see it, and the facts that only those see who ask for them: in it, or beside it.
struct Asked {
    occasion: u32,
    event: wit::Event,
    costly: v0_1::CostlyFacts,
}

impl Asked {
    fn new(event: &Event) -> Asked {
        Asked {
            occasion: event.kind.occasion().bit(),
            event: v0_1::event(event),
            costly: v0_1::CostlyFacts::of(&event.facts),
        }
    }

    /// Whether a policy is asked about it.
    fn is_for(&self, link: &Link) -> bool {
        link.wanted & self.occasion != 0 && link.concerns(&self.event.server, &self.event.classes)
    }
}

impl Chain {
    async fn decide(&self, engine: &Engine, bounds: &Bounds, asked: &mut Asked, deadline: Instant) -> Ruling {
        let Some((_turn, _)) = limits::turn(&engine.decisions, deadline).await else { return self.unanswered(asked) };
        let mut ruling = Ruling::default();
        for link in &self.links {
            if !asked.is_for(link) {
                continue;
            }
            asked.costly.show(&mut asked.event, link.facts);
            let verdict = link.ask(engine, &asked.event, deadline, bounds).await;
            if link.settings.mode == Mode::Observe {
                continue;
            }
            let decision = match verdict {
                None => on_error(link),
                Some(verdict) => {
                    ruling.delay = ruling.delay.max(verdict.delay.min(bounds.longest_delay));
                    ruling.bans.extend(verdict.bans);
                    ruling.lifts.extend(verdict.lifts);
                    verdict.decision
                }
            };
            if decision != Decision::Pass {
                ruling.decision = decision;
                ruling.by = Some(link.stamp.clone());
                break;
            }
        }
        ruling
    }

    /// Nobody could be asked: the first policy whose failure refuses speaks.
    fn unanswered(&self, asked: &Asked) -> Ruling {
        let speaks = |link: &&Arc<Link>| asked.is_for(link) && link.settings.mode == Mode::Enforce;
        match self.links.iter().filter(speaks).find(|link| link.settings.on_error == OnError::Refuse) {
            None => Ruling::default(),
            Some(link) => Ruling { decision: on_error(link), by: Some(link.stamp.clone()), ..Ruling::default() },
        }
    }
}

fn on_error(link: &Link) -> Decision {
    match link.settings.on_error {
        OnError::Pass => Decision::Pass,
        OnError::Refuse => Decision::Refuse { text: None, close: false },
    }
}
