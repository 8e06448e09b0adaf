//! One policy of the chain: asks its guest within all bounds, and keeps count.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use super::catching::{Panicked, catching};
use super::contract::v0_1::{self, ban::portcullis::policy::types as wit};
use super::describe::Description;
use super::engine::Engine;
use super::fault::{Failure, FailureKind, LoadFault};
use super::health::{Change, Health};
use super::host::{self, Caller};
use super::limits::{self, Guest};
use super::load::Loaded;
use super::offer::{Call, Deps, Offer};
use super::probation::{Probation, Trial};
use super::ruling::{Decision, PolicyStamp, USER_NOT_GRANTED, needs_user_bans};
use super::status::{self, PolicyStatus};
use super::tally::Tally;
use super::text;
use super::trace::Trace;
use super::used::Used;
use super::verdict::Verdict;
use super::warm::{Live, Warm};
use super::wasi;
use crate::config::settings::{Grant, Mode, Policies, PolicySettings};
use crate::ledger::Subject;
use crate::moment::Moment;
use crate::waits::{self, Wait};

/// A policy in force.
pub(super) struct Link {
    pub(super) settings: PolicySettings,
    pub(super) stamp: Arc<PolicyStamp>,
    /// One bit for each event kind that it wants.
    pub(super) wanted: u32,
    /// One bit for each fact that it asks for.
    pub(super) facts: u32,
    description: Description,
    since: Moment,
    prepared: v0_1::ban::BanPolicyPre<Caller>,
    offer: Arc<Offer>,
    warm: Warm<Call, v0_1::ban::BanPolicy>,
    permits: Semaphore,
    health: Health,
    tally: Tally,
    probation: Probation<Link>,
    used: Used,
    failure_log_interval: Duration,
}

impl Link {
    pub(super) fn new(
        engine: &Engine,
        loaded: Loaded,
        settings: &PolicySettings,
        policies: &Policies,
        deps: &Deps,
        before: Option<Arc<Link>>,
    ) -> Result<Link, LoadFault> {
        let refused = LoadFault::refused;
        let mut linker = Linker::new(&engine.wasm);
        host::link(&mut linker, &settings.grants.iter().copied().collect()).map_err(refused)?;
        // All that is left are WASI's, which exist and grant nothing, and those of a build that is over.
        wasi::link(&mut linker, &engine.wasm, &loaded.component).map_err(refused)?;
        linker.define_unknown_imports_as_traps(&loaded.component).map_err(refused)?;
        let prepared = linker.instantiate_pre(&loaded.component).map_err(refused)?;
        Ok(Link {
            stamp: Arc::new(PolicyStamp {
                name: settings.name.clone(),
                version: loaded.description.version.clone(),
                digest: loaded.digest,
                settings: loaded.settings_digest,
            }),
            wanted: loaded.description.wanted(),
            facts: loaded.description.facts(),
            description: loaded.description,
            since: Moment::now(),
            prepared: v0_1::ban::BanPolicyPre::new(prepared).map_err(refused)?,
            offer: Arc::new(Offer::new(settings, deps)),
            warm: Warm::new(engine.keep.clone()),
            permits: Semaphore::new(settings.bounds.at_once),
            health: Health::new(settings.bounds.suspend_after, settings.bounds.suspend_for),
            tally: Tally::new(),
            probation: Probation::new(before, policies.probation, policies.probation_failures),
            used: Used::default(),
            failure_log_interval: policies.failure_log_interval,
            settings: settings.clone(),
        })
    }

    /// Whether it is asked about clients of this virtual server and these classes.
    pub(super) fn concerns(&self, server: &str, classes: &[String]) -> bool {
        let PolicySettings { servers, classes: own, .. } = &self.settings;
        (servers.is_empty() || servers.iter().any(|name| name == server))
            && (own.is_empty() || own.iter().any(|name| classes.contains(name)))
    }

    /// Asks the policy before `deadline`. `None`: it failed or is suspended; that is told here, and
    /// answered as its `on-error` says.
    pub(super) async fn ask(
        &self,
        engine: &Engine,
        event: &wit::Event,
        deadline: Instant,
        policies: &Policies,
    ) -> Option<Verdict> {
        let now = Instant::now();
        if !self.health.admits(now) {
            return None;
        }
        match self.answer(engine, event, now, deadline, policies).await {
            Ok(verdict) => {
                if self.health.good() == Change::Resumed {
                    tracing::info!(policy = %self.stamp.name, "policy.resumed: its trial went well");
                }
                self.record(&verdict);
                self.tried(false);
                Some(verdict)
            }
            Err(failure) => {
                self.failed(&failure);
                // Being busy is the load's fault, not the policy's.
                if failure.kind != FailureKind::Busy {
                    self.tried(true);
                }
                None
            }
        }
    }

    async fn answer(
        &self,
        engine: &Engine,
        event: &wit::Event,
        now: Instant,
        deadline: Instant,
        policies: &Policies,
    ) -> Result<Verdict, Failure> {
        let turn = limits::turn(&self.permits, deadline).await;
        let (turn, waited) = turn.ok_or_else(|| Failure::new(FailureKind::Busy, ""))?;
        let began = if waited { Instant::now() } else { now };
        let wall = self.settings.bounds.wall.min(deadline.saturating_duration_since(began));
        let call = catching(self.call(engine, event, began, wall));
        let answer = waits::since(began, wall, Wait::Ruling, call).await;
        self.tally.call(began.elapsed());
        drop(turn);
        let (verdict, trace) = match answer {
            Ok(Ok(answered)) => answered?,
            Ok(Err(Panicked)) => return Err(Failure::new(FailureKind::Crash, "")),
            Err(_timed_out) => return Err(Failure::new(FailureKind::Wall, "")),
        };
        let mut verdict = v0_1::verdict(verdict, &self.stamp, policies.bans_per_verdict)?;
        if !verdict.bans.is_empty() {
            verdict.bans.retain(|ban| self.may_ban(&ban.subject));
            let accesses = Arc::new(trace.into_accesses());
            verdict.bans.iter_mut().for_each(|ban| ban.accesses = accesses.clone());
        }
        Ok(verdict)
    }

    async fn call(
        &self,
        engine: &Engine,
        event: &wit::Event,
        began: Instant,
        wall: Duration,
    ) -> wasmtime::Result<(wit::Verdict, Trace)> {
        let bounds = &self.settings.bounds;
        let now = Moment::from_millis(event.at);
        let seed = self.settings.random_seed ^ event.at.rotate_left(32) ^ event.connection;
        let mut live = match self.warm.take() {
            Some(mut live) => {
                live.store.data_mut().host.now = now;
                limits::arm_at(&mut live.store, began, bounds.cpu, wall, bounds.host_calls, seed);
                live
            }
            None => {
                let mut store =
                    Guest::store(engine, bounds, Call { now, offer: self.offer.clone(), trace: Trace::default() });
                limits::arm_at(&mut store, began, bounds.cpu, wall, bounds.host_calls, seed);
                let guest = self.prepared.instantiate_async(&mut store).await?;
                Live::new(store, guest, self.settings.instance)
            }
        };
        let answer = live.guest.portcullis_policy_ban_guest().call_evaluate(&mut live.store, event).await;
        self.used.note(live.store.data(), bounds);
        let verdict = answer?;
        let trace = std::mem::take(&mut live.store.data_mut().host.trace);
        self.warm.give_back(live);
        Ok((verdict, trace))
    }

    /// Whether it is granted.
    fn may_ban(&self, subject: &Subject) -> bool {
        let may = !needs_user_bans(subject) || self.settings.grants.contains(&Grant::UserBans);
        if !may && self.offer.may_write() {
            tracing::warn!(
                subject = %subject.to_string().escape_debug(),
                policy = %self.stamp.name,
                digest = %self.stamp.digest,
                why = USER_NOT_GRANTED,
                "ban.not-imposed"
            );
        }
        may
    }

    fn record(&self, verdict: &Verdict) {
        let policy = &self.stamp.name;
        if matches!(verdict.decision, Decision::Refuse { .. }) {
            self.tally.refusals.fetch_add(1, Relaxed);
        }
        self.tally.bans.fetch_add(verdict.bans.len() as u64, Relaxed);
        for alert in &verdict.alerts {
            if self.offer.may_write() {
                tracing::warn!(%policy, %alert, "policy.alert");
            }
        }
        let acted = verdict.decision != Decision::Pass || !verdict.bans.is_empty() || !verdict.lifts.is_empty();
        if self.settings.mode == Mode::Observe && acted && self.offer.may_write() {
            let whom: Vec<String> = verdict.bans.iter().map(|ban| text::line(&ban.subject.to_string())).collect();
            let refuses = matches!(verdict.decision, Decision::Refuse { .. });
            let (bans, lifts) = (whom.join(" "), verdict.lifts.len());
            tracing::info!(%policy, refuses, %bans, lifts, "policy.observed: nothing was carried out");
        }
    }

    fn failed(&self, failure: &Failure) {
        let (policy, digest) = (&self.stamp.name, &self.stamp.digest);
        if let Some(times) = self.tally.failure(failure, Instant::now(), self.failure_log_interval) {
            tracing::warn!(%policy, %digest, times, %failure, "policy.failed");
        }
        // Being busy is the load's fault, not the policy's.
        if failure.kind != FailureKind::Busy && self.health.bad(Instant::now()) == Change::Suspended {
            let pause = humantime::format_duration(self.settings.bounds.suspend_for);
            tracing::error!(%policy, %digest, %pause, %failure, "policy.suspended: it failed too often in a row");
        }
    }

    /// One more answer on probation.
    fn tried(&self, failed: bool) {
        let p50 =
            |before: &Link| (self.tally.percentile(50), before.tally.percentile(50), before.tally.calls.load(Relaxed));
        let (policy, digest) = (&self.stamp.name, &self.stamp.digest);
        match self.probation.answered(failed, p50) {
            Trial::Goes => {}
            Trial::Passed => tracing::info!(%policy, %digest, "policy.probation-passed"),
            Trial::Failed => {
                let (p50_micros, failure) = (self.tally.percentile(50), self.tally.last_failure());
                tracing::error!(
                    %policy,
                    %digest,
                    p50_micros,
                    failure = failure.as_deref(),
                    "policy.rolled-back: it failed behind its swap; the one before is in force again"
                );
            }
        }
    }

    /// It failed its probation.
    pub(super) fn is_condemned(&self) -> bool {
        self.probation.is_condemned()
    }

    /// The one before, if this one failed its probation.
    pub(super) fn replacement(&self) -> Option<Arc<Link>> {
        self.probation.before().filter(|_| self.probation.is_condemned())
    }

    /// Why it had to go.
    pub(super) fn disgrace(&self) -> String {
        let why = self.tally.last_failure().unwrap_or_else(|| "it was far slower than the one before".to_owned());
        format!("rolled back after its swap: {why}")
    }

    pub(super) fn status(&self) -> PolicyStatus {
        PolicyStatus {
            name: self.stamp.name.clone(),
            description: self.description.name.clone(),
            summary: self.description.summary.clone(),
            version: self.stamp.version.clone(),
            digest: self.stamp.digest.clone(),
            settings_digest: self.stamp.settings.clone(),
            source: status::source(&self.settings.source),
            mode: self.settings.mode,
            instance: status::instance(self.settings.instance),
            events: self.description.events.clone(),
            since: self.since,
            calls: self.tally.calls.load(Relaxed),
            failures: self.tally.failures.load(Relaxed),
            refusals: self.tally.refusals.load(Relaxed),
            bans: self.tally.bans.load(Relaxed),
            metrics: self.offer.series.lock().list(),
            p50_micros: self.tally.percentile(50),
            p99_micros: self.tally.percentile(99),
            suspended: self.health.is_suspended(),
            probation: self.probation.left(),
            busy: self.settings.bounds.at_once.saturating_sub(self.permits.available_permits()),
            used: self.used.read(&self.settings.bounds, self.offer.quota.spent(), self.offer.dropped_lines()),
            last_error: self.tally.last_failure(),
            rolled_back: None,
            last_reload: None,
        }
    }
}
