//! Certificates end, and a server that nobody told goes on serving one that no client takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::accept::Acceptor;
use crate::moment::Moment;
use crate::net::Stop;
use crate::waits;

/// When the certificate of a file ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    /// The PEM file.
    pub file: PathBuf,
    /// Last second, in Unix time.
    pub not_after: i64,
}

/// Days before the end at which an operator is told.
const TOLD_AT_DAYS: [i64; 3] = [1, 7, 30];
const DAY_SECONDS: i64 = 86_400;

/// How near the end is: the smallest of the days to tell that is not past, 0 once it has ended.
fn nearness(not_after: i64, now: Moment) -> Option<i64> {
    let left = not_after.saturating_sub(i64::try_from(now.seconds()).unwrap_or(i64::MAX));
    if left < 0 {
        return Some(0);
    }
    TOLD_AT_DAYS.into_iter().find(|days| left <= days * DAY_SECONDS)
}

/// Tells each nearness of each certificate once.
#[derive(Debug, Default)]
struct Teller(BTreeMap<Expiry, i64>);

impl Teller {
    /// What is to be told now: each with how near its end is.
    fn news(&mut self, expiries: Vec<Expiry>, now: Moment) -> Vec<(Expiry, i64)> {
        // One that was replaced is forgotten.
        self.0.retain(|known, _| expiries.contains(known));
        let near = expiries.into_iter().filter_map(|expiry| Some((nearness(expiry.not_after, now)?, expiry)));
        near.filter(|(days, expiry)| self.0.insert(expiry.clone(), *days) != Some(*days))
            .map(|(days, expiry)| (expiry, days))
            .collect()
    }
}

/// Looks now and then at the certificates in force, until the server stops.
pub async fn watch(acceptor: Arc<Acceptor>, every: Duration, stop: Stop) {
    let mut teller = Teller::default();
    loop {
        let now = Moment::now();
        for (expiry, days) in teller.news(acceptor.expiries(), now) {
            let ends = Moment::from_millis(u64::try_from(expiry.not_after).unwrap_or_default().saturating_mul(1000));
            let file = expiry.file.display();
            if days == 0 {
                error!(%file, %ends, "certificate.expired: clients will refuse it; put a new one in its place");
            } else {
                warn!(%file, %ends, within_days = days, "certificate.expires: put a new one in its place in time");
            }
        }
        tokio::select! {
            () = waits::pause(every) => {}
            () = stop.stopping() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_17_an_operator_is_told_at_30_7_and_1_days_and_at_the_end_once_each() {
        let end = 100 * DAY_SECONDS;
        let expiry = Expiry { file: "c.pem".into(), not_after: end };
        let mut teller = Teller::default();
        let mut told = Vec::new();
        for hour in 60 * 24..102 * 24 {
            let now = Moment::from_millis(hour * 3_600_000);
            told.extend(teller.news(vec![expiry.clone()], now).into_iter().map(|(_, days)| (days, hour / 24)));
        }
        assert_eq!(told, [(30, 70), (7, 93), (1, 99), (0, 100)]);
        let renewed = Expiry { not_after: end * 2, ..expiry };
        assert!(teller.news(vec![renewed.clone()], Moment::from_millis(0)).is_empty());
        assert!(teller.0.is_empty(), "the old one is forgotten");
    }
}
