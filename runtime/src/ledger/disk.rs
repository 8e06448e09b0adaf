//! What the journal needs of a disk, so that tests can put one under it that fails at every step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A folder for the journal's files.
pub trait Disk: Send + 'static {
    /// A file that is written at its end.
    type File: Write + Send;

    /// Opens a file that is there.
    fn append_to(&self, name: &str) -> io::Result<Self::File>;

    /// Makes a new, empty file in the place of one that may be there.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Returns when everything that was written to the file is on the disk.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever has that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the files' names are on the disk.
    fn sync_names(&self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    itself: File,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        Ok(Folder { path: path.to_owned(), itself: File::open(path)? })
    }
}

impl Disk for Folder {
    type File = File;

    fn append_to(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        File::create(self.path.join(name))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.itself.sync_all()
    }
}
