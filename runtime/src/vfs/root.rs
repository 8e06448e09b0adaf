//! A user's root folder, and everything that is asked beneath it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt, Permissions};
use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_OMIT, openat2,
    renameat, renameat_with,
};
use rustix::io::Errno;
use tokio::sync::Semaphore;
use tracing::warn;

use super::disk::{Disk, Disks, Place};
use super::entry::{self, Uniques};
use super::fault::Fault;
use super::quota::{Books, Quota};
use super::{Detail, Download, Listing, Upload, VirtualPath, hash, leftover, upload};
use crate::auth::{Permit, Rights};
use crate::config::settings;
use crate::ftp::effect::{Change, Entry, EntryKind, FileAnswer, FileError, FileQuestion, HashJob};
use crate::ftp::raw;
use crate::moment::Moment;
use crate::waits::Wait;

/// What all roots share: `[files]`, the key of MLSx's `unique`, the disks. Built once at the start.
#[derive(Clone, Debug)]
pub struct Files {
    pub(super) settings: settings::Files,
    pub(super) uniques: Uniques,
    books: Books,
    hashes: Arc<Semaphore>,
    disks: Disks,
}

impl Files {
    /// With `[files]`, `timeouts.disk` and `timeouts.disk-flush` in force.
    pub fn new(settings: &settings::Files, timeouts: &settings::Timeouts) -> Files {
        let hashes = Arc::new(Semaphore::new(settings.hashes_at_once));
        let disks = Disks::new(settings, timeouts);
        Files { settings: settings.clone(), uniques: Uniques::default(), books: Books::default(), hashes, disks }
    }

    /// Opens an operator's folder.
    async fn open(&self, folder: &Path, rights: Rights, quota: Option<Quota>) -> Result<Arc<Inner>, FileError> {
        let place = self.disks.of(folder);
        let (mut dir, holds) = self.open_on(&place, folder).await?;
        let mut disk = place.disk;
        if !holds {
            // Something was mounted there since.
            self.disks.forget(folder);
            let place = self.disks.of(folder);
            (dir, _) = self.open_on(&place, folder).await?;
            disk = place.disk;
        }
        Ok(Arc::new(Inner { dir, rights, files: self.clone(), quota, disk }))
    }

    /// The folder, and whether it is at that place. As with files: at once if the kernel has it in its caches.
    async fn open_on(&self, place: &Place, folder: &Path) -> Result<(Dir, bool), FileError> {
        if place.disk.is_own() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let cached = openat2(CWD, folder, flags, Mode::empty(), ResolveFlags::CACHED);
            if let Some(dir) = cached.ok().map(|handle| Dir::from_std_file(handle.into()))
                && place.holds(&dir)
            {
                return Ok((dir, true));
            }
        }
        let (at, expected) = (folder.to_owned(), place.clone());
        let work = move || {
            let dir = Dir::open_ambient_dir(at, cap_std::ambient_authority())?;
            let holds = expected.holds(&dir);
            Ok((dir, holds))
        };
        place.disk.run(Wait::Disk, work).await.inspect_err(|_| self.disks.forget(folder))
    }
}

/// How far somebody goes to find a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As far as the kernel has it in its caches; what it would have to ask the disk for is `TimedOut`.
    AtOnce,
    /// To the disk.
    Patient,
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
    pub(super) disk: Arc<Disk>,
}

impl Root {
    /// Opens the home folder of somebody who has logged in.
    ///
    /// # Errors
    /// `FileError` if the folder is gone or closed to the server, or its disk does not answer.
    pub async fn open(permit: &Permit, files: &Files) -> Result<Root, FileError> {
        let quota = files.books.open(permit.home(), permit.limits());
        let inner = files.open(permit.home(), permit.rights(), quota).await?;
        let mut folders = Vec::with_capacity(permit.folders().len());
        for folder in permit.folders() {
            match files.open(&folder.to, folder.rights, None).await {
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
    /// `FileError` if the folder cannot be read, or is not counted yet when the disk should have answered.
    pub async fn count(&self) -> Result<(), FileError> {
        match &self.inner.quota {
            Some(quota) => {
                let most = self.inner.files.settings.quota_scan;
                quota.count(&self.inner.dir, &self.inner.disk, most).await
            }
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
    async fn seen_in(&self, folder: &VirtualPath) -> Result<Vec<Entry>, FileError> {
        let mut entries = Vec::new();
        for seen in self.folders.iter().filter(|seen| seen.at.parent() == *folder) {
            let facts = seen.inner.look_up(|inner, pace| inner.facts(pace, &VirtualPath::root())).await;
            // Its disk may hang: the others are there.
            let FileAnswer::Entry(mut entry) = (match facts {
                Err(FileError::TimedOut) => continue,
                facts => facts?,
            }) else {
                continue;
            };
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
            FileQuestion::Enter(path) => inner.look_up(move |inner, pace| inner.enter(pace, &path)).await?,
            FileQuestion::Facts(path) => return inner.look_up(move |inner, pace| inner.facts(pace, &path)).await,
            FileQuestion::RenameFrom(path) => inner.look_up(move |inner, pace| inner.rename_from(pace, &path)).await?,
            FileQuestion::Entries(path) => return self.entries(&path).await,
            FileQuestion::Delete(path) => inner.aside(move |inner| inner.delete(&path)).await?,
            FileQuestion::MakeFolder(path) => inner.aside(move |inner| inner.make_folder(&path)).await?,
            FileQuestion::RemoveFolder(path) => inner.aside(move |inner| inner.remove_folder(&path)).await?,
            FileQuestion::Rename { from, to } => inner.aside(move |inner| inner.rename(&from, &to)).await?,
            FileQuestion::Change(path, change) => inner.aside(move |inner| inner.change(&path, change)).await?,
            FileQuestion::FreeName(path) => return self.free_name(&path).await,
            FileQuestion::Room(path) => return inner.aside(move |inner| inner.room(&path)).await,
            FileQuestion::Hash(job) => return inner.hash(&job).await,
        }
        Ok(FileAnswer::Done)
    }

    /// Opens a regular file to be read from an offset.
    ///
    /// # Errors
    /// `FileError`; `BeyondEnd` if the file is shorter than the offset.
    pub async fn open_download(&self, path: &VirtualPath, offset: u64) -> Result<Download, FileError> {
        let (inner, path) = self.place(path);
        inner.allowed(inner.rights.read)?;
        inner.look_up(move |inner, pace| Download::open(inner, pace, &path, offset)).await
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
    pub async fn list(&self, path: &VirtualPath, detail: Detail) -> Result<Listing, FileError> {
        let (inner, inside) = self.place(path);
        inner.allowed(inner.rights.list)?;
        let listing = inner.look_up(move |inner, pace| Listing::open(inner, pace, &inside, detail)).await?;
        Ok(listing.with(self.seen_in(path).await?))
    }

    async fn open_to_write(&self, path: &VirtualPath, plan: upload::Plan) -> Result<Upload, FileError> {
        let (inner, path) = self.place(path);
        inner.allowed(inner.rights.upload())?;
        inner.aside(move |inner| Upload::open(inner, &path, plan)).await
    }

    /// A name that begins as the one that was typed. Nobody else is kept from it, but it has 64 random bits.
    async fn free_name(&self, path: &VirtualPath) -> Result<FileAnswer, FileError> {
        let name = upload::unique_name(path.name().ok_or(FileError::IsAFolder)?)?;
        let free = path.parent().join(&name).map_err(|_| FileError::BadName)?;
        let (inner, inside) = self.place(&free);
        inner.allowed(inner.rights.write)?;
        creatable(path)?;
        match inner.look_up(move |inner, pace| inner.look(pace, inside.beneath())).await {
            Err(FileError::NotFound) => Ok(FileAnswer::Free(free)),
            Ok(_) => Err(FileError::Exists),
            Err(fault) => Err(fault),
        }
    }

    async fn entries(&self, path: &VirtualPath) -> Result<FileAnswer, FileError> {
        let most = self.inner.files.settings.entries_in_reply;
        let mut listing = self.list(path, Detail::Full).await?;
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

    /// The same for reading, at a pace.
    pub(super) fn open_to_read(&self, pace: Pace, path: impl AsRef<Path>, flags: OFlags) -> Result<File, Fault> {
        match pace {
            Pace::Patient => self.open(path, OpenOptions::new().read(true), flags),
            Pace::AtOnce => self.open_cached(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY),
        }
    }

    /// As cap-std opens beneath the root, but as far as the kernel need not ask the disk. Whatever else is in the
    /// way, another disk that is mounted there, an older kernel or a race with a rename, is for the patient.
    fn open_cached(&self, path: impl AsRef<Path>, flags: OFlags) -> Result<File, Fault> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let here = beneath | ResolveFlags::NO_XDEV | ResolveFlags::CACHED;
        let opened = openat2(&self.dir, path.as_ref(), flags | OFlags::CLOEXEC, Mode::empty(), here);
        match opened {
            Ok(handle) => Ok(File::from_std(handle.into())),
            Err(Errno::AGAIN | Errno::INTR | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::XDEV) => {
                Err(Fault::TimedOut)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Looks something up: at once if the kernel has it in its caches, else on one of the disk's threads.
    pub(super) async fn look_up<T: Send + 'static>(
        self: &Arc<Inner>,
        work: impl Fn(&Arc<Inner>, Pace) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if self.disk.is_own() {
            match work(self, Pace::AtOnce) {
                Err(Fault::TimedOut) => {}
                done => return done,
            }
        }
        self.aside(move |inner| work(inner, Pace::Patient)).await
    }

    /// Does what changes the disk, or waits for it, on one of its threads.
    async fn aside<T: Send + 'static>(
        self: &Arc<Inner>,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let inner = self.clone();
        self.disk.run(Wait::Disk, move || work(&inner)).await
    }

    /// Facts of what a path leads to, symlinks followed.
    pub(super) fn look(&self, pace: Pace, path: impl AsRef<Path>) -> Result<Stat, Fault> {
        self.stat(pace, path, OFlags::PATH)
    }

    fn stat(&self, pace: Pace, path: impl AsRef<Path>, flags: OFlags) -> Result<Stat, Fault> {
        Ok(rustix::fs::fstat(&self.handle(pace, path, flags)?)?)
    }

    /// Whatever a path leads to, with these flags only.
    fn handle(&self, pace: Pace, path: impl AsRef<Path>, flags: OFlags) -> Result<File, Fault> {
        match pace {
            Pace::AtOnce => self.open_cached(path, flags),
            Pace::Patient => {
                let options = &mut OpenOptions::new();
                Ok(self.dir.open_with(path, options.read(true).custom_flags(flags.bits() as i32))?)
            }
        }
    }

    fn enter(&self, pace: Pace, path: &VirtualPath) -> Result<(), Fault> {
        visible(path)?;
        let folder = self.handle(pace, path.beneath(), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(rustix::fs::accessat(&folder, ".", Access::EXEC_OK, AtFlags::empty())?)
    }

    fn facts(&self, pace: Pace, path: &VirtualPath) -> Result<FileAnswer, Fault> {
        visible(path)?;
        let stat = self.look(pace, path.beneath())?;
        let name = path.os_name().map_or(b"/".to_vec(), |name| name.as_bytes().to_vec());
        let mut entry = entry::entry(name, &stat, self.rights, &self.files.uniques);
        if path.name().is_none() {
            (entry.may.delete, entry.may.rename) = (false, false);
        }
        Ok(FileAnswer::Entry(entry))
    }

    fn rename_from(&self, pace: Pace, path: &VirtualPath) -> Result<(), Fault> {
        self.movable(path)?;
        self.stat(pace, path.beneath(), OFlags::PATH | OFlags::NOFOLLOW).map(drop)
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
        let stat = self.stat(Pace::Patient, path.beneath(), OFlags::PATH | OFlags::NOFOLLOW).ok()?;
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
            Some(mode) => match entry::kind(self.look(Pace::Patient, path.beneath())?.st_mode) {
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

    async fn hash(self: &Arc<Inner>, job: &HashJob) -> Result<FileAnswer, Fault> {
        self.allowed(self.rights.read)?;
        let path = job.path.clone();
        let file = self.look_up(move |inner, pace| Download::open(inner, pace, &path, 0)).await?;
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
