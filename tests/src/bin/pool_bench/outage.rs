//! memcached killed, and hanging, under a load of logins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tests::config::{CHEAP_PASSWORD, USER};
use tests::memcached::Memcached;
use tests::ordeal::{self, NEIGHBOUR};
use tests::server::Server;
use tests::spans::percentile;

use crate::figure::{Figure, Scale, Target};

/// Clients that log in one time after the other, all at once.
const CLIENTS: usize = 4;
/// The default of `store.deadline`.
const DEADLINE: Duration = Duration::from_millis(50);
/// So soon the breaker has opened.
const OPEN: Duration = Duration::from_secs(1);

pub async fn measure(scale: &Scale) -> Vec<Figure> {
    let mut killed = Memcached::start().await;
    let first = outage(scale, &killed.address(), || killed.kill()).await;
    let hanging = Memcached::start().await;
    let second = outage(scale, &hanging.address(), || hanging.hang()).await;
    hanging.go_on();
    let [killed_first, killed_then] = first.figures("memcached killed: the longest login");
    let [hung_first, hung_then] = second.figures("memcached hangs: the longest login");
    vec![killed_first, killed_then, hung_first, hung_then]
}

/// How long logins took, by when they began.
#[derive(Default)]
struct Took {
    before: Vec<Duration>,
    at_first: Vec<Duration>,
    then: Vec<Duration>,
}

async fn outage(scale: &Scale, address: &str, strike: impl FnOnce()) -> Took {
    let server = Arc::new(
        ordeal::node("bench", &[address.to_owned()], |config| {
            config.set("store.breaker-pause", "2s").set("log.level", "warn");
        })
        .await,
    );
    let start = Instant::now();
    let (strikes, end) = (scale.outage / 3, scale.outage);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(log_in(Arc::clone(&server), start, end));
    }
    tests::deadline::pace(strikes).await;
    strike();
    let struck = start.elapsed();
    let mut took = Took::default();
    for (began, span) in clients.join_all().await.into_iter().flatten() {
        let list = match began {
            began if began + span < struck => &mut took.before,
            began if began < struck + OPEN => &mut took.at_first,
            _ => &mut took.then,
        };
        list.push(span);
    }
    took
}

async fn log_in(server: Arc<Server>, start: Instant, end: Duration) -> Vec<(Duration, Duration)> {
    let mut took = Vec::new();
    while start.elapsed() < end {
        let began = start.elapsed();
        let reply = server.try_login(NEIGHBOUR, USER, CHEAP_PASSWORD).await;
        reply.expect("an answer to the login").expect(230);
        took.push((began, start.elapsed() - began));
    }
    took
}

impl Took {
    /// Beyond the longest before, in deadlines: until the breaker opens, and then.
    fn figures(mut self, what: &'static str) -> [Figure; 2] {
        let usual = percentile(&mut self.before, 99);
        let beyond = |list: &mut Vec<Duration>| {
            let longest = percentile(list, 100);
            (longest, longest.saturating_sub(usual).as_secs_f64() / DEADLINE.as_secs_f64())
        };
        let ((first, first_beyond), (then, then_beyond)) = (beyond(&mut self.at_first), beyond(&mut self.then));
        let logins = (self.at_first.len(), self.then.len());
        [
            Figure::new(
                what,
                first_beyond,
                "deadlines of 50 ms beyond the usual p99, until the breaker opens",
                Target::AtMost(1.2),
                format!("{first:?} of {} logins; before it 99 of 100 took less than {usual:?}", logins.0),
            ),
            Figure::new(
                what,
                then_beyond,
                "deadlines beyond the usual p99, after it has opened",
                Target::AtMost(0.5),
                format!("{then:?} of {} logins", logins.1),
            ),
        ]
    }
}
