//! How much lies in a home folder, and how much may.
//!
//! The first login of a user with a quota counts what is there, once for each folder while the server runs;
//! from then on every change that comes through the server is kept account of. What others change on disk
//! meanwhile is seen at the next start. Nothing is written down, so nothing can be stale after a crash.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, MetadataExt};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use super::disk::Disk;
use super::fault::Fault;
use super::upload;
use crate::auth::Limits;
use crate::ftp::effect::FileError;

/// The usage of each folder that somebody has a quota for. As many as there are such folders.
#[derive(Clone, Debug, Default)]
pub(super) struct Books(Arc<Mutex<HashMap<PathBuf, Arc<Usage>>>>);

/// What lies in one folder.
#[derive(Debug, Default)]
struct Usage {
    bytes: AtomicU64,
    entries: AtomicU64,
    counted: watch::Sender<Count>,
}

/// Whether what was there is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Count {
    #[default]
    NotYet,
    UnderWay,
    Failed(FileError),
    Done,
}

/// One user's bounds for a folder.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    usage: Arc<Usage>,
    bytes: Option<u64>,
    entries: Option<u64>,
}

impl Books {
    /// The quota of a user for a home folder. Whoever has none keeps account for those who have one there.
    pub(super) fn open(&self, home: &Path, limits: Limits) -> Option<Quota> {
        let (bytes, entries) = (limits.quota_bytes, limits.quota_files);
        let mut books = self.0.lock();
        let usage = match (bytes, entries) {
            (None, None) => books.get(home)?.clone(),
            _ => books.entry(home.to_owned()).or_default().clone(),
        };
        Some(Quota { usage, bytes, entries })
    }
}

impl Usage {
    fn found(&self, (bytes, entries): (u64, u64), most: u64) {
        if entries >= most {
            warn!(entries, "quota.not-counted: there is more than `files.quota-scan` in a home folder");
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }
}

impl Quota {
    /// Counts what is in the folder, if nobody has yet; at most `most` entries are looked at. Who gives up waiting
    /// does not end the count: the next one finds it further.
    pub(super) async fn count(&self, folder: &Dir, disk: &Disk, most: u64) -> Result<(), FileError> {
        let usage = &self.usage;
        let mut told = usage.counted.subscribe();
        let begins = usage.counted.send_if_modified(|count| {
            let begins = matches!(count, Count::NotYet | Count::Failed(_));
            if begins {
                *count = Count::UnderWay;
            }
            begins
        });
        if begins {
            let folder = folder.try_clone();
            let usage = usage.clone();
            disk.later(move || {
                let counted = folder.map_err(Fault::from).and_then(|folder| scan(&folder, most));
                usage.counted.send_replace(match counted {
                    Ok(found) => {
                        usage.found(found, most);
                        Count::Done
                    }
                    Err(fault) => Count::Failed(fault),
                });
            });
        }
        let ended = async {
            let ended = told.wait_for(|count| matches!(count, Count::Failed(_) | Count::Done)).await;
            ended.map(|count| *count)
        };
        match disk.patiently(ended).await? {
            Ok(Count::Failed(fault)) => Err(fault),
            Ok(_) => Ok(()),
            Err(_) => Err(FileError::Io),
        }
    }

    /// Takes bytes, of which `credit` will be given back.
    fn take_bytes(&self, bytes: u64, credit: u64) -> Result<(), Fault> {
        let most = self.bytes.unwrap_or(u64::MAX).saturating_add(credit);
        take(&self.usage.bytes, bytes, most)
    }

    /// Takes room for one more file or folder.
    pub(super) fn take_entry(&self) -> Result<(), Fault> {
        take(&self.usage.entries, 1, self.entries.unwrap_or(u64::MAX))
    }

    fn give_bytes(&self, bytes: u64) {
        give(&self.usage.bytes, bytes);
    }

    /// One file or folder less.
    pub(super) fn give_entry(&self) {
        give(&self.usage.entries, 1);
    }

    /// A file of this size is gone.
    pub(super) fn give_file(&self, bytes: u64) {
        self.give_bytes(bytes);
        self.give_entry();
    }

    /// Bytes that may still come.
    pub(super) fn left(&self) -> u64 {
        let used = self.usage.bytes.load(Ordering::Relaxed);
        let full = self.entries.is_some_and(|most| self.usage.entries.load(Ordering::Relaxed) >= most);
        if full { 0 } else { self.bytes.unwrap_or(u64::MAX).saturating_sub(used) }
    }
}

fn take(counter: &AtomicU64, count: u64, most: u64) -> Result<(), Fault> {
    let taken = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
        used.checked_add(count).filter(|used| *used <= most)
    });
    taken.map(drop).map_err(|_| Fault::Quota)
}

fn give(counter: &AtomicU64, count: u64) {
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(count)));
}

/// What one upload takes. Dropped before it is settled, a file that nobody will see gives all back.
#[derive(Debug)]
pub(super) struct Account {
    quota: Quota,
    /// Bytes taken.
    taken: u64,
    /// Bytes of the old file that will be gone.
    credit: u64,
    /// Room for a new entry was taken.
    entry: bool,
    /// What was written stays, whatever becomes of the upload.
    in_place: bool,
}

impl Account {
    /// Of a file that takes the place of one of `old` bytes, or of none.
    pub(super) fn hidden(quota: &Quota, old: Option<u64>) -> Result<Account, Fault> {
        if old.is_none() {
            quota.take_entry()?;
        }
        let (credit, entry) = (old.unwrap_or(0), old.is_none());
        Ok(Account { quota: quota.clone(), taken: 0, credit, entry, in_place: false })
    }

    /// Of a file that is to be gone on with; with `new` it will be made first.
    pub(super) fn in_place(quota: &Quota, new: bool) -> Result<Account, Fault> {
        if new {
            quota.take_entry()?;
        }
        Ok(Account { quota: quota.clone(), taken: 0, credit: 0, entry: new, in_place: true })
    }

    /// That file is open, so its entry stays; its last `credit` bytes will be written anew.
    pub(super) fn opened(self, credit: u64) -> Account {
        let mut account = self;
        (account.entry, account.credit) = (false, credit);
        account
    }

    /// Bytes are about to be written.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        self.quota.take_bytes(bytes, self.credit)?;
        self.taken += bytes;
        Ok(())
    }

    /// The file stands: what it replaced, or cut off, is gone.
    pub(super) fn settle(mut self) {
        self.quota.give_bytes(std::mem::take(&mut self.credit));
        (self.taken, self.entry) = (0, false);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.in_place {
            // The first byte cut the old rest off.
            if self.taken > 0 {
                self.quota.give_bytes(self.credit);
            }
        } else {
            self.quota.give_bytes(self.taken);
        }
        if self.entry {
            self.quota.give_entry();
        }
    }
}

/// Bytes and entries beneath a folder; symlinks count as entries and are not followed.
fn scan(folder: &Dir, most: u64) -> Result<(u64, u64), Fault> {
    let (mut bytes, mut entries) = (0_u64, 0_u64);
    let mut open = vec![PathBuf::from(".")];
    while let Some(path) = open.pop() {
        // It may be gone, or closed to the server: then nobody can fill it either.
        let Ok(found) = folder.read_dir(&path) else { continue };
        for entry in found {
            let Ok(entry) = entry else { break };
            if entries >= most {
                return Ok((bytes, entries));
            }
            if upload::is_temporary(entry.file_name().as_bytes()) {
                // Under way, and counted as such, or left behind, and nobody's.
                continue;
            }
            entries += 1;
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                open.push(path.join(entry.file_name()));
            } else if facts.is_file() {
                bytes = bytes.saturating_add(facts.size());
            }
        }
    }
    Ok((bytes, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(bytes: u64, entries: u64) -> Quota {
        let limits = Limits { quota_bytes: Some(bytes), quota_files: Some(entries), ..Limits::default() };
        Books::default().open(Path::new("/srv/alice"), limits).expect("a quota")
    }

    fn used(quota: &Quota) -> (u64, u64) {
        (quota.usage.bytes.load(Ordering::Relaxed), quota.usage.entries.load(Ordering::Relaxed))
    }

    #[test]
    fn an_upload_takes_as_it_grows_and_gives_back_when_nobody_will_see_it() {
        let quota = quota(10, 2);
        let mut upload = Account::hidden(&quota, None).expect("room");
        upload.take(8).expect("room");
        assert_eq!(upload.take(3), Err(Fault::Quota));
        assert_eq!(used(&quota), (8, 1));
        drop(upload);
        assert_eq!(used(&quota), (0, 0));
        let mut upload = Account::hidden(&quota, None).expect("room");
        upload.take(10).expect("room");
        upload.settle();
        assert_eq!((used(&quota), quota.left()), ((10, 1), 0));
        let mut anew = Account::hidden(&quota, Some(10)).expect("no new entry");
        anew.take(6).expect("the old file will be gone");
        anew.settle();
        assert_eq!((used(&quota), quota.left()), ((6, 1), 4));
    }

    #[test]
    fn what_is_written_in_place_stays_counted() {
        let quota = quota(10, 1);
        let mut append = Account::in_place(&quota, true).expect("room").opened(0);
        append.take(6).expect("room");
        drop(append);
        assert_eq!(used(&quota), (6, 1));
        let mut resumed = Account::in_place(&quota, false).expect("room").opened(2);
        resumed.take(5).expect("four of six stay, five come");
        drop(resumed);
        assert_eq!((used(&quota), quota.left()), ((9, 1), 0), "no further file");
        drop(Account::in_place(&quota, false).expect("untouched").opened(9));
        assert_eq!(used(&quota), (9, 1));
        assert!(Account::hidden(&quota, None).is_err());
    }

    #[test]
    fn whoever_has_no_quota_keeps_account_for_those_who_have_one_there() {
        let books = Books::default();
        let home = Path::new("/srv/team");
        assert!(books.open(home, Limits::default()).is_none());
        let bound = books.open(home, Limits { quota_bytes: Some(5), ..Limits::default() }).expect("a quota");
        let free = books.open(home, Limits::default()).expect("an account");
        let mut upload = Account::hidden(&free, None).expect("room");
        upload.take(100).expect("no bound");
        upload.settle();
        assert_eq!(bound.left(), 0);
    }

    #[tokio::test]
    async fn the_first_login_counts_what_is_there_and_only_so_much() {
        let folder = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        for name in ["one", "a/two", "a/b/three"] {
            std::fs::write(folder.path().join(name), "12345").expect("file");
        }
        std::os::unix::fs::symlink("/", folder.path().join("out")).expect("link");
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).expect("dir");
        let disk = Disk::fixture(1);
        let whole = quota(100, 100);
        whole.count(&dir, &disk, 1000).await.expect("counted");
        whole.count(&dir, &disk, 1000).await.expect("only once");
        assert_eq!(used(&whole), (15, 6));
        let bounded = quota(100, 100);
        bounded.count(&dir, &disk, 4).await.expect("counted");
        assert_eq!(used(&bounded).1, 4);
    }
}
