//! Reads configuration, users and components again while the server serves: on a change of a file, on SIGHUP and
//! on an order from the admin socket, each time the same, all or nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::Source;
use crate::admin::TransferLog;
use crate::admin::desk::ReloadOrder;
use crate::auth::{Login, Users};
use crate::config::settings::Settings;
use crate::config::{Loaded, Mistake, plain};
use crate::net::systemd::Notifier;
use crate::net::{Hosts, Stop};
use crate::policy::{KeyPolicy, Policies, Watcher, file_of};
use crate::tls::{Acceptor, Identity, Sessions};
use crate::waits::{self, Wait};

/// What can change while the server serves.
pub struct Reload {
    /// Is told of each.
    pub notifier: Arc<Notifier>,
    /// Where the configuration comes from.
    pub source: Source,
    /// As it is in force.
    pub loaded: Loaded,
    /// The chain.
    pub policies: Arc<Policies>,
    /// The key policy.
    pub keys: Arc<KeyPolicy>,
    /// Certificates are read again from the files that were named at the start.
    pub acceptor: Arc<Acceptor>,
    /// Those files, by virtual server.
    pub identities: Vec<Identity>,
    /// The users in force.
    pub login: Login,
    /// Opened anew on SIGHUP.
    pub transfers: TransferLog,
}

/// Keys that go live; of all others a change is told and waits for a restart.
const LIVE: [&str; 3] = ["policy.", "policies.", "keys."];
/// Of these, what sizes the engine.
const FIXED: [&str; 13] = [
    "policies.deadline",
    "policies.at-once",
    "policies.threads",
    "policies.component-bytes",
    "policies.load-deadline",
    "policies.reload-quiet",
    "policies.longest-delay",
    "policies.bans-per-verdict",
    "policies.remembered-keys",
    "policies.compiled-cache",
    "policies.history",
    "policies.probation",
    "policies.probation-failures",
];

impl Reload {
    /// Waits for reasons to reload until the server stops. Files are watched and SIGHUP is caught from the
    /// call on, not from the first poll: what happens right behind the start is seen too.
    ///
    /// # Errors
    /// When the process may not handle signals.
    pub fn run(
        mut self,
        mut orders: mpsc::Receiver<ReloadOrder>,
        stop: Stop,
    ) -> std::io::Result<impl Future<Output = ()> + Send> {
        let mut hangup: Signal = signal(SignalKind::hangup())?;
        let mut watcher = Watcher::new(self.files(), &self.loaded.settings.policies);
        Ok(async move {
            loop {
                let (why, order) = tokio::select! {
                    () = watcher.changed() => ("a file changed", None),
                    _ = hangup.recv() => {
                        self.transfers.reopen();
                        ("SIGHUP", None)
                    }
                    Some(order) = orders.recv() => ("an operator asked", Some(order)),
                    () = stop.stopping() => return,
                };
                info!(why, "reload.begins");
                self.notifier.reloading();
                let told = self.reload().await;
                match &told {
                    Ok(()) => info!("reload.done"),
                    Err(mistakes) => {
                        for mistake in mistakes {
                            error!(
                                what = mistake.what,
                                place = mistake.place,
                                remedy = mistake.remedy,
                                "reload.refused: what was in force before still is"
                            );
                        }
                    }
                }
                self.notifier.ready();
                watcher.watch(self.files());
                if let Some(order) = order {
                    // Whoever asked may have hung up.
                    let _ = order.send(told);
                }
            }
        })
    }

    async fn reload(&mut self) -> Result<(), Vec<Mistake>> {
        let new = self.source.load()?;
        let settings = self.loaded.settings.users.clone();
        // It hashes a little, for the decoys.
        let users = tokio::task::spawn_blocking(move || Users::load(&settings));
        let users = waits::within(&self.loaded.settings.timeouts, Wait::Disk, users).await.map_err(|_| {
            let what = "the disk of a user's folder does not answer".to_owned();
            vec![Mistake { what, place: None, remedy: Some("see to the disk, then reload".to_owned()) }]
        })?;
        let users = users.map_err(|error| vec![mistake(&error)])??;
        // The certificates are tried before anything changes, so that nothing changes by half.
        let hosts = Arc::new(Hosts::new(&[]));
        let sessions = Sessions::new(&self.loaded.settings, None, None);
        Acceptor::new(&self.loaded.settings.tls, &self.identities, hosts, sessions)
            .map_err(|error| vec![mistake(&error)])?;
        let keys = self.keys.in_force();
        self.keys.reload(&new.settings.keys).await.map_err(|error| vec![mistake(&error)])?;
        if let Err(errors) = self.policies.reload(&new.settings.chain).await {
            self.keys.put_back(keys);
            return Err(errors.iter().map(|error| mistake(error)).collect());
        }
        self.acceptor.reload(&self.identities).map_err(|error| vec![mistake(&error)])?;
        self.login.replace(users);
        for key in changed_but_fixed(&self.loaded, &new) {
            warn!(key, "reload.needs-restart: this setting changes with the next start");
        }
        // What needs a restart keeps being told until then: only the live part is taken over.
        self.loaded.settings.chain = new.settings.chain;
        self.loaded.settings.keys = new.settings.keys;
        Ok(())
    }

    /// The files whose change means something.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = files(&self.source, &self.loaded.settings);
        // What was made in the state folder changes no more, and that folder never rests.
        let state = &self.loaded.settings.server.state;
        let named = self.identities.iter().filter(|identity| !identity.certificate.starts_with(state));
        files.extend(named.flat_map(|identity| [identity.certificate.clone(), identity.key.clone()]));
        files.extend(self.loaded.settings.tls.client_authorities.clone());
        files
    }
}

fn files(source: &Source, settings: &Settings) -> Vec<PathBuf> {
    let components = settings.chain.iter().chain([&settings.keys]).filter_map(|policy| file_of(&policy.source));
    let own = source.file().into_iter().chain([settings.users.file.clone()]);
    own.chain(components.map(ToOwned::to_owned)).collect()
}

/// Keys whose values differ and that cannot change while the server serves.
fn changed_but_fixed(old: &Loaded, new: &Loaded) -> Vec<String> {
    let values = |loaded: &Loaded| -> BTreeMap<String, String> {
        loaded.shown.iter().map(|shown| (shown.key.clone(), shown.value.clone())).collect()
    };
    let (old, new) = (values(old), values(new));
    let live = |key: &str| LIVE.iter().any(|live| key.starts_with(live)) && !FIXED.contains(&key);
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter().filter(|key| !live(key) && old.get(*key) != new.get(*key)).cloned().collect()
}

/// An error of a room as the command line tells mistakes.
pub(super) fn mistake(error: &dyn std::error::Error) -> Mistake {
    Mistake { what: plain(error), place: None, remedy: None }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn loaded(text: &str) -> Loaded {
        let text = format!("[tls]\nself-signed = true\n{text}");
        crate::config::parse(&text, "portcullis.toml", Path::new("/etc/portcullis")).expect("settings")
    }

    #[test]
    fn what_cannot_change_live_is_named() {
        let old = loaded("");
        let new = loaded(
            "[timeouts]\nlogin = \"7s\"\n[policies]\nat-once = 7\nmode = \"observe\"\n[keys]\ninstance = \"fresh\"\n\
             [[policy]]\nname = \"x\"\nsource = \"file:x.wasm\"\n",
        );
        assert_eq!(changed_but_fixed(&old, &new), ["policies.at-once", "timeouts.login"]);
        assert_eq!(
            files(&Source::File("/etc/p.toml".into()), &new.settings),
            ["/etc/p.toml", "/etc/portcullis/users.toml", "/etc/portcullis/x.wasm"].map(PathBuf::from)
        );
    }
}
