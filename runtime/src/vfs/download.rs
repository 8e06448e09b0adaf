//! A file that is being read.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cap_std::fs::OpenOptions;
use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::entry;
use super::fault::Fault;
use super::root::{Inner, visible};
use super::{VirtualPath, aside};
use crate::ftp::effect::{EntryKind, FileError};

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Download {
    file: Arc<File>,
    size: u64,
}

impl Download {
    pub(super) fn open(root: &Inner, path: &VirtualPath, offset: u64) -> Result<Download, Fault> {
        visible(path)?;
        let file = root.open(path.beneath(), OpenOptions::new().read(true), OFlags::empty())?;
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
        Ok(Download { file: Arc::new(file.into_std()), size })
    }

    /// Bytes of the whole file when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Fills `block` up to its length from a position; says how many bytes there were, 0 at the end. What
    /// the page cache holds is copied at once; for the rest the disk is awaited on another thread. If the
    /// future is dropped, `block` may be left empty.
    ///
    /// # Errors
    /// `FileError::Io`.
    pub async fn read_at(&self, at: u64, block: &mut Vec<u8>) -> Result<usize, FileError> {
        match preadv2(&self.file, &mut [IoSliceMut::new(block)], at, ReadWriteFlags::NOWAIT) {
            Ok(count) => return Ok(count),
            Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (file, mut owned) = (self.file.clone(), std::mem::take(block));
        let (count, owned) = aside(move || {
            let count = read(&file, at, &mut owned)?;
            Ok((count, owned))
        })
        .await?;
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
