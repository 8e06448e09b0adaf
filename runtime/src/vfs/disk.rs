//! The disks beneath the roots. Each has a bounded number of threads that may wait for it: one that hangs, such as
//! a server of NFS that is gone, holds those and no other's, and nobody waits for it longer than `timeouts.disk`.
//!
//! Which disk a folder is on is read from the system's table of mounts, which answers whatever hangs. All that comes
//! from one server of the network is one disk, since it is gone as one. A folder with something from elsewhere
//! mounted beneath it is a disk of its own: what hangs there holds the threads of those who share that folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cap_std::fs::Dir;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, StatxFlags, statx};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::fault::Fault;
use crate::config::settings;
use crate::threads;
use crate::waits::{self, Wait};

/// File systems of this machine's own disks and memory: what the kernel has in its caches it tells at once.
/// All others, of the network or of a program, may wait for somebody else at any question.
const OWN: [&str; 14] = [
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "squashfs", "tmpfs",
    "xfs", "zfs",
];

/// How long somebody waits.
#[derive(Clone, Copy, Debug)]
struct Patience {
    disk: Duration,
    flush: Duration,
}

/// All disks that roots are on: as many as there are, and one entry for each folder of a user who was in.
#[derive(Clone, Debug)]
pub(super) struct Disks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    workers: usize,
    patience: Patience,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, Arc<Disk>>,
    by_folder: HashMap<PathBuf, Place>,
}

/// Where a folder is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) disk: Arc<Disk>,
    /// The mount's number in the system's table; `None`: there is no table.
    mount: Option<u64>,
}

/// One disk.
#[derive(Debug)]
pub(super) struct Disk {
    name: String,
    /// Whether what is in the kernel's caches may be asked for where one stands.
    is_own: bool,
    /// Whether files are closed where one stands: nothing from elsewhere is among them.
    closes_at_once: bool,
    places: Arc<Semaphore>,
    patience: Patience,
    hangs: AtomicBool,
}

impl Disks {
    /// With `files.workers-per-disk`, `timeouts.disk` and `timeouts.disk-flush` in force.
    pub(super) fn new(files: &settings::Files, timeouts: &settings::Timeouts) -> Disks {
        let patience = Patience { disk: timeouts.disk, flush: timeouts.disk_flush };
        Disks(Arc::new(Shared { workers: files.workers_per_disk, patience, known: Mutex::default() }))
    }

    /// The disk that a folder is on, by its name: the folder itself is not touched.
    pub(super) fn of(&self, folder: &Path) -> Place {
        let mut known = self.0.known.lock();
        if let Some(place) = known.by_folder.get(folder) {
            return place.clone();
        }
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        // Without a table each folder is a disk of its own, and none that answers at once.
        let mount = Mount::of(&table, folder);
        let name = mount.as_ref().map_or_else(|| folder.display().to_string(), |mount| mount.disk.clone());
        let make = || {
            Arc::new(Disk {
                name: name.clone(),
                is_own: mount.as_ref().is_some_and(|mount| mount.is_own),
                closes_at_once: mount.as_ref().is_some_and(|mount| mount.is_own && !mount.holds_others),
                places: Arc::new(Semaphore::new(self.0.workers)),
                patience: self.0.patience,
                hangs: AtomicBool::new(false),
            })
        };
        let disk = known.by_name.entry(name.clone()).or_insert_with(make).clone();
        let place = Place { disk, mount: mount.map(|mount| mount.number) };
        known.by_folder.insert(folder.to_owned(), place.clone());
        place
    }

    /// Looks for the folder's disk anew next time: something else may be mounted there by now.
    pub(super) fn forget(&self, folder: &Path) {
        self.0.known.lock().by_folder.remove(folder);
    }
}

impl Place {
    /// Whether an open folder is where it was thought to be. Kernels before 5.8 cannot tell. Asks no disk.
    pub(super) fn holds(&self, folder: &Dir) -> bool {
        let told = statx(folder, "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::MNT_ID);
        let told = told.ok().filter(|facts| facts.stx_mask & StatxFlags::MNT_ID.bits() != 0);
        self.mount.zip(told).is_none_or(|(mount, facts)| mount == facts.stx_mnt_id)
    }
}

impl Disk {
    /// One of this machine's own, which may take a tenth of a second.
    #[cfg(test)]
    pub(super) fn fixture(workers: usize) -> Arc<Disk> {
        let patience = Patience { disk: Duration::from_millis(100), flush: Duration::from_secs(60) };
        let places = Arc::new(Semaphore::new(workers));
        let (name, hangs) = ("1:1".to_owned(), AtomicBool::new(false));
        Arc::new(Disk { name, is_own: true, closes_at_once: true, places, patience, hangs })
    }

    /// Whether what the kernel has in its caches is told at once.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Does work on one of this disk's threads. Whoever waited too long waits no more; the thread does, and the
    /// work may still be done.
    ///
    /// # Errors
    /// `TimedOut`, besides the work's own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        wait: Wait,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let done = threads::run(&self.places, work);
        let span = if wait == Wait::DiskFlush { self.patience.flush } else { self.patience.disk };
        match waits::for_at_most(span, wait, done).await {
            Ok(done) => {
                let done = done.unwrap_or(Err(Fault::Io));
                if self.hangs.load(Ordering::Relaxed) && self.hangs.swap(false, Ordering::Relaxed) {
                    info!(disk = self.name, "files.disk-answers");
                }
                done
            }
            Err(_) => {
                // Once, until it answers again.
                if !self.hangs.swap(true, Ordering::Relaxed) {
                    warn!(disk = self.name, "files.disk-hangs: it did not answer within `timeouts.{wait}`");
                }
                Err(Fault::TimedOut)
            }
        }
    }

    /// Does work there that nobody waits for, or somebody who may give up: it is done all the same. There are as
    /// many of these as there are open files.
    pub(super) fn later(&self, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            work();
            return None;
        };
        // A free place is taken at once: no task has to come to it first.
        Some(match self.places.clone().try_acquire_owned() {
            Ok(place) => runtime.spawn_blocking(move || {
                let _place = place;
                work();
            }),
            Err(_) => {
                let places = self.places.clone();
                runtime.spawn(async move {
                    let _ = threads::run(&places, work).await;
                })
            }
        })
    }

    /// As [`Disk::later`], waited for as long as for other work.
    pub(super) async fn finish(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(done) = self.later(work) {
            let _ = self.patiently(done).await;
        }
    }

    /// Waits for what this disk's threads do, as long as for any work.
    ///
    /// # Errors
    /// `TimedOut`.
    pub(super) async fn patiently<T>(&self, done: impl Future<Output = T>) -> Result<T, Fault> {
        waits::for_at_most(self.patience.disk, Wait::Disk, done).await.map_err(|_| Fault::TimedOut)
    }
}

/// An open file whose closing may wait for its disk, as network file systems write what is left then.
#[derive(Debug)]
pub(super) struct Handle {
    file: Option<Arc<File>>,
    disk: Arc<Disk>,
}

impl Handle {
    pub(super) fn new(file: cap_std::fs::File, disk: &Arc<Disk>) -> Handle {
        Handle { file: Some(Arc::new(file.into_std())), disk: disk.clone() }
    }

    pub(super) fn file(&self) -> &Arc<File> {
        self.file.as_ref().expect("it goes with the handle only")
    }

    pub(super) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(file) = self.file.take()
            && !self.disk.closes_at_once
        {
            self.disk.later(move || drop(file));
        }
    }
}

/// What is mounted where a folder is.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    number: u64,
    /// What hangs as one.
    disk: String,
    is_own: bool,
    /// Something that is not the machine's own is mounted beneath the folder.
    holds_others: bool,
}

impl Mount {
    /// From `/proc/self/mountinfo` (proc(5)): the longest point of a mount that the folder is beneath; of those at
    /// one point the last one counts, as it hides the others.
    fn of(table: &[u8], folder: &Path) -> Option<Mount> {
        let mut found: Option<(usize, Mount)> = None;
        let mut holds_others = false;
        for line in table.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let text = |at: usize| fields.get(at).map(|field| String::from_utf8_lossy(field));
            let Some(dash) = fields.iter().position(|field| *field == b"-") else { continue };
            let (Some(number), Some(device), Some(kind)) = (text(0), text(2), text(dash + 1)) else { continue };
            let (Ok(number), Some(point)) = (number.parse(), fields.get(4)) else { continue };
            let point = PathBuf::from(OsString::from_vec(unescaped(point)));
            let is_own = OWN.contains(&kind.as_ref());
            let depth = point.components().count();
            if folder.starts_with(&point) && found.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
                let server = text(dash + 2).and_then(|source| server(&kind, &source).map(str::to_owned));
                let disk = server.unwrap_or_else(|| device.into_owned());
                found = Some((depth, Mount { number, disk, is_own, holds_others: false }));
            } else if !is_own && point.starts_with(folder) {
                holds_others = true;
            }
        }
        let (_, mount) = found?;
        let disk = if holds_others { format!("{} with {}", mount.disk, folder.display()) } else { mount.disk };
        Some(Mount { disk, holds_others, ..mount })
    }
}

/// The server that a file system of the network comes from, as its source is written.
fn server<'s>(kind: &str, source: &'s str) -> Option<&'s str> {
    match kind {
        "nfs" | "nfs4" => source.rsplit_once(":/").map(|(server, _)| server),
        "cifs" | "smb3" => source.strip_prefix("//")?.split('/').next(),
        _ => None,
    }
}

/// Blanks and their like stand there as `\040`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = behind.first_chunk::<3>().filter(|digits| byte == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(byte));
        rest = if value.is_some() { &behind[3..] } else { behind };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        30 27 0:21 / /proc rw - proc proc rw\n\
        41 27 0:50 /export /srv/nfs rw shared:3 master:1 - nfs4 server:/export rw\n\
        42 27 254:0 /other /srv/nfs/bound rw - ext4 /dev/vda rw\n\
        43 27 0:51 / /home/with\\040blank rw - fuse.sshfs there: rw\n\
        44 27 0:52 / /home/twice rw - tmpfs one rw\n\
        45 44 0:53 / /home/twice rw - cifs //two/share rw\n\
        47 27 0:54 / /home/six rw - nfs [2001:db8::1]:/ rw\n\
        46 damaged\n";

    #[test]
    fn a_folder_is_on_what_is_mounted_nearest_above_it_and_a_server_is_one_disk() {
        for (folder, number, disk, is_own, holds_others) in [
            ("/pub/alice", 27, "254:0", true, false),
            ("/srv/nfs", 41, "server", false, false),
            ("/srv/nfs/alice", 41, "server", false, false),
            ("/srv/nfsalice", 27, "254:0", true, false),
            ("/srv/nfs/bound/alice", 42, "254:0", true, false),
            ("/srv", 27, "254:0 with /srv", true, true),
            ("/home/with blank/alice", 43, "0:51", false, false),
            ("/home/twice/alice", 45, "two", false, false),
            ("/home/six", 47, "[2001:db8::1]", false, false),
        ] {
            let mount = Mount::of(TABLE, Path::new(folder)).expect(folder);
            assert_eq!(mount, Mount { number, disk: disk.to_owned(), is_own, holds_others }, "{folder}");
        }
        assert_eq!(Mount::of(b"", Path::new("/srv")), None);
        assert_eq!(unescaped(b"a\\040b\\\\04\\134"), b"a b\\\\04\\");
    }

    #[test]
    fn a_folder_that_is_open_is_known_by_the_number_of_its_mount() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("a path");
        let disks = Disks::new(&crate::config::defaults().files, &crate::config::defaults().timeouts);
        let place = disks.of(&path);
        let dir = Dir::open_ambient_dir(&path, cap_std::ambient_authority()).expect("it opens");
        assert!(place.mount.is_some() && place.holds(&dir));
        let elsewhere = Dir::open_ambient_dir("/proc", cap_std::ambient_authority()).expect("it opens");
        assert!(!place.holds(&elsewhere));
    }

    #[tokio::test]
    async fn f_24_a_disk_that_hangs_holds_its_own_threads_and_what_was_to_be_done_is_done_when_it_answers() {
        let (hung, other) = (Disk::fixture(1), Disk::fixture(1));
        let (wake, waits) = std::sync::mpsc::channel::<()>();
        let stuck = hung.run(Wait::Disk, move || waits.recv().map_err(|_| Fault::Io)).await;
        assert_eq!(stuck, Err(Fault::TimedOut));
        assert_eq!(hung.run(Wait::Disk, || Ok(1)).await, Err(Fault::TimedOut), "its only thread is held");
        let (done, told) = tokio::sync::oneshot::channel();
        hung.finish(move || {
            let _ = done.send(());
        })
        .await;
        assert_eq!(other.run(Wait::Disk, || Ok(2)).await, Ok(2));
        wake.send(()).expect("the thread is there");
        told.await.expect("it is done though nobody waits for it");
        assert_eq!(hung.run(Wait::DiskFlush, || Ok(3)).await, Ok(3));
    }
}
