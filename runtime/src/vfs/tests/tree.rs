use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::ftp::effect::{Algorithm, Change, EntryKind, HashJob};
use crate::moment::Moment;

async fn done(house: &House, question: FileQuestion) -> Result<(), FileError> {
    house.ask(question).await.map(|answer| assert_eq!(answer, FileAnswer::Done))
}

fn rename(from: &str, to: &str) -> FileQuestion {
    FileQuestion::Rename { from: path(from), to: path(to) }
}

#[tokio::test]
async fn folders_are_made_entered_and_removed() {
    let house = House::new();
    done(&house, FileQuestion::MakeFolder(path("a"))).await.expect("make");
    done(&house, FileQuestion::MakeFolder(path("a/b"))).await.expect("make");
    for (question, fault) in [
        (FileQuestion::MakeFolder(path("a")), FileError::Exists),
        (FileQuestion::MakeFolder(path("x/y")), FileError::NotFound),
        (FileQuestion::MakeFolder(path("/")), FileError::Exists),
        (FileQuestion::RemoveFolder(path("a")), FileError::NotEmpty),
        (FileQuestion::RemoveFolder(path("/")), FileError::Denied),
        (FileQuestion::RemoveFolder(path("x")), FileError::NotFound),
        (FileQuestion::Delete(path("a")), FileError::IsAFolder),
        (FileQuestion::Enter(path("x")), FileError::NotFound),
    ] {
        assert_eq!(done(&house, question.clone()).await, Err(fault), "{question:?}");
    }
    for folder in ["/", "a", "a/b"] {
        done(&house, FileQuestion::Enter(path(folder))).await.expect(folder);
    }
    done(&house, FileQuestion::RemoveFolder(path("a/b"))).await.expect("remove");
    done(&house, FileQuestion::RemoveFolder(path("a"))).await.expect("remove");
    assert!(names(&house.home()).is_empty());
}

#[tokio::test]
async fn files_are_deleted_and_are_no_folders() {
    let house = House::new();
    house.store("file", b"x").await.expect("store");
    for (question, fault) in [
        (FileQuestion::Enter(path("file")), FileError::NotAFolder),
        (FileQuestion::RemoveFolder(path("file")), FileError::NotAFolder),
        (FileQuestion::MakeFolder(path("file")), FileError::Exists),
        (FileQuestion::Facts(path("file/x")), FileError::NotAFolder),
    ] {
        assert_eq!(done(&house, question.clone()).await, Err(fault), "{question:?}");
    }
    done(&house, FileQuestion::Delete(path("file"))).await.expect("delete");
    assert_eq!(done(&house, FileQuestion::Delete(path("file"))).await, Err(FileError::NotFound));
}

#[tokio::test]
async fn t_65_renaming_onto_a_file_replaces_it() {
    let house = House::new();
    house.store("part", b"new").await.expect("store");
    house.store("whole", b"old").await.expect("store");
    done(&house, FileQuestion::RenameFrom(path("part"))).await.expect("may");
    done(&house, rename("part", "whole")).await.expect("rename");
    assert_eq!(house.fetch("whole").await.expect("file"), b"new");
    assert_eq!(done(&house, FileQuestion::RenameFrom(path("part"))).await, Err(FileError::NotFound));
    assert_eq!(done(&house, FileQuestion::RenameFrom(path("/"))).await, Err(FileError::Denied));
    done(&house, FileQuestion::MakeFolder(path("a"))).await.expect("make");
    assert_eq!(done(&house, rename("a", "a/b")).await, Err(FileError::BadName), "into itself");
    assert_eq!(done(&house, rename("whole", "a")).await, Err(FileError::IsAFolder));
    assert!(done(&house, rename("whole", "/")).await.is_err());
}

fn modify(name: &str, millis: u64) -> FileQuestion {
    FileQuestion::Change(path(name), Change { modified: Some(Moment::from_millis(millis)), mode: None })
}

#[tokio::test]
async fn times_are_set_and_told() {
    let house = House::new();
    house.store("file", b"12345").await.expect("store");
    done(&house, modify("file", 1_700_000_000_123)).await.expect("set");
    let facts = house.facts("file").await.expect("facts");
    assert_eq!((facts.modified, facts.size, facts.what), (1_700_000_000, 5, EntryKind::File));
    assert_eq!(facts.name, b"file");
    assert!(facts.may.read && facts.may.write && facts.may.append && facts.may.delete && facts.may.rename);
    let root = house.facts("/").await.expect("facts");
    assert_eq!((root.what, root.name.as_slice(), root.may.delete), (EntryKind::Folder, b"/".as_slice(), false));
}

#[tokio::test]
async fn t_59_unique_is_the_same_for_one_file_under_two_names() {
    let house = House::new();
    house.store("one", b"x").await.expect("store");
    house.store("other", b"x").await.expect("store");
    std::fs::hard_link(house.home().join("one"), house.home().join("two")).expect("link");
    let (one, two) = (house.facts("one").await.expect("one"), house.facts("two").await.expect("two"));
    assert_eq!((one.unique, one.links), (two.unique, 2));
    assert_ne!(one.unique, house.facts("other").await.expect("other").unique);
}

#[tokio::test]
async fn readers_change_nothing() {
    let house = House::with(Rights::READ_ONLY);
    std::fs::write(house.home().join("file"), "x").expect("file");
    std::fs::create_dir(house.home().join("folder")).expect("folder");
    for question in [
        FileQuestion::Delete(path("file")),
        FileQuestion::MakeFolder(path("new")),
        FileQuestion::RemoveFolder(path("folder")),
        FileQuestion::RenameFrom(path("file")),
        rename("file", "other"),
        modify("file", 0),
    ] {
        assert_eq!(done(&house, question.clone()).await, Err(FileError::Denied), "{question:?}");
    }
    let may = house.facts("file").await.expect("facts").may;
    assert!(may.read && !may.write && !may.delete);
    assert_eq!(names(&house.home()).len(), 2);
}

#[tokio::test]
async fn t_65_renaming_onto_a_file_needs_the_right_to_make_it_vanish() {
    let house = House::with(Rights { overwrite: false, delete: false, ..Rights::FULL });
    house.store("part", b"new").await.expect("store");
    house.store("whole", b"old").await.expect("store");
    assert_eq!(done(&house, rename("part", "whole")).await, Err(FileError::NotReplaceable));
    assert_eq!(house.fetch("whole").await.expect("file"), b"old");
    done(&house, FileQuestion::MakeFolder(path("a"))).await.expect("make");
    done(&house, rename("part", "a/other")).await.expect("a free name");
    let house = House::with(Rights { rename: false, ..Rights::FULL });
    house.store("part", b"new").await.expect("store");
    assert_eq!(done(&house, FileQuestion::RenameFrom(path("part"))).await, Err(FileError::Denied));
}

#[tokio::test]
async fn t_59_the_perm_fact_tells_each_right_by_its_letter() {
    let rights = Rights { append: false, mkdir: false, rename: false, ..Rights::FULL };
    let house = House::with(rights);
    house.store("file", b"x").await.expect("store");
    let may = house.facts("file").await.expect("facts").may;
    assert_eq!((may.read, may.write, may.append, may.delete, may.rename), (true, true, false, true, false));
    let may = house.facts("/").await.expect("facts").may;
    assert_eq!((may.list, may.create, may.make_folder, may.purge, may.delete), (true, true, false, true, false));
    assert_eq!(done(&house, FileQuestion::MakeFolder(path("new"))).await, Err(FileError::Denied));
}

#[tokio::test]
async fn deleting_a_symlink_leaves_what_it_leads_to() {
    let house = House::new();
    done(&house, FileQuestion::MakeFolder(path("folder"))).await.expect("make");
    symlink("folder", house.home().join("link")).expect("link");
    done(&house, FileQuestion::Enter(path("link"))).await.expect("enter");
    assert_eq!(done(&house, FileQuestion::RemoveFolder(path("link"))).await, Err(FileError::NotAFolder));
    done(&house, FileQuestion::Delete(path("link"))).await.expect("delete");
    done(&house, FileQuestion::Enter(path("folder"))).await.expect("enter");
}

#[tokio::test]
async fn a_folder_goes_with_what_a_killed_server_left_in_it_but_not_under_an_upload() {
    let house = House::new();
    done(&house, FileQuestion::MakeFolder(path("a"))).await.expect("make");
    std::fs::write(house.home().join("a/.x.portcullis-0123456789abcdef.part"), "half").expect("leftover");
    let upload = house.root.open_upload(&path("a/file"), 0).await.expect("upload");
    assert_eq!(done(&house, FileQuestion::RemoveFolder(path("a"))).await, Err(FileError::NotEmpty));
    assert_eq!(names(&house.home().join("a")).len(), 1, "the upload under way");
    upload.abandon().await;
    std::fs::write(house.home().join("a/.x.portcullis-0123456789abcdef.part"), "half").expect("leftover");
    done(&house, FileQuestion::RemoveFolder(path("a"))).await.expect("remove");
    assert!(names(&house.home()).is_empty());
}

fn chmod(name: &str, mode: u16) -> FileQuestion {
    FileQuestion::Change(path(name), Change { modified: None, mode: Some(mode) })
}

#[tokio::test]
async fn s_52_modes_change_without_the_special_bits_and_only_for_those_who_may() {
    let house = House::new();
    house.store("file", b"x").await.expect("store");
    let mode = |house: &House| house.home().join("file").metadata().expect("file").permissions().mode() & 0o7777;
    assert_eq!(mode(&house), 0o644, "files.umask, whatever the process's own is");
    done(&house, chmod("file", 0o4751)).await.expect("chmod");
    assert_eq!(mode(&house), 0o751);
    done(&house, chmod("file", 0)).await.expect("chmod");
    done(&house, chmod("file", 0o600)).await.expect("a file that nobody can open gets its mode back");
    let house = House::with(Rights { chmod: false, ..Rights::FULL });
    house.store("file", b"x").await.expect("store");
    assert_eq!(done(&house, chmod("file", 0o777)).await, Err(FileError::Denied));
    done(&house, FileQuestion::MakeFolder(path("made"))).await.expect("make");
    let made = house.home().join("made").metadata().expect("folder").permissions().mode();
    assert_eq!(made & 0o777, 0o755, "files.umask holds for folders too");
}

#[tokio::test]
async fn s_54_hashes_are_bounded_and_of_any_part() {
    let house = House::new();
    house.store("file", b"0123456789").await.expect("store");
    let ask = async |name: &str, from, to| {
        let job = HashJob { path: path(name), algorithm: Algorithm::Crc32, from, to };
        house.ask(FileQuestion::Hash(job)).await
    };
    let hash = |from, to, hex: &str| Ok(FileAnswer::Hash { from, to, hex: hex.to_owned() });
    assert_eq!(ask("file", 0, None).await, hash(0, 10, "a684c7c6"));
    assert_eq!(ask("file", 3, Some(6)).await, hash(3, 6, "34f5b50f"));
    assert_eq!(ask("file", 10, None).await, hash(10, 10, "00000000"));
    assert_eq!(ask("file", 0, Some(11)).await, Err(FileError::BeyondEnd));
    assert_eq!(ask("file", 11, None).await, Err(FileError::BeyondEnd));
    assert_eq!(ask("none", 0, None).await, Err(FileError::NotFound));
    house.store("large", &[0; 17]).await.expect("store");
    assert_eq!(ask("large", 0, None).await, Err(FileError::TooLarge));
    assert_eq!(ask("large", 1, None).await, hash(1, 17, "ecbb4b55"));
}

#[tokio::test]
async fn room_is_told_and_free_names_are_free() {
    let house = House::new();
    assert!(matches!(house.ask(FileQuestion::Room(path("/"))).await, Ok(FileAnswer::Bytes(room)) if room > 0));
    let long = "\u{e9}".repeat(127);
    for name in ["scan.pdf", &long] {
        let Ok(FileAnswer::Free(free)) = house.ask(FileQuestion::FreeName(path(name))).await else { panic!("no name") };
        let mut upload = house.root.open_unique(&free).await.expect("upload");
        upload.write(&mut b"page".to_vec()).await.expect("write");
        upload.commit().await.expect("commit");
        let free = free.name().expect("name").to_owned();
        assert!(free.starts_with(&name[..8]) && free.len() <= 255, "{free}");
        assert_eq!(house.root.open_unique(&path(&free)).await.err(), Some(FileError::Exists), "taken");
    }
    let house = House::with(Rights { write: false, ..Rights::FULL });
    assert_eq!(house.ask(FileQuestion::FreeName(path("x"))).await, Err(FileError::Denied));
}

#[tokio::test]
async fn t_61_a_name_that_is_not_utf8_is_reached_by_the_bytes_that_are_listed() {
    use std::os::unix::ffi::OsStrExt;

    let house = House::new();
    let on_disk = |name: &[u8]| house.home().join(std::ffi::OsStr::from_bytes(name));
    std::fs::create_dir(on_disk(b"d\xe9")).expect("folder");
    std::fs::write(on_disk(b"d\xe9/n\xe4me"), "x").expect("file");
    let typed = |name: &[u8]| VirtualPath::root().join(&crate::ftp::raw::from_bytes(name)).expect("path");
    let listed: Vec<_> = house.list("/").await.expect("list").into_iter().map(|entry| entry.name).collect();
    assert_eq!(listed, [b"d\xe9"]);
    let file = typed(b"d\xe9/n\xe4me");
    let mut block = vec![0; 4];
    assert_eq!(house.root.open_download(&file, 0).await.expect("file").read_at(0, &mut block).await, Ok(1));
    let Ok(FileAnswer::Entry(entry)) = house.ask(FileQuestion::Facts(file.clone())).await else { panic!("no facts") };
    assert_eq!(entry.name, b"n\xe4me");
    done(&house, FileQuestion::Enter(typed(b"d\xe9"))).await.expect("enter");
    assert_eq!(house.root.open_upload(&typed(b"m\xe4"), 0).await.err(), Some(FileError::BadName), "none is made");
    assert_eq!(done(&house, FileQuestion::MakeFolder(typed(b"m\xe4"))).await, Err(FileError::BadName));
    done(&house, FileQuestion::Rename { from: file, to: path("plain") }).await.expect("rename");
    done(&house, FileQuestion::RemoveFolder(typed(b"d\xe9"))).await.expect("remove");
    assert_eq!(names(&house.home()), [b"plain"]);
    let longest = typed(&[0xe9; 255]);
    assert_eq!(house.ask(FileQuestion::Facts(longest)).await, Err(FileError::NotFound));
    assert!(VirtualPath::root().join(&crate::ftp::raw::from_bytes(&[0xe9; 256])).is_err());
}
