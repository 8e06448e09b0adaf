//! From bytes to a policy that can be asked: check, describe, configure, keep the memory, compile.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::{Component, Instance, Linker};

use super::contract::{self, v0_1};
use super::describe::{self, Description, HOST};
use super::engine::{Engine, Origin};
use super::fault::{LoadError, LoadFault};
use super::host::INTERFACES;
use super::limits::{self, Guest};
use super::{digest, nested, shape, snapshot, source, text, wasi};
use crate::config::settings::{Bounds, Grant, Policies, PolicySettings, Source};
use crate::waits::{self, Wait};

/// What a component is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To decide about clients.
    Ban,
    /// To derive keys.
    Key,
}

/// A policy, configured and compiled.
pub(super) struct Loaded {
    pub(super) component: Component,
    pub(super) description: Description,
    pub(super) digest: String,
    pub(super) settings_digest: String,
}

/// What can be told of a component without settings.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// What it says of itself.
    pub description: Description,
    /// Version of the contract that it was built for.
    pub contract: String,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// SHA-256, lower-case hex.
    pub digest: String,
    /// Bytes.
    pub size: usize,
}

/// Names that tell the contract.
const PACKAGE: &str = "portcullis:policy/";
const TYPES: &str = "portcullis:policy/types";
/// Memory that reading a guest's memory takes of the guest itself: a page for each.
const READING_BYTES: usize = 4 * 65_536;

/// Reads the component of `settings`; hashing it tells whether it is new.
pub(super) async fn fetch(
    engine: &Engine,
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Cow<'static, [u8]>, LoadFault> {
    let (from, most) = (settings.source.clone(), policies.component_bytes);
    bounded(engine, policies, move || source::read(&from, most)).await
}

/// Loads a policy off the session threads, one at a time. Without a role: whatever it was built for.
pub(super) async fn load(
    engine: &Arc<Engine>,
    role: Option<Role>,
    bytes: Cow<'static, [u8]>,
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Loaded, LoadFault> {
    let turn = turn(engine, policies).await?;
    let (own, settings, limits) = (engine.clone(), settings.clone(), policies.clone());
    bounded(engine, policies, move || {
        // A compiler cannot be interrupted: whoever gave up waiting still holds the turn.
        let _turn = turn;
        prepare(&own, role, &bytes, &settings, &limits)
    })
    .await
}

/// What a component says of itself. Its settings are not looked at.
///
/// # Errors
/// Why it is no policy here.
pub async fn inspect(
    engine: &Arc<Engine>,
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Inspection, LoadError> {
    let inspected = async {
        let bytes = fetch(engine, settings, policies).await?;
        let turn = turn(engine, policies).await?;
        let (own, settings, limits) = (engine.clone(), settings.clone(), policies.clone());
        bounded(engine, policies, move || {
            let _turn = turn;
            look(&own, &bytes, &settings, &limits)
        })
        .await
    };
    inspected.await.map_err(|fault: LoadFault| fault.of(&settings.name))
}

fn look(
    engine: &Engine,
    bytes: &[u8],
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Inspection, LoadFault> {
    let component_bytes = component_of(bytes)?;
    shape::check(&component_bytes)?;
    let component = engine.compile(&component_bytes, origin(&settings.source, policies))?;
    let (imports, exports) = names(engine, &component);
    let role = role_of(&exports)?;
    let description = block_on(async {
        let mut probe = Probe::start(engine, role, &component, &settings.bounds, policies).await?;
        probe.describe(policies).await
    })?;
    description.check()?;
    Ok(Inspection {
        description,
        contract: contract::KNOWN.to_owned(),
        exports,
        imports,
        digest: digest::sha256(bytes),
        size: bytes.len(),
    })
}

/// The whole load of a policy or key policy as it would be served, without serving it.
///
/// # Errors
/// Why it would be refused.
pub async fn check(
    engine: &Arc<Engine>,
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Description, LoadError> {
    let loaded = async { load(engine, None, fetch(engine, settings, policies).await?, settings, policies).await };
    loaded.await.map(|loaded| loaded.description).map_err(|fault| fault.of(&settings.name))
}

/// One compiler at a time. One that cannot be interrupted may still hold the turn of an earlier load.
async fn turn(engine: &Engine, policies: &Policies) -> Result<OwnedSemaphorePermit, LoadFault> {
    let turn = engine.compiler.clone().acquire_owned();
    match waits::for_at_most(policies.load_deadline, Wait::Ruling, turn).await {
        Ok(turn) => turn.map_err(|_| LoadFault::Crashed),
        Err(_timed_out) => Err(LoadFault::TooSlow(policies.load_deadline)),
    }
}

async fn bounded<T: Send + 'static>(
    engine: &Engine,
    policies: &Policies,
    work: impl FnOnce() -> Result<T, LoadFault> + Send + 'static,
) -> Result<T, LoadFault> {
    match waits::for_at_most(policies.load_deadline, Wait::Ruling, engine.run_long(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panicked)) => Err(LoadFault::Crashed),
        Err(_timed_out) => Err(LoadFault::TooSlow(policies.load_deadline)),
    }
}

fn prepare(
    engine: &Engine,
    role: Option<Role>,
    bytes: &[u8],
    settings: &PolicySettings,
    policies: &Policies,
) -> Result<Loaded, LoadFault> {
    let component_bytes = component_of(bytes)?;
    shape::check(&component_bytes)?;
    let own = nested::unwrap(&component_bytes)?;
    let origin = origin(&settings.source, policies);
    let (context, readable) = snapshot::instrument(own).map_err(|fault| {
        // What is no component at all is better told in the engine's words.
        engine.compile(own, origin).err().unwrap_or(fault)
    })?;
    let component = engine.compile(&readable, origin)?;
    let (imports, exports) = names(engine, &component);
    let role = match role {
        Some(role) => check_exports(role, &exports).map(|()| role)?,
        None => role_of(&exports)?,
    };
    check_imports(role, &imports, &exports, &settings.grants)?;
    let typed = describe::settings_text(&settings.settings);
    let (description, configured) = block_on(async {
        let mut probe = Probe::start(engine, role, &component, &settings.bounds, policies).await?;
        let description = probe.describe(policies).await?;
        description.check()?;
        describe::check_settings(&description.schema, &settings.settings)?;
        probe.configure(&typed, policies).await?;
        let configured = snapshot::take(&context, &mut probe.store, probe.instance).await?;
        Ok((description, configured))
    })?;
    let component = engine.compile(&configured, origin)?;
    component.initialize_copy_on_write_image().map_err(LoadFault::refused)?;
    Ok(Loaded {
        component,
        description,
        digest: digest::sha256(bytes),
        settings_digest: digest::sha256(typed.as_bytes()),
    })
}

/// Guests are asked on a thread that belongs to the load alone.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}

/// The compiler is stopped a little before whoever waits for the load gives up, so that he is told why.
fn origin(source: &Source, policies: &Policies) -> Origin {
    match source {
        Source::Builtin(_) => Origin::Ours,
        Source::File(_) => Origin::Stranger { until: Instant::now() + policies.load_deadline.mul_f64(0.8) },
    }
}

/// The component itself, or the one that a core module describes.
fn component_of(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadFault> {
    const MODULE: &[u8] = &[1, 0, 0, 0];
    match bytes.strip_prefix(b"\0asm") {
        None => Err(LoadFault::NotWasm),
        Some(rest) if rest.starts_with(MODULE) => wit_component::ComponentEncoder::default()
            .validate(true)
            .module(bytes)
            .and_then(|mut encoder| encoder.encode())
            .map(Cow::Owned)
            .map_err(|error| LoadFault::NoComponentType(text::line(&error.root_cause().to_string()))),
        Some(_) => Ok(Cow::Borrowed(bytes)),
    }
}

/// Names of what a component imports and exports.
fn names(engine: &Engine, component: &Component) -> (Vec<String>, Vec<String>) {
    let types = component.component_type();
    let imports = types.imports(&engine.wasm).map(|(name, _)| name.to_owned()).collect();
    let exports = types.exports(&engine.wasm).map(|(name, _)| name.to_owned());
    (imports, exports.filter(|name| name.starts_with(PACKAGE)).collect())
}

const BAN_GUEST: &str = "portcullis:policy/ban-guest@0.1.0";
const KEY_GUEST: &str = "portcullis:policy/key-guest@0.1.0";

fn role_of(exports: &[String]) -> Result<Role, LoadFault> {
    check_exports(Role::Ban, exports)
        .map(|()| Role::Ban)
        .or_else(|_| check_exports(Role::Key, exports).map(|()| Role::Key))
}

fn check_exports(role: Role, exports: &[String]) -> Result<(), LoadFault> {
    let has = |wanted: &str| exports.iter().any(|name| name == wanted);
    let (wanted, short) = match role {
        Role::Ban => (BAN_GUEST, "ban-guest"),
        Role::Key => (KEY_GUEST, "key-guest"),
    };
    match () {
        () if has(wanted) => Ok(()),
        () if has(BAN_GUEST) || has(KEY_GUEST) => Err(LoadFault::WrongWorld(short)),
        () => Err(LoadFault::UnknownContract { exports: exports.to_vec(), known: contract::KNOWN }),
    }
}

fn check_imports(role: Role, imports: &[String], exports: &[String], grants: &[Grant]) -> Result<(), LoadFault> {
    let versioned = |name: &str| format!("{name}@{}", contract::KNOWN);
    let grant_of =
        |import: &str| INTERFACES.iter().find(|(_, name)| versioned(name) == import).map(|(grant, _)| *grant);
    let harmless = |import: &str| {
        import == versioned(TYPES) || import.starts_with(wasi::PREFIX) || import.starts_with(nested::OF_THE_BUILD)
    };
    let unknown: Vec<String> =
        imports.iter().filter(|name| !harmless(name) && grant_of(name).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(LoadFault::UnknownImports(unknown));
    }
    let wanted: BTreeSet<Grant> = imports.iter().filter_map(|name| grant_of(name)).collect();
    match role {
        Role::Key if !wanted.is_empty() && !exports.iter().any(|name| name == BAN_GUEST) => {
            Err(LoadFault::Impure(imports.iter().filter(|name| grant_of(name).is_some()).cloned().collect()))
        }
        Role::Key => Ok(()),
        Role::Ban => {
            let missing: Vec<Grant> = wanted.into_iter().filter(|grant| !grants.contains(grant)).collect();
            if missing.is_empty() { Ok(()) } else { Err(LoadFault::MissingGrants(missing)) }
        }
    }
}

/// An instance that is asked what it is, and takes its settings. It may call nothing.
struct Probe {
    store: Store<Guest<()>>,
    instance: Instance,
    guest: Asked,
}

enum Asked {
    Ban(v0_1::ban::BanPolicy),
    Key(v0_1::key::KeyPolicy),
}

impl Probe {
    async fn start(
        engine: &Engine,
        role: Role,
        component: &Component,
        bounds: &Bounds,
        policies: &Policies,
    ) -> Result<Probe, LoadFault> {
        let mut linker = Linker::new(&engine.wasm);
        wasi::link(&mut linker, &engine.wasm, component).map_err(LoadFault::refused)?;
        // Its own interfaces are there, and may not be called yet.
        linker.define_unknown_imports_as_traps(component).map_err(LoadFault::refused)?;
        let pre = linker.instantiate_pre(component).map_err(LoadFault::refused)?;
        let bounds = Bounds { memory: bounds.memory.saturating_add(READING_BYTES), ..bounds.clone() };
        let mut store = Guest::store(engine, &bounds, ());
        limits::arm(&mut store, share(policies), policies.load_deadline, 0, 0);
        let instance = pre.instantiate_async(&mut store).await.map_err(|error| failed("start", error))?;
        let guest = match role {
            Role::Ban => Asked::Ban(v0_1::ban::BanPolicy::new(&mut store, &instance).map_err(LoadFault::refused)?),
            Role::Key => Asked::Key(v0_1::key::KeyPolicy::new(&mut store, &instance).map_err(LoadFault::refused)?),
        };
        Ok(Probe { store, instance, guest })
    }

    async fn describe(&mut self, policies: &Policies) -> Result<Description, LoadFault> {
        limits::arm(&mut self.store, share(policies), policies.load_deadline, 0, 0);
        let description = match &self.guest {
            Asked::Ban(guest) => guest.portcullis_policy_ban_guest().call_describe(&mut self.store).await,
            Asked::Key(guest) => guest.portcullis_policy_key_guest().call_describe(&mut self.store).await,
        };
        description.map(v0_1::description).map_err(|error| failed("describe", error))
    }

    async fn configure(&mut self, settings: &str, policies: &Policies) -> Result<(), LoadFault> {
        limits::arm(&mut self.store, share(policies), policies.load_deadline, 0, 0);
        let host = v0_1::host_info(&HOST);
        let answer = match &self.guest {
            Asked::Ban(guest) => {
                guest.portcullis_policy_ban_guest().call_configure(&mut self.store, &host, settings).await
            }
            Asked::Key(guest) => {
                guest.portcullis_policy_key_guest().call_configure(&mut self.store, &host, settings).await
            }
        };
        match answer.map_err(|error| failed("configure", error))? {
            Ok(()) => Ok(()),
            Err(errors) => Err(LoadFault::Settings(v0_1::setting_faults(&errors))),
        }
    }
}

/// What each function of a guest may take of the time for loading it: the compiler needs the most.
fn share(policies: &Policies) -> Duration {
    policies.load_deadline / 10
}

fn failed(during: &'static str, error: wasmtime::Error) -> LoadFault {
    LoadFault::Failed { during, failure: error.into() }
}
