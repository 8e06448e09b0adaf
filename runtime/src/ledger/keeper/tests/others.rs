//! What nodes learn of each other, and what a store that fails does to it.

use super::*;
use crate::events::TlsFacts;

#[tokio::test]
async fn a_ban_of_one_node_refuses_on_another_and_stays_learnt() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    first_look().await;
    let mut news = two.bans.watch();
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    one.ban("network:203.0.113.0/24", Moment::now()).await;
    one.ban("user:eve", Moment::now()).await;
    assert!(!two.bans_host("192.0.2.7"));
    assert!(two.pool_bans_host("192.0.2.7").await);
    assert_eq!(news.recv().await.expect("news").id, ban.id);
    assert!(two.bans_host("192.0.2.7"), "learnt");
    assert!(two.pool_bans_host("203.0.113.200").await && two.bans_host("203.0.113.1"));
    assert!(two.bans.ask_pool_user("eve", ip("192.0.2.99"), None, Moment::now()).await.is_some());
    assert!(two.bans.ask_pool_user("bob", ip("192.0.2.99"), None, Moment::now()).await.is_none());
    assert!(!two.pool_bans_host("192.0.2.8").await, "the neighbour is fine");
    assert_eq!(two.bans.standing().learnt, 3);
    two.ban("host:192.0.2.200", Moment::now()).await;
    assert!(two.restart(&memory()).bans_host("192.0.2.7"), "durable too");
}

#[tokio::test]
async fn a_ban_of_a_certificate_or_a_fingerprint_is_learnt_at_the_login() {
    let store = memory();
    let one = node("a", &store);
    for subject in ["client-certificate:ab12", "tls-fingerprint:t13d"] {
        one.ban(subject, Moment::now()).await;
    }
    let tls = |digest: &str, ja4: &str| TlsFacts {
        client_certificate: Some(digest.to_owned()),
        ja4: Some(ja4.to_owned()),
        ..TlsFacts::default()
    };
    for (facts, banned) in [(tls("ab12", "x"), true), (tls("x", "t13d"), true), (tls("x", "y"), false)] {
        let other = node("b", &store);
        let found = other.bans.ask_pool_user("eve", ip("192.0.2.7"), Some(&facts), Moment::now()).await;
        assert_eq!(found.is_some(), banned, "{facts:?}");
    }
}

#[tokio::test]
async fn s_36_one_key_for_everybody_bans_only_whom_the_record_names() {
    let store = memory();
    let one = node_with("a", Arc::clone(&store), Arc::new(OneKey));
    let two = node_with("b", store, Arc::new(OneKey));
    one.ban("host:192.0.2.7", Moment::now()).await;
    one.ban("host:192.0.2.8", Moment::now()).await;
    assert!(!two.pool_bans_host("192.0.2.9").await);
    assert!(two.pool_bans_host("192.0.2.7").await && two.pool_bans_host("192.0.2.8").await);
    one.lift("host:192.0.2.7").await;
    let three = node_with("c", Arc::clone(&one.bans.0.store), Arc::new(OneKey));
    assert!(!three.pool_bans_host("192.0.2.7").await && three.pool_bans_host("192.0.2.8").await);
}

#[tokio::test]
async fn a_ban_of_another_site_or_of_one_node_stays_there() {
    let store = memory();
    let one = node("a", &store);
    let state = tempfile::tempdir().expect("directory");
    let mut elsewhere = settings("c", state.path());
    elsewhere.server.site = "elsewhere".into();
    let (far, _writer) = open(&elsewhere, Arc::clone(&store), Arc::new(PlainKeys)).expect("open");
    let (now, near) = (Moment::now(), node("b", &store));
    let add = async |subject: &str, reach| {
        let subject = Subject::parse(subject).expect("subject");
        one.writer.add(subject, None, "test".into(), reach, "root", now).await.expect("imposed");
    };
    add("host:192.0.2.1", Reach::Node).await;
    add("host:192.0.2.2", Reach::Site).await;
    add("host:192.0.2.3", Reach::Everywhere).await;
    let mut found = Vec::new();
    for last in 1..=3 {
        let peer = ip(&format!("192.0.2.{last}"));
        let near = near.bans.ask_pool_host(peer, &[], now).await.is_some();
        found.push((near, far.ask_pool_host(peer, &[], now).await.is_some()));
    }
    assert_eq!(found, [(false, false), (true, false), (true, true)]);
}

#[tokio::test]
async fn a_lift_opens_at_once_and_reaches_nodes_that_learnt_the_ban() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(two.pool_bans_host("192.0.2.7").await);
    assert_eq!(one.lift("host:192.0.2.7").await, 1);
    assert!(!one.bans_host("192.0.2.7") && !one.pool_bans_host("192.0.2.7").await);
    assert!(two.bans_host("192.0.2.7"), "has not heard of it yet");
    two.upkeep().await;
    assert!(!two.bans_host("192.0.2.7") && !two.pool_bans_host("192.0.2.7").await);
    assert_eq!(one.lift("host:192.0.2.7").await, 0);
    // A new ban holds, everywhere.
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(one.bans_host("192.0.2.7") && two.pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn a_ban_that_only_others_know_can_be_lifted_here() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert_eq!(two.lift("host:192.0.2.7").await, 1);
    one.upkeep().await;
    assert!(!one.bans_host("192.0.2.7"));
}

#[tokio::test]
async fn f_08_an_older_copy_of_a_lifted_ban_never_returns() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    let key = PlainKeys.derive(&Purpose::StoreBan(ban.subject.clone(), ban.reach)).await.remove(0);
    let old = store.get_many(std::slice::from_ref(&key)).await.expect("get").remove(0).expect("published");
    one.lift("host:192.0.2.7").await;
    store.set(&key, &old, None).await.expect("replayed");
    assert!(!one.pool_bans_host("192.0.2.7").await);
    one.upkeep().await;
    assert!(!two.pool_bans_host("192.0.2.7").await, "the lift was published again");
}

#[tokio::test]
async fn f_07_what_the_store_did_not_take_is_published_later() {
    let failing = Failing::new();
    let store: SharedStore = failing.clone();
    let (one, two) = (node("a", &store), node("b", &store));
    failing.set_down(true);
    one.ban("host:192.0.2.7", Moment::now()).await;
    assert!(one.bans_host("192.0.2.7"));
    assert!(!two.pool_bans_host("192.0.2.7").await);
    assert_eq!((one.bans.standing().unpublished, two.bans.standing().unanswered), (1, 1));
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 1);
    failing.set_down(false);
    one.upkeep().await;
    assert_eq!(one.bans.standing().unpublished, 0);
    assert!(two.pool_bans_host("192.0.2.7").await);
}

#[tokio::test]
async fn f_09_a_store_that_restarts_empty_gets_its_bans_back() {
    let store = memory();
    let one = node("a", &store);
    for last in 0..200 {
        one.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    let empty = memory();
    let one = one.restart(&empty);
    let two = node("b", &empty);
    assert!(!two.pool_bans_host("192.0.2.7").await);
    one.upkeep().await;
    for last in 0..200 {
        assert!(two.pool_bans_host(&format!("192.0.2.{last}")).await, "{last}");
    }
}

#[tokio::test]
async fn f_09_a_ban_is_told_again_when_its_journal_is_lost_unread_although_the_record_stands() {
    let store = memory();
    let (one, two) = (node("a", &store), node("b", &store));
    first_look().await;
    one.ban("host:192.0.2.1", Moment::now()).await;
    one.upkeep().await;
    two.upkeep().await;
    let ban = one.ban("host:192.0.2.7", Moment::now()).await;
    for head in one.bans.0.sync.streams.heads() {
        store.delete(head).await.expect("deleted");
    }
    one.upkeep().await;
    two.upkeep().await;
    assert!(two.bans_host("192.0.2.7") && two.bans.get(ban.id).is_some());
}

#[tokio::test]
async fn rubbish_in_the_store_bans_nobody() {
    let store = memory();
    let one = node("a", &store);
    let key = Namespace::Bans.key(b"host:192.0.2.7").expect("key");
    let wide = fixtures::ban("network:0.0.0.0/0", Moment::now(), None);
    let over = fixtures::ban("host:192.0.2.7", Moment::from_millis(1000), Some(1));
    let protected = fixtures::ban("host:198.51.100.1", Moment::now(), None);
    let mut value = b"\xff\xfe rubbish\n{\"ban\":7}\n".to_vec();
    for ban in [wide, over, protected] {
        let mut ban = Ban::clone(&ban);
        ban.reach = Reach::Everywhere;
        value.extend(serde_json::to_vec(&Record::Ban(Arc::new(ban))).expect("json"));
        value.push(b'\n');
    }
    store.set(&key, &value, None).await.expect("set");
    store.set(&Namespace::Bans.key(b"host:198.51.100.1").expect("key"), &value, None).await.expect("set");
    assert!(!one.pool_bans_host("192.0.2.7").await && !one.pool_bans_host("198.51.100.1").await);
    assert_eq!(one.bans.standing().strange, 2);
    assert!(one.bans.is_empty());
}

#[tokio::test]
async fn s_75_a_node_over_its_quota_fills_no_table_and_keeps_nobody_out_elsewhere() {
    let store = memory();
    let one = node("a", &store);
    let state = tempfile::tempdir().expect("directory");
    let mut few = settings("b", state.path());
    few.bans.table_per_node = 3;
    let (bans, writer) = open(&few, Arc::clone(&store), Arc::new(PlainKeys)).expect("open");
    let two = Node { bans, writer, state };
    for last in 1..=5 {
        one.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    two.upkeep().await;
    assert_eq!(two.bans.len(), 3);
    // It reads them in whatever order.
    let hosts = (1..=5).map(|last| format!("192.0.2.{last}"));
    let (held, over): (Vec<String>, Vec<String>) = hosts.partition(|host| two.bans_host(host));
    let before = two.bans.standing().over_quota;
    assert!(held.len() == 3 && before >= 2 && !two.pool_bans_host(&over[0]).await);
    assert!(two.bans.standing().over_quota > before && !two.bans_host(&over[0]));
    two.ban(&over[0], Moment::now()).await;
    two.ban("host:192.0.2.6", Moment::now()).await;
    let third = node("c", &store);
    third.ban("host:192.0.2.7", Moment::now()).await;
    two.upkeep().await;
    assert!(two.bans_host(&over[0]) && two.bans_host("192.0.2.7"), "its own and those of others are not counted");
    let exported = Ban::clone(&*one.bans.on_host(ip(&over[1]), &[], Moment::now()).expect("banned"));
    let imported = two.writer.import(exported, "root", Moment::now()).await;
    assert_eq!(imported, Ok(Imported::Added), "an operator's word");
    one.lift(&held[0]).await;
    one.lift(&held[1]).await;
    two.upkeep().await;
    let again = one.ban("host:192.0.2.9", Moment::now()).await;
    assert!(two.pool_bans_host("192.0.2.9").await && two.bans.get(again.id).is_some(), "there is room again");
}
