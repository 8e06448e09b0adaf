//! A connect that must ask memcached, and one that memcached alone knows to be banned.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::client::Client;
use tests::deadline::{self, LATE};
use tests::memcached::Memcached;
use tests::proftpd::Proftpd;
use tests::server::Server;
use tests::spans::percentile;

use crate::figure::{Figure, Scale, Target, at_once, cpu_of_family, cpu_of_threads};

const ROUND_TRIPS_MAX: f64 = 1.3;
const TIMES_PROFTPD: f64 = 20.0;
/// Connections under way while refusals are counted, as `tests/compare` has it.
const AT_ONCE: usize = 8;

/// Loopback addresses of which none comes twice.
fn address(block: u8, number: usize) -> IpAddr {
    let number = u16::try_from(number).expect("few");
    let [high, low] = (number / 250 * 256 + number % 250 + 1).to_be_bytes();
    Ipv4Addr::new(127, block, high, low).into()
}

pub async fn measure(scale: &Scale) -> Vec<Figure> {
    vec![round_trips(scale).await, refused(scale).await]
}

/// From the connect to the greeting, of somebody whom nobody has heard of.
async fn greeting(server: &Server, source: IpAddr) -> Duration {
    let start = Instant::now();
    let (_client, first) = Client::greeted(source, server.address()).await;
    first.expect("a greeting").expect(220);
    start.elapsed()
}

async fn round_trips(scale: &Scale) -> Figure {
    let memcached = Memcached::start().await;
    let alone = Server::serve().await;
    let shared = Server::serve_with(|config| {
        config.store(&[memcached.address()]);
    })
    .await;
    let (mut without, mut with, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    let bare = crate::lookups::Bare::connect(&memcached.address()).await;
    // In turn, so that the machine's moods strike all alike.
    for number in 0..scale.connects {
        without.push(greeting(&alone, address(20, number)).await);
        with.push(greeting(&shared, address(21, number)).await);
        let start = Instant::now();
        bare.get(&["nobody", "knows", "these", "keys", "of", "a", "look-up"]).await;
        trips.push(start.elapsed());
    }
    let trip = percentile(&mut trips, 50);
    let (without, with) = (percentile(&mut without, 50), percentile(&mut with, 50));
    let added = with.saturating_sub(without);
    Figure::new(
        "a connect that asks memcached, added to its p50",
        added.as_secs_f64() / trip.as_secs_f64(),
        "round trips",
        Target::AtMost(ROUND_TRIPS_MAX),
        format!("greeted after {without:?} without and {with:?} with memcached; a round trip takes {trip:?}"),
    )
}

/// Bans that nobody but memcached knows: the server that is asked does not read the journal meanwhile.
async fn refused(scale: &Scale) -> Figure {
    let memcached = Memcached::start().await;
    let proftpd = Arc::new(Proftpd::start(&[memcached.address()], "BanCacheOptions UseJSON\n").await);
    let share = |name: &'static str, sync: &'static str, proftpd: &'static str| {
        let address = memcached.address();
        Server::serve_with(move |config| {
            config.store(&[address]).set("server.node", name).set("server.site", "bench").set("bans.sync", sync);
            config.set("bans.share.proftpd", proftpd).set("log.level", "error").set("bans.fsync", "never");
        })
    };
    // Each reads what its own kind wrote: the node that is asked need not know mod_ban's form.
    let mut asked = share("asked", "1h", "off").await;
    let knowing = share("knowing", "1s", "json").await;
    // As many as are needed, after the pattern of one.
    knowing.admin(&["bans", "add", "127.23.0.1", "--for", "1h", "--reason", "bench"]).await.good();
    let mut ban: Value = serde_json::from_str(&knowing.admin(&["bans", "export"]).await.good().out).expect("one line");
    let mut lines = String::new();
    for number in 0..scale.refused {
        ban["id"] = format!("{number:032x}").into();
        ban["subject"]["host"] = address(22, number).to_string().into();
        writeln!(lines, "{ban}").expect("a String takes all");
    }
    let file = knowing.folder().join("bans");
    std::fs::write(&file, lines).expect("written");
    knowing.admin(&["bans", "import", &file.to_string_lossy()]).await.good();
    deadline::until_asked(LATE, "every ban in memcached", async || {
        let status = knowing.admin(&["status", "--json"]).await.good().json();
        (status["bans"]["unpublished"] == 0).then_some(())
    })
    .await;
    let status = asked.admin(&["status", "--json"]).await.good().json();
    assert_eq!(status["bans"]["bans"], 0, "whom the server refuses it has to ask for");
    let process = asked.process().id();
    let before = cpu_of_threads(process);
    let server = asked.address();
    at_once(scale.refused, AT_ONCE, |number| async move {
        let first = Client::greeted(address(22, number), server).await.1;
        assert!(first.is_none_or(|reply| reply.code != 220), "{} is banned", address(22, number));
    })
    .await;
    let own = scale.refused as f64 / (cpu_of_threads(process) - before);
    let before = cpu_of_family(proftpd.id());
    at_once(scale.refused_by_proftpd, AT_ONCE, |number| {
        let proftpd = Arc::clone(&proftpd);
        async move { assert!(!proftpd.greets(&address(22, number).to_string()).await, "ProFTPD refuses") }
    })
    .await;
    let used = (cpu_of_family(proftpd.id()) - before).max(0.01);
    let theirs = scale.refused_by_proftpd as f64 / used;
    Figure::new(
        "refused connects whose ban memcached alone knows, for each CPU second",
        own / theirs,
        "times ProFTPD's",
        Target::AtLeast(TIMES_PROFTPD),
        format!("{own:.0} and {theirs:.0} for each CPU second"),
    )
}
