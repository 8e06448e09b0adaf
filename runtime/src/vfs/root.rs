//! A user's root: the home folder and the virtual ones in it. Whose each path is, and what it is called there.

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use tokio::sync::Semaphore;
use tracing::warn;

use super::disk::{Disks, Place};
use super::entry::Uniques;
use super::inner::{Inner, creatable};
use super::quota::{Books, Quota};
use super::{Detail, Download, Listing, Upload, VirtualPath, upload};
use crate::auth::{Permit, Rights};
use crate::config::settings;
use crate::ftp::effect::{Entry, FileAnswer, FileError, FileQuestion, HashJob};
use crate::waits::Wait;

/// What all roots share: `[files]`, the key of MLSx's `unique`, the disks. Built once at the start.
#[derive(Clone, Debug)]
pub struct Files {
    pub(super) settings: settings::Files,
    pub(super) uniques: Uniques,
    books: Books,
    pub(super) hashes: Arc<Semaphore>,
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
