//! Everything that `serve` would refuse, found without serving and without leaving anything behind.

use std::sync::Arc;

use serde::Serialize;

use super::reload::mistake;
use super::{Source, Trouble};
use crate::auth::Users;
use crate::config::Mistake;
use crate::config::settings::{self, Settings, StoreEngine};
use crate::net::{Hosts, Networks};
use crate::policy::{Deps, Engine, KeyPolicy, Policies, Worker};
use crate::store;
use crate::tls::{Acceptor, Identity, Sessions};

/// What was found good.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Users in the file.
    pub users: usize,
    /// Name and version of each policy, the key policy last.
    pub policies: Vec<String>,
}

/// Checks the configuration and every file that it names.
///
/// # Errors
/// All mistakes.
pub async fn check(source: &Source) -> Result<Checked, Trouble> {
    let settings = source.load().map_err(Trouble::Configuration)?.settings;
    let mut mistakes = Vec::new();
    let users = Users::load(&settings.users).map_err(|told| mistakes.extend(told)).map_or(0, |users| users.count());
    if let Err(told) = certificates(&settings) {
        mistakes.push(told);
    }
    if let Err(told) = super::secret_file::secrets(&settings) {
        mistakes.push(told);
    }
    let policies = policies(&settings, &mut mistakes).await?;
    if mistakes.is_empty() { Ok(Checked { users, policies }) } else { Err(Trouble::Configuration(mistakes)) }
}

/// Only files that are named: `serve` makes the others.
fn certificates(settings: &Settings) -> Result<(), Mistake> {
    let named = settings.tls.certificate.as_ref().zip(settings.tls.key.as_ref());
    let main = named.map(|(certificate, key)| Identity::named("tls", certificate, key));
    let identities: Vec<Identity> = match &main {
        Some(main) => Identity::of_all(main, &settings.hosts),
        None => {
            let own = settings.hosts.iter().filter_map(|host| Some((&host.name, host.identity.as_ref()?)));
            own.map(|(name, (certificate, key))| Identity::named(&format!("host.{name}"), certificate, key)).collect()
        }
    };
    let hosts = Arc::new(Hosts::new(&settings.hosts));
    let sessions = Sessions::new(settings, None, None);
    Acceptor::new(&settings.tls, &identities, hosts, sessions).map(drop).map_err(|error| mistake(&error))
}

/// Loads them all as `serve` does, over a store and a ledger in which nothing is.
async fn policies(settings: &Settings, mistakes: &mut Vec<Mistake>) -> Result<Vec<String>, Trouble> {
    let engine = Engine::start_apart(settings, &Worker::own_program()).map_err(|error| super::machine(&error))?;
    let keys = match KeyPolicy::load(engine.clone(), settings).await {
        Ok(keys) => keys,
        Err(error) => {
            mistakes.push(mistake(&error));
            return Ok(Vec::new());
        }
    };
    let alone = Settings {
        store: settings::Store { engine: StoreEngine::Memory, ..settings.store.clone() },
        ..settings.clone()
    };
    let deps = Deps {
        store: store::open(&alone, store::Secrets::default()),
        keys: keys.clone(),
        bans: Arc::new(|_, _| None),
        networks: Arc::new(Networks::new(&settings.networks)),
    };
    match Policies::load(engine, settings, deps).await {
        Ok(policies) => {
            let all = policies.list().into_iter().chain([keys.status()]);
            Ok(all.map(|policy| format!("{} {}", policy.name, policy.version)).collect())
        }
        Err(errors) => {
            mistakes.extend(errors.iter().map(|error| mistake(error)));
            Ok(Vec::new())
        }
    }
}
