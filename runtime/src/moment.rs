//! The moment: milliseconds of Unix time, as a value that is passed in, so that decisions can be tested
//! and replayed. Only the edges (session, admin, keeper) read the clock; pure rooms are told.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The present moment: what the system's clock showed when this process first asked, and the time that
    /// has passed since, suspensions included. Somebody who sets the clock ends no ban early and keeps none
    /// longer; a restart follows the clock as it is then.
    pub fn now() -> Moment {
        static CLOCK: OnceLock<Steady> = OnceLock::new();
        CLOCK.get_or_init(|| Steady { start: Moment::shown(), passed: passed() }).at(passed())
    }

    /// What the system's clock shows, for people who compare it with other clocks.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the system clock")]
    pub fn shown() -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// From milliseconds of Unix time.
    pub const fn from_millis(millis: u64) -> Moment {
        Moment(millis)
    }

    /// RFC 3339 in UTC, such as `2030-01-31T12:00:00Z`; not before 1970.
    pub fn parse(text: &str) -> Option<Moment> {
        let format = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(text, format).ok()?;
        u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Moment)
    }

    /// Milliseconds of Unix time.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds of Unix time, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment and `span` more; the end of time where that does not fit.
    pub fn plus(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `self` until `later`; zero if it has passed.
    pub fn until(self, later: Moment) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// A clock that nobody can set.
struct Steady {
    start: Moment,
    /// Since the machine was started.
    passed: Duration,
}

impl Steady {
    fn at(&self, passed: Duration) -> Moment {
        self.start.plus(passed.saturating_sub(self.passed))
    }
}

/// Since the machine was started.
fn passed() -> Duration {
    let passed = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(passed.tv_sec).unwrap_or_default(), u32::try_from(passed.tv_nsec).unwrap_or_default())
}

impl fmt::Display for Moment {
    /// RFC 3339 in UTC, to the second; moments beyond the year 9999 as their number.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.seconds())
            .ok()
            .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
        match stamp {
            Some(at) => write!(
                out,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            None => write!(out, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_rfc_3339() {
        assert_eq!(Moment::from_millis(1_700_000_000_999).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Moment::from_millis(u64::MAX).to_string(), "18446744073709551615ms");
    }

    #[test]
    fn reads_what_it_prints() {
        assert_eq!(Moment::parse("2023-11-14T22:13:20Z"), Some(Moment::from_millis(1_700_000_000_000)));
        assert_eq!(Moment::parse("1969-12-31T00:00:00Z"), None);
        assert_eq!(Moment::parse("tomorrow"), None);
    }

    #[test]
    fn f_11_the_present_moment_follows_the_time_that_passes_and_no_clock_that_is_set() {
        let clock = Steady { start: Moment::from_millis(1_000), passed: Duration::from_secs(50) };
        assert_eq!(clock.at(Duration::from_secs(50)), Moment::from_millis(1_000));
        assert_eq!(clock.at(Duration::from_millis(50_250)), Moment::from_millis(1_250));
        assert_eq!(clock.at(Duration::ZERO), Moment::from_millis(1_000), "it never goes back");
        let (one, other) = (Moment::now(), Moment::now());
        assert!(one <= other && one.until(Moment::shown()) < Duration::from_secs(60));
    }

    #[test]
    fn never_wraps() {
        let end = Moment::from_millis(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(end.until(Moment::from_millis(3)), Duration::ZERO);
    }
}
