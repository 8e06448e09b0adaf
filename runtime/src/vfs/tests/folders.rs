use std::os::unix::fs::symlink;

use super::*;
use crate::auth::{Folder, Limits};

/// A home, and `shared` beside it, which is seen as `/pub` and, read-only, as `/pub/in/look`.
fn house() -> House {
    let plain = House::new();
    let shared = plain.folder.path().join("shared");
    std::fs::create_dir_all(shared.join("in")).expect("shared");
    let folder = |at: &str, rights| Folder { path: path(at), to: shared.clone(), rights };
    let folders = vec![folder("/pub", Rights::FULL), folder("/pub/in/look", Rights::READ_ONLY)];
    let permit = Permit::fixture("alice", &plain.home(), Rights::FULL).with(folders, Limits::default());
    let root = open(&permit, &plain.files);
    House { root, ..plain }
}

#[tokio::test]
async fn a_virtual_folder_is_listed_in_its_parent_and_hides_what_has_its_name() {
    let house = house();
    std::fs::create_dir(house.home().join("pub")).expect("hidden");
    std::fs::write(house.home().join("pub/never"), "seen").expect("hidden");
    house.store("own", b"x").await.expect("store");
    house.store("pub/file", b"shared").await.expect("store");
    let names = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(names(house.list("/").await.expect("list")), [b"own".to_vec(), b"pub".to_vec()]);
    assert_eq!(names(house.list("/pub").await.expect("list")), [b"file".to_vec(), b"in".to_vec()]);
    assert_eq!(names(house.list("/pub/in").await.expect("list")), [b"look".to_vec()]);
    assert_eq!(house.fetch("/pub/in/look/file").await.expect("file"), b"shared");
    assert_eq!(std::fs::read(house.folder.path().join("shared/file")).expect("file"), b"shared");
    house.ask(FileQuestion::Enter(path("/pub/in/look"))).await.expect("enter");
}

#[tokio::test]
async fn a_virtual_folder_has_permissions_of_its_own_and_cannot_be_moved_or_removed() {
    let house = house();
    house.store("own", b"x").await.expect("store");
    house.store("pub/file", b"x").await.expect("store");
    assert_eq!(house.store("pub/in/look/new", b"x").await, Err(FileError::Denied));
    for question in [
        FileQuestion::RemoveFolder(path("pub")),
        FileQuestion::RenameFrom(path("pub")),
        FileQuestion::Delete(path("pub")),
        FileQuestion::Delete(path("pub/in/look/file")),
        FileQuestion::Rename { from: path("own"), to: path("pub/own") },
        FileQuestion::Rename { from: path("pub/file"), to: path("file") },
    ] {
        assert_eq!(house.ask(question.clone()).await, Err(FileError::Denied), "{question:?}");
    }
    assert_eq!(house.ask(FileQuestion::MakeFolder(path("pub"))).await, Err(FileError::Exists));
    assert_eq!(house.store("pub", b"x").await, Err(FileError::IsAFolder));
    let may = house.facts("pub").await.expect("facts").may;
    assert_eq!((may.create, may.delete, may.rename), (true, false, false));
    house.ask(FileQuestion::Rename { from: path("pub/file"), to: path("pub/in/file") }).await.expect("within");
}

#[tokio::test]
async fn s_47_each_virtual_folder_is_confined_by_itself() {
    let house = house();
    std::fs::write(house.home().join("secret"), "home").expect("file");
    let shared = house.folder.path().join("shared");
    symlink("../home/secret", shared.join("up")).expect("link");
    symlink(house.home(), shared.join("across")).expect("link");
    for typed in ["pub/up", "pub/across/secret"] {
        assert_eq!(house.fetch(typed).await, Err(FileError::Denied), "{typed}");
    }
    assert_eq!(house.fetch("pub/../secret").await.expect("the path is the home's"), b"home");
}

#[tokio::test]
async fn a_virtual_folder_that_is_gone_keeps_nobody_out() {
    let plain = House::new();
    let gone = Folder { path: path("/pub"), to: plain.folder.path().join("gone"), rights: Rights::FULL };
    let permit = Permit::fixture("alice", &plain.home(), Rights::FULL).with(vec![gone], Limits::default());
    let root = open(&permit, &plain.files);
    let house = House { root, ..plain };
    assert!(house.list("/").await.expect("list").is_empty());
}
