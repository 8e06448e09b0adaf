//! A file that is being read.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::VirtualPath;
use super::disk::Handle;
use super::entry;
use super::fault::Fault;
use super::inner::{Inner, Pace, visible};
use crate::ftp::effect::{EntryKind, FileError};
use crate::waits::Wait;

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Download {
    handle: Handle,
    size: u64,
}

impl Download {
    pub(super) fn open(root: &Inner, pace: Pace, path: &VirtualPath, offset: u64) -> Result<Download, Fault> {
        visible(path)?;
        let file = root.open_to_read(pace, path.beneath(), OFlags::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        match entry::kind(stat.st_mode) {
            EntryKind::File => {}
            EntryKind::Folder => return Err(Fault::IsAFolder),
            EntryKind::Other => return Err(Fault::NotRegular),
        }
        let size = stat.st_size.try_into().unwrap_or(0);
        if offset > size {
            return Err(Fault::BeyondEnd);
        }
        Ok(Download { handle: Handle::new(file, &root.disk), size })
    }

    /// Bytes of the whole file when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Fills `block` up to its length from a position; says how many bytes there were, 0 at the end. What
    /// the page cache holds is copied at once; for the rest the disk is awaited on another thread. After an error,
    /// or if the future is dropped, `block` may be left empty.
    ///
    /// # Errors
    /// `FileError::Io`, `FileError::TimedOut`.
    pub async fn read_at(&self, at: u64, block: &mut Vec<u8>) -> Result<usize, FileError> {
        let (file, disk) = (self.handle.file(), self.handle.disk());
        if disk.is_own() {
            match preadv2(file, &mut [IoSliceMut::new(block)], at, ReadWriteFlags::NOWAIT) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let (file, mut owned) = (file.clone(), std::mem::take(block));
        let work = move || {
            let count = read(&file, at, &mut owned)?;
            Ok((count, owned))
        };
        let (count, owned) = disk.run(Wait::Disk, work).await?;
        *block = owned;
        Ok(count)
    }
}

fn read(file: &File, at: u64, block: &mut [u8]) -> Result<usize, Fault> {
    loop {
        match file.read_at(block, at) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}
