//! A figure beside its target, how much is measured, many pieces of work at once, and what a process has used.

use std::fmt;
use std::time::Duration;

/// How much is measured.
pub struct Scale {
    pub connects: usize,
    pub refused: usize,
    pub refused_by_proftpd: usize,
    pub bans: usize,
    pub lookups: usize,
    pub outage: Duration,
}

impl Scale {
    pub const fn whole() -> Scale {
        Scale {
            connects: 3000,
            refused: 12_000,
            refused_by_proftpd: 1000,
            bans: 30,
            lookups: 20_000,
            outage: Duration::from_secs(6),
        }
    }

    pub const fn smoke() -> Scale {
        Scale {
            connects: 40,
            refused: 40,
            refused_by_proftpd: 10,
            bans: 2,
            lookups: 640,
            outage: Duration::from_millis(600),
        }
    }
}

/// One line of the report.
pub struct Figure {
    what: &'static str,
    found: f64,
    unit: &'static str,
    target: Target,
    note: String,
}

#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub const fn new(what: &'static str, found: f64, unit: &'static str, target: Target, note: String) -> Figure {
        Figure { what, found, unit, target, note }
    }

    pub fn reached(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.found >= least,
            Target::AtMost(most) => self.found <= most,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, number) = match self.target {
            Target::AtLeast(least) => ("at least", least),
            Target::AtMost(most) => ("at most", most),
        };
        let verdict = if self.reached() { "reached" } else { "MISSED" };
        writeln!(out, "{verdict}  {}: {:.2} {} ({word} {number})", self.what, self.found, self.unit)?;
        write!(out, "         {}", self.note)
    }
}

/// So many pieces of work, at most `most` of them at any time.
pub async fn at_once<F>(count: usize, most: usize, work: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for number in 0..count {
        if running.len() == most {
            running.join_next().await.expect("some run").expect("it did well");
        }
        running.spawn(work(number));
    }
    running.join_all().await;
}

/// CPU seconds of the living threads of a process, to the nanosecond.
pub fn cpu_of_threads(process: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let spent = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1e9
}

/// CPU seconds of a process and of its children that have ended, in steps of 10 ms.
pub fn cpu_of_family(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / rustix::param::clock_ticks_per_second() as f64
}
