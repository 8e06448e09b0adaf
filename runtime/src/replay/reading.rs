//! Reads recorded files: those of several nodes, and the parts that one node turned over, merged by the
//! moment of their events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use super::form::{self, Header, Line, VERSION};
use crate::events::Event;

/// Longest line of a recording; what is longer is none.
const LINE_BYTES: u64 = 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// A recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system said no.
    #[error("cannot read {}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It does not begin with a header.
    #[error("{} is no recording: it does not begin with a header; `record.file` makes such files", .0.display())]
    NoHeader(PathBuf),
    /// A later version wrote it.
    #[error("{} has version {found} of the form, this program reads {VERSION}", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// Files that are read together.
pub struct Recording {
    tapes: Vec<Tape>,
    header: Header,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recording").field("header", &self.header).finish_non_exhaustive()
    }
}

struct Tape {
    path: PathBuf,
    input: BufReader<File>,
    line: Vec<u8>,
    next: Option<Box<Event>>,
    unreadable: u64,
}

impl Recording {
    /// Opens files, each of which begins with a header.
    ///
    /// # Errors
    /// The first file that is no recording.
    pub fn open(files: &[PathBuf]) -> Result<Recording, ReadError> {
        let mut whole: Option<Header> = None;
        let mut tapes = Vec::with_capacity(files.len());
        for path in files {
            let mut tape = Tape::open(path)?;
            let header = tape.header()?;
            match &mut whole {
                None => whole = Some(header),
                Some(whole) => {
                    whole.sets.extend(header.sets);
                    whole.pseudonyms |= header.pseudonyms;
                }
            }
            tape.advance()?;
            tapes.push(tape);
        }
        let header = whole.ok_or_else(|| ReadError::NoHeader(PathBuf::from("-")))?;
        Ok(Recording { tapes, header })
    }

    /// Where it was recorded, and how: of several files the first's names and everybody's sets.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Lines so far that are neither events nor headers.
    pub fn unreadable(&self) -> u64 {
        self.tapes.iter().map(|tape| tape.unreadable).sum()
    }

    /// The earliest event that is left; of several at one moment that of the file that was named first.
    ///
    /// # Errors
    /// The file system's.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        let at = |tape: &Tape| tape.next.as_ref().map(|event| event.at);
        let first = self.tapes.iter_mut().filter(|tape| tape.next.is_some()).min_by_key(|tape| at(tape));
        let Some(tape) = first else { return Ok(None) };
        let event = tape.next.take();
        tape.advance()?;
        Ok(event.map(|event| *event))
    }

    /// The named sets as the events tell them: each holds the peers that were seen in it.
    ///
    /// # Errors
    /// The file system's.
    pub fn sets(files: &[PathBuf]) -> Result<BTreeMap<String, Vec<IpNet>>, ReadError> {
        #[derive(Deserialize)]
        struct Seen {
            peer: SocketAddr,
            classes: Vec<String>,
        }
        let header = Recording::open(files)?.header;
        let mut sets: BTreeMap<String, BTreeSet<IpNet>> =
            header.sets.into_iter().map(|name| (name, BTreeSet::new())).collect();
        if sets.is_empty() {
            return Ok(BTreeMap::new());
        }
        for path in files {
            let mut tape = Tape::open(path)?;
            while tape.read_line()? {
                let Ok(seen) = serde_json::from_slice::<Seen>(&tape.line) else { continue };
                for class in seen.classes {
                    sets.entry(class).or_default().insert(seen.peer.ip().into());
                }
            }
        }
        Ok(sets.into_iter().map(|(name, nets)| (name, nets.into_iter().collect())).collect())
    }
}

impl Tape {
    fn open(path: &Path) -> Result<Tape, ReadError> {
        let file = File::open(path).map_err(|error| ReadError::Io { path: path.to_owned(), error })?;
        let input = BufReader::with_capacity(BUFFER, file);
        Ok(Tape { path: path.to_owned(), input, line: Vec::new(), next: None, unreadable: 0 })
    }

    fn header(&mut self) -> Result<Header, ReadError> {
        self.read_line()?;
        match form::parse(&self.line) {
            Some(Line::Header(header)) => self.known(header),
            _ => Err(ReadError::NoHeader(self.path.clone())),
        }
    }

    fn known(&self, header: Header) -> Result<Header, ReadError> {
        match header.version {
            VERSION => Ok(header),
            found => Err(ReadError::Version { path: self.path.clone(), found }),
        }
    }

    /// Reads on to the next event.
    fn advance(&mut self) -> Result<(), ReadError> {
        while self.read_line()? {
            match form::parse(&self.line) {
                Some(Line::Event(event)) => {
                    self.next = Some(event);
                    return Ok(());
                }
                Some(Line::Header(header)) => drop(self.known(header)?),
                // A server that was killed leaves half a line; a later one knows events that this does not.
                None => self.unreadable += 1,
            }
        }
        Ok(())
    }

    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        let read = self.input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut self.line);
        read.map(|count| count > 0).map_err(|error| ReadError::Io { path: self.path.clone(), error })
    }
}

#[cfg(test)]
pub(in crate::replay) mod tests {
    use super::*;
    use crate::events::Kind;
    use crate::moment::Moment;

    /// Of a connection of its own.
    pub(in crate::replay) fn event(peer: &str, millis: u64, kind: Kind) -> Event {
        let mut event = Event::ordinary(kind, peer.parse().expect("address"), Moment::from_millis(millis));
        event.facts.connection = millis;
        event
    }

    fn header(version: u32) -> Header {
        Header { version, site: "s".into(), node: "a".into(), sets: ["home".to_owned()].into(), pseudonyms: false }
    }

    fn written(folder: &Path, name: &str, parts: &[Vec<u8>]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, parts.concat()).expect("written");
        path
    }

    #[test]
    fn files_of_several_nodes_are_merged_by_moment_and_strange_lines_are_counted() {
        let folder = tempfile::tempdir().expect("folder");
        let line = |at: u64| form::line(&event("192.0.2.7:4000", at, Kind::Connect));
        let head = form::line(&header(VERSION));
        let one = [head.clone(), line(1), line(4), b"rubbish\n".to_vec(), head.clone(), line(6)];
        let other = [head.clone(), line(2), line(4), line(5), line(9)[..50].to_vec()];
        let files = [written(folder.path(), "one", &one), written(folder.path(), "other", &other)];
        let mut recording = Recording::open(&files).expect("opened");
        let mut moments = Vec::new();
        while let Some(event) = recording.next_event().expect("read") {
            moments.push(event.at.millis());
        }
        assert_eq!(moments, [1, 2, 4, 4, 5, 6]);
        assert_eq!(recording.unreadable(), 2);
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let headless = written(folder.path(), "a", &[form::line(&event("192.0.2.7:1", 1, Kind::Connect))]);
        let newer = written(folder.path(), "b", &[form::line(&header(99))]);
        let empty = written(folder.path(), "c", &[]);
        let missing = folder.path().join("d");
        for (file, word) in [(headless, "header"), (newer, "version 99"), (empty, "header"), (missing, "cannot read")] {
            let told = Recording::open(&[file]).expect_err(word).to_string();
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn the_sets_hold_the_peers_that_were_seen_in_them() {
        let folder = tempfile::tempdir().expect("folder");
        let mut member = event("192.0.2.7:4000", 1, Kind::Connect);
        member.facts.classes = vec!["office".into()];
        let stranger = event("192.0.2.8:4000", 2, Kind::Connect);
        let parts = [form::line(&header(VERSION)), form::line(&member), form::line(&stranger)];
        let sets = Recording::sets(&[written(folder.path(), "a", &parts)]).expect("read");
        assert_eq!(sets["office"], ["192.0.2.7/32".parse().expect("net")]);
        assert!(sets["home"].is_empty(), "a set that existed is not an unknown one");
    }
}
