//! Writes events to a file and turns it over when it is full. Sessions hand lines over and never wait: when
//! too many wait for the disk, the newest are dropped, counted and told.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::form::{self, Header};
use super::pseudonym::Pseudonyms;
use crate::config::settings::Record;
use crate::events::{Event, Kind};

/// The key of pseudonyms, in the state folder.
const KEY_FILE: &str = "record.key";
const KEY_BYTES: usize = 32;
/// Lines that are written together, at most so many bytes and one line more.
const BATCH_BYTES: usize = 1024 * 1024;

/// The recording could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system said no.
    #[error("cannot write {}: {error}; `record.file` must be a file that the server may write", .path.display())]
    Io {
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is there, but holds no key.
    #[error("`{}` holds no key of {KEY_BYTES} bytes; remove it, and a new one is made", .0.display())]
    Key(PathBuf),
}

/// Takes events down.
pub struct Recorder {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    pseudonyms: Option<Pseudonyms>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recorder").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins to record; `None` where the settings name no file.
    ///
    /// # Errors
    /// `RecordError`, with the file's name.
    pub fn open(settings: &Record, header: Header, state: &Path) -> Result<Option<Recorder>, RecordError> {
        let Some(path) = settings.file.clone() else { return Ok(None) };
        let pseudonyms = if settings.pseudonyms { Some(Pseudonyms::new(&key(&state.join(KEY_FILE))?)) } else { None };
        let header = form::line(&Header { pseudonyms: settings.pseudonyms, ..header });
        let mut roll = Roll { path, header, bytes_max: settings.bytes, keep: settings.keep, open: None };
        roll.open().map_err(|error| RecordError::Io { path: roll.path.clone(), error })?;
        let (lines, waiting) = sync_channel(settings.queue);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("recorder".into());
        let place = roll.path.clone();
        thread
            .spawn(move || write(&mut roll, &waiting, &counted))
            .map_err(|error| RecordError::Io { path: place, error })?;
        Ok(Some(Recorder { lines, dropped, pseudonyms }))
    }

    /// Takes an event down, without waiting.
    pub fn note(&self, event: &Event) {
        let line = match &self.pseudonyms {
            None => form::line(event),
            Some(pseudonyms) => form::line(&veiled(event, pseudonyms)),
        };
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The event without the peer's address; what somebody raised may hold any, and goes.
fn veiled(event: &Event, pseudonyms: &Pseudonyms) -> Event {
    let mut veiled = event.clone();
    veiled.facts.peer = pseudonyms.peer(event.facts.peer);
    if let Kind::Custom(custom) = &mut veiled.kind {
        custom.data = "null".to_owned();
    }
    veiled
}

/// Writes until the last sender is gone. What failed once is tried again with the next lines.
fn write(roll: &mut Roll, waiting: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    let (mut batch, mut lost, mut failing) = (Vec::new(), 0, false);
    while let Ok(first) = waiting.recv() {
        let mut count = 1;
        batch.clear();
        batch.extend(first);
        while batch.len() < BATCH_BYTES
            && let Ok(line) = waiting.try_recv()
        {
            batch.extend(line);
            count += 1;
        }
        match roll.write(&batch) {
            Ok(()) => {
                if failing {
                    tracing::info!(file = %roll.path.display(), lost, "record.resumed");
                }
                (lost, failing) = (0, false);
            }
            Err(error) => {
                lost += count;
                roll.open = None;
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(file = %roll.path.display(), %error, "record.failed: events are lost until it works again");
                }
            }
        }
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "record.too-slow: raise `record.queue`, or write to a quicker disk");
        }
    }
}

/// The file that is written, and those that it became.
struct Roll {
    path: PathBuf,
    header: Vec<u8>,
    bytes_max: u64,
    keep: usize,
    open: Option<(File, u64)>,
}

impl Roll {
    /// Goes on behind what is there.
    fn open(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(&self.header)?;
        let bytes = file.metadata()?.len();
        self.open = Some((file, bytes));
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let new = lines.len() as u64;
        if self
            .open
            .as_ref()
            .is_some_and(|(_, bytes)| bytes + new > self.bytes_max && *bytes > self.header.len() as u64)
        {
            self.turn_over()?;
        }
        if self.open.is_none() {
            self.open()?;
        }
        if let Some((file, bytes)) = &mut self.open {
            file.write_all(lines)?;
            *bytes += new;
        }
        Ok(())
    }

    /// `FILE` becomes `FILE.1`, that one `FILE.2`, and so on; the oldest goes.
    fn turn_over(&mut self) -> io::Result<()> {
        self.open = None;
        let place = |number: usize| match number {
            0 => self.path.clone(),
            number => {
                let mut name = self.path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            }
        };
        if self.keep == 0 {
            return fs::remove_file(place(0));
        }
        for number in (0..self.keep).rev() {
            match fs::rename(place(number), place(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads the key, or makes one, mode 0600.
fn key(path: &Path) -> Result<[u8; KEY_BYTES], RecordError> {
    let failed = |error| RecordError::Io { path: path.to_owned(), error };
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
            bytes.try_into().map_err(|_| RecordError::Key(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; KEY_BYTES];
            aws_lc_rs::rand::fill(&mut key).map_err(|_| failed(io::Error::other("no random bytes")))?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            file.write_all(&key).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::reading::Recording;
    use crate::replay::reading::tests::event;

    fn settings(folder: &Path, bytes: u64, keep: usize, pseudonyms: bool) -> Record {
        Record { file: Some(folder.join("events.jsonl")), bytes, keep, pseudonyms, queue: 100_000 }
    }

    fn header() -> Header {
        let sets = ["office".to_owned()].into();
        Header { version: form::VERSION, site: "s".into(), node: "a".into(), sets, pseudonyms: false }
    }

    /// Hands over and waits until everything is written.
    fn record(settings: &Record, folder: &Path, events: &[Event]) {
        let recorder = Recorder::open(settings, header(), folder).expect("opened").expect("a recorder");
        let path = settings.file.clone().expect("a file");
        for event in events {
            recorder.note(event);
        }
        drop(recorder);
        let last = form::line(events.last().expect("an event"));
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let written = fs::read(&path).unwrap_or_default();
            if settings.pseudonyms || written.ends_with(&last) || std::time::Instant::now() > until {
                break;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_old_files_go() {
        let folder = tempfile::tempdir().expect("folder");
        let settings = settings(folder.path(), 20_000, 2, false);
        let events: Vec<Event> = (0..200).map(|at| event("192.0.2.7:4000", at, Kind::Connect)).collect();
        for some in events.chunks(20) {
            record(&settings, folder.path(), some);
        }
        let path = |end: &str| folder.path().join(format!("events.jsonl{end}"));
        let files = [path(".2"), path(".1"), path("")];
        assert!(!path(".3").exists());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path("")).expect("meta").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let mut recording = Recording::open(&files).expect("opened");
        let mut read = Vec::new();
        while let Some(event) = recording.next_event().expect("whole") {
            read.push(event);
        }
        assert!(read.len() > 60 && events.ends_with(&read), "{} events are kept", read.len());
        assert_eq!(recording.unreadable(), 0);
    }

    #[test]
    fn pseudonyms_hide_the_address_and_keep_what_somebody_raised_to_themselves() {
        let pseudonyms = Pseudonyms::new(b"key");
        let raised = Kind::Custom(crate::events::Custom { name: "scan".into(), data: "\"192.0.2.7\"".into() });
        let text =
            String::from_utf8(form::line(&veiled(&event("192.0.2.7:4000", 1, raised), &pseudonyms))).expect("text");
        assert!(!text.contains("192.0.2.7") && text.contains(":4000"), "{text}");
    }

    #[test]
    fn a_key_is_made_once_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(KEY_FILE);
        assert_eq!(key(&path).expect("made"), key(&path).expect("read"));
        fs::write(&path, b"short").expect("written");
        assert!(matches!(key(&path), Err(RecordError::Key(_))));
    }
}
