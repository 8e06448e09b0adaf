use std::os::unix::fs::symlink;

use super::*;
use crate::ftp::effect::EntryKind;
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

#[tokio::test]
async fn times_are_set_and_told() {
    let house = House::new();
    house.store("file", b"12345").await.expect("store");
    done(&house, FileQuestion::SetModified(path("file"), Moment::from_millis(1_700_000_000_123))).await.expect("set");
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
        FileQuestion::SetModified(path("file"), Moment::from_millis(0)),
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
