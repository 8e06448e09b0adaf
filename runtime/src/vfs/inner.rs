//! One folder of the operator's, open and confined, and everything that is asked beneath it.
//!
//! What only looks says at which pace: at once, from the kernel's caches, or patiently, on a thread of the disk's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt, Permissions};
use rustix::fs::{
    Access, AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_OMIT, openat2,
    renameat, renameat_with,
};
use rustix::io::Errno;

use super::disk::Disk;
use super::entry;
use super::fault::Fault;
use super::quota::Quota;
use super::root::Files;
use super::{Download, VirtualPath, hash, leftover, upload};
use crate::auth::Rights;
use crate::ftp::effect::{Change, EntryKind, FileAnswer, HashJob};
use crate::ftp::raw;
use crate::moment::Moment;
use crate::waits::Wait;

/// How far somebody goes to find a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As far as the kernel has it in its caches; what it would have to ask the disk for is `TimedOut`.
    AtOnce,
    /// To the disk.
    Patient,
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
        self.handle(pace, path, flags | OFlags::NONBLOCK | OFlags::NOCTTY)
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
    pub(super) async fn aside<T: Send + 'static>(
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

    pub(super) fn enter(&self, pace: Pace, path: &VirtualPath) -> Result<(), Fault> {
        visible(path)?;
        let folder = self.handle(pace, path.beneath(), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(rustix::fs::accessat(&folder, ".", Access::EXEC_OK, AtFlags::empty())?)
    }

    pub(super) fn facts(&self, pace: Pace, path: &VirtualPath) -> Result<FileAnswer, Fault> {
        visible(path)?;
        let stat = self.look(pace, path.beneath())?;
        let name = path.os_name().map_or(b"/".to_vec(), |name| name.as_bytes().to_vec());
        let mut entry = entry::entry(name, &stat, self.rights, &self.files.uniques);
        if path.name().is_none() {
            (entry.may.delete, entry.may.rename) = (false, false);
        }
        Ok(FileAnswer::Entry(entry))
    }

    pub(super) fn rename_from(&self, pace: Pace, path: &VirtualPath) -> Result<(), Fault> {
        self.movable(path)?;
        self.stat(pace, path.beneath(), OFlags::PATH | OFlags::NOFOLLOW).map(drop)
    }

    pub(super) fn delete(&self, path: &VirtualPath) -> Result<(), Fault> {
        self.removable(path)?;
        let size = self.size_on_disk(path);
        self.dir.remove_file(path.beneath())?;
        self.gone(size);
        Ok(())
    }

    pub(super) fn make_folder(&self, path: &VirtualPath) -> Result<(), Fault> {
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

    pub(super) fn remove_folder(&self, path: &VirtualPath) -> Result<(), Fault> {
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
    pub(super) fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), Fault> {
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

    pub(super) fn change(&self, path: &VirtualPath, change: Change) -> Result<(), Fault> {
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

    pub(super) async fn hash(self: &Arc<Inner>, job: &HashJob) -> Result<FileAnswer, Fault> {
        self.allowed(self.rights.read)?;
        let path = job.path.clone();
        let file = self.look_up(move |inner, pace| Download::open(inner, pace, &path, 0)).await?;
        let _place = self.files.hashes.acquire().await.map_err(|_| Fault::Io)?;
        hash::hash(&file, job, self.files.settings.hash_bytes).await
    }

    /// Bytes that the file system has for this server, or the quota for this user.
    pub(super) fn room(&self, path: &VirtualPath) -> Result<FileAnswer, Fault> {
        visible(path)?;
        let handle = self.handle(Pace::Patient, path.beneath(), OFlags::PATH)?;
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
