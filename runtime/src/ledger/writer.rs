//! The one writer of the journal: appends what comes, and writes a new file when the old one will not do.
//!
//! Whatever goes wrong with the file, the answer is the same: write a new one from the table and put it in
//! the old one's place.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::disk::Disk;
use super::journal::{self, Line};
use super::outside::Outside;
use super::record::Record;
use super::table::Table;
use crate::config::settings::Fsync;
use crate::moment::Moment;

/// The journal's file.
pub(super) const NAME: &str = "bans.journal";
const NEW_NAME: &str = "bans.journal.new";

/// A record is not on disk. It is in force, and will be written when the disk takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not on disk")]
pub struct Unsaved;

/// What the writer and those who hand records to it know of the file.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The file lacks something that the table holds.
    pub(super) behind: AtomicBool,
    /// Lines in the file.
    pub(super) lines: AtomicUsize,
}

/// Something for the writer to do.
pub(super) enum Job {
    /// Write lines behind the others, and say so when they are on disk.
    Append(Lines, Option<oneshot::Sender<Result<(), Unsaved>>>),
    /// Write a new file.
    Rewrite,
}

pub(super) struct Writer<D: Disk> {
    pub(super) disk: D,
    pub(super) file: D::File,
    pub(super) fsync: Fsync,
    /// Lines of a later version: every new file holds them too.
    pub(super) later: Vec<u8>,
    pub(super) table: Arc<RwLock<Table>>,
    pub(super) state: Arc<State>,
}

impl<D: Disk> Writer<D> {
    /// Writes until the last sender is gone. Many records that come at once share one fsync.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>, batch_max: usize, outside: &dyn Outside) {
        while let Some(first) = jobs.blocking_recv() {
            self.turn(first, &mut jobs, batch_max, outside.now());
        }
    }

    /// The same as a task, for disks that hold nobody up.
    pub(super) async fn serve(mut self, mut jobs: mpsc::Receiver<Job>, batch_max: usize, outside: Arc<dyn Outside>) {
        while let Some(first) = jobs.recv().await {
            self.turn(first, &mut jobs, batch_max, outside.now());
        }
    }

    fn turn(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>, batch_max: usize, now: Moment) {
        let mut batch = Batch::default();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Append(lines, answer) => {
                    batch.lines.join(&lines);
                    answers.extend(answer);
                }
                Job::Rewrite => batch.rewrite = true,
            }
            next = if batch.lines.count < batch_max { jobs.try_recv().ok() } else { None };
        }
        let answer = self.write(&batch, now);
        for waiting in answers {
            // Whoever does not wait any more has gone.
            let _ = waiting.send(answer);
        }
    }

    /// Writes a batch. A new file holds it too: whatever is handed over is in the table already. While a
    /// file lacks something only a new one will do: after a failed fsync nobody knows what the old one holds.
    pub(super) fn write(&mut self, batch: &Batch, now: Moment) -> Result<(), Unsaved> {
        let written = match (batch.rewrite, self.state.behind.load(Ordering::Relaxed)) {
            (true, _) => self.rewrite(now),
            (false, true) => return Err(Unsaved),
            (false, false) => self.append(batch),
        };
        written.map_err(|error| {
            tracing::error!(file = NAME, %error, "ledger.unsaved");
            self.state.behind.store(true, Ordering::Relaxed);
            Unsaved
        })
    }

    fn append(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.lines.count == 0 {
            return Ok(());
        }
        self.file.write_all(&batch.lines.bytes)?;
        if self.fsync == Fsync::Always {
            self.disk.sync(&self.file)?;
        }
        self.state.lines.fetch_add(batch.lines.count, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what is in force to a new file, and puts it in the old one's place.
    pub(super) fn rewrite(&mut self, now: Moment) -> io::Result<()> {
        self.state.behind.store(false, Ordering::Relaxed);
        let records = held(&self.table, now);
        let mut out = BufWriter::new(self.disk.create(NEW_NAME)?);
        out.write_all(&self.later)?;
        for record in &records {
            out.write_all(&journal::line(record))?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.disk.sync(&file)?;
        self.disk.rename(NEW_NAME, NAME)?;
        self.disk.sync_names()?;
        self.file = self.disk.append_to(NAME)?;
        self.state.lines.store(records.len(), Ordering::Relaxed);
        tracing::debug!(lines = records.len(), "ledger.rewritten");
        Ok(())
    }
}

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Lines,
    pub(super) rewrite: bool,
}

/// Lines of the file, in order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    count: usize,
}

impl Lines {
    /// One more.
    pub(super) fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.count += 1;
    }

    fn join(&mut self, behind: &Lines) {
        self.bytes.extend_from_slice(&behind.bytes);
        self.count += behind.count;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Everything that a new file must hold.
fn held(table: &RwLock<Table>, now: Moment) -> Vec<Line> {
    let table = table.read();
    let lifts = table.lifts().filter(|lift| lift.matters(now)).map(|lift| Record::Lift(Arc::clone(lift)));
    // Those that hold come first: the others are remembered beside them.
    let bans = table.iter(now).chain(table.second().filter(|ban| ban.in_force(now)));
    let records = lifts.chain(bans.map(|ban| Record::Ban(Arc::clone(ban)))).map(Line::Record);
    table.forgotten().cloned().map(Line::from).chain(records).collect()
}

#[cfg(test)]
mod tests;
