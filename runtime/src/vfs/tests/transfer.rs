use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[tokio::test]
async fn t_66_an_upload_is_seen_only_when_it_is_whole() {
    let house = House::new();
    std::fs::write(house.home().join("file"), "old").expect("old");
    let mut upload = house.root.open_upload(&path("file"), 0).await.expect("upload");
    upload.write(&mut b"new ".to_vec()).await.expect("write");
    assert_eq!(house.fetch("file").await.expect("file"), b"old");
    let shown: Vec<_> = house.list("/").await.expect("list").into_iter().map(|entry| entry.name).collect();
    assert_eq!(shown, [b"file"], "uploads under way are hidden");
    assert_eq!(names(&house.home()).len(), 2);
    upload.write(&mut b"words".to_vec()).await.expect("write");
    upload.commit().await.expect("commit");
    assert_eq!(house.fetch("file").await.expect("file"), b"new words");
    assert_eq!(names(&house.home()), [b"file"]);
}

#[tokio::test]
async fn an_upload_that_breaks_leaves_the_old_file_and_nothing_else() {
    let house = House::new();
    house.store("file", b"old").await.expect("store");
    let mut upload = house.root.open_upload(&path("file"), 0).await.expect("upload");
    upload.write(&mut b"half".to_vec()).await.expect("write");
    upload.abandon().await;
    assert_eq!(house.fetch("file").await.expect("file"), b"old");
    assert_eq!(names(&house.home()), [b"file"]);
}

#[test]
fn an_upload_that_is_dropped_leaves_nothing_either() {
    let house = House::new();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let upload = runtime.block_on(house.root.open_upload(&path("file"), 0)).expect("upload");
    drop(runtime);
    drop(upload);
    assert!(names(&house.home()).is_empty());
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode() {
    let house = House::new();
    house.store("file", b"old").await.expect("store");
    let file = house.home().join("file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o751)).expect("mode");
    house.store("file", b"new").await.expect("store");
    assert_eq!(file.metadata().expect("file").permissions().mode() & 0o777, 0o751);
}

#[tokio::test]
async fn t_64_going_on_writes_at_the_offset_and_cuts_the_rest() {
    let house = House::new();
    house.store("file", b"0123456789").await.expect("store");
    let mut upload = house.root.open_upload(&path("file"), 4).await.expect("upload");
    assert_eq!(house.fetch("file").await.expect("file"), b"0123456789", "nothing is lost before a byte comes");
    let mut block = b"ab".to_vec();
    upload.write(&mut block).await.expect("write");
    assert!(block.is_empty() && block.capacity() > 0, "the block comes back empty");
    upload.write(&mut b"c".to_vec()).await.expect("write");
    upload.commit().await.expect("commit");
    assert_eq!(house.fetch("file").await.expect("file"), b"0123abc");

    house.root.open_upload(&path("file"), 2).await.expect("upload").commit().await.expect("commit");
    assert_eq!(house.fetch("file").await.expect("file"), b"01", "nothing sent is still a cut");
    let beyond = house.root.open_upload(&path("file"), 3).await.err();
    assert_eq!(beyond, Some(FileError::BeyondEnd));
    assert_eq!(house.root.open_upload(&path("none"), 1).await.err(), Some(FileError::NotFound));
}

#[tokio::test]
async fn appending_makes_the_file_and_goes_to_its_end() {
    let house = House::new();
    for text in ["one", "two"] {
        let mut upload = house.root.open_append(&path("file")).await.expect("upload");
        upload.write(&mut text.into()).await.expect("write");
        upload.commit().await.expect("commit");
    }
    assert_eq!(house.fetch("file").await.expect("file"), b"onetwo");
}

#[tokio::test]
async fn a_download_starts_anywhere_up_to_the_end() {
    let house = House::new();
    house.store("file", b"0123456789").await.expect("store");
    let download = house.root.open_download(&path("file"), 10).await.expect("download");
    assert_eq!(download.size(), 10);
    let mut block = vec![0; 4];
    assert_eq!(download.read_at(8, &mut block).await.expect("read"), 2);
    assert_eq!(&block[..2], b"89");
    assert_eq!(house.root.open_download(&path("file"), 11).await.err(), Some(FileError::BeyondEnd));
}

#[tokio::test]
async fn s_48_only_regular_files_open_and_nobody_waits_for_a_fifo() {
    let house = House::new();
    for (name, what) in [("fifo", rustix::fs::FileType::Fifo), ("socket", rustix::fs::FileType::Socket)] {
        let home = std::fs::File::open(house.home()).expect("home");
        rustix::fs::mknodat(&home, name, what, rustix::fs::Mode::RWXU, 0).expect(name);
        assert_eq!(house.root.open_download(&path(name), 0).await.err(), Some(FileError::NotRegular), "{name}");
        for offset in [0, 1] {
            let upload = house.root.open_upload(&path(name), offset).await;
            assert_eq!(upload.err(), Some(FileError::NotRegular), "{name} {offset}");
        }
        assert_eq!(house.root.open_append(&path(name)).await.err(), Some(FileError::NotRegular), "{name}");
    }
    std::fs::create_dir(house.home().join("folder")).expect("folder");
    assert_eq!(house.root.open_download(&path("folder"), 0).await.err(), Some(FileError::IsAFolder));
    assert_eq!(house.root.open_upload(&path("folder"), 0).await.err(), Some(FileError::IsAFolder));
    assert_eq!(house.root.open_upload(&path("folder"), 1).await.err(), Some(FileError::IsAFolder));
    assert_eq!(house.root.open_append(&path("folder")).await.err(), Some(FileError::IsAFolder));
    assert_eq!(house.root.open_upload(&path("/"), 0).await.err(), Some(FileError::IsAFolder));
    assert_eq!(house.root.open_upload(&path("none/file"), 0).await.err(), Some(FileError::NotFound));
}

#[tokio::test]
async fn the_longest_names_can_be_stored() {
    let house = House::new();
    let name = "\u{e9}".repeat(127) + "x";
    assert_eq!(name.len(), 255);
    house.store(&name, b"long").await.expect("store");
    assert_eq!(house.fetch(&name).await.expect("file"), b"long");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    // The kernel's own full disk. It is no regular file, so it is reached past the door of `Upload`.
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let error = std::io::Write::write_all(&mut &full, b"x").expect_err("full");
    assert_eq!(FileError::from(error), FileError::NoSpace);
}

#[tokio::test]
async fn readers_cannot_write_and_names_of_uploads_under_way_are_nobodys() {
    let house = House::with(Rights::READ_ONLY);
    std::fs::write(house.home().join("file"), "x").expect("file");
    assert_eq!(house.fetch("file").await.expect("file"), b"x");
    assert_eq!(house.store("file", b"y").await, Err(FileError::Denied));
    assert_eq!(house.root.open_append(&path("file")).await.err(), Some(FileError::Denied));

    let house = House::new();
    let hidden = ".a.portcullis-0123456789abcdef.part";
    std::fs::write(house.home().join(hidden), "x").expect("file");
    assert_eq!(house.fetch(hidden).await, Err(FileError::NotFound));
    assert_eq!(house.store(hidden, b"y").await, Err(FileError::BadName));
    assert_eq!(house.facts(hidden).await.err(), Some(FileError::NotFound));
}

#[tokio::test]
async fn each_way_of_writing_needs_its_own_right() {
    let house = House::with(Rights { append: false, overwrite: false, ..Rights::FULL });
    house.store("new", b"x").await.expect("a new file");
    assert_eq!(house.store("new", b"y").await, Err(FileError::Denied), "overwrite");
    assert_eq!(house.root.open_append(&path("new")).await.err(), Some(FileError::Denied), "append");
    assert_eq!(house.root.open_upload(&path("new"), 1).await.err(), Some(FileError::Denied), "go on at the end");
    house.root.open_append(&path("other")).await.expect("APPE makes a new file").commit().await.expect("commit");

    let house = House::with(Rights { write: false, overwrite: false, ..Rights::FULL });
    std::fs::write(house.home().join("log"), "one").expect("file");
    assert_eq!(house.store("new", b"x").await, Err(FileError::Denied), "write");
    assert_eq!(house.root.open_append(&path("new")).await.err(), Some(FileError::NotFound), "write");
    assert_eq!(house.root.open_upload(&path("log"), 1).await.err(), Some(FileError::Denied), "overwrite");
    let mut upload = house.root.open_upload(&path("log"), 3).await.expect("go on at the end");
    // Somebody else was faster; nothing of theirs is lost.
    std::fs::write(house.home().join("log"), "one, two").expect("file");
    upload.write(&mut b", three".to_vec()).await.expect("write");
    upload.commit().await.expect("commit");
    assert_eq!(house.fetch("log").await.expect("file"), b"one, two, three");
}

#[tokio::test]
async fn who_may_not_overwrite_does_not_win_a_race_either() {
    let house = House::with(Rights { overwrite: false, delete: false, ..Rights::FULL });
    let mut slow = house.root.open_upload(&path("file"), 0).await.expect("upload");
    slow.write(&mut b"slow".to_vec()).await.expect("write");
    house.store("file", b"fast").await.expect("store");
    assert_eq!(slow.commit().await, Err(FileError::NotReplaceable));
    assert_eq!(house.fetch("file").await.expect("file"), b"fast");
    assert_eq!(names(&house.home()), [b"file"]);
}

#[tokio::test]
async fn an_upload_over_a_symlink_replaces_the_link() {
    let house = House::new();
    house.store("file", b"old").await.expect("store");
    symlink("file", house.home().join("link")).expect("link");
    house.store("link", b"new").await.expect("store");
    assert_eq!(house.fetch("file").await.expect("file"), b"old");
    assert_eq!(house.fetch("link").await.expect("link"), b"new");
}
