use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

#[tokio::test]
async fn s_46_no_path_leaves_the_root() {
    let house = House::new();
    let outside = house.outside();
    symlink(&outside, house.home().join("absolute")).expect("link");
    symlink("../outside", house.home().join("climbs")).expect("link");
    symlink("/proc/self/root", house.home().join("magic")).expect("link");
    for link in ["absolute", "climbs", "magic"] {
        let beneath = format!("{link}/secret");
        let new = format!("{link}/new");
        assert_eq!(house.fetch(&beneath).await, Err(FileError::Denied), "{link}");
        assert_eq!(house.store(&new, b"x").await, Err(FileError::Denied), "{link}");
        assert!(house.root.open_append(&path(&beneath)).await.is_err(), "{link}");
        assert!(house.list(link).await.is_err(), "{link}");
        assert!(house.facts(&beneath).await.is_err(), "{link}");
        for question in [
            FileQuestion::Enter(path(link)),
            FileQuestion::MakeFolder(path(&new)),
            FileQuestion::Delete(path(&beneath)),
            FileQuestion::Rename { from: path(&beneath), to: path("stolen") },
        ] {
            assert!(house.ask(question.clone()).await.is_err(), "{question:?}");
        }
    }
    for typed in ["../outside/secret", "/../outside/secret", "home/../../outside/secret"] {
        assert!(house.fetch(typed).await.is_err(), "{typed}");
    }
    assert_eq!(names(&outside), [b"secret"]);
}

/// A folder and a symlink that leads out change places all the while; what is made in the folder must
/// never be made outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_47_a_folder_swapped_for_a_symlink_is_never_followed_out() {
    const RACES: u32 = 10_000;
    let house = House::new();
    let (folder, link) = (house.home().join("folder"), house.home().join("link"));
    std::fs::create_dir(&folder).expect("folder");
    symlink("../outside", &link).expect("link");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).expect("swap");
            }
        });
        let races = async {
            let (mut inside, mut refused) = (0, 0);
            for race in 0..RACES {
                let new = path(&format!("folder/new-{race}"));
                let made = if race % 2 == 0 {
                    house.ask(FileQuestion::MakeFolder(new)).await.map(drop)
                } else {
                    // Held open over a swap or two, then put in its place.
                    match house.root.open_upload(&new, 0).await {
                        Ok(upload) => upload.commit().await,
                        Err(fault) => Err(fault),
                    }
                };
                *(if made.is_ok() { &mut inside } else { &mut refused }) += 1;
                if let Ok(bytes) = house.fetch("folder/secret").await {
                    panic!("read from outside: {bytes:?}");
                }
            }
            (inside, refused)
        };
        let (inside, refused) = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(races));
        stop.store(true, Ordering::Relaxed);
        assert!(inside > 0 && refused > 0, "a race: {inside} inside, {refused} refused");
    });
    assert_eq!(names(&house.outside()), [b"secret"]);
}
