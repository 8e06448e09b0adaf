//! Stories about files, over real folders.

mod confinement;
mod folders;
mod listing;
mod quota;
mod transfer;
mod tree;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Detail, Files, Root, VirtualPath};
use crate::auth::{Permit, Rights};
use crate::config::settings::{self, Ascii, Fsync, Partial};
use crate::ftp::effect::{Entry, FileAnswer, FileError, FileQuestion};

/// A folder with a user's home in it, and something beside the home that must not be reached.
struct House {
    folder: TempDir,
    files: Files,
    root: Root,
}

impl House {
    fn new() -> House {
        House::with(Rights::FULL)
    }

    fn with(rights: Rights) -> House {
        let folder = tempfile::tempdir().expect("dir");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("home");
        std::fs::create_dir(folder.path().join("outside")).expect("outside");
        std::fs::write(folder.path().join("outside/secret"), "secret").expect("secret");
        let settings = settings::Files {
            fsync: Fsync::Always,
            entries_in_reply: 3,
            ascii: Ascii::Convert,
            partial: Partial::Discard,
            umask: 0o022,
            hash_bytes: 16,
            hashes_at_once: 1,
            workers_per_disk: 4,
            quota_scan: 1000,
        };
        let files = Files::new(&settings, &crate::config::defaults().timeouts);
        let root = open(&Permit::fixture("alice", &home, rights), &files);
        House { folder, files, root }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    async fn ask(&self, question: FileQuestion) -> Result<FileAnswer, FileError> {
        self.root.answer(question).await
    }

    async fn facts(&self, typed: &str) -> Result<Entry, FileError> {
        match self.ask(FileQuestion::Facts(path(typed))).await? {
            FileAnswer::Entry(entry) => Ok(entry),
            other => panic!("{other:?}"),
        }
    }

    async fn list(&self, typed: &str) -> Result<Vec<Entry>, FileError> {
        let mut listing = self.root.list(&path(typed), Detail::Full).await?;
        let mut entries = Vec::new();
        while let Some(batch) = listing.next().await? {
            entries.extend(batch);
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    async fn store(&self, typed: &str, bytes: &[u8]) -> Result<(), FileError> {
        let mut upload = self.root.open_upload(&path(typed), 0).await?;
        if let Err(error) = upload.write(&mut bytes.to_vec()).await {
            // As a transfer does, so that nothing is left when the error is told.
            upload.abandon().await;
            return Err(error);
        }
        upload.commit().await
    }

    async fn fetch(&self, typed: &str) -> Result<Vec<u8>, FileError> {
        let download = self.root.open_download(&path(typed), 0).await?;
        let (mut all, mut block) = (Vec::new(), vec![0; 5]);
        loop {
            let count = download.read_at(all.len() as u64, &mut block).await?;
            if count == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&block[..count]);
        }
    }
}

/// Opens a root in a test that may be within a runtime.
fn open(permit: &Permit, files: &Files) -> Root {
    let opened = std::thread::scope(|threads| {
        let open = || tokio::runtime::Runtime::new().expect("runtime").block_on(Root::open(permit, files));
        threads.spawn(open).join()
    });
    opened.expect("no panic").expect("root")
}

fn path(typed: &str) -> VirtualPath {
    VirtualPath::root().join(typed).expect("path")
}

/// Names in a folder, as the operator sees them.
fn names(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("folder");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("entry").file_name().as_bytes().to_vec()).collect();
    names.sort();
    names
}
