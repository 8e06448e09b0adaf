//! What the server offers to one policy: its entries, the bans, the networks, its lines in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::entries::{Entries, EntryError};
use super::quota::{Cost, Quota};
use super::series::Series;
use super::trace::Trace;
use super::wasi::Surroundings;
use crate::config::settings::{Grant, PolicySettings};
use crate::ledger::{Ban, Subject};
use crate::moment::Moment;
use crate::net::Networks;
use crate::store::{Derive, SharedStore};

/// Asks for the ban of exactly this subject that is in force at the moment.
pub type FindBan = Arc<dyn Fn(&Subject, Moment) -> Option<Arc<Ban>> + Send + Sync>;

/// What policies may be granted, for all of them.
#[derive(Clone)]
pub struct Deps {
    /// Where their entries stand.
    pub store: SharedStore,
    /// Under which keys.
    pub keys: Arc<dyn Derive>,
    /// The bans in force on this node.
    pub bans: FindBan,
    /// The named networks of the configuration.
    pub networks: Arc<Networks>,
}

/// What one policy may use.
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) entries: Entries,
    pub(super) quota: Quota,
    pub(super) bans: FindBan,
    pub(super) networks: Arc<Networks>,
    has_clock: bool,
    pub(super) series: Mutex<Series>,
    lines: Mutex<Lines>,
}

impl Offer {
    pub(super) fn new(settings: &PolicySettings, deps: &Deps) -> Offer {
        Offer {
            name: settings.name.clone(),
            entries: Entries {
                policy: settings.name.clone(),
                store: deps.store.clone(),
                keys: deps.keys.clone(),
                key_bytes: settings.bounds.key_bytes,
                value_bytes: settings.bounds.value_bytes,
            },
            quota: Quota::new(&settings.bounds),
            bans: deps.bans.clone(),
            networks: deps.networks.clone(),
            has_clock: settings.grants.contains(&Grant::Clock),
            series: Mutex::new(Series::new(settings.bounds.metric_series)),
            lines: Mutex::new(Lines::new(settings.bounds.log_lines)),
        }
    }

    /// Lines that were dropped since the policy was loaded.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.lines.lock().dropped_ever
    }

    /// May so much be asked of the store now? Refusals are told now and then.
    ///
    /// # Errors
    /// `OverQuota`.
    pub(super) fn may_ask(&self, cost: Cost, now: Moment) -> Result<(), EntryError> {
        self.quota.take(cost, now).map_err(|(over, tell)| {
            if let (Some(times), EntryError::OverQuota(quota)) = (tell, &over) {
                tracing::warn!(policy = %self.name, times, quota, "policy.store-refused: it asks too much of the store");
            }
            over
        })
    }

    /// May one more line be written now? Lines that were dropped before are told first, in one line.
    pub(super) fn may_write(&self) -> bool {
        let (granted, dropped) = {
            let mut lines = self.lines.lock();
            let answer = lines.take(Instant::now());
            lines.dropped_ever += u64::from(!answer.0);
            answer
        };
        if dropped > 0 {
            tracing::warn!(policy = %self.name, dropped, "policy.log-lines-dropped: over `bounds.log-lines`");
        }
        granted
    }
}

/// What a call's host functions work with.
pub(super) struct Call {
    /// The moment of the event.
    pub(super) now: Moment,
    pub(super) offer: Arc<Offer>,
    pub(super) trace: Trace,
}

impl Surroundings for Call {
    fn time(&self) -> Moment {
        if self.offer.has_clock { self.now } else { Moment::from_millis(0) }
    }
}

/// A budget of lines for each second.
struct Lines {
    most: u32,
    left: u32,
    dropped: u32,
    dropped_ever: u64,
    since: Option<Instant>,
}

impl Lines {
    const fn new(most: u32) -> Lines {
        Lines { most, left: most, dropped: 0, dropped_ever: 0, since: None }
    }

    /// Whether a line is granted, and how many were dropped in the second that has ended.
    fn take(&mut self, now: Instant) -> (bool, u32) {
        let mut told = 0;
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            told = self.dropped;
            *self = Lines { since: Some(now), dropped_ever: self.dropped_ever, ..Lines::new(self.most) };
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                (true, told)
            }
            None => {
                self.dropped = self.dropped.saturating_add(1);
                (false, told)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_16_lines_over_the_budget_are_dropped_and_counted() {
        let start = Instant::now();
        let mut lines = Lines::new(2);
        let answers: Vec<_> = (0..5).map(|_| lines.take(start)).collect();
        assert_eq!(answers, [(true, 0), (true, 0), (false, 0), (false, 0), (false, 0)]);
        assert_eq!(lines.take(start + Duration::from_secs(1)), (true, 3));
    }
}
