//! What uploads leave behind when the server is killed: hidden files that nobody can see or delete. They go
//! when their folder is to go; until then they harm nobody.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{FlockOperation, OFlags, RawDir, flock};
use rustix::io::Errno;

use super::fault::Fault;
use super::upload::is_temporary;

const BUFFER_BYTES: usize = 32 * 1024;

/// Marks a file as being written by this process; whoever ends, however, marks no more.
pub(super) fn claim(file: &std::fs::File) -> Result<(), Fault> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        // A file system without locks: the mark is missing, and leftovers stay.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Fault::Busy),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes from a folder the uploads that nobody is writing.
pub(super) fn sweep(folder: &Dir) -> Result<(), Fault> {
    let flags = OFlags::DIRECTORY.bits() as i32;
    let handle = folder.open_with(".", OpenOptions::new().read(true).custom_flags(flags))?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut entries = RawDir::new(&handle, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if is_temporary(name)
            && let Ok(name) = std::str::from_utf8(name)
            && is_abandoned(folder, name)
        {
            // Somebody else's sweep may have been faster.
            let _ = folder.remove_file(name);
        }
    }
    Ok(())
}

fn is_abandoned(folder: &Dir, name: &str) -> bool {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let options = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).clone();
    folder.open_with(name, &options).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}
