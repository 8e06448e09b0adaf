use super::*;
use crate::auth::Limits;

/// A home with a file of five bytes in it, and a quota.
async fn house(bytes: u64, entries: u64) -> House {
    let plain = House::new();
    plain.store("old", b"12345").await.expect("store");
    let limits = Limits { quota_bytes: Some(bytes), quota_files: Some(entries), ..Limits::default() };
    let permit = Permit::fixture("alice", &plain.home(), Rights::FULL).with(Vec::new(), limits);
    let root = open(&permit, &plain.files);
    root.count().await.expect("counted");
    House { root, ..plain }
}

fn left(house: &House) -> u64 {
    house.root.left().expect("a quota")
}

#[tokio::test]
async fn s_51_bytes_are_counted_while_they_are_written() {
    let house = house(10, 100).await;
    assert_eq!(left(&house), 5);
    assert_eq!(house.store("new", b"123456").await, Err(FileError::Quota));
    assert_eq!((names(&house.home()), left(&house)), (vec![b"old".to_vec()], 5), "nothing is left of it");
    house.store("old", b"1234567890").await.expect("in its place");
    assert_eq!(left(&house), 0);
    house.store("old", b"12").await.expect("smaller");
    let mut upload = house.root.open_append(&path("old")).await.expect("append");
    upload.write(&mut b"345678".to_vec()).await.expect("write");
    upload.commit().await.expect("commit");
    assert_eq!(left(&house), 2);
    let mut upload = house.root.open_upload(&path("old"), 4).await.expect("go on");
    upload.write(&mut b"567890".to_vec()).await.expect("write");
    assert_eq!(upload.write(&mut b"1".to_vec()).await, Err(FileError::Quota));
    drop(upload);
    assert_eq!((left(&house), house.fetch("old").await.expect("file").len()), (0, 10));
    house.root.open_upload(&path("old"), 4).await.expect("go on").commit().await.expect("cut");
    assert_eq!(left(&house), 6);
    house.ask(FileQuestion::Delete(path("old"))).await.expect("delete");
    assert_eq!(left(&house), 10);
}

#[tokio::test]
async fn s_51_files_and_empty_folders_are_counted_too() {
    let house = house(1000, 3).await;
    let make = async |name: &str| house.ask(FileQuestion::MakeFolder(path(name))).await;
    make("a").await.expect("second");
    assert_eq!(make("a").await, Err(FileError::Exists));
    make("b").await.expect("third");
    assert_eq!(make("c").await, Err(FileError::Quota));
    assert_eq!(house.store("new", b"x").await, Err(FileError::Quota));
    assert_eq!(house.root.open_append(&path("new")).await.err(), Some(FileError::Quota));
    assert_eq!(names(&house.home()).len(), 3, "nothing was made");
    house.ask(FileQuestion::RemoveFolder(path("b"))).await.expect("remove");
    house.store("new", b"x").await.expect("room again");
    house.ask(FileQuestion::Rename { from: path("new"), to: path("old") }).await.expect("replace");
    assert_eq!(left(&house), 999);
    make("d").await.expect("the replaced file made room");
}

#[tokio::test]
async fn uploads_at_once_share_one_quota() {
    let house = house(10, 100).await;
    let mut one = house.root.open_upload(&path("one"), 0).await.expect("upload");
    let mut two = house.root.open_upload(&path("two"), 0).await.expect("upload");
    one.write(&mut b"123".to_vec()).await.expect("write");
    two.write(&mut b"12".to_vec()).await.expect("write");
    assert_eq!(one.write(&mut b"4".to_vec()).await, Err(FileError::Quota));
    one.abandon().await;
    two.write(&mut b"345".to_vec()).await.expect("what the other gave back");
    two.commit().await.expect("commit");
    assert_eq!(left(&house), 0);
}
