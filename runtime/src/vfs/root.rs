//! A user's root folder, and everything that is asked beneath it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt, Permissions};
use rustix::fs::{
    Access, AtFlags, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_OMIT, renameat, renameat_with,
};
use rustix::io::Errno;
use tokio::sync::Semaphore;
use tracing::warn;

use super::entry::{self, Uniques};
use super::fault::Fault;
use super::quota::{Books, Quota};
use super::{Detail, Download, Listing, Upload, VirtualPath, aside, hash, leftover, upload};
use crate::auth::{Permit, Rights};
use crate::config::settings;
use crate::ftp::effect::{Change, Entry, EntryKind, FileAnswer, FileError, FileQuestion, HashJob};
use crate::ftp::raw;
use crate::moment::Moment;

/// What all roots share: `[files]`, and the key of MLSx's `unique`. Built once at the start.
#[derive(Clone, Debug)]
pub struct Files {
    pub(super) settings: settings::Files,
    pub(super) uniques: Uniques,
    books: Books,
    hashes: Arc<Semaphore>,
}

impl Files {
    /// With `[files]` in force.
    pub fn new(settings: &settings::Files) -> Files {
        let hashes = Arc::new(Semaphore::new(settings.hashes_at_once));
        Files { settings: settings.clone(), uniques: Uniques::default(), books: Books::default(), hashes }
    }
}

/// A user's root folder. Nothing outside it can be reached through this: each path is resolved by the kernel
/// beneath the folder that was opened at login (`openat2`, `RESOLVE_BENEATH`). A symlink is followed where it
/// stays inside; an absolute one, or one that climbs out, is denied. Virtual folders are roots of their own:
/// each is confined by itself, and no rename leads from one to another.
#[derive(Clone, Debug)]
pub struct Root {
    inner: Arc<Inner>,
    folders: Arc<[Seen]>,
}

/// A virtual folder: where it is seen, and what is there.
#[derive(Debug)]
struct Seen {
    at: VirtualPath,
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) dir: Dir,
    pub(super) rights: Rights,
    pub(super) files: Files,
    /// Of the home folder, if somebody has a quota there; virtual folders have none.
    pub(super) quota: Option<Quota>,
}

impl Root {
    /// Opens the home folder of somebody who has logged in.
    ///
    /// # Errors
    /// `FileError` if the folder is gone or closed to the server.
    pub fn open(permit: &Permit, files: &Files) -> Result<Root, FileError> {
        let open = |folder: &Path, rights, quota| {
            let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority())?;
            Ok::<_, FileError>(Arc::new(Inner { dir, rights, files: files.clone(), quota }))
        };
        let quota = files.books.open(permit.home(), permit.limits());
        let inner = open(permit.home(), permit.rights(), quota)?;
        let mut folders = Vec::with_capacity(permit.folders().len());
        for folder in permit.folders() {
            match open(&folder.to, folder.rights, None) {
                Ok(inner) => folders.push(Seen { at: folder.path.clone(), inner }),
                // It was there when the users were read. The user can do without it.
                Err(why) => warn!(user = %permit.user(), folder = %folder.path, %why, "login.no-folder"),
            }
        }
        // The longest path first: it may be in another's.
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.at.as_str().len()));
        Ok(Root { inner, folders: folders.into() })
    }

    /// Counts what is in the home folder, if there is a quota for it and nobody has counted yet: `files.quota-scan`
    /// entries at most, off the I/O threads.
    ///
    /// # Errors
    /// `FileError` if the folder cannot be read.
    pub async fn count(&self) -> Result<(), FileError> {
        match &self.inner.quota {
            Some(quota) => quota.count(&self.inner.dir, self.inner.files.settings.quota_scan).await,
            None => Ok(()),
        }
    }

    /// What is left of the quota, if there is one.
    #[cfg(test)]
    pub(super) fn left(&self) -> Option<u64> {
        self.inner.quota.as_ref().map(Quota::left)
    }

    /// Whose a path is, and what it is called there.
    fn place(&self, path: &VirtualPath) -> (&Arc<Inner>, VirtualPath) {
        let found = self.folders.iter().find_map(|seen| Some((&seen.inner, path.within(&seen.at)?)));
        found.unwrap_or_else(|| (&self.inner, path.clone()))
    }

    /// Whose the question is, with its paths as they are called there.
    fn locate(&self, question: &mut FileQuestion) -> Result<Arc<Inner>, FileError> {
        let path = match question {
            // They find their place themselves.
            FileQuestion::Entries(_) | FileQuestion::FreeName(_) => return Ok(self.inner.clone()),
            FileQuestion::Rename { from, to } => {
                let (place, path) = self.place(to);
                if !Arc::ptr_eq(place, self.place(from).0) {
                    return Err(FileError::Denied);
                }
                *to = path;
                from
            }
            FileQuestion::Enter(path)
            | FileQuestion::Facts(path)
            | FileQuestion::RenameFrom(path)
            | FileQuestion::Delete(path)
            | FileQuestion::MakeFolder(path)
            | FileQuestion::RemoveFolder(path)
            | FileQuestion::Room(path)
            | FileQuestion::Change(path, _)
            | FileQuestion::Hash(HashJob { path, .. }) => path,
        };
        let (place, inside) = self.place(path);
        *path = inside;
        Ok(place.clone())
    }

    /// The virtual folders that are seen in a folder.
    fn seen_in(&self, folder: &VirtualPath) -> Result<Vec<Entry>, FileError> {
        let mut entries = Vec::new();
        for seen in self.folders.iter().filter(|seen| seen.at.parent() == *folder) {
            let FileAnswer::Entry(mut entry) = seen.inner.facts(&VirtualPath::root())? else { continue };
            entry.name = seen.at.name().unwrap_or_default().as_bytes().to_vec();
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Answers what the machine asks about files.
    ///
    /// # Errors
    /// `FileError`: the answer is no.
    pub async fn answer(&self, mut question: FileQuestion) -> Result<FileAnswer, FileError> {
        let inner = self.locate(&mut question)?;
        match question {
            FileQuestion::Enter(path) => inner.enter(&path)?,
            FileQuestion::Facts(path) => return inner.facts(&path),
            FileQuestion::RenameFrom(path) => inner.rename_from(&path)?,
            FileQuestion::Entries(path) => return self.entries(&path).await,
            FileQuestion::Delete(path) => aside(move || inner.delete(&path)).await?,
            FileQuestion::MakeFolder(path) => aside(move || inner.make_folder(&path)).await?,
            FileQuestion::RemoveFolder(path) => aside(move || inner.remove_folder(&path)).await?,
            FileQuestion::Rename { from, to } => aside(move || inner.rename(&from, &to)).await?,
            FileQuestion::Change(path, change) => aside(move || inner.change(&path, change)).await?,
            FileQuestion::FreeName(path) => return self.free_name(&path),
            FileQuestion::Room(path) => return aside(move || inner.room(&path)).await,
            FileQuestion::Hash(job) => return inner.hash(&job).await,
        }
        Ok(FileAnswer::Done)
    }

    /// Opens a regular file to be read from an offset.
    ///
    /// # Errors
    /// `FileError`; `BeyondEnd` if the file is shorter than the offset.
    pub fn open_download(&self, path: &VirtualPath, offset: u64) -> Result<Download, FileError> {
        let (inner, path) = self.place(path);
        inner.allowed(inner.rights.read)?;
        Download::open(inner, &path, offset)
    }

    /// Opens a file to be written. Offset 0: a new file that replaces what is there when it is committed.
    /// Otherwise: the file that is there, from the offset, whose old rest is cut off.
    ///
    /// # Errors
    /// `FileError`; `NotFound` or `BeyondEnd` if there is nothing to go on from.
    pub async fn open_upload(&self, path: &VirtualPath, offset: u64) -> Result<Upload, FileError> {
        let plan = if offset == 0 { upload::Plan::Replace } else { upload::Plan::GoOn(offset) };
        self.open_to_write(path, plan).await
    }

    /// Opens a file to be written at its end; makes it if it is missing.
    ///
    /// # Errors
    /// `FileError`.
    pub async fn open_append(&self, path: &VirtualPath) -> Result<Upload, FileError> {
        self.open_to_write(path, upload::Plan::Append).await
    }

    /// Opens a new file to be written, under a name that is free.
    ///
    /// # Errors
    /// `FileError`; at the commit `NotReplaceable` if the name was taken meanwhile.
    pub async fn open_unique(&self, path: &VirtualPath) -> Result<Upload, FileError> {
        self.open_to_write(path, upload::Plan::Fresh).await
    }

    /// Opens a folder to be listed, or a file, which lists as itself.
    ///
    /// # Errors
    /// `FileError`.
    pub fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing, FileError> {
        let (inner, inside) = self.place(path);
        inner.allowed(inner.rights.list)?;
        Ok(Listing::open(inner, &inside, detail)?.with(self.seen_in(path)?))
    }

    async fn open_to_write(&self, path: &VirtualPath, plan: upload::Plan) -> Result<Upload, FileError> {
        let (inner, path) = self.place(path);
        inner.allowed(inner.rights.upload())?;
        let inner = inner.clone();
        aside(move || Upload::open(&inner, &path, plan)).await
    }

    /// A name that begins as the one that was typed. Nobody else is kept from it, but it has 64 random bits.
    fn free_name(&self, path: &VirtualPath) -> Result<FileAnswer, FileError> {
        let name = upload::unique_name(path.name().ok_or(FileError::IsAFolder)?)?;
        let free = path.parent().join(&name).map_err(|_| FileError::BadName)?;
        let (inner, inside) = self.place(&free);
        inner.allowed(inner.rights.write)?;
        creatable(path)?;
        match inner.look(inside.beneath()) {
            Err(FileError::NotFound) => Ok(FileAnswer::Free(free)),
            Ok(_) => Err(FileError::Exists),
            Err(fault) => Err(fault),
        }
    }

    async fn entries(&self, path: &VirtualPath) -> Result<FileAnswer, FileError> {
        let most = self.inner.files.settings.entries_in_reply;
        let mut listing = self.list(path, Detail::Full)?;
        let mut entries = Vec::new();
        while let Some(batch) = listing.next().await? {
            let room = most - entries.len();
            let more = batch.len() > room;
            entries.extend(batch.into_iter().take(room));
            if more {
                return Ok(FileAnswer::Entries { entries, more });
            }
        }
        Ok(FileAnswer::Entries { entries, more: false })
    }
}

impl Inner {
    pub(super) fn allowed(&self, right: bool) -> Result<(), Fault> {
        if right { Ok(()) } else { Err(Fault::Denied) }
    }

    /// Opens beneath the root. `O_NONBLOCK`: a FIFO opens at once, or not at all, instead of waiting for its
    /// other end; regular files do not care.
    pub(super) fn open(&self, path: impl AsRef<Path>, options: &mut OpenOptions, flags: OFlags) -> Result<File, Fault> {
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(self.dir.open_with(path, options.custom_flags(flags.bits() as i32))?)
    }

    /// Facts of what a path leads to, symlinks followed.
    pub(super) fn look(&self, path: impl AsRef<Path>) -> Result<Stat, Fault> {
        self.stat(path, OFlags::PATH)
    }

    fn stat(&self, path: impl AsRef<Path>, flags: OFlags) -> Result<Stat, Fault> {
        let options = &mut OpenOptions::new();
        let handle = self.dir.open_with(path, options.read(true).custom_flags(flags.bits() as i32))?;
        Ok(rustix::fs::fstat(&handle)?)
    }

    fn enter(&self, path: &VirtualPath) -> Result<(), Fault> {
        visible(path)?;
        let folder = self.dir.open_dir(path.beneath())?;
        Ok(rustix::fs::accessat(&folder, ".", Access::EXEC_OK, AtFlags::empty())?)
    }

    fn facts(&self, path: &VirtualPath) -> Result<FileAnswer, Fault> {
        visible(path)?;
        let stat = self.look(path.beneath())?;
        let name = path.os_name().map_or(b"/".to_vec(), |name| name.as_bytes().to_vec());
        let mut entry = entry::entry(name, &stat, self.rights, &self.files.uniques);
        if path.name().is_none() {
            (entry.may.delete, entry.may.rename) = (false, false);
        }
        Ok(FileAnswer::Entry(entry))
    }

    fn rename_from(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.movable(path)?;
        self.stat(path.beneath(), OFlags::PATH | OFlags::NOFOLLOW).map(drop)
    }

    fn delete(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.removable(path)?;
        let size = self.size_on_disk(path);
        self.dir.remove_file(path.beneath())?;
        self.gone(size);
        Ok(())
    }

    fn make_folder(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.allowed(self.rights.mkdir)?;
        creatable(path)?;
        self.quota.as_ref().map_or(Ok(()), Quota::take_entry)?;
        self.dir.create_dir(path.beneath()).inspect_err(|_| {
            if let Some(quota) = &self.quota {
                quota.give_entry();
            }
        })?;
        // Between the two it is the server's alone, or as the process has it.
        self.set_mode(path, 0o777 & !self.files.settings.umask)
    }

    fn remove_folder(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.removable(path)?;
        let mut removed = self.dir.remove_dir(path.beneath()).map_err(Fault::from);
        if removed == Err(Fault::NotEmpty) {
            leftover::sweep(&self.dir.open_dir(path.beneath())?)?;
            removed = self.dir.remove_dir(path.beneath()).map_err(Fault::from);
        }
        if let (Ok(()), Some(quota)) = (removed, &self.quota) {
            quota.give_entry();
        }
        removed
    }

    /// What the quota gets back when a name goes: the file's bytes, unless it has other names. `None` without
    /// a quota or a file.
    fn size_on_disk(&self, path: &VirtualPath) -> Option<u64> {
        self.quota.as_ref()?;
        let stat = self.stat(path.beneath(), OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let whole = entry::kind(stat.st_mode) == EntryKind::File && stat.st_nlink == 1;
        Some(if whole { stat.st_size.try_into().unwrap_or(0) } else { 0 })
    }

    fn gone(&self, size: Option<u64>) {
        if let (Some(quota), Some(size)) = (&self.quota, size) {
            quota.give_file(size);
        }
    }

    /// An existing file is replaced, if the user may make it vanish: tools upload under another name first.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), Fault> {
        self.movable(from)?;
        creatable(to)?;
        if self.rights.replace() {
            let replaced = if from == to { None } else { self.size_on_disk(to) };
            self.dir.rename(from.beneath(), &self.dir, to.beneath())?;
            self.gone(replaced);
            return Ok(());
        }
        let (Some(old), Some(new)) = (from.os_name(), to.os_name()) else { return Err(Fault::Denied) };
        let (source, target) = (self.dir.open_dir(from.parent().beneath())?, self.dir.open_dir(to.parent().beneath())?);
        move_unless_there(&source, &old, &target, &new)
    }

    fn change(&self, path: &VirtualPath, change: Change) -> Result<(), Fault> {
        self.allowed(change.modified.is_none() || self.rights.upload())?;
        self.allowed(change.mode.is_none() || self.rights.chmod)?;
        visible(path)?;
        if let Some(at) = change.modified {
            self.set_modified(path, at)?;
        }
        match change.mode.map(|mode| mode & 0o777) {
            Some(mode) => match entry::kind(self.look(path.beneath())?.st_mode) {
                EntryKind::File | EntryKind::Folder => self.set_mode(path, mode),
                EntryKind::Other => Err(Fault::NotRegular),
            },
            None => Ok(()),
        }
    }

    fn set_mode(&self, path: &VirtualPath, mode: u16) -> Result<(), Fault> {
        let permissions = Permissions::from_std(PermissionsExt::from_mode(mode.into()));
        Ok(self.dir.set_permissions(path.beneath(), permissions)?)
    }

    async fn hash(&self, job: &HashJob) -> Result<FileAnswer, Fault> {
        self.allowed(self.rights.read)?;
        let file = Download::open(self, &job.path, 0)?;
        let _place = self.files.hashes.acquire().await.map_err(|_| Fault::Io)?;
        hash::hash(&file, job, self.files.settings.hash_bytes).await
    }

    /// Bytes that the file system has for this server, or the quota for this user.
    fn room(&self, path: &VirtualPath) -> Result<FileAnswer, Fault> {
        visible(path)?;
        let options = &mut OpenOptions::new();
        let handle = self.dir.open_with(path.beneath(), options.read(true).custom_flags(OFlags::PATH.bits() as i32))?;
        let facts = rustix::fs::fstatvfs(&handle)?;
        let free = facts.f_bavail.saturating_mul(facts.f_frsize);
        Ok(FileAnswer::Bytes(self.quota.as_ref().map_or(free, |quota| quota.left().min(free))))
    }

    fn set_modified(&self, path: &VirtualPath, at: Moment) -> Result<(), Fault> {
        let file = self.open(path.beneath(), OpenOptions::new().read(true), OFlags::empty())?;
        if entry::kind(rustix::fs::fstat(&file)?.st_mode) == EntryKind::Other {
            return Err(Fault::NotRegular);
        }
        let seconds = at.seconds().try_into().map_err(|_| Fault::BadName)?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: (at.millis() % 1000 * 1_000_000) as _ },
        };
        Ok(rustix::fs::futimens(&file, &times)?)
    }

    fn removable(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.allowed(self.rights.delete && path.name().is_some())?;
        visible(path)
    }

    fn movable(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.allowed(self.rights.rename && path.name().is_some())?;
        visible(path)
    }
}

/// Renames, but onto nothing that is there: in one step where the file system can do that.
pub(super) fn move_unless_there(source: &Dir, old: &OsStr, target: &Dir, new: &OsStr) -> Result<(), Fault> {
    let done = match renameat_with(source, old, target, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match target.symlink_metadata(new) {
            Ok(_) => Err(Errno::EXIST),
            Err(_) => renameat(source, old, target, new),
        },
        done => done,
    };
    match done {
        Err(Errno::EXIST) => Err(Fault::NotReplaceable),
        done => Ok(done?),
    }
}

/// Uploads under way are nobody's to see.
pub(super) fn visible(path: &VirtualPath) -> Result<(), Fault> {
    if path.name().is_some_and(|name| upload::is_temporary(name.as_bytes())) { Err(Fault::NotFound) } else { Ok(()) }
}

/// Nor is anything made under a name that would hide it, or that is no UTF-8: such names come with files
/// from elsewhere, and are not made more.
pub(super) fn creatable(path: &VirtualPath) -> Result<(), Fault> {
    if path.name().is_some_and(raw::has_raw) {
        return Err(Fault::BadName);
    }
    visible(path).map_err(|_| Fault::BadName)
}
