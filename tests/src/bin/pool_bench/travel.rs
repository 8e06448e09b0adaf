//! How soon a ban of one node holds on another: at the next connect, and for who is inside.

use std::time::{Duration, Instant};

use tests::cluster::Cluster;
use tests::deadline::SOON;
use tests::server::Door;
use tests::spans::percentile;

use crate::figure::{Figure, Scale, Target};

pub async fn measure(scale: &Scale) -> Vec<Figure> {
    let pool = Cluster::of(2).await;
    let (mut let_in, mut connects, mut ends) = (0, Vec::new(), Vec::new());
    for number in 0..scale.bans {
        let address = format!("127.23.0.{}", number % 250 + 1);
        let add = ["bans", "add", address.as_str(), "--for", "1h"];
        let mut inside = pool.node(1).enter(&address).await;
        pool.node(0).admin(&add).await.good();
        let start = Instant::now();
        match pool.node(1).knock(&address).await {
            Door::Open(_) => let_in += 1,
            Door::Refused(_) => connects.push(start.elapsed()),
        }
        inside.until_closed(SOON).await;
        pool.node(0).admin(&["bans", "lift", &address]).await.good();

        // Nobody knocks: who is inside is found by the journal.
        let address = format!("127.23.1.{}", number % 250 + 1);
        let mut inside = pool.node(1).enter(&address).await;
        pool.node(0).admin(&["bans", "add", &address, "--for", "1h"]).await.good();
        let start = Instant::now();
        inside.until_closed(SOON).await;
        ends.push(start.elapsed());
    }
    let (at_once, mid, last) = (percentile(&mut connects, 50), percentile(&mut ends, 50), percentile(&mut ends, 100));
    let interval = Duration::from_secs(1);
    vec![
        Figure::new(
            "connects at another node that a ban did not stop",
            f64::from(let_in),
            "connects",
            Target::AtMost(0.0),
            format!(
                "of {}, the next after the ban; refused {at_once:?} after it (p50; ProFTPD: 94 to 168 ms)",
                scale.bans
            ),
        ),
        Figure::new(
            "sessions at another node end after a ban",
            last.as_secs_f64() / interval.as_secs_f64(),
            "sync intervals of 1 s, at worst",
            Target::AtMost(1.1),
            format!("p50 {mid:?}, the last {last:?}"),
        ),
    ]
}
