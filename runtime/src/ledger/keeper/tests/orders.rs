//! What comes of an order to ban, of an operator's word, of an import.

use super::*;

#[tokio::test]
async fn trying_again_while_banned_does_not_lengthen_the_ban() {
    let one = node("a", &memory());
    let now = Moment::now();
    let hour = Duration::from_secs(3600);
    let first = one.writer.impose(order("host:192.0.2.7", Some(hour)), Grounds::default(), now).await.expect("imposed");
    let end = first.expires.expect("an end");
    assert!(now.plus(hour) <= end && end <= now.plus(hour + hour / 10));
    let later = now.plus(Duration::from_secs(60));
    let again =
        one.writer.impose(order("host:192.0.2.7", Some(hour)), Grounds::default(), later).await.expect("imposed");
    assert_eq!(again, first);
    assert_eq!(one.bans.list(&Filter::default(), now).await.len(), 1);
}

#[tokio::test]
async fn a_wider_reach_takes_the_place_of_a_narrower_and_never_ends_sooner() {
    let store = memory();
    let one = node("a", &store);
    let now = Moment::now();
    let subject = Subject::parse("192.0.2.7").expect("host");
    let add = |span, reach| one.writer.add(subject.clone(), span, "test".into(), reach, "root", now);
    let narrow = add(Some(Duration::from_secs(600)), Reach::Node).await.expect("imposed").ban;
    let wide = add(Some(Duration::from_secs(60)), Reach::Site).await.expect("imposed").ban;
    assert_eq!(wide.reach, Reach::Site);
    assert!(wide.outlasts(&narrow));
    assert!(node("b", &store).pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn whom_the_operator_protects_nobody_bans() {
    let store = memory();
    let one = node("a", &store);
    let refused = one.writer.impose(order("host:198.51.100.1", None), Grounds::default(), Moment::now()).await;
    assert!(matches!(refused, Err(NotImposed::Protected(_))));
    let now = Moment::now();
    for subject in ["user:eve", "tls-fingerprint:t13"] {
        one.ban(subject, now).await;
    }
    let refuses = |text: &str| {
        (one.bans.on_user("eve", ip(text), now).is_some(), one.bans.on_tls(None, Some("t13"), ip(text), now).is_some())
    };
    assert_eq!(refuses("198.51.100.1"), (false, false));
    assert_eq!(refuses("198.51.100.16"), (true, true));
}

#[tokio::test]
async fn a_full_table_says_so() {
    let state = tempfile::tempdir().expect("directory");
    let mut settings = settings("a", state.path());
    settings.bans.table = 1;
    let (_bans, writer) = open(&settings, memory(), Arc::new(PlainKeys)).expect("open");
    writer.impose(order("host:192.0.2.1", None), Grounds::default(), Moment::now()).await.expect("imposed");
    let refused = writer.impose(order("host:192.0.2.2", None), Grounds::default(), Moment::now()).await;
    assert_eq!(refused, Err(NotImposed::Full(1)));
}

#[tokio::test]
async fn a_store_that_nobody_shares_holds_no_bans() {
    let store: SharedStore = Arc::new(Memory::new(100, 65_536));
    let one = node("a", &store);
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    one.upkeep().await;
    let keys = PlainKeys.derive(&Purpose::StoreBan(ban.subject.clone(), ban.reach)).await;
    assert_eq!(store.get_many(&keys).await, Ok(vec![None]));
    assert!(one.bans_host("192.0.2.7"));
    assert_eq!(one.lift("host:192.0.2.7").await, 1);
}

#[tokio::test]
async fn a_ban_too_large_to_publish_holds_here_and_blocks_no_other() {
    let store = memory();
    let one = node("a", &store);
    let mut large = order("host:192.0.2.7", None);
    large.reason = "x".repeat(1 << 20);
    one.writer.impose(large, Grounds::default(), Moment::now()).await.expect("imposed");
    assert!(one.bans_host("192.0.2.7"));
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 0);
    one.ban("host:192.0.2.8", Moment::now()).await;
    assert!(node("b", &store).pool_bans_host("192.0.2.8").await);
}

#[tokio::test]
async fn p_29_an_operators_second_word_lengthens_a_ban_and_never_shortens_it() {
    let store = memory();
    let (one, now) = (node("a", &store), Moment::now());
    let subject = Subject::parse("192.0.2.7").expect("host");
    let add = |seconds: u64, reach| {
        let span = Some(Duration::from_secs(seconds));
        one.writer.add(subject.clone(), span, "test".into(), reach, "root", now)
    };
    let first = add(600, Reach::Site).await.expect("imposed");
    assert!(!first.already);
    for (seconds, reach) in [(600, Reach::Site), (60, Reach::Node)] {
        let again = add(seconds, reach).await.expect("kept");
        assert!(again.already && again.ban.id == first.ban.id);
    }
    let longer = add(6000, Reach::Node).await.expect("imposed");
    assert!(!longer.already && longer.ban.outlasts(&first.ban));
    assert_eq!((longer.ban.reach, one.bans.len()), (Reach::Site, 1), "it reaches as far as before");
    // A policy's order is no attempt to correct one.
    let order = one.writer.impose(order("host:192.0.2.7", Some(Duration::MAX)), Grounds::default(), now).await;
    assert_eq!(order.expect("kept").id, longer.ban.id);
}

#[tokio::test]
async fn an_import_brings_back_what_was_exported_and_a_second_one_changes_nothing() {
    let store = memory();
    let (one, now) = (node("a", &store), Moment::now());
    let ban = one.ban("192.0.2.7", now).await;
    let import = |writer: &BanWriter| {
        let (writer, ban) = (writer.clone(), Ban::clone(&ban));
        async move { writer.import(ban, "root", now).await }
    };
    assert_eq!(import(&one.writer).await, Ok(Imported::Kept));
    let other = node("b", &memory());
    assert_eq!(import(&other.writer).await, Ok(Imported::Added));
    assert_eq!(import(&other.writer).await, Ok(Imported::Kept));
    assert_eq!(other.bans.get(ban.id).as_deref(), Some(&*ban));
    other.lift("192.0.2.7").await;
    assert_eq!(import(&other.writer).await, Ok(Imported::Lifted));
    let protected = Ban { subject: Subject::parse("198.51.100.1").expect("host"), ..Ban::clone(&ban) };
    assert!(matches!(other.writer.import(protected, "root", now).await, Err(NotImposed::Protected(_))));
}
