//! What holds for any path that a client types: the body of a fuzz target (see [`crate::fuzzing`]).

use std::future::Future;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Detail, Files, Root, VirtualPath};
use crate::auth::{Permit, Rights};
use crate::config::settings::{self, Ascii, Fsync, Partial, Timeouts};
use crate::ftp::effect::{Algorithm, Change, FileAnswer, FileQuestion, HashJob};
use crate::ftp::raw;
use crate::fuzzing::Choices;
use crate::moment::Moment;

static TIMEOUTS: LazyLock<Timeouts> = LazyLock::new(|| crate::config::defaults().timeouts);

/// Nothing that a client writes has this length.
const SECRET: [u8; 4242] = [b'S'; 4242];

const PARTS: [&str; 16] =
    ["a", "b", "..", ".", "", "/", "secret", "outside", "in", "up", "away", "round", "home", "etc", "a/../..", "//"];

/// Beside a user's home is something that must not be reached, and links lead to it.
struct House(PathBuf);

impl House {
    fn new() -> House {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("portcullis-paths-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let house = House(std::env::temp_dir().join(name));
        for folder in ["home/a/b", "outside"] {
            std::fs::create_dir_all(house.0.join(folder)).expect("folder");
        }
        std::fs::write(house.secret(), SECRET).expect("secret");
        for (name, target) in [("in", "a/b"), ("up", "../outside"), ("round", "round")] {
            symlink(target, house.home().join(name)).expect("link");
        }
        symlink(house.outside(), house.home().join("away")).expect("link");
        symlink("../../outside/secret", house.home().join("a/secret")).expect("link");
        house
    }

    fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    fn outside(&self) -> PathBuf {
        self.0.join("outside")
    }

    fn secret(&self) -> PathBuf {
        self.outside().join("secret")
    }

    fn is_untouched(&self, since: (u64, u32, i64)) {
        assert_eq!(std::fs::read_dir(self.outside()).expect("outside").count(), 1);
        assert_eq!(facts(&self.secret()), since);
        let mut beside: Vec<_> =
            std::fs::read_dir(&self.0).expect("house").map(|it| it.expect("entry").file_name()).collect();
        beside.sort();
        assert_eq!(beside, ["home", "outside"]);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn facts(path: &Path) -> (u64, u32, i64) {
    let meta = std::fs::symlink_metadata(path).expect("there");
    (meta.len(), meta.mode(), meta.mtime())
}

/// The normaliser, by the rule as it is told.
fn joined(base: &VirtualPath, typed: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let whole = if typed.starts_with('/') { typed.to_owned() } else { format!("{base}/{typed}") };
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn typed(choices: &mut Choices<'_>) -> String {
    match choices.below(4) {
        0 => raw::from_bytes(choices.bytes()).into_owned(),
        count => (0..count).map(|_| choices.one_of(&PARTS)).collect::<Vec<_>>().join("/"),
    }
}

fn path(base: &VirtualPath, choices: &mut Choices<'_>) -> VirtualPath {
    let typed = typed(choices);
    let Ok(path) = base.join(&typed) else { return base.clone() };
    assert_eq!(path.as_str(), joined(base, &typed));
    assert!(path.as_str().starts_with('/') && !path.as_str().chars().any(char::is_control));
    assert!(raw::length(path.as_str()) <= VirtualPath::BYTES_MAX);
    assert!(path.as_str()[1..].split('/').all(|part| !matches!(part, "." | "..")));
    assert_eq!(VirtualPath::root().join(path.as_str()).as_ref(), Ok(&path), "a path names itself");
    assert_eq!(path.within(&path.parent()).and_then(|it| it.name().map(str::to_owned)), path.name().map(str::to_owned));
    path
}

/// Paths: one normaliser, and whatever is asked beneath a root, nothing beside it is seen or changed.
pub fn paths(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let house = House::new();
    let since = facts(&house.secret());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let settings = settings::Files {
        fsync: Fsync::Never,
        entries_in_reply: 8,
        ascii: Ascii::Convert,
        partial: choices.one_of(&[Partial::Discard, Partial::Keep]),
        umask: 0o022,
        hash_bytes: 10_000,
        hashes_at_once: 1,
        workers_per_disk: 4,
        quota_scan: 1000,
    };
    let files = Files::new(&settings, &TIMEOUTS);
    let permit = Permit::fixture("alice", &house.home(), Rights::FULL);
    let root = runtime.block_on(Root::open(&permit, &files)).expect("root");
    let mut folder = VirtualPath::root();
    for _ in 0..12 {
        if choices.is_empty() {
            break;
        }
        let at = path(&folder, &mut choices);
        if choices.below(8) == 0 {
            folder = at.clone();
        }
        runtime.block_on(ask(&root, &house, at, &folder, &mut choices));
    }
    house.is_untouched(since);
}

async fn ask(root: &Root, house: &House, at: VirtualPath, folder: &VirtualPath, choices: &mut Choices<'_>) {
    let question = match choices.below(16) {
        0 => FileQuestion::Enter(at),
        1 => FileQuestion::Facts(at),
        2 => FileQuestion::Entries(at),
        3 => FileQuestion::Delete(at),
        4 => FileQuestion::MakeFolder(at),
        5 => FileQuestion::RemoveFolder(at),
        6 | 7 => FileQuestion::Rename { from: at, to: path(folder, choices) },
        8 => FileQuestion::Change(at, Change { modified: Some(Moment::from_millis(7000)), mode: Some(0o777) }),
        9 => FileQuestion::FreeName(at),
        10 => FileQuestion::Hash(HashJob { path: at, algorithm: Algorithm::Crc32, from: 0, to: None }),
        11 => {
            // Somebody with a shell there: names may lead anywhere.
            let name = ["a", "b", "c", "in"][choices.below(4)];
            let target = ["../outside/secret", "..", "/", "a", "../../outside"][choices.below(5)];
            let _ = symlink(target, house.home().join(name));
            return;
        }
        12 => return store(root.open_upload(&at, u64::from(choices.byte() / 64)).await).await,
        13 => return store(root.open_append(&at).await).await,
        14 => {
            let Ok(download) = root.open_download(&at, 0).await else { return };
            assert_ne!(download.size(), SECRET.len() as u64, "{at} leads outside");
            return;
        }
        _ => {
            let Ok(mut listing) = root.list(&at, Detail::Full).await else { return };
            while let Ok(Some(entries)) = listing.next().await {
                for entry in entries {
                    assert_ne!(entry.size, SECRET.len() as u64, "{at} leads outside");
                }
            }
            return;
        }
    };
    let asked = format!("{question:?}");
    let answer = seen(root.answer(question)).await;
    match answer {
        Some(FileAnswer::Entry(entry)) => assert_ne!(entry.size, SECRET.len() as u64, "{asked}"),
        Some(FileAnswer::Entries { entries, .. }) => {
            assert!(entries.len() <= 8);
            assert!(entries.iter().all(|entry| entry.size != SECRET.len() as u64), "{asked}");
        }
        Some(FileAnswer::Hash { from, to, .. }) => assert!(from <= to && to != SECRET.len() as u64, "{asked}"),
        _ => {}
    }
}

async fn seen<E>(answer: impl Future<Output = Result<FileAnswer, E>>) -> Option<FileAnswer> {
    answer.await.ok()
}

async fn store<E>(upload: Result<super::Upload, E>) {
    let Ok(mut upload) = upload else { return };
    if upload.write(&mut b"from a client".to_vec()).await.is_ok() {
        let _ = upload.commit().await;
    } else {
        upload.abandon().await;
    }
}
