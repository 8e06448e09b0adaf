//! The journal on disk: read at start, appended to by one thread, rewritten when most of it is history.
//!
//! One thread writes, so that many bans that come at once share one fsync. Whatever goes wrong with the
//! file, the answer is the same: write a new one from the table and put it in the old one's place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::journal::{self, Reading};
use super::record::Record;
use super::table::{Inserted, Table};
use crate::config::settings::Fsync;
use crate::moment::Moment;

const NAME: &str = "bans.journal";
const NEW_NAME: &str = "bans.journal.new";
const LOCK_NAME: &str = "bans.lock";

/// The journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another server uses the state directory.
    #[error("{0} is in use by another server: give each server its own `server.state`")]
    InUse(PathBuf),
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

/// A record is not on disk. It is in force, and will be written when the disk takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not on disk")]
pub struct Unsaved;

/// The writing side, for the keeper.
#[derive(Debug)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The file lacks something that the table holds.
    behind: AtomicBool,
    /// Lines in the file.
    lines: AtomicUsize,
}

enum Job {
    Append(Vec<u8>, Option<oneshot::Sender<Result<(), Unsaved>>>),
    Rewrite,
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
        now: Moment,
    ) -> Result<Journal, LedgerError> {
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
        if reading.torn_bytes > 0 {
            tracing::warn!(bytes = reading.torn_bytes, "ledger.torn-record-cut-off");
            file.set_len(reading.good_bytes).map_err(failed("truncate", &path))?;
        }
        let state_dir = File::open(state).map_err(failed("open", state))?;
        let shared = Arc::new(State::default());
        shared.lines.store(reading.records, Ordering::Relaxed);
        let mut writer = Writer {
            file,
            path,
            directory: state_dir,
            fsync,
            table: Arc::clone(table),
            state: Arc::clone(&shared),
            _lock: lock,
        };
        if reading.damaged > 0 {
            let aside = writer.set_aside(now).map_err(failed("set aside", &writer.path))?;
            tracing::error!(damaged = reading.damaged, kept = reading.records, aside = %aside.display(), "ledger.damaged");
            writer.rewrite().map_err(failed("rewrite", &writer.path))?;
        }
        let (jobs, waiting) = mpsc::channel(queue);
        let thread = std::thread::Builder::new().name("ban-journal".into()).spawn(move || writer.run(waiting, queue));
        thread.map_err(failed("start the writer of", &state.join(NAME)))?;
        Ok(Journal { jobs, state: shared })
    }

    /// Hands a record to the writer at once, whether or not anybody awaits the answer.
    pub fn append(&self, record: &Record) -> Saving {
        let (done, answer) = oneshot::channel();
        match self.jobs.try_send(Job::Append(journal::line(record), Some(done))) {
            Ok(()) => Saving(Some(answer)),
            Err(_) => {
                self.state.behind.store(true, Ordering::Relaxed);
                Saving(None)
            }
        }
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

struct Writer {
    file: File,
    path: PathBuf,
    directory: File,
    fsync: Fsync,
    table: Arc<RwLock<Table>>,
    state: Arc<State>,
    _lock: File,
}

impl Writer {
    /// Writes until the last sender is gone.
    fn run(mut self, mut jobs: mpsc::Receiver<Job>, batch_max: usize) {
        while let Some(first) = jobs.blocking_recv() {
            let mut lines = Vec::new();
            let mut answers = Vec::new();
            let mut count = 0;
            let mut rewrite = false;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Append(line, answer) => {
                        lines.extend(line);
                        answers.extend(answer);
                        count += 1;
                    }
                    Job::Rewrite => rewrite = true,
                }
                next = if count < batch_max { jobs.try_recv().ok() } else { None };
            }
            // A new file holds this batch too: whatever is handed to this thread is in the table already.
            // While a file lacks something only a new one will do: after a failed fsync nobody knows what
            // the old one holds.
            let answer = match (rewrite, self.state.behind.load(Ordering::Relaxed)) {
                (true, _) => self.rewrite_and_tell(),
                (false, true) => Err(Unsaved),
                (false, false) => self.append(&lines, count),
            };
            for waiting in answers {
                // Whoever does not wait any more has gone.
                let _ = waiting.send(answer);
            }
        }
    }

    fn append(&mut self, lines: &[u8], count: usize) -> Result<(), Unsaved> {
        if count == 0 {
            return Ok(());
        }
        let written = self.file.write_all(lines).and_then(|()| match self.fsync {
            Fsync::Always => self.file.sync_data(),
            Fsync::Never => Ok(()),
        });
        match written {
            Ok(()) => {
                self.state.lines.fetch_add(count, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(self.tell(&error)),
        }
    }

    fn rewrite_and_tell(&mut self) -> Result<(), Unsaved> {
        match self.rewrite() {
            Ok(()) => {
                tracing::debug!(lines = self.state.lines.load(Ordering::Relaxed), "ledger.rewritten");
                Ok(())
            }
            Err(error) => Err(self.tell(&error)),
        }
    }

    fn tell(&self, error: &io::Error) -> Unsaved {
        tracing::error!(path = %self.path.display(), %error, "ledger.unsaved");
        self.state.behind.store(true, Ordering::Relaxed);
        Unsaved
    }

    /// Writes what is in force to a new file, and puts it in the old one's place. Whatever was handed to
    /// this thread is in the table already, so nothing falls between the two files.
    fn rewrite(&mut self) -> io::Result<()> {
        self.state.behind.store(false, Ordering::Relaxed);
        let records = held(&self.table, Moment::now());
        let new = self.path.with_file_name(NEW_NAME);
        let mut out = BufWriter::new(File::create(&new)?);
        for record in &records {
            out.write_all(&journal::line(record))?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.directory.sync_all()?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.state.lines.store(records.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Gives the damaged file a second name, under which it stays for people to look at.
    fn set_aside(&self, now: Moment) -> io::Result<PathBuf> {
        let aside = self.path.with_file_name(format!("{NAME}.damaged-{}", now.millis()));
        fs::hard_link(&self.path, &aside).or_else(|_| fs::copy(&self.path, &aside).map(drop))?;
        Ok(aside)
    }
}

/// Everything that a new file must hold.
fn held(table: &RwLock<Table>, now: Moment) -> Vec<Record> {
    let table = table.read();
    let lifts = table.lifts().filter(|lift| lift.matters(now)).map(|lift| Record::Lift(Arc::clone(lift)));
    lifts.chain(table.iter(now).map(|ban| Record::Ban(Arc::clone(ban)))).collect()
}

fn load(file: &File, table: &RwLock<Table>, now: Moment) -> io::Result<Reading> {
    let mut table = table.write();
    let mut left_out = 0usize;
    let reading = journal::read(BufReader::new(file), |record| match record {
        Record::Ban(ban) => left_out += usize::from(table.insert(ban, now) == Inserted::Full),
        Record::Lift(lift) => drop(table.lift(lift, now)),
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
