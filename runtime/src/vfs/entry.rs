//! From the system's facts about a file to an [`Entry`].

use std::hash::{BuildHasher, RandomState};

use rustix::fs::{FileType, Stat};

use crate::auth::Rights;
use crate::ftp::effect::{Entry, EntryKind, May};

/// Makes the number that MLSx calls `unique`: the same for one file under all its names while the server
/// runs, and telling nobody a device or an inode.
#[derive(Clone, Debug, Default)]
pub(super) struct Uniques(RandomState);

impl Uniques {
    fn of(&self, stat: &Stat) -> u64 {
        self.0.hash_one((stat.st_dev, stat.st_ino))
    }
}

/// What a mode says the thing is.
pub(super) fn kind(mode: u32) -> EntryKind {
    kind_of(FileType::from_raw_mode(mode))
}

/// What a file type is to a client.
pub(super) fn kind_of(what: FileType) -> EntryKind {
    match what {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        _ => EntryKind::Other,
    }
}

/// An entry with all its facts.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat differ between architectures")]
pub(super) fn entry(name: Vec<u8>, stat: &Stat, rights: Rights, uniques: &Uniques) -> Entry {
    let what = kind(stat.st_mode);
    Entry {
        name,
        what,
        size: if what == EntryKind::File { stat.st_size.try_into().unwrap_or(0) } else { 0 },
        modified: stat.st_mtime as i64,
        mode: stat.st_mode,
        links: stat.st_nlink as u64,
        uid: stat.st_uid,
        gid: stat.st_gid,
        unique: uniques.of(stat),
        may: may(what, rights),
    }
}

/// An entry of which only the name and perhaps the kind matter.
pub(super) fn name_only(name: Vec<u8>, what: FileType, rights: Rights) -> Entry {
    let what = kind_of(what);
    let may = may(what, rights);
    Entry { name, what, size: 0, modified: 0, mode: 0, links: 0, uid: 0, gid: 0, unique: 0, may }
}

fn may(what: EntryKind, rights: Rights) -> May {
    let usual = May { delete: rights.delete, rename: rights.rename, ..May::default() };
    match what {
        EntryKind::File => May { append: rights.append, read: rights.read, write: rights.overwrite, ..usual },
        EntryKind::Folder => {
            let (create, make_folder) = (rights.write, rights.mkdir);
            May { create, make_folder, list: rights.list, purge: rights.delete, ..usual }
        }
        EntryKind::Other => usual,
    }
}
