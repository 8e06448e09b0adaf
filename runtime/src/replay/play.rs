//! Plays a recording: one event after the other, each at its own moment, over a store and a ledger in which
//! nothing is at first.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::RwLock;

use super::reading::{ReadError, Recording};
use super::report::{PlayedBan, Report, Who};
use crate::config::Settings;
use crate::config::settings::{Bounds, Grant};
use crate::events::{Event, Kind, Label};
use crate::ledger::record::Lift;
use crate::ledger::rules::{Rules, reaches};
use crate::ledger::table::{Inserted, Table};
use crate::ledger::{Ban, BanId, By, Grounds};
use crate::moment::Moment;
use crate::net::Networks;
use crate::policy::{
    BanOrder, Decision, Deps, Engine, LiftOrder, LoadError, Policies, USER_NOT_GRANTED, needs_user_bans,
};
use crate::store::{Derive, Key, Memory, Purpose};

/// Ended bans that are dropped at each event.
const SWEEP: usize = 4;

/// A chain of policies, and a world for it alone.
pub struct Stage {
    policies: Arc<Policies>,
    /// Milliseconds of the event that is played.
    clock: Arc<AtomicU64>,
    table: Arc<RwLock<Table>>,
    rules: Rules,
    /// Policies without the grant `user-bans`.
    ungranted: BTreeSet<String>,
    report: Report,
}

impl Stage {
    /// Loads the chain of the settings. Bounds of time are wide and nobody is suspended: how busy this
    /// machine is decides nothing.
    ///
    /// # Errors
    /// Each policy that cannot be loaded, with the reason.
    pub async fn open(
        engine: Arc<Engine>,
        settings: &Settings,
        networks: Arc<Networks>,
    ) -> Result<Stage, Vec<LoadError>> {
        let mut settings = settings.clone();
        settings.timeouts.ruling = Duration::from_secs(60);
        let mut ungranted = BTreeSet::new();
        for policy in &mut settings.chain {
            // What it may not do is counted here, where the report is, and not dropped before.
            if !policy.grants.contains(&Grant::UserBans) {
                ungranted.insert(policy.name.clone());
                policy.grants.push(Grant::UserBans);
            }
            let wide = Duration::from_secs(10);
            policy.bounds = Bounds {
                cpu: wide,
                wall: wide,
                suspend_after: u32::MAX,
                // A recording may hold the events of many nodes, each with a quota of its own.
                store_operations: u64::MAX,
                store_bytes: u64::MAX,
                ..policy.bounds.clone()
            };
        }
        let clock = Arc::new(AtomicU64::new(0));
        let time = Arc::clone(&clock);
        let store = Memory::on_clock(settings.store.memory_entries, settings.store.value_bytes, move || {
            Duration::from_millis(time.load(Ordering::Relaxed))
        });
        let table = Arc::new(RwLock::new(Table::new(settings.bans.table)));
        let asked = Arc::clone(&table);
        let deps = Deps {
            store: Arc::new(store),
            keys: Arc::new(OwnKeys),
            bans: Arc::new(move |subject, now| asked.read().find(subject, now).cloned()),
            networks,
        };
        let policies = Policies::load(engine, &settings, deps).await?;
        let who = |status: crate::policy::PolicyStatus| Who {
            name: status.name,
            version: status.version,
            digest: status.digest,
            settings: status.settings_digest,
        };
        let report = Report { policies: policies.list().into_iter().map(who).collect(), ..Report::default() };
        Ok(Stage { policies, clock, table, rules: Rules::new(&settings), ungranted, report })
    }

    /// One event.
    pub async fn meet(&mut self, event: &Event) {
        let now = event.at;
        // Several nodes' clocks differ a little; time never goes back in the store.
        self.clock.fetch_max(now.millis(), Ordering::Relaxed);
        self.report.events += 1;
        self.report.from.get_or_insert(now);
        self.report.to = Some(now);
        self.table.write().sweep(now, SWEEP);
        if self.keeps_out(event) {
            self.report.spared += 1;
            return;
        }
        if !self.policies.wants(event.kind.occasion()) {
            return;
        }
        self.report.asked += 1;
        let ruling = self.policies.decide_here(event).await;
        self.report.refused += u64::from(matches!(ruling.decision, Decision::Refuse { .. }));
        for (number, order) in ruling.bans.into_iter().enumerate() {
            self.impose(order, number, event);
        }
        for order in &ruling.lifts {
            self.lift(order, now);
        }
    }

    /// What came of it all.
    pub fn end(mut self, unreadable: u64) -> Report {
        self.report.unreadable = unreadable;
        let failed = self.policies.list().into_iter().filter(|policy| policy.failures > 0);
        self.report.failures = failed.map(|policy| (policy.name, policy.failures)).collect();
        self.report
    }

    /// Whether a ban would have kept this event from happening.
    fn keeps_out(&self, event: &Event) -> bool {
        let (facts, now) = (&event.facts, event.at);
        let ip: IpAddr = facts.peer.ip();
        if matches!(event.kind, Kind::Custom(_)) || self.rules.protects(ip) {
            return false;
        }
        let table = self.table.read();
        let tls = facts.tls.as_ref();
        let certificate = tls.and_then(|tls| tls.client_certificate.as_deref());
        let fingerprint = tls.and_then(|tls| tls.ja4.as_deref());
        table.on_host(ip, facts.classes.iter().map(Label::as_str), now).is_some()
            || table.on_tls(certificate, fingerprint, now).is_some()
            || facts.user.as_deref().is_some_and(|user| table.on_user(user, ip, now).is_some())
    }

    /// As the ledger of a server does, with an id that is the same each time.
    fn impose(&mut self, order: BanOrder, number: usize, event: &Event) {
        let granted = !needs_user_bans(&order.subject) || !self.ungranted.contains(&order.by.name);
        let permitted = self.rules.permit(&order.subject).map_err(|why| why.to_string());
        if let Err(why) = permitted.and_then(|()| if granted { Ok(()) } else { Err(USER_NOT_GRANTED.to_owned()) }) {
            *self.report.not_imposed.entry(why).or_default() += 1;
            return;
        }
        let now = event.at;
        let id = id(&format!("{now:?} {} {} {number}", event.facts.connection, order.subject));
        let asked_ms = order.span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let (draft, _) = self.rules.of_policy(order, Grounds::default(), id);
        let mut table = self.table.write();
        if table.exactly(&draft.subject, now).is_some_and(|known| reaches(known.reach, draft.reach)) {
            return;
        }
        let ban = self.rules.ban(draft, id, now);
        match table.insert(Arc::clone(&ban), now) {
            Inserted::Added | Inserted::Replaced(_) => {
                self.report.bans.push(played(&ban, asked_ms, event, self.report.events))
            }
            Inserted::Kept(_)
            | Inserted::Second(_)
            | Inserted::Lifted(_)
            | Inserted::IdTaken(_)
            | Inserted::Ended
            | Inserted::Forgotten => {}
            Inserted::Full => *self.report.not_imposed.entry("the table of bans is full".to_owned()).or_default() += 1,
        }
    }

    /// A policy lifts its own bans alone.
    fn lift(&mut self, order: &LiftOrder, now: Moment) {
        let mut table = self.table.write();
        let Some(ban) = table.find(&order.subject, now).cloned() else { return };
        if !matches!(&ban.by, By::Policy { name, .. } if *name == order.by.name) {
            return;
        }
        table.lift(Arc::new(Lift::of(&ban, now, &order.by.name, self.rules.node())), now);
        let last = self.report.bans.iter_mut().rev().find(|played| played.subject == ban.subject);
        if let Some(played) = last {
            played.lifted = Some(now);
        }
    }
}

fn played(ban: &Ban, asked_ms: Option<u64>, event: &Event, number: u64) -> PlayedBan {
    let (By::Policy { name, .. } | By::Operator { name }) = &ban.by;
    PlayedBan {
        at: ban.created,
        subject: ban.subject.clone(),
        expires: ban.expires,
        asked_ms,
        reach: ban.reach,
        reason: ban.reason.clone(),
        policy: name.clone(),
        number,
        event: event.kind.name().to_owned(),
        peer: event.facts.peer,
        user: event.facts.user.clone(),
        lifted: None,
    }
}

fn id(of: &str) -> BanId {
    let hash = digest(&SHA256, of.as_bytes());
    let bits = hash.as_ref().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    BanId::from_bits(bits)
}

/// Plays whole files, on the caller's thread.
///
/// # Errors
/// The recording's.
pub async fn play(mut stage: Stage, recording: &mut Recording) -> Result<Report, ReadError> {
    while let Some(event) = recording.next_event()? {
        stage.meet(&event).await;
    }
    Ok(stage.end(recording.unreadable()))
}

/// A policy's entries under its own name and keys: nobody else is there.
struct OwnKeys;

#[async_trait]
impl Derive for OwnKeys {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        let Purpose::Entry { policy, key } = purpose else { return Vec::new() };
        Key::parse(&format!("{policy}.{key}")).into_iter().collect()
    }
}
