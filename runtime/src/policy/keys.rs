//! The key policy: under which keys things stand in the shared store.
//!
//! It imports nothing, so its instances stay warm and its answers are remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use wasmtime::component::Linker;

use super::catching::{Panicked, catching};
use super::contract::v0_1::{self, key::exports::portcullis::policy::key_guest as wit};
use super::describe::Description;
use super::engine::Engine;
use super::fault::{Failure, FailureKind, LoadError, LoadFault};
use super::health::{Change, Health};
use super::limits::{self, Guest};
use super::load::{self, Loaded, Role};
use super::ruling::PolicyStamp;
use super::status::{self, PolicyStatus, ReloadAttempt};
use super::tally::Tally;
use super::used::Figures;
use super::warm::{Live, Warm};
use super::{digest, text};
use crate::config::settings::{Policies, PolicySettings, Settings, Source};
use crate::ledger::proftpd::{self, Form};
use crate::moment::Moment;
use crate::store::{Derive, Key, Namespace, Purpose};
use crate::waits::{self, Wait};

/// Keys of one answer, as the contract says.
const KEYS_MAX: usize = 8;

/// The key policy in force. Whoever holds it asks the newest.
pub struct KeyPolicy {
    engine: Arc<Engine>,
    policies: Policies,
    site: Arc<str>,
    granted: Option<Form>,
    current: ArcSwap<Keying>,
    loading: tokio::sync::Mutex<()>,
    attempt: Mutex<Option<ReloadAttempt>>,
}

/// A key policy that was in force.
pub struct InForce(Arc<Keying>);

impl KeyPolicy {
    /// Loads the key policy of the settings.
    ///
    /// # Errors
    /// Why it cannot be.
    pub async fn load(engine: Arc<Engine>, settings: &Settings) -> Result<Arc<KeyPolicy>, LoadError> {
        let site: Arc<str> = Arc::from(settings.server.site.as_str());
        let granted = Form::of(settings.bans.share_proftpd).filter(|_| settings.bans.share_proftpd_by_policy);
        let first = Keying::load(&engine, &settings.keys, &settings.policies, &site, granted, None).await?;
        Ok(Arc::new(KeyPolicy {
            engine,
            policies: settings.policies.clone(),
            site,
            granted,
            current: ArcSwap::new(first),
            loading: tokio::sync::Mutex::new(()),
            attempt: Mutex::new(None),
        }))
    }

    /// Puts another one in force; true if it differs. What stands under keys that it does not derive is
    /// not found any more.
    ///
    /// # Errors
    /// Why the old one is still in force.
    pub async fn reload(&self, settings: &PolicySettings) -> Result<bool, LoadError> {
        let _one = self.loading.lock().await;
        let old = self.current.load_full();
        let loaded = Keying::load(&self.engine, settings, &self.policies, &self.site, self.granted, Some(&old)).await;
        let error = loaded.as_ref().err().map(|error| error.fault.to_string());
        *self.attempt.lock() = Some(ReloadAttempt { at: Moment::now(), error });
        match loaded {
            Ok(new) => {
                let changed = !Arc::ptr_eq(&old, &new);
                if changed {
                    tracing::info!(policy = %new.stamp.name, digest = %new.stamp.digest, "keys.reloaded");
                    self.current.store(new);
                }
                Ok(changed)
            }
            Err(error) => {
                tracing::error!(policy = %error.policy, fault = %error.fault, "keys.not-reloaded: the old one stays in force");
                Err(error)
            }
        }
    }

    /// What is in force, to be put back if another part of a reload fails.
    pub fn in_force(&self) -> InForce {
        InForce(self.current.load_full())
    }

    /// Puts back what was in force.
    pub fn put_back(&self, before: InForce) {
        self.current.store(before.0);
    }

    /// As `policy list` shows it.
    pub fn status(&self) -> PolicyStatus {
        PolicyStatus { last_reload: self.attempt.lock().clone(), ..self.current.load().status() }
    }

    /// What the key policy in force answers now, not remembered: for whoever explains a key.
    pub async fn explain(&self, purpose: &Purpose) -> Vec<Key> {
        self.ask(self.current.load_full(), purpose).await.native
    }

    async fn ask(&self, keying: Arc<Keying>, purpose: &Purpose) -> Derived {
        let (engine, purpose) = (self.engine.clone(), purpose.clone());
        self.engine.run(async move { keying.ask(&engine, &purpose).await }).await.unwrap_or_default()
    }

    async fn derived(&self, purpose: &Purpose) -> Derived {
        let keying = self.current.load_full();
        if let Some(derived) = keying.remembered.lock().get(purpose) {
            return derived;
        }
        // A host function is on a guest's thread already: another hop would wait for a second one.
        let here = Engine::is_guest_thread() || matches!(keying.settings.source, Source::Builtin(_));
        if here {
            // Boxed: what is remembered needs no room for the question.
            return self.engine.run_here(Box::pin(keying.ask(&self.engine, purpose))).await;
        }
        self.ask(keying, purpose).await
    }
}

/// The answer to one purpose, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Derived {
    native: Vec<Key>,
    /// In ProFTPD's form.
    foreign: Vec<Key>,
}

impl std::fmt::Debug for KeyPolicy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("KeyPolicy").field(&self.current.load().stamp.name).finish()
    }
}

#[async_trait]
impl Derive for KeyPolicy {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        self.derived(purpose).await.native
    }

    async fn derive_foreign(&self, purpose: &Purpose) -> Vec<Key> {
        self.derived(purpose).await.foreign
    }
}

/// One loaded key policy.
struct Keying {
    settings: PolicySettings,
    stamp: PolicyStamp,
    description: Description,
    site: Arc<str>,
    granted: Option<Form>,
    since: Moment,
    prepared: v0_1::key::KeyPolicyPre<Guest<()>>,
    warm: Warm<(), v0_1::key::KeyPolicy>,
    remembered: Mutex<Remembered>,
    health: Health,
    tally: Tally,
    failure_log_interval: std::time::Duration,
}

impl Keying {
    async fn load(
        engine: &Arc<Engine>,
        settings: &PolicySettings,
        policies: &Policies,
        site: &Arc<str>,
        granted: Option<Form>,
        before: Option<&Arc<Keying>>,
    ) -> Result<Arc<Keying>, LoadError> {
        let load = async {
            let bytes = load::fetch(engine, settings, policies).await?;
            if let Some(before) = before
                && before.settings == *settings
                && before.stamp.digest == digest::sha256(&bytes)
            {
                return Ok(before.clone());
            }
            let loaded = load::load(engine, Some(Role::Key), bytes, settings, policies).await?;
            Keying::new(engine, loaded, settings, policies, site.clone(), granted).map(Arc::new)
        };
        load.await.map_err(|fault: LoadFault| fault.of(&text::line(&settings.name)))
    }

    fn new(
        engine: &Engine,
        loaded: Loaded,
        settings: &PolicySettings,
        policies: &Policies,
        site: Arc<str>,
        granted: Option<Form>,
    ) -> Result<Keying, LoadFault> {
        let refused = LoadFault::refused;
        let mut linker = Linker::new(&engine.wasm);
        linker.define_unknown_imports_as_traps(&loaded.component).map_err(refused)?;
        let prepared = linker.instantiate_pre(&loaded.component).map_err(refused)?;
        Ok(Keying {
            stamp: PolicyStamp {
                name: settings.name.clone(),
                version: loaded.description.version.clone(),
                digest: loaded.digest,
                settings: loaded.settings_digest,
            },
            description: loaded.description,
            site,
            granted,
            since: Moment::now(),
            prepared: v0_1::key::KeyPolicyPre::new(prepared).map_err(refused)?,
            warm: Warm::new(engine.keep.clone()),
            remembered: Mutex::new(Remembered::new(policies.remembered_keys)),
            health: Health::new(settings.bounds.suspend_after, settings.bounds.suspend_for),
            tally: Tally::new(),
            failure_log_interval: policies.failure_log_interval,
            settings: settings.clone(),
        })
    }

    async fn ask(&self, engine: &Engine, purpose: &Purpose) -> Derived {
        if !self.health.admits(Instant::now()) {
            return Derived::default();
        }
        match self.answer(engine, purpose).await {
            Ok(keys) => {
                if self.health.good() == Change::Resumed {
                    tracing::info!(policy = %self.stamp.name, "keys.resumed: its trial went well");
                }
                // Every session has an id of its own: they would push out what is asked again.
                if !matches!(purpose, Purpose::TlsSession(_)) {
                    self.remembered.lock().put(purpose.clone(), keys.clone());
                }
                keys
            }
            Err(failure) => {
                self.failed(&failure);
                Derived::default()
            }
        }
    }

    async fn answer(&self, engine: &Engine, purpose: &Purpose) -> Result<Derived, Failure> {
        let began = Instant::now();
        let request = v0_1::key_request(purpose, &self.site);
        let call = catching(self.call(engine, &request));
        let answer = waits::for_at_most(self.settings.bounds.wall, Wait::Ruling, call).await;
        self.tally.call(began.elapsed());
        match answer {
            Ok(Ok(derived)) => checked(purpose, derived?, self.granted),
            Ok(Err(Panicked)) => Err(Failure::new(FailureKind::Crash, "")),
            Err(_timed_out) => Err(Failure::new(FailureKind::Wall, "")),
        }
    }

    async fn call(&self, engine: &Engine, request: &wit::Request) -> wasmtime::Result<Vec<wit::DerivedKey>> {
        let bounds = &self.settings.bounds;
        let mut live = match self.warm.take() {
            Some(mut live) => {
                limits::arm(&mut live.store, bounds.cpu, bounds.wall, 0, 0);
                live
            }
            None => {
                let mut store = Guest::store(engine, bounds, ());
                limits::arm(&mut store, bounds.cpu, bounds.wall, 0, 0);
                let guest = self.prepared.instantiate_async(&mut store).await?;
                Live::new(store, guest, self.settings.instance)
            }
        };
        let derived = live.guest.portcullis_policy_key_guest().call_derive(&mut live.store, request).await?;
        self.warm.give_back(live);
        Ok(derived)
    }

    fn failed(&self, failure: &Failure) {
        let (policy, digest) = (&self.stamp.name, &self.stamp.digest);
        if let Some(times) = self.tally.failure(failure, Instant::now(), self.failure_log_interval) {
            tracing::warn!(%policy, %digest, times, %failure, "keys.failed: nothing is shared for this");
        }
        if self.health.bad(Instant::now()) == Change::Suspended {
            tracing::error!(%policy, %digest, %failure, "keys.suspended: nothing is shared for a while");
        }
    }

    fn status(&self) -> PolicyStatus {
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
            events: Vec::new(),
            since: self.since,
            calls: self.tally.calls.load(Relaxed),
            failures: self.tally.failures.load(Relaxed),
            refusals: 0,
            bans: 0,
            metrics: Vec::new(),
            p50_micros: self.tally.percentile(50),
            p99_micros: self.tally.percentile(99),
            suspended: self.health.is_suspended(),
            probation: 0,
            busy: 0,
            used: Figures::default(),
            last_error: self.tally.last_failure(),
            rolled_back: None,
            last_reload: None,
        }
    }
}

/// Nothing of a wrong answer is used.
fn checked(purpose: &Purpose, derived: Vec<wit::DerivedKey>, granted: Option<Form>) -> Result<Derived, Failure> {
    let nonsense = |detail: String| Failure::new(FailureKind::BadAnswer, detail);
    let (namespace, exact) = match purpose {
        Purpose::LookUpBan(_) | Purpose::StoreBan(..) => (Namespace::Bans, None),
        Purpose::Entry { policy, .. } => (Namespace::Policy(policy.clone()), Some(1)),
        Purpose::TlsSession(_) => (Namespace::Sessions, Some(1)),
    };
    if exact.is_some_and(|exact| derived.len() != exact) || derived.len() > KEYS_MAX {
        return Err(nonsense(format!("{} keys", derived.len())));
    }
    let mut good = Derived::default();
    for key in derived {
        let form = match key.format {
            wit::Format::Native => {
                good.native.push(namespace.key(&key.key).map_err(|error| nonsense(error.to_string()))?);
                continue;
            }
            wit::Format::ProftpdJson => Form::Json,
            wit::Format::ProftpdTpl => Form::Tpl,
        };
        if granted != Some(form) {
            return Err(nonsense("keys in this form of ProFTPD's are not granted".to_owned()));
        }
        let subject = match purpose {
            Purpose::LookUpBan(subject) | Purpose::StoreBan(subject, _) => Some(subject),
            Purpose::Entry { .. } | Purpose::TlsSession(_) => None,
        };
        let key = subject.and_then(|subject| proftpd::checked_key(form, subject, &key.key));
        good.foreign.push(key.ok_or_else(|| nonsense("this is no key of mod_ban for that".to_owned()))?);
    }
    Ok(good)
}

/// Answers that were given, in two generations: when the young one is full, the old one is forgotten.
struct Remembered {
    young: HashMap<Purpose, Derived, foldhash::fast::RandomState>,
    old: HashMap<Purpose, Derived, foldhash::fast::RandomState>,
    generation: usize,
}

impl Remembered {
    fn new(most: usize) -> Remembered {
        Remembered { young: HashMap::default(), old: HashMap::default(), generation: most / 2 }
    }

    fn get(&mut self, purpose: &Purpose) -> Option<Derived> {
        if let Some(keys) = self.young.get(purpose) {
            return Some(keys.clone());
        }
        let (purpose, keys) = self.old.remove_entry(purpose)?;
        self.put(purpose, keys.clone());
        Some(keys)
    }

    fn put(&mut self, purpose: Purpose, keys: Derived) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        if self.generation > 0 {
            self.young.insert(purpose, keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Subject;

    fn native(key: &str) -> wit::DerivedKey {
        wit::DerivedKey { key: key.into(), format: wit::Format::Native }
    }

    #[test]
    fn s_61_a_wrong_answer_is_refused_as_a_whole() {
        let entry = Purpose::Entry { policy: "p".into(), key: "tk".into() };
        let ban = Purpose::LookUpBan(Subject::User("alice".into()));
        let checked = |purpose: &Purpose, answer| checked(purpose, answer, None);
        assert_eq!(checked(&entry, vec![native("a")]).expect("one").native[0].as_str(), "pc1.c.1.p.a");
        assert_eq!(checked(&ban, vec![native("a"), native("b")]).expect("two").native.len(), 2);
        assert_eq!(checked(&ban, Vec::new()).expect("none"), Derived::default());
        let foreign = wit::DerivedKey { key: b"a".to_vec(), format: wit::Format::ProftpdTpl };
        let session = Purpose::TlsSession(vec![7; 32]);
        let named = checked(&session, vec![native("default/07")]).expect("one").native;
        assert_eq!(named[0].as_str(), "pc1.s.default/07");
        for (purpose, answer) in [
            (&entry, Vec::new()),
            (&session, Vec::new()),
            (&session, vec![native("a"), native("b")]),
            (&entry, vec![native("a"), native("b")]),
            (&ban, vec![native("a"); KEYS_MAX + 1]),
            (&ban, vec![native("a"), native("a b")]),
            (&ban, vec![native("a\r\nflush_all")]),
            (&ban, vec![native(&"x".repeat(181))]),
            (&ban, vec![native("")]),
            (&ban, vec![foreign]),
        ] {
            assert!(checked(purpose, answer).is_err());
        }
    }

    #[test]
    fn p_40_keys_of_mod_ban_are_taken_where_they_are_granted_and_for_what_they_are() {
        let key = b"mod_ban.{\"ban_type_id\":3,\"ban_name\":\"alice\"}\0".to_vec();
        let answer = |format| vec![native("a"), wit::DerivedKey { key: key.clone(), format }];
        let user = Purpose::LookUpBan(Subject::User("alice".into()));
        let derived = checked(&user, answer(wit::Format::ProftpdJson), Some(Form::Json)).expect("granted");
        assert_eq!((derived.native.len(), derived.foreign.len()), (1, 1));
        assert!(derived.foreign[0].is_encoded());
        for (purpose, format, granted) in [
            (&user, wit::Format::ProftpdJson, None),
            (&user, wit::Format::ProftpdJson, Some(Form::Tpl)),
            (&user, wit::Format::ProftpdTpl, Some(Form::Tpl)),
            (&Purpose::LookUpBan(Subject::Class("alice".into())), wit::Format::ProftpdJson, Some(Form::Json)),
            (&Purpose::TlsSession(vec![7; 32]), wit::Format::ProftpdJson, Some(Form::Json)),
        ] {
            assert!(checked(purpose, answer(format), granted).is_err(), "{purpose:?}");
        }
    }

    #[test]
    fn remembered_answers_are_bounded() {
        let mut remembered = Remembered::new(4);
        let purpose = |number: u32| Purpose::LookUpBan(Subject::User(number.to_string()));
        for number in 0..100 {
            remembered.put(purpose(number), Derived::default());
            assert!(remembered.get(&purpose(0)).is_some(), "what is used stays");
            assert!(remembered.young.len() + remembered.old.len() <= 4);
        }
        assert!(remembered.get(&purpose(50)).is_none());
        assert!(remembered.get(&purpose(99)).is_some());
        let mut none = Remembered::new(0);
        none.put(purpose(1), Derived::default());
        assert!(none.get(&purpose(1)).is_none());
    }
}
