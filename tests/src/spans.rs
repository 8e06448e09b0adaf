//! Spans of time that were measured.

use std::time::Duration;

/// The one that `percent` of 100 do not exceed; nothing took no time.
pub fn percentile(spans: &mut [Duration], percent: usize) -> Duration {
    spans.sort_unstable();
    spans.get(spans.len() * percent / 100).or(spans.last()).copied().unwrap_or_default()
}
