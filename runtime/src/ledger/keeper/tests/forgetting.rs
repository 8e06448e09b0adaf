//! A node that is forgotten: what it banned ends everywhere, and comes back from nowhere.

use super::*;
use crate::ledger::forgotten::Forgotten;

impl Node {
    async fn forget(&self, node: &str) -> ForgottenNode {
        self.writer.forget_node(node, None, "root", Moment::now()).await
    }
}

async fn all_upkeep(nodes: &[&Node]) {
    for node in nodes {
        node.upkeep().await;
    }
}

#[tokio::test]
async fn s_75_what_a_forgotten_node_banned_ends_on_every_node_and_comes_back_from_nowhere() {
    let store = memory();
    let (good, bad, third) = (node("good", &store), node("bad", &store), node("third", &store));
    // A first look: what is written from now on tells of its writer's clock.
    all_upkeep(&[&good, &bad, &third]).await;
    for last in 1..=5 {
        bad.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    good.ban("host:192.0.2.9", Moment::now()).await;
    all_upkeep(&[&good, &bad, &third]).await;
    assert_eq!((good.bans.len(), bad.bans.len(), third.bans.len()), (6, 6, 6));
    let gone = good.forget("bad").await;
    assert_eq!((gone.ended, gone.told, good.bans.len()), (5, Some(true), 1));
    all_upkeep(&[&bad, &third]).await;
    for node in [&good, &bad, &third] {
        assert_eq!((node.bans.len(), node.bans.standing().forgotten), (1, 1));
        for last in 1..=5 {
            assert!(!node.pool_bans_host(&format!("192.0.2.{last}")).await, "its keys still stand in the store");
        }
        assert!(node.bans_host("192.0.2.9"), "what others banned holds");
    }
    let later = node("later", &store);
    later.upkeep().await;
    assert!(!later.pool_bans_host("192.0.2.1").await && later.bans_host("192.0.2.9"));
    assert_eq!(later.bans.standing().forgotten, 1);
    let again = good.restart(&store);
    assert!(!again.bans_host("192.0.2.1") && !again.pool_bans_host("192.0.2.1").await && again.bans_host("192.0.2.9"));
    // What it bans from now on counts again.
    again.upkeep().await;
    let anew = bad.ban("host:192.0.2.1", Moment::now()).await;
    all_upkeep(&[&third, &again]).await;
    for node in [&third, &again] {
        assert!(node.pool_bans_host("192.0.2.1").await && node.bans.get(anew.id).is_some());
    }
    assert_eq!(third.forget("bad").await.ended, 1, "and can be forgotten again");
    assert!(!third.pool_bans_host("192.0.2.1").await);
}

#[tokio::test]
async fn s_75_a_store_that_was_away_or_forgot_keeps_nobody_from_hearing_of_it() {
    let failing = Failing::new();
    let store: SharedStore = failing.clone();
    let (good, bad, third) = (node("good", &store), node("bad", &store), node("third", &store));
    bad.ban("host:192.0.2.1", Moment::now()).await;
    all_upkeep(&[&good, &third]).await;
    failing.set_down(true);
    let gone = good.forget("bad").await;
    assert_eq!((gone.ended, gone.told, good.bans.len()), (1, Some(false), 0));
    assert!(third.bans_host("192.0.2.1"));
    failing.set_down(false);
    all_upkeep(&[&good, &third]).await;
    assert!(!third.bans_host("192.0.2.1"));
    // The entry that told of it is gone; greetings go on telling.
    for head in good.bans.0.sync.streams.heads() {
        store.delete(head).await.expect("deleted");
    }
    let later = node("later", &store);
    all_upkeep(&[&third, &later]).await;
    assert_eq!(later.bans.standing().forgotten, 1);
    assert!(!later.pool_bans_host("192.0.2.1").await);
}

#[tokio::test]
async fn s_75_a_node_is_forgotten_on_the_other_sites_too_and_its_namesake_there_is_not() {
    let store = memory();
    let (good, bad) = (node("good", &store), node("bad", &store));
    let far = |name: &str| {
        let state = tempfile::tempdir().expect("directory");
        let mut elsewhere = settings(name, state.path());
        elsewhere.server.site = "elsewhere".into();
        let (bans, writer) = open(&elsewhere, Arc::clone(&store), Arc::new(PlainKeys)).expect("open");
        Node { bans, writer, state }
    };
    let (near_far, namesake) = (far("far"), far("bad"));
    let add = async |node: &Node, subject: &str| {
        let subject = Subject::parse(subject).expect("subject");
        let added = node.writer.add(subject, None, "test".into(), Reach::Everywhere, "root", Moment::now()).await;
        added.expect("imposed");
    };
    add(&bad, "host:192.0.2.1").await;
    add(&namesake, "host:192.0.2.2").await;
    all_upkeep(&[&good, &near_far]).await;
    assert!(near_far.bans_host("192.0.2.1") && near_far.bans_host("192.0.2.2"));
    assert_eq!(good.forget("bad").await.ended, 1);
    near_far.upkeep().await;
    assert!(!near_far.bans_host("192.0.2.1") && near_far.bans_host("192.0.2.2"));
    let site = near_far.bans.0.rules.site().to_owned();
    let gone = good.writer.forget_node("bad", Some(&site), "root", Moment::now()).await;
    near_far.upkeep().await;
    assert!(gone.ended == 1 && !near_far.bans_host("192.0.2.2"));
}

#[tokio::test]
async fn s_75_words_that_nobody_can_have_said_are_counted_and_no_import_brings_back_what_was_forgotten() {
    let store = memory();
    let (good, bad) = (node("good", &store), node("bad", &store));
    let ban = bad.ban("host:192.0.2.1", Moment::now()).await;
    good.forget("bad").await;
    let word = good.bans.0.table.read().forgotten().next().cloned().expect("forgotten");
    let imported = good.writer.import(Ban::clone(&ban), "root", Moment::now()).await;
    assert_eq!(imported, Err(NotImposed::Forgotten("bad".into())));
    let strange = good.bans.standing().strange;
    let no_name = Forgotten { node: String::new(), id: BanId::from_bits(7), ..word.clone() };
    assert!(!forget::hear(&good.bans.0, no_name, Moment::now()));
    assert_eq!((good.bans.standing().strange, good.bans.standing().forgotten), (strange + 1, 1));
    // Said by a node whose clock nobody knows yet: put right once it is heard of. (These tests look at the journal once
    // an hour, and take what differs by less than three for the way here.)
    let at = Moment::from_millis(word.at.millis() + 5 * 3_600_000);
    let ahead = Forgotten { id: BanId::from_bits(8), node: "x".into(), from: "ahead".into(), at, ..word };
    forget::hear(&good.bans.0, ahead.clone(), Moment::now());
    let known = || good.bans.0.table.read().forgotten().find(|word| word.node == "x").cloned().expect("forgotten");
    assert_eq!((known().clock.as_deref(), known().at), (Some("ahead"), at));
    good.bans.0.sync.clocks.lock().heard("ahead", at, word_time(), true);
    assert!(forget::put_right(&good.bans.0, "ahead", Moment::now()));
    assert_eq!((known().clock, known().at), (None, word_time()));
    assert!(!forget::hear(&good.bans.0, ahead, Moment::now()), "heard again it changes nothing");
}

/// A moment of ours.
fn word_time() -> Moment {
    static TIME: std::sync::OnceLock<Moment> = std::sync::OnceLock::new();
    *TIME.get_or_init(Moment::now)
}

#[tokio::test]
async fn s_75_more_forgotten_nodes_than_one_greeting_holds_take_turns() {
    let store = memory();
    let one = node("a", &store);
    for number in 0..25 {
        one.forget(&format!("n{number}")).await;
    }
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let words = forget::for_greeting(&one.bans.0);
        assert_eq!(words.len(), forget::TOLD_AT_ONCE);
        told.extend(words.into_iter().map(|word| word.node));
    }
    assert_eq!(told.len(), 25);
}
