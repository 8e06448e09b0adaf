use std::os::unix::fs::symlink;

use super::*;
use crate::ftp::effect::EntryKind;

#[tokio::test]
async fn a_listing_tells_what_each_entry_is() {
    let house = House::new();
    std::fs::create_dir(house.home().join("folder")).expect("folder");
    house.store("folder/file", b"12345").await.expect("store");
    symlink("folder/file", house.home().join("inside")).expect("link");
    symlink("../outside/secret", house.home().join("leads-out")).expect("link");
    symlink("nowhere", house.home().join("broken")).expect("link");
    let listed: Vec<_> = house.list("/").await.expect("list");
    let shown: Vec<_> =
        listed.iter().map(|entry| (String::from_utf8_lossy(&entry.name), entry.what, entry.size)).collect();
    assert_eq!(
        shown,
        [
            ("broken".into(), EntryKind::Other, 0),
            ("folder".into(), EntryKind::Folder, 0),
            ("inside".into(), EntryKind::File, 5),
            ("leads-out".into(), EntryKind::Other, 0),
        ]
    );
    symlink("../inside", house.home().join("folder/up")).expect("link");
    let inner = house.list("folder").await.expect("list");
    assert_eq!((inner[1].what, inner[1].size), (EntryKind::File, 5), "links resolve from where they stand");
}

#[tokio::test]
async fn t_61_names_that_are_not_utf_8_or_hold_a_newline_are_listed_by_their_bytes() {
    let house = House::new();
    for name in [b"caf\xe9".as_slice(), b"two\nlines", b"\x01"] {
        std::fs::write(house.home().join(std::ffi::OsStr::from_bytes(name)), "x").expect("file");
    }
    let listed: Vec<_> = house.list("/").await.expect("list").into_iter().map(|entry| entry.name).collect();
    assert_eq!(listed, [b"\x01".to_vec(), b"caf\xe9".to_vec(), b"two\nlines".to_vec()]);
}

#[tokio::test]
async fn a_file_lists_as_itself_and_what_is_missing_does_not() {
    let house = House::new();
    house.store("file", b"12345").await.expect("store");
    let listing = house.root.list(&path("file"), Detail::Full).await.expect("list");
    assert!(!listing.is_folder());
    let listed = house.list("file").await.expect("list");
    assert_eq!((listed.len(), listed[0].name.as_slice(), listed[0].size), (1, b"file".as_slice(), 5));
    assert_eq!(house.list("none").await.err(), Some(FileError::NotFound));
}

#[tokio::test]
async fn s_50_a_large_folder_comes_in_bounded_batches_without_gaps() {
    let house = House::new();
    for number in 0..5000 {
        std::fs::write(house.home().join(format!("file-{number:05}")), "").expect("file");
    }
    for detail in [Detail::Full, Detail::Names] {
        let mut listing = house.root.list(&path("/"), detail).await.expect("list");
        let mut all = Vec::new();
        while let Some(batch) = listing.next().await.expect("batch") {
            assert!(!batch.is_empty() && batch.len() < 1400, "{}", batch.len());
            all.extend(batch.into_iter().map(|entry| entry.name));
        }
        assert!(listing.next().await.expect("the end stays the end").is_none());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5000);
    }
}

#[tokio::test]
async fn entries_that_vanish_meanwhile_are_left_out() {
    let house = House::new();
    for number in 0..3000 {
        std::fs::write(house.home().join(format!("file-{number:05}")), "").expect("file");
    }
    let mut listing = house.root.list(&path("/"), Detail::Full).await.expect("list");
    listing.next().await.expect("batch").expect("some");
    std::fs::remove_dir_all(house.home()).expect("remove");
    while let Some(batch) = listing.next().await.expect("no error") {
        assert!(batch.len() < 3000);
    }
}

#[tokio::test]
async fn entries_in_a_reply_are_bounded() {
    let house = House::new();
    for number in 0..3 {
        house.store(&format!("file-{number}"), b"").await.expect("store");
    }
    let entries = async || match house.ask(FileQuestion::Entries(path("/"))).await.expect("entries") {
        FileAnswer::Entries { entries, more } => (entries.len(), more),
        other => panic!("{other:?}"),
    };
    assert_eq!(entries().await, (3, false));
    house.store("one more", b"").await.expect("store");
    assert_eq!(entries().await, (3, true));
}

#[tokio::test]
async fn who_may_not_list_sees_nothing() {
    let house = House::with(Rights { list: false, ..Rights::FULL });
    assert_eq!(house.list("/").await.err(), Some(FileError::Denied));
}
