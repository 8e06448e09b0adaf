//! Builds each room once, wires the handles, runs until told to stop. Reads top to bottom.

mod check;
mod ready;
mod reload;
mod secret_file;
mod source;
pub mod state;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

pub use check::{Checked, check};
pub use ready::{Ready, replace};
pub use source::Source;

use crate::admin::desk::{About, Desk};
use crate::admin::{self, Socket, TransferLog};
use crate::auth::{AttemptTags, Login, Pseudonyms, Users};
use crate::config::settings::{Settings, StoreEngine};
use crate::config::{Loaded, Mistake, Timeouts};
use crate::gate::Gate;
use crate::ledger::{self, BanWriter};
use crate::moment::Moment;
use crate::net::systemd::{self, Notifier};
use crate::net::{Hosts, Listener, Networks, StopSignals, Stopper};
use crate::policy::{Deps, Engine, KeyPolicy, Policies, Worker};
use crate::replay::{self, Header, Recorder};
use crate::session::{self, Handles, House};
use crate::store;
use crate::tls::{Acceptor, Asked, Identity, SelfSigned, Sessions, watch_expiries};
use crate::vfs::Files;
use crate::waits::{self, Wait};
use reload::{Reload, mistake};

/// Why a server does not start.
#[derive(Debug)]
pub enum Trouble {
    /// The configuration, or a file that it names, is wrong.
    Configuration(Vec<Mistake>),
    /// This machine says no.
    Machine(Mistake),
}

/// A server whose listeners accept.
pub struct Server {
    ready: Ready,
    policies: Arc<Policies>,
    stopper: Arc<Stopper>,
    signals: StopSignals,
    notifier: Arc<Notifier>,
    serving: JoinHandle<()>,
    admin: JoinHandle<()>,
    transfers: TransferLog,
    ledger: BanWriter,
    timeouts: Timeouts,
}

impl Server {
    /// Builds everything and serves. `loaded` was read from `source`, which is read again on a reload.
    ///
    /// # Errors
    /// `Trouble`; nothing is left running then.
    pub async fn start(source: Source, loaded: Loaded) -> Result<Server, Trouble> {
        let settings = Arc::new(loaded.settings.clone());
        state::prepare(&settings.server.state).map_err(wrong)?;

        let engine = Engine::start_apart(&settings, &Worker::own_program()).map_err(|error| machine(&error))?;
        let keys = KeyPolicy::load(engine.clone(), &settings).await.map_err(|error| wrong(mistake(&error)))?;
        let secrets = secret_file::secrets(&settings).map_err(wrong)?;
        let session_secrets = secrets.cluster.as_ref().map(|key| key.secrets("tls sessions"));
        let name_secret = secrets.cluster.as_ref().and_then(|key| key.secrets("unknown users").into_iter().next());
        let pseudonyms = Pseudonyms::new(name_secret.as_ref().map(|secret| &secret.bytes()[..]));
        let store = store::open(&settings, secrets);
        let (bans, ban_writer) =
            ledger::open(&settings, store.clone(), keys.clone()).map_err(|error| machine(&error))?;
        let networks = Arc::new(Networks::new(&settings.networks));
        let find = bans.clone();
        let deps = Deps {
            store: store::counting(store.clone(), &settings),
            keys: keys.clone(),
            bans: Arc::new(move |subject, now| find.find(subject, now)),
            networks: networks.clone(),
        };
        let policies = Policies::load(engine, &settings, deps)
            .await
            .map_err(|errors| Trouble::Configuration(errors.iter().map(|error| mistake(error)).collect()))?;

        let users = Users::load(&settings.users).map_err(Trouble::Configuration)?;
        let login = Login::new(users, &settings.users, &settings.limits, &settings.timeouts);
        let tags = AttemptTags::open(&settings.server.state).map_err(|error| machine(&error))?;
        let identity = identity(&settings)?;
        let identities = Identity::of_all(&identity, &settings.hosts);
        let hosts = Arc::new(Hosts::new(&settings.hosts));
        let asked = Asked { store: store.clone(), keys: keys.clone() };
        let sessions = Sessions::new(&settings, session_secrets.as_deref(), Some(asked));
        let acceptor = Acceptor::new(&settings.tls, &identities, hosts.clone(), sessions.clone());
        let acceptor = Arc::new(acceptor.map_err(|error| wrong(mistake(&error)))?);
        let gate = Gate::new(&settings, bans.clone(), networks.clone());

        let transfers = TransferLog::open(&settings.log).map_err(|error| machine(&error))?;

        let inherited = systemd::inherited().map_err(|error| machine(&Inherited(error)))?;
        let listeners = Listener::bind_all(&settings.listeners, settings.server.backlog, inherited)
            .map_err(|error| machine(&error))?;
        let socket = Socket::bind(&settings.server.state).map_err(|error| machine(&error))?;
        let ready = Ready {
            addresses: listeners.iter().map(Listener::address).collect(),
            admin: socket.path().to_owned(),
            certificate: identity.certificate.clone(),
            user: None,
            password: None,
        };

        let header = Header {
            version: replay::VERSION,
            site: settings.server.site.clone(),
            node: settings.server.node.clone(),
            sets: settings.networks.keys().cloned().collect(),
            pseudonyms: false,
        };
        let recorder =
            Recorder::open(&settings.record, header, &settings.server.state).map_err(|error| machine(&error))?;

        let files = Files::new(&settings.files, &settings.timeouts);
        let handles = Handles {
            gate: gate.clone(),
            bans,
            ban_writer: ban_writer.clone(),
            policies: policies.clone(),
            networks: networks.clone(),
            login: login.clone(),
            tags,
            pseudonyms,
            files,
            acceptor: acceptor.clone(),
            hosts,
            store: store.clone(),
            transfers: transfers.clone(),
            recorder,
        };
        let house = House::new(settings.clone(), handles);

        let stopper = Arc::new(Stopper::new());
        let signals = StopSignals::catch().map_err(|error| machine(&error))?;
        let (reloads, orders) = mpsc::channel(settings.admin.connections);
        let health = store.health();
        let (ledger, timeouts) = (ban_writer.clone(), settings.timeouts.clone());
        let desk = Arc::new(Desk {
            bans: ban_writer,
            networks,
            gate,
            store,
            policies: policies.clone(),
            keys: keys.clone(),
            house: house.clone(),
            sessions: sessions.clone(),
            reloads,
            about: About {
                site: settings.server.site.clone(),
                node: settings.server.node.clone(),
                started: Moment::now(),
                addresses: ready.addresses.clone(),
                state: settings.server.state.clone(),
            },
        });
        let admin = tokio::spawn(socket.serve(
            settings.admin.clone(),
            settings.timeouts.clone(),
            move |caller: admin::socket::Caller, request| {
                let desk = desk.clone();
                async move { desk.answer(caller, request).await }
            },
        ));
        let notifier = Arc::new(Notifier::from_environment());
        let reload = Reload {
            notifier: notifier.clone(),
            source,
            loaded,
            policies: policies.clone(),
            keys,
            acceptor: acceptor.clone(),
            identities,
            login,
            transfers: transfers.clone(),
        };
        tokio::spawn(sessions.keep_in_step(stopper.stop()));
        tokio::spawn(watch_expiries(acceptor, settings.tls.expiry_check, stopper.stop()));
        tokio::spawn(reload.run(orders, stopper.stop()).map_err(|error| machine(&error))?);

        tell(&settings, &ready, &policies);
        if let Some(warning) = &health.warning {
            warn!(%warning, "store.unsealed");
        }
        let serving = tokio::spawn(session::serve(house, listeners, stopper.stop()));
        Ok(Server { ready, policies, stopper, signals, notifier, serving, admin, transfers, ledger, timeouts })
    }

    /// What scripts and people need to know.
    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }

    /// The policies in force, for people.
    pub fn policies(&self) -> Vec<String> {
        self.policies.list().into_iter().map(|policy| format!("{} {}", policy.name, policy.version)).collect()
    }

    /// Serves until SIGTERM or SIGINT, then lets sessions finish; a second signal ends them at once.
    pub async fn run(self) {
        let Server { stopper, signals, notifier, serving, admin, transfers, ledger, timeouts, .. } = self;
        let stop = stopper.stop();
        tokio::spawn(async move { stopper.follow(signals).await });
        notifier.ready();
        let (alive, until) = (notifier.clone(), stop.clone());
        tokio::spawn(async move { alive.keep_alive(until).await });
        stop.stopping().await;
        info!("server.stopping");
        notifier.stopping();
        finish(serving, admin).await;
        // Sessions are over; what they told last is written before the process ends.
        let _ = tokio::task::spawn_blocking(move || transfers.flush()).await;
        let _ = waits::within(&timeouts, Wait::DiskFlush, ledger.settle()).await;
    }

    /// Stops as a signal would.
    pub async fn stop(self) {
        self.stopper.advance();
        finish(self.serving, self.admin).await;
        let _ = waits::within(&self.timeouts, Wait::DiskFlush, self.ledger.settle()).await;
    }
}

async fn finish(serving: JoinHandle<()>, admin: JoinHandle<()>) {
    // A panic in there was told when it happened; what is left is to go.
    let _ = serving.await;
    admin.abort();
    let _ = admin.await;
    info!("server.stopped");
}

/// A socket of the service manager's that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("LISTEN_FDS: {0}; a socket unit with ListenStream= opens what fits")]
struct Inherited(std::io::Error);

/// The certificate that the settings name or allow to be made.
fn identity(settings: &Settings) -> Result<Identity, Trouble> {
    let addresses: Vec<IpAddr> = settings.listeners.iter().map(|listen| listen.address.ip()).collect();
    let made = SelfSigned { state: &settings.server.state, addresses: &addresses };
    Identity::find(&settings.tls, &made).map_err(|error| wrong(mistake(&error)))
}

/// One line that says what serves, and warnings about what is dangerous.
fn tell(settings: &Settings, ready: &Ready, policies: &Policies) {
    let addresses: Vec<String> = ready.addresses.iter().map(ToString::to_string).collect();
    let names: Vec<String> = policies.list().into_iter().map(|policy| policy.name).collect();
    let store = match &settings.store.engine {
        StoreEngine::Memory => "memory".to_owned(),
        StoreEngine::Memcached(servers) => {
            servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>().join(",")
        }
    };
    info!(
        version = env!("CARGO_PKG_VERSION"),
        addresses = addresses.join(","),
        site = settings.server.site,
        node = settings.server.node,
        policies = names.join(","),
        store,
        "server.ready"
    );
    if !settings.tls.required {
        warn!("server.tls-not-required: passwords can be read on the way (`tls.required`)");
    }
    if names.is_empty() {
        warn!("server.no-policies: nobody will be banned by a policy");
    }
}

fn wrong(mistake: Mistake) -> Trouble {
    Trouble::Configuration(vec![mistake])
}

fn machine(error: &dyn std::error::Error) -> Trouble {
    Trouble::Machine(mistake(error))
}
