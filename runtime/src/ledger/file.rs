//! The journal on disk: read at start, appended to by one thread, rewritten when most of it is history.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

use super::disk::{Disk, Folder};
use super::journal::{self, Line, Reading};
use super::load;
use super::outside::Outside;
use super::table::Table;
use super::writer::{Job, Lines, NAME, State, Unsaved, Writer};
use crate::config::settings::Fsync;
use crate::moment::Moment;

const LOCK_NAME: &str = "bans.lock";

/// Bytes that may wait for a line that somebody waits for: hundreds of bans.
const UNHURRIED_BYTES_MAX: usize = 256 * 1024;

/// Those that nobody waits for wake the writer so often at most.
const UNHURRIED_PAUSE: Duration = Duration::from_millis(5);

/// Bytes of records of a later version that are kept for it: thousands of bans.
const LATER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another server uses the state directory.
    #[error("{0} is in use by another server: give each server its own `server.state`")]
    InUse(PathBuf),
    /// Too much of it was written by a later version.
    #[error(
        "{path} holds {records} records of a later version, more than this one keeps for it: start that version, or move \
         the file away and let the pool tell what it knows"
    )]
    Later {
        /// The file, untouched.
        path: PathBuf,
        /// So many.
        records: usize,
    },
    /// The file system said no.
    #[error("cannot {what} {path}: {source}; `server.state` must be a directory that the server may write")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The writing side, for the keeper.
#[derive(Debug)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    state: Arc<State>,
    unhurried: Mutex<Unhurried>,
}

/// What goes to the disk with the next line that somebody waits for, or with the next round.
#[derive(Debug, Default)]
struct Unhurried {
    lines: Lines,
    /// When some were last handed over for their own sake.
    handed: Option<Moment>,
}

impl Journal {
    /// Reads the journal of a state directory into the table and starts its writer.
    ///
    /// # Errors
    /// What the operator must mend.
    pub fn open(
        state: &Path,
        table: &Arc<RwLock<Table>>,
        fsync: Fsync,
        queue: usize,
        outside: Arc<dyn Outside>,
    ) -> Result<Journal, LedgerError> {
        let now = outside.now();
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| LedgerError::Io { what, path, source }
        };
        fs::create_dir_all(state).map_err(failed("create", state))?;
        let lock = lock(&state.join(LOCK_NAME))?;
        let path = state.join(NAME);
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed("open", &path))?;
        let reading = load(&file, table, now).map_err(failed("read", &path))?;
        let mut later = Vec::new();
        if reading.later > 0 {
            later = journal::later(&fs::read(&path).map_err(failed("read", &path))?);
            if later.len() > LATER_BYTES_MAX {
                return Err(LedgerError::Later { path, records: reading.later });
            }
            tracing::warn!(
                records = reading.later,
                "ledger.later-version: a later version wrote them; they hold nobody off here, and are kept for it"
            );
        }
        if reading.torn_bytes > 0 {
            tracing::warn!(bytes = reading.torn_bytes, "ledger.torn-record-cut-off");
            file.set_len(reading.good_bytes).map_err(failed("truncate", &path))?;
        }
        let disk = Folder::open(state).map_err(failed("open", state))?;
        // The file may be new: without its name on the disk, what is in it is lost in a power cut.
        disk.sync_names().map_err(failed("write", state))?;
        let shared = Arc::new(State::default());
        shared.lines.store(reading.records, Ordering::Relaxed);
        let mut writer = Writer { disk, file, fsync, later, table: Arc::clone(table), state: Arc::clone(&shared) };
        if reading.damaged > 0 {
            let aside = set_aside(&path, now).map_err(failed("set aside", &path))?;
            tracing::error!(damaged = reading.damaged, kept = reading.records, aside = %aside.display(), "ledger.damaged");
            writer.rewrite(now).map_err(failed("rewrite", &path))?;
        }
        let (jobs, waiting) = mpsc::channel(queue);
        let work = move || {
            let _lock = lock;
            writer.run(waiting, queue, &*outside);
        };
        let thread = std::thread::Builder::new().name("ban-journal".into()).spawn(work);
        thread.map_err(failed("start the writer of", &path))?;
        Ok(Journal { jobs, state: shared, unhurried: Mutex::default() })
    }

    /// The same over any disk on which `written` stands, and the writer as work to be done. What is damaged or
    /// torn is mended by a new file.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn over<D: Disk>(
        disk: D,
        written: &[u8],
        table: &Arc<RwLock<Table>>,
        fsync: Fsync,
        queue: usize,
        outside: Arc<dyn Outside>,
    ) -> io::Result<(Journal, impl Future<Output = ()> + use<D>)> {
        let now = outside.now();
        let mut reading = Reading::default();
        let filled = table.write().fill(now, |take| {
            reading = journal::read(written, take);
            Ok::<(), io::Error>(())
        });
        filled?;
        let shared = Arc::new(State::default());
        shared.lines.store(reading.records, Ordering::Relaxed);
        let file = disk.append_to(NAME)?;
        let later = journal::later(written);
        let mut writer = Writer { disk, file, fsync, later, table: Arc::clone(table), state: Arc::clone(&shared) };
        if reading.damaged > 0 || reading.torn_bytes > 0 {
            writer.rewrite(now)?;
        }
        let (jobs, waiting) = mpsc::channel(queue);
        Ok((Journal { jobs, state: shared, unhurried: Mutex::default() }, writer.serve(waiting, queue, outside)))
    }

    /// Hands a record to the writer at once, whether or not anybody awaits the answer.
    pub fn append(&self, record: impl Into<Line>) -> Saving {
        let (done, answer) = oneshot::channel();
        let mut unhurried = self.unhurried.lock();
        unhurried.lines.push(&journal::line(record));
        let handed = self.hand_over(&mut unhurried.lines, Some(done));
        Saving(handed.then_some(answer))
    }

    /// The same for what others know as well: one at once, but of a flood of them those that come within
    /// [`UNHURRIED_PAUSE`] wait for the next record or the next round, so that not each wakes the writer.
    pub fn append_soon(&self, record: impl Into<Line>, now: Moment) {
        let mut unhurried = self.unhurried.lock();
        unhurried.lines.push(&journal::line(record));
        let paused = unhurried.handed.is_none_or(|before| before.until(now) >= UNHURRIED_PAUSE || now < before);
        if paused || unhurried.lines.bytes() >= UNHURRIED_BYTES_MAX {
            unhurried.handed = Some(now);
            self.hand_over(&mut unhurried.lines, None);
        }
    }

    /// Asks for a new file, without what no longer counts. A full queue is no loss: it is but larger for a while.
    pub fn rewrite(&self) {
        drop(self.jobs.try_send(Job::Rewrite));
    }

    /// Hands over what had time.
    pub fn flush(&self) {
        let mut unhurried = self.unhurried.lock();
        if unhurried.lines.bytes() > 0 {
            self.hand_over(&mut unhurried.lines, None);
        }
    }

    /// Hands over everything, and awaits what comes of it.
    pub fn settle(&self) -> Saving {
        let (done, answer) = oneshot::channel();
        let handed = self.hand_over(&mut self.unhurried.lock().lines, Some(done));
        Saving(handed.then_some(answer))
    }

    fn hand_over(&self, lines: &mut Lines, done: Option<oneshot::Sender<Result<(), Unsaved>>>) -> bool {
        let taken = self.jobs.try_send(Job::Append(std::mem::take(lines), done)).is_ok();
        if !taken {
            self.state.behind.store(true, Ordering::Relaxed);
        }
        taken
    }

    /// Whether something in force is not on disk.
    pub fn is_behind(&self) -> bool {
        self.state.behind.load(Ordering::Relaxed)
    }

    /// As after a failed write.
    #[cfg(test)]
    pub fn fail_for_test(&self) {
        self.state.behind.store(true, Ordering::Relaxed);
    }

    /// Asks for a new file if the old one lacks something, or is mostly history: over twice `held` records
    /// and `slack` more.
    pub fn tidy(&self, held: usize, slack: usize) {
        let lines = self.state.lines.load(Ordering::Relaxed);
        if self.is_behind() || lines > held.saturating_mul(2).saturating_add(slack) {
            // A full queue is no loss: the next round asks again.
            drop(self.jobs.try_send(Job::Rewrite));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A record on its way to the disk.
#[must_use]
pub struct Saving(Option<oneshot::Receiver<Result<(), Unsaved>>>);

impl Saving {
    /// Awaits the disk.
    ///
    /// # Errors
    /// `Unsaved` if the disk did not take it.
    pub async fn saved(self) -> Result<(), Unsaved> {
        match self.0 {
            Some(answer) => answer.await.unwrap_or(Err(Unsaved)),
            None => Err(Unsaved),
        }
    }

    /// Nobody waits; the writer tells of failures.
    pub fn in_background(self) {}
}

/// Gives the damaged file a second name, under which it stays for people to look at.
fn set_aside(path: &Path, now: Moment) -> io::Result<PathBuf> {
    let aside = path.with_file_name(format!("{NAME}.damaged-{}", now.millis()));
    fs::hard_link(path, &aside).or_else(|_| fs::copy(path, &aside).map(drop))?;
    Ok(aside)
}

fn load(file: &File, table: &RwLock<Table>, now: Moment) -> io::Result<Reading> {
    let mut reading = Reading::default();
    let left_out = table.write().fill(now, |take| {
        reading = load::read(file, take)?;
        Ok::<(), io::Error>(())
    })?;
    if left_out > 0 {
        tracing::error!(left_out, "ledger.full: raise `bans.table` and start again");
    }
    Ok(reading)
}

/// Held as long as the server runs, so that two servers never write one journal.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let failed = |source| LedgerError::Io { what: "lock", path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
