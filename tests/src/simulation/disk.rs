//! A node's disk, in memory: what was written outlives a killed server, what was synced outlives a power cut.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use portcullis::ledger::disk::Disk;

const JOURNAL: &str = "bans.journal";

#[derive(Debug, Default)]
struct Content {
    written: Vec<u8>,
    synced: usize,
}

type Shared = Arc<Mutex<Content>>;

/// Files by name, as they are and as they would be after a power cut.
#[derive(Debug, Default)]
struct Names {
    now: BTreeMap<String, Shared>,
    safe: BTreeMap<String, Shared>,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Names>>);

/// A file of it.
#[derive(Debug)]
pub struct MemoryFile(Shared);

impl MemoryDisk {
    /// What stands in the ledger's journal.
    pub fn journal(&self) -> Vec<u8> {
        let names = self.0.lock().expect("one thread");
        names.now.get(JOURNAL).map(|file| file.lock().expect("one thread").written.clone()).unwrap_or_default()
    }

    /// The power fails: of what was not synced a part is there, as far as `kept` of 256 say.
    pub fn cut_power(&self, kept: u64) {
        let mut names = self.0.lock().expect("one thread");
        names.now = names.safe.clone();
        for file in names.now.values() {
            let mut file = file.lock().expect("one thread");
            let unsure = file.written.len() - file.synced;
            let left = file.synced + unsure * kept as usize / 256;
            file.written.truncate(left);
            file.synced = left;
        }
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn append_to(&self, name: &str) -> io::Result<MemoryFile> {
        let mut names = self.0.lock().expect("one thread");
        let file = Arc::clone(names.now.entry(name.to_owned()).or_default());
        names.safe.entry(name.to_owned()).or_insert_with(|| Arc::clone(&file));
        Ok(MemoryFile(file))
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let file = Shared::default();
        self.0.lock().expect("one thread").now.insert(name.to_owned(), Arc::clone(&file));
        Ok(MemoryFile(file))
    }

    fn sync(&self, file: &MemoryFile) -> io::Result<()> {
        let mut content = file.0.lock().expect("one thread");
        content.synced = content.written.len();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.0.lock().expect("one thread");
        let file = names.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.now.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut names = self.0.lock().expect("one thread");
        names.safe = names.now.clone();
        Ok(())
    }
}
