//! A memcached that is 200 ms away, give or take: what it costs those who log in.

use std::time::Duration;

use tests::ordeal::Ordeal;
use tests::spans::percentile;
use tests::stand_in::{Manner, StandIn};

const LOGINS: usize = 300;

/// The time that 99 of 100 logins did not exceed, one behind the other.
async fn p99(ordeal: &Ordeal) -> Duration {
    let mut took = Vec::with_capacity(LOGINS);
    for _ in 0..LOGINS {
        took.push(ordeal.log_in().await);
    }
    percentile(&mut took, 99)
}

#[tokio::test]
async fn f_03_a_store_200_ms_away_with_jitter_adds_less_than_60_ms_to_p99() {
    let store = StandIn::start();
    let ordeal = Ordeal::over(&[store.address()]).await;
    let near = p99(&ordeal).await;
    store.be(Manner::Jittery(Duration::from_millis(100), Duration::from_millis(150)));
    let far = p99(&ordeal).await;
    println!("p99 of {LOGINS} logins: {near:?}, and with answers 100 to 250 ms late {far:?}");
    assert!(far < near + Duration::from_millis(60), "{near:?} became {far:?}");
    ordeal.holds().await;
    store.be(Manner::Honest);
    ordeal.recovers().await;
}

#[tokio::test]
async fn f_03_a_store_of_which_every_other_answer_is_late_stalls_nobody_for_more_than_one_deadline() {
    let store = StandIn::start();
    let ordeal = Ordeal::over(&[store.address()]).await;
    let near = p99(&ordeal).await;
    store.be(Manner::Jittery(Duration::ZERO, Duration::from_millis(400)));
    let far = p99(&ordeal).await;
    println!("p99 of {LOGINS} logins: {near:?}, and with every other answer 400 ms late {far:?}");
    assert!(far < near + Duration::from_millis(90), "two deadlines are 100 ms: {near:?} became {far:?}");
    ordeal.holds().await;
    store.be(Manner::Honest);
    ordeal.recovers().await;
}
