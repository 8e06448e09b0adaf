//! A file that is being written: hidden beside its place until it is whole, or in place where the client
//! goes on with an earlier one.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};

use super::disk::Handle;
use super::entry;
use super::fault::Fault;
use super::inner::{Inner, Pace, creatable, move_unless_there};
use super::leftover;
use super::path::VirtualPath;
use super::quota::Account;
use crate::config::settings::{self, Fsync, Partial};
use crate::ftp::effect::{EntryKind, FileError};
use crate::waits::Wait;

/// How the file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// A new file that takes the place of what is there, in one step at the end.
    Replace,
    /// The file that is there, from an offset; its old rest goes when the first new byte comes.
    GoOn(u64),
    /// The end of the file that is there, or of a new one.
    Append,
    /// A new file, which takes nobody's place.
    Fresh,
}

/// A file, open for writing. Dropped without [`Upload::commit`], a replacement vanishes and the old file is
/// as it was, or its part takes its place, as `files.partial` says; in place, what was written stays. So the
/// client can go on from there.
#[derive(Debug)]
pub struct Upload {
    handle: Handle,
    place: Place,
    fsync: Fsync,
    /// What it takes of a quota.
    account: Option<Account>,
    partial: Partial,
}

#[derive(Clone, Debug)]
enum Place {
    /// Under a temporary name in its folder.
    Hidden(Option<Arc<Hidden>>),
    /// Next byte goes there; `cut`: the old rest is still to be cut off.
    At { next: u64, cut: bool },
    /// At the end, whoever else writes.
    End,
}

#[derive(Debug)]
struct Hidden {
    folder: Dir,
    temporary: String,
    name: String,
    /// Whether a file of that name that came meanwhile may be replaced.
    replaces: bool,
}

impl Upload {
    pub(super) fn open(root: &Inner, path: &VirtualPath, plan: Plan) -> Result<Upload, Fault> {
        creatable(path)?;
        let name = path.name().ok_or(Fault::IsAFolder)?;
        let (fsync, partial) = (root.files.settings.fsync, root.files.settings.partial);
        if matches!(plan, Plan::Replace | Plan::Fresh) {
            return Upload::hidden(root, path, name, plan == Plan::Fresh);
        }
        let rights = root.rights;
        let is_new = || plan == Plan::Append && root.look(Pace::Patient, path.beneath()).is_err();
        let account = root.quota.as_ref().map(|quota| Account::in_place(quota, is_new())).transpose()?;
        let file = match plan {
            // Whoever may not overwrite goes on at the end, whatever others write there meanwhile.
            Plan::GoOn(_) => root.open(path.beneath(), to_write().append(!rights.overwrite), OFlags::empty())?,
            _ => open_to_append(root, path)?,
        };
        let stat = rustix::fs::fstat(&file)?;
        if entry::kind(stat.st_mode) != EntryKind::File {
            return Err(Fault::NotRegular);
        }
        let size: u64 = stat.st_size.try_into().unwrap_or(0);
        let place = match (plan, size) {
            (Plan::GoOn(offset), size) if offset > size => return Err(Fault::BeyondEnd),
            (Plan::GoOn(offset), _) if rights.overwrite => Place::At { next: offset, cut: true },
            (Plan::GoOn(offset), size) => {
                root.allowed(rights.append && offset == size)?;
                Place::End
            }
            (Plan::Append | Plan::Replace | Plan::Fresh, _) => Place::End,
        };
        let credit = match place {
            Place::At { next, .. } => size.saturating_sub(next),
            Place::Hidden(_) | Place::End => 0,
        };
        let account = account.map(|account| account.opened(credit));
        Ok(Upload { handle: Handle::new(file, &root.disk), place, fsync, partial, account })
    }

    /// What is there may be replaced if it is a regular file, and hands on its mode; a symlink is replaced
    /// itself, whatever it leads to.
    fn hidden(root: &Inner, path: &VirtualPath, name: &str, fresh: bool) -> Result<Upload, Fault> {
        let (rights, settings) = (root.rights, &root.files.settings);
        let mut old = None;
        let mode = match root.look(Pace::Patient, path.beneath()) {
            Ok(_) if fresh => return Err(Fault::Exists),
            Ok(stat) => match entry::kind(stat.st_mode) {
                EntryKind::File => {
                    root.allowed(rights.overwrite)?;
                    old = Some(stat.st_size.try_into().unwrap_or(0));
                    Mode::from_raw_mode(stat.st_mode)
                }
                EntryKind::Folder => return Err(Fault::IsAFolder),
                EntryKind::Other => return Err(Fault::NotRegular),
            },
            Err(Fault::NotFound) => {
                root.allowed(rights.write)?;
                new_mode(settings)
            }
            Err(fault) => return Err(fault),
        };
        let account = root.quota.as_ref().map(|quota| Account::hidden(quota, old)).transpose()?;
        let folder = root.dir.open_dir(path.parent().beneath())?;
        let temporary = temporary_name(name)?;
        let file = folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true).mode(0o666))?;
        let hidden = Hidden { folder, temporary, name: name.to_owned(), replaces: rights.overwrite && !fresh };
        let handle = Handle::new(file, &root.disk);
        let place = Place::Hidden(Some(Arc::new(hidden)));
        let upload = Upload { handle, place, fsync: settings.fsync, partial: settings.partial, account };
        leftover::claim(upload.handle.file())?;
        rustix::fs::fchmod(upload.handle.file(), mode)?;
        Ok(upload)
    }

    /// Writes all of `block` behind what was written before and leaves it empty, its memory kept. After an
    /// error, or if the future is dropped, the upload is to be dropped too.
    ///
    /// # Errors
    /// `FileError`, such as `NoSpace`.
    pub async fn write(&mut self, block: &mut Vec<u8>) -> Result<(), FileError> {
        if let Some(account) = &mut self.account {
            account.take(block.len() as u64)?;
        }
        let (file, place, mut owned) = (self.handle.file().clone(), self.place.clone(), std::mem::take(block));
        let work = move || {
            let next = place.write(&file, &owned)?;
            owned.clear();
            Ok((next, owned))
        };
        let (next, owned) = self.handle.disk().run(Wait::Disk, work).await?;
        self.place = next;
        *block = owned;
        Ok(())
    }

    /// The last step, before the client is told that all went well: forced to disk if `files.fsync` says so,
    /// and under its own name.
    ///
    /// # Errors
    /// `FileError`; a replacement is gone then, except after `TimedOut`: it may still come.
    pub async fn commit(self) -> Result<(), FileError> {
        let disk = self.handle.disk().clone();
        disk.run(Wait::DiskFlush, move || self.finish()).await
    }

    /// Gives up: as a drop, but what was hidden has gone or come to light when this returns, unless its disk hangs.
    pub async fn abandon(mut self) {
        if let Some(work) = self.giving_up() {
            self.handle.disk().finish(work).await;
        }
    }

    /// What is left to do when the upload will not be completed. The client is not told how that goes: it may be
    /// gone, and the folder may be as well.
    fn giving_up(&mut self) -> Option<impl FnOnce() + Send + use<>> {
        let Place::Hidden(hidden) = &mut self.place else { return None };
        let hidden = hidden.take()?;
        let (file, partial, account) = (self.handle.file().clone(), self.partial, self.account.take());
        Some(move || {
            let _ = hidden.give_up(&file, partial, account);
        })
    }

    fn finish(mut self) -> Result<(), Fault> {
        let cuts = matches!(self.place, Place::At { .. });
        if let Place::At { next, cut: true } = self.place {
            self.handle.file().set_len(next)?;
        }
        if self.fsync == Fsync::Always {
            self.handle.file().sync_all()?;
        }
        let Place::Hidden(hidden) = &mut self.place else {
            if let (Some(account), true) = (self.account.take(), cuts) {
                account.settle();
            }
            return Ok(());
        };
        if let Some(place) = hidden.as_ref() {
            if let Err(fault) = place.come_to_light() {
                // Gone before the client hears of it.
                let _ = place.folder.remove_file(&place.temporary);
                *hidden = None;
                return Err(fault);
            }
            if self.fsync == Fsync::Always {
                rustix::fs::fsync(rustix::fs::openat(&place.folder, ".", FOLDER, Mode::empty())?)?;
            }
        }
        *hidden = None;
        if let Some(account) = self.account.take() {
            account.settle();
        }
        Ok(())
    }
}

impl Hidden {
    fn come_to_light(&self) -> Result<(), Fault> {
        if self.replaces {
            return Ok(self.folder.rename(&self.temporary, &self.folder, &self.name)?);
        }
        move_unless_there(&self.folder, self.temporary.as_ref(), &self.folder, self.name.as_ref())
    }

    /// What is empty is no part.
    fn give_up(&self, file: &File, partial: Partial, account: Option<Account>) -> Result<(), Fault> {
        if partial == Partial::Keep && file.metadata()?.len() > 0 && self.come_to_light().is_ok() {
            if let Some(account) = account {
                account.settle();
            }
            return Ok(());
        }
        Ok(self.folder.remove_file(&self.temporary)?)
    }
}

/// The mode of a new file, whatever the process's own mask is.
fn new_mode(settings: &settings::Files) -> Mode {
    Mode::from_raw_mode((0o666 & !settings.umask).into())
}

fn to_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o666);
    options
}

/// A missing file is made, if the user may make files; one that is there is gone on with, if that is allowed.
fn open_to_append(root: &Inner, path: &VirtualPath) -> Result<cap_std::fs::File, Fault> {
    let rights = root.rights;
    let open = |options: &mut OpenOptions| root.open(path.beneath(), options.append(true), OFlags::empty());
    let make = || {
        let file = open(to_write().create_new(true))?;
        rustix::fs::fchmod(&file, new_mode(&root.files.settings))?;
        Ok(file)
    };
    match (rights.write, rights.append) {
        // Somebody else may make it in between.
        (true, true) => match make() {
            Err(Fault::Exists) => open(&mut to_write()),
            made => made,
        },
        (true, false) => make().map_err(|fault| if fault == Fault::Exists { Fault::Denied } else { fault }),
        (false, true) => open(&mut to_write()),
        (false, false) => Err(Fault::Denied),
    }
}

/// The handle of a folder that was opened by path alone cannot be forced to disk; this one can.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Place {
    fn write(self, mut file: &File, block: &[u8]) -> Result<Place, Fault> {
        match self {
            Place::Hidden(_) | Place::End => {
                file.write_all(block)?;
                Ok(self)
            }
            Place::At { next, cut } => {
                if cut {
                    file.set_len(next)?;
                }
                file.write_all_at(block, next)?;
                Ok(Place::At { next: next + block.len() as u64, cut: false })
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // To give a large file's blocks back takes the disk a while.
        if let Some(work) = self.giving_up() {
            self.handle.disk().later(work);
        }
    }
}

const MARK: &str = ".portcullis-";
const END: &str = ".part";
const RANDOM_BYTES: usize = 8;

/// `.NAME.portcullis-0123456789abcdef.part`, NAME cut so that the whole fits in a name.
fn temporary_name(name: &str) -> Result<String, Fault> {
    let room = VirtualPath::PART_BYTES_MAX - 1 - MARK.len() - 2 * RANDOM_BYTES - END.len();
    let kept = &name[..name.floor_char_boundary(room)];
    Ok(format!(".{kept}{MARK}{:016x}{END}", random()?))
}

/// `NAME.0123456789abcdef`, NAME cut so that the whole fits in a name.
pub(super) fn unique_name(name: &str) -> Result<String, Fault> {
    let kept = &name[..name.floor_char_boundary(VirtualPath::PART_BYTES_MAX - 1 - 2 * RANDOM_BYTES)];
    Ok(format!("{kept}.{:016x}", random()?))
}

fn random() -> Result<u64, Fault> {
    let mut random = [0; RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Fault::Io)?;
    Ok(u64::from_be_bytes(random))
}

/// Whether a name is one of an upload under way.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b".").and_then(|rest| rest.strip_suffix(END.as_bytes())) else {
        return false;
    };
    let Some((rest, random)) = rest.split_at_checked(rest.len().saturating_sub(2 * RANDOM_BYTES)) else {
        return false;
    };
    rest.ends_with(MARK.as_bytes()) && random.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_fit_and_are_known_again() {
        for name in ["a", &"x".repeat(255), &"\u{e9}".repeat(127)] {
            let temporary = temporary_name(name).expect("name");
            assert!(temporary.len() <= VirtualPath::PART_BYTES_MAX, "{temporary}");
            assert!(is_temporary(temporary.as_bytes()), "{temporary}");
        }
        assert_ne!(temporary_name("a").expect("name"), temporary_name("a").expect("name"));
        for name in ["a.part", ".a.part", ".portcullis-.part", ".a.portcullis-0123456789abcdeF.part", ""] {
            assert!(!is_temporary(name.as_bytes()), "{name}");
        }
    }
}
