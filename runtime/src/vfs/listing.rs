//! A folder that is being listed, one batch of entries at a time.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::File;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir, statat};
use rustix::io::Errno;

use super::fault::Fault;
use super::inner::{Inner, Pace, visible};
use super::{VirtualPath, entry, upload};
use crate::ftp::effect::{Entry, FileError};
use crate::waits::Wait;

/// How much of each entry is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All facts.
    Full,
    /// The name is right; of the rest only `what` may be (NLST): saves a look at each file.
    Names,
}

/// What the kernel is asked for at once: some 300 to 1,300 entries. So a listing of any length takes this
/// much memory and one batch, and a thread only while a batch is made.
const BATCH_BYTES: usize = 32 * 1024;

/// A listing under way.
#[derive(Debug)]
pub struct Listing {
    rest: Rest,
    is_folder: bool,
    /// Virtual folders, which hide what has their names on disk.
    seen: Vec<Entry>,
    seen_told: bool,
}

#[derive(Debug)]
enum Rest {
    Folder(Arc<Folder>),
    File(Option<Entry>),
}

#[derive(Debug)]
struct Folder {
    root: Arc<Inner>,
    handle: File,
    path: PathBuf,
    detail: Detail,
}

impl Listing {
    pub(super) fn open(root: &Arc<Inner>, pace: Pace, path: &VirtualPath, detail: Detail) -> Result<Listing, Fault> {
        visible(path)?;
        match root.open_to_read(pace, path.beneath(), OFlags::DIRECTORY) {
            Ok(handle) => {
                let folder = Folder { root: root.clone(), handle, path: PathBuf::from(&*path.beneath()), detail };
                Ok(Listing { rest: Rest::Folder(Arc::new(folder)), is_folder: true, seen: Vec::new(), seen_told: true })
            }
            Err(Fault::NotAFolder) => {
                let stat = root.look(pace, path.beneath())?;
                let name = path.os_name().ok_or(Fault::NotAFolder)?.as_bytes().to_vec();
                let file = entry::entry(name, &stat, root.rights, &root.files.uniques);
                Ok(Listing { rest: Rest::File(Some(file)), is_folder: false, seen: Vec::new(), seen_told: true })
            }
            Err(fault) => Err(fault),
        }
    }

    /// The same with virtual folders in it, if it is a folder.
    pub(super) fn with(mut self, seen: Vec<Entry>) -> Listing {
        self.seen_told = seen.is_empty() || !self.is_folder;
        self.seen = seen;
        self
    }

    /// Whether these are the entries of a folder; if not, the one file that was named.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The next entries, in the folder's order; `None` at the end. Entries that vanish meanwhile are left
    /// out, as are uploads under way, `.` and `..`. A symlink shows what it leads to; one that leads out of
    /// the root or nowhere shows as `Other`, so that its owner can see why the folder is not empty.
    ///
    /// # Errors
    /// `FileError`.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, FileError> {
        if !std::mem::replace(&mut self.seen_told, true) {
            return Ok(Some(self.seen.clone()));
        }
        let folder = match &mut self.rest {
            Rest::File(file) => return Ok(file.take().map(|file| vec![file])),
            Rest::Folder(folder) => folder,
        };
        loop {
            let (disk, folder) = (folder.root.disk.clone(), folder.clone());
            let Some(mut batch) = disk.run(Wait::Disk, move || folder.batch()).await? else { return Ok(None) };
            batch.retain(|entry| self.seen.iter().all(|seen| seen.name != entry.name));
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
    }
}

impl Folder {
    fn batch(&self) -> Result<Option<Vec<Entry>>, Fault> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); BATCH_BYTES];
        let mut entries = Vec::new();
        // A batch may hold nothing to show; only the kernel's own end is the end.
        while entries.is_empty() {
            let mut raw = RawDir::new(&self.handle, &mut buffer);
            let mut any = false;
            while let Some(found) = raw.next() {
                let found = match found {
                    Ok(found) => found,
                    // The folder itself was removed.
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(errno.into()),
                };
                any = true;
                let name = found.file_name().to_bytes();
                if name != b"." && name != b".." && !upload::is_temporary(name) {
                    entries.extend(self.entry(name, found.file_type())?);
                }
                if raw.is_buffer_empty() {
                    break;
                }
            }
            if !any {
                return Ok(None);
            }
        }
        Ok(Some(entries))
    }

    fn entry(&self, name: &[u8], what: FileType) -> Result<Option<Entry>, Fault> {
        let root = &self.root;
        if self.detail == Detail::Names && what != FileType::Unknown {
            return Ok(Some(entry::name_only(name.to_vec(), what, root.rights)));
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let mut stat = match statat(&self.handle, name, flags) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
            && let Ok(target) = root.look(Pace::Patient, self.path.join(OsStr::from_bytes(name)))
        {
            stat = target;
        }
        Ok(Some(entry::entry(name.to_vec(), &stat, root.rights, &root.files.uniques)))
    }
}
