//! The moment: milliseconds of Unix time, as a value that is passed in, so that decisions can be tested
//! and replayed. Only the edges (session, admin, keeper) read the clock; pure rooms are told.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The moment that the operating system's clock shows.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the system clock")]
    pub fn now() -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// From milliseconds of Unix time.
    pub const fn from_millis(millis: u64) -> Moment {
        Moment(millis)
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
    fn never_wraps() {
        let end = Moment::from_millis(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(end.until(Moment::from_millis(3)), Duration::ZERO);
    }
}
