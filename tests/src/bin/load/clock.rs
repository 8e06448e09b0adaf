//! How long the work went on, and what one unit of it took.

use std::time::{Duration, Instant};

use serde::Serialize;
use tests::spans::percentile;

/// What was done.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Units of work.
    pub done: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Median of one unit, microseconds.
    pub p50_us: u64,
    /// What was seen of the server: its refusal, its cipher, whether TLS sessions were resumed.
    pub seen: String,
}

/// Counts units until the plan says enough.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    seconds: Duration,
    begun: u64,
    count: u64,
    spans: Vec<Duration>,
}

impl Clock {
    pub fn new(count: u64, seconds: Duration) -> Clock {
        Clock { started: Instant::now(), seconds, begun: 0, count, spans: Vec::new() }
    }

    /// Whether another unit may begin.
    pub fn begin(&mut self) -> Option<Instant> {
        let more = self.begun < self.count && self.started.elapsed() < self.seconds;
        self.begun += u64::from(more);
        more.then(Instant::now)
    }

    pub fn end(&mut self, begun: Instant) {
        self.spans.push(begun.elapsed());
    }

    pub fn done(mut self, bytes: u64, seen: String) -> Done {
        let median = percentile(&mut self.spans, 50);
        Done {
            done: self.spans.len() as u64,
            bytes,
            seconds: self.started.elapsed().as_secs_f64(),
            p50_us: u64::try_from(median.as_micros()).unwrap_or(u64::MAX),
            seen,
        }
    }
}
