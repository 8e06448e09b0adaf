//! A memcached that lies, stammers, is full, says nothing: the node goes on, and learns nothing from it.

use std::time::{Duration, Instant};

use portcullis::config::settings::{StoreEngine, StoreServer};
use portcullis::store::{self, Key};
use tests::deadline::{self, SOON};
use tests::ordeal::{BANNED, Ordeal};
use tests::stand_in::{Manner, StandIn};

const GUESSER: &str = "127.0.0.2";

/// Trouble begins, lasts, and ends. Somebody who guesses meanwhile is banned by this node alone. The operator reads
/// these words.
async fn endures(manner: Manner, words: &str) {
    let store = StandIn::start();
    let mut ordeal = Ordeal::over(&[store.address()]).await;
    ordeal.holds().await;
    store.be(manner);
    ordeal.holds().await;
    ordeal.bans(GUESSER).await;
    ordeal.holds().await;
    deadline::until_asked(SOON, "what is wrong to be told", async || {
        ordeal.log_in().await;
        let status = ordeal.status().await;
        let error = status["store"]["servers"][0]["last_error"].as_str().unwrap_or_default();
        error.contains(words).then_some(())
    })
    .await;
    store.be(Manner::Honest);
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_06_each_byte_comes_late() {
    endures(Manner::Dribbling(Duration::from_millis(20)), "within the deadline").await;
}

#[tokio::test]
async fn f_02_answers_that_come_200_ms_late_are_not_waited_for() {
    endures(Manner::Late(Duration::from_millis(200)), "within the deadline").await;
}

#[tokio::test]
async fn f_06_garbage() {
    endures(Manner::Says(b"\x00\xff\xfe garbage \x80\r\nHTTP/1.1 400 Bad Request\r\n\r\n"), "nonsense").await;
}

#[tokio::test]
async fn f_06_s_71_a_value_longer_than_it_says() {
    endures(Manner::LengthOff(-1), "nonsense").await;
}

#[tokio::test]
async fn f_06_s_71_a_value_shorter_than_it_says() {
    endures(Manner::LengthOff(1), "nonsense").await;
}

#[tokio::test]
async fn f_06_fewer_values_than_there_are() {
    endures(Manner::Fewer, "").await;
}

#[tokio::test]
async fn f_06_s_71_more_values_than_were_asked_for() {
    endures(Manner::More, "nobody asked for").await;
}

#[tokio::test]
async fn f_06_s_71_values_of_a_gigabyte() {
    endures(Manner::Says(b"VALUE k 0 1073741824\r\nxxxx"), "nonsense").await;
}

#[tokio::test]
async fn f_06_s_71_every_key_holds_two_megabytes() {
    endures(Manner::Huge(2 << 20), "over the bound").await;
}

#[tokio::test]
async fn f_06_every_key_holds_as_much_as_may_be_of_what_means_nothing() {
    endures(Manner::Huge(60 << 10), "").await;
}

#[tokio::test]
async fn f_07_a_full_store_is_told_and_what_it_did_not_take_is_written_later() {
    let store = StandIn::start();
    let mut ordeal = Ordeal::over(&[store.address()]).await;
    store.be(Manner::Full);
    ordeal.bans(GUESSER).await;
    ordeal.holds().await;
    deadline::until_asked(SOON, "what is not published to be told", async || {
        let status = ordeal.status().await;
        let error = status["store"]["servers"][0]["last_error"].as_str().unwrap_or_default();
        (status["bans"]["unpublished"].as_u64() > Some(0) && error.contains("out of memory")).then_some(())
    })
    .await;
    store.be(Manner::Honest);
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_06_it_closes_instead_of_answering() {
    endures(Manner::Closing, "unavailable").await;
}

#[tokio::test]
async fn f_02_f_27_it_does_as_it_is_told_and_says_nothing() {
    endures(Manner::Mute, "within the deadline").await;
}

#[tokio::test]
async fn f_27_with_answers_lost_and_writes_done_nothing_is_counted_twice() {
    let stand_in = StandIn::start();
    let mut settings = portcullis::config::defaults();
    let servers = vec![StoreServer::parse(&stand_in.address()).expect("a server")];
    settings.store.engine = StoreEngine::Memcached(servers);
    settings.store.breaker_pause = Duration::from_millis(10);
    let store = store::counting(store::open(&settings, store::Secrets::default()), &settings);
    let key = Key::parse("count").expect("key");
    let count = async || store.increment(&key, 1, Some(Duration::from_secs(60))).await.expect("a count");
    let mut truth = 0;
    for _ in 0..3 {
        truth += 1;
        assert_eq!(count().await, truth);
    }
    for lost in [1, 3, 5] {
        stand_in.be(Manner::Mute);
        for _ in 0..lost {
            truth += 1;
            assert!(count().await > 0, "this node's own");
        }
        stand_in.be(Manner::Honest);
        deadline::until_asked(SOON, "the store to be used again", async || {
            let _ = store.get_many(std::slice::from_ref(&key)).await;
            (!store.health().degraded).then_some(())
        })
        .await;
        truth += 1;
        assert_eq!(count().await, truth, "after {lost} lost answers");
    }
}

#[tokio::test]
async fn f_05_a_store_that_never_answers_is_asked_once_a_second_and_told_once() {
    let store = StandIn::start();
    let ordeal = Ordeal::with(&[store.address()], |config| {
        config.set("store.breaker-pause", "2s");
    })
    .await;
    store.be(Manner::Closing);
    store.hang_up();
    let (start, before) = (Instant::now(), store.connections());
    let span = Duration::from_secs(6);
    while start.elapsed() < span {
        ordeal.log_in().await;
        ordeal.server.assert_refused(BANNED).await;
    }
    let tried = store.connections() - before;
    // Those until it is left alone, those that were under way then, and one in each pause.
    assert!(tried <= 5 + 4 + 6, "{tried} connections in {span:?}");
    let told = ordeal.server.log().into_iter().filter(|line| line.message().starts_with("store.")).count();
    assert_eq!(told, 1, "lines in the log");
    ordeal.holds().await;
}
