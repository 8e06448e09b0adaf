//! Notices that files have changed: told by the system where it tells, by looking where it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::digest;
use super::source::read_file;
use crate::config::settings::{Policies, Source};
use crate::waits::{self, Wait};

/// Watches a set of files by what is in them.
pub struct Watcher {
    seen: BTreeMap<PathBuf, Option<String>>,
    told: Arc<Notify>,
    system: Option<RecommendedWatcher>,
    quiet: Duration,
    poll: Duration,
    bytes_max: u64,
}

impl Watcher {
    /// Begins to watch; what the files hold now is what they are compared with.
    pub fn new(files: impl IntoIterator<Item = PathBuf>, policies: &Policies) -> Watcher {
        let told = Arc::new(Notify::new());
        let tell = told.clone();
        // Looking itself is an access: only what may be a change is told.
        let tell = move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                tell.notify_one();
            }
        };
        let system = notify::recommended_watcher(tell)
            .inspect_err(|error| tracing::warn!(%error, "policy.watch-unavailable: files are looked at now and then"))
            .ok();
        let mut watcher = Watcher {
            seen: BTreeMap::new(),
            told,
            system,
            quiet: policies.reload_quiet,
            poll: policies.reload_poll,
            bytes_max: policies.component_bytes,
        };
        watcher.watch(files);
        watcher
    }

    /// Watches these files from now on. Those that were watched before are still compared with what they
    /// held when they were last told.
    pub fn watch(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let files: BTreeSet<PathBuf> = files.into_iter().collect();
        // Editors rename and mounts swap links: the folder tells, the file would fall silent.
        let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if let Some(Err(error)) =
                self.system.as_mut().map(|system| system.watch(folder, RecursiveMode::NonRecursive))
            {
                tracing::warn!(%error, folder = %folder.display(), "policy.watch-unavailable: it is looked at now and then");
            }
        }
        let bytes_max = self.bytes_max;
        let mut seen = std::mem::take(&mut self.seen);
        self.seen = files
            .into_iter()
            .map(|file| {
                let state = seen.remove(&file).unwrap_or_else(|| state(&file, bytes_max));
                (file, state)
            })
            .collect();
    }

    /// Waits until some file holds something else than before and has been quiet for a while. A file that
    /// was touched only, or changed and changed back, is no change.
    pub async fn changed(&mut self) {
        loop {
            // Whether told or not, it is time to look.
            let _ = waits::for_at_most(self.poll, Wait::Idle, self.told.notified()).await;
            let mut now = self.look().await;
            if now == self.seen {
                // Something else in the folder; however busy it is, it is not looked at without a pause.
                waits::pause(self.quiet).await;
                continue;
            }
            loop {
                waits::pause(self.quiet).await;
                let later = self.look().await;
                if later == now {
                    break;
                }
                now = later;
            }
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    async fn look(&self) -> BTreeMap<PathBuf, Option<String>> {
        let (files, bytes_max) = (self.seen.keys().cloned().collect::<Vec<_>>(), self.bytes_max);
        let look = move || {
            let with_state = |file: PathBuf| {
                let state = state(&file, bytes_max);
                (file, state)
            };
            files.into_iter().map(with_state).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| self.seen.clone())
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_set().entries(self.seen.keys()).finish()
    }
}

/// The component file of a source, if it has one.
pub fn file_of(source: &Source) -> Option<&Path> {
    match source {
        Source::Builtin(_) => None,
        Source::File(path) => Some(path),
    }
}

/// `None`: missing, or not to be read.
fn state(file: &Path, bytes_max: u64) -> Option<String> {
    read_file(file, bytes_max).ok().map(|bytes| digest::sha256(&bytes))
}
