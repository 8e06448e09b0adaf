//! What a session may use: one narrow handle for each thing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::counters::Counters;
use super::member::Members;
use super::outcome::Sparing;
use super::registry::{Entry, Registry};
use crate::admin::TransferLog;
use crate::auth::{AttemptTags, Login, Pseudonyms};
use crate::config::Settings;
use crate::config::settings::{Ascii, ClientCertificates, Host, Listen, ListenTls, StoreEngine};
use crate::data::{Lingering, Rate};
use crate::events::{Label, Recent};
use crate::ftp::machine::MachineSettings;
use crate::gate::Gate;
use crate::ledger::{BanWriter, Bans};
use crate::net::{Hosts, Networks, Ports};
use crate::policy::Policies;
use crate::replay::Recorder;
use crate::store::SharedStore;
use crate::tls::Acceptor;
use crate::vfs::Files;

/// Connections over a limit of which the policies are told at once; of more they do not hear.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// Everything that other rooms built for the sessions.
pub struct Handles {
    /// Counts and bans.
    pub gate: Gate,
    /// Bans, to ask.
    pub bans: Bans,
    /// Bans, to impose.
    pub ban_writer: BanWriter,
    /// The chain.
    pub policies: Arc<Policies>,
    /// Named sets of networks.
    pub networks: Arc<Networks>,
    /// Users and passwords.
    pub login: Login,
    /// Tags of login attempts.
    pub tags: AttemptTags,
    /// Names that nobody has.
    pub pseudonyms: Pseudonyms,
    /// Files of those who have logged in.
    pub files: Files,
    /// TLS.
    pub acceptor: Arc<Acceptor>,
    /// Virtual servers, to be found.
    pub hosts: Arc<Hosts>,
    /// For its state only.
    pub store: SharedStore,
    /// Where transfers are told.
    pub transfers: TransferLog,
    /// Takes events down, if the settings say so.
    pub recorder: Option<Recorder>,
}

/// The handles, and what sessions share among themselves.
pub struct House {
    pub(super) settings: Arc<Settings>,
    /// For each listener, for each virtual server.
    machines: Vec<Vec<Arc<MachineSettings>>>,
    pub(super) names: Names,
    pub(super) handles: Handles,
    pub(super) ports: Arc<Ports>,
    pub(super) lingering: Lingering,
    pub(super) recent: Recent,
    pub(super) refusals: Sparing,
    pub(super) turned_away: Arc<Semaphore>,
    pub(super) members: Arc<Members>,
    /// `limits.download` and `limits.upload`: what all transfers share.
    pub(super) download: Option<Arc<Rate>>,
    pub(super) upload: Option<Arc<Rate>>,
    /// Balancers that have not said yet whom they speak for.
    pub(super) headers: Arc<Semaphore>,
    registry: Registry,
    counters: Counters,
}

/// The names that every event carries.
pub(super) struct Names {
    pub(super) site: Label,
    pub(super) node: Label,
    /// By `HostId`.
    pub(super) servers: Vec<Label>,
}

fn whole_seconds(span: Duration) -> u32 {
    span.as_secs().try_into().unwrap_or(u32::MAX)
}

impl House {
    /// Ready for the first connection.
    pub fn new(settings: Arc<Settings>, handles: Handles) -> Arc<House> {
        let (server, limits) = (&settings.server, &settings.limits);
        let names = Names {
            site: Label::from(&*server.site),
            node: Label::from(&*server.node),
            servers: settings.hosts.iter().map(|host| Label::from(&*host.name)).collect(),
        };
        let machine = |listener: &Listen, host: &Host| {
            Arc::new(MachineSettings {
                banner: host.banner.clone(),
                tls_required: settings.tls.required && listener.tls != ListenTls::Off,
                tls_available: listener.tls != ListenTls::Off,
                login_tries: limits.login_tries,
                unknown_commands: limits.unknown_commands,
                password_bytes: limits.password_bytes,
                queued_commands: limits.queued_commands,
                active_mode: listener.active,
                ascii_passthrough: settings.files.ascii == Ascii::Passthrough,
                idle_seconds: whole_seconds(settings.timeouts.idle),
                idle_seconds_max: whole_seconds(limits.idle_longest),
                certificate_logins: settings.tls.client_certificates != ClientCertificates::Off
                    && (settings.tls.client_names || !settings.tls.client_users.is_empty()),
            })
        };
        let machines = settings
            .listeners
            .iter()
            .map(|listener| settings.hosts.iter().map(|host| machine(listener, host)).collect());
        Arc::new(House {
            machines: machines.collect(),
            names,
            handles,
            ports: Ports::new(&settings.passive),
            lingering: Lingering::new(limits.connections, Arc::new(settings.timeouts.clone())),
            recent: Recent::new(&settings.bans),
            refusals: Sparing::default(),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            members: Arc::default(),
            download: limits.download.map(|rate| Arc::new(Rate::new(rate))),
            upload: limits.upload.map(|rate| Arc::new(Rate::new(rate))),
            headers: Arc::new(Semaphore::new(limits.unauthenticated.min(Semaphore::MAX_PERMITS))),
            registry: Registry::default(),
            counters: Counters::default(),
            settings,
        })
    }

    /// What the machine of a connection is told, by its listener and the virtual server that it is at.
    pub(super) fn machine(&self, entry: &Entry) -> &Arc<MachineSettings> {
        &self.machines[entry.listener][entry.host().index()]
    }

    /// What logs, bans and other nodes know a name by that nobody has here.
    pub(super) fn pseudonym(&self, user: &str) -> Option<Box<str>> {
        (!self.handles.login.knows(user)).then(|| self.handles.pseudonyms.of(user))
    }

    /// Whether other nodes share the store: else the ledger knows all that the store knows.
    pub(super) fn is_shared(&self) -> bool {
        self.settings.store.engine != StoreEngine::Memory
    }

    /// The sessions that are open.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What was counted since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
