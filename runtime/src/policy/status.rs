//! What `policy list` and `policy reload` show.

use serde::{Deserialize, Serialize};

use super::series::Metric;
use super::used::Figures;
use crate::config::settings::{Instance, Mode, Source};
use crate::moment::Moment;

/// One policy in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// The operator's name for it.
    pub name: String,
    /// The author's name for it.
    pub description: String,
    /// One sentence of its author.
    pub summary: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// SHA-256 of its settings.
    pub settings_digest: String,
    /// As configured.
    pub source: String,
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// `fresh`, or `warm:CALLS`.
    pub instance: String,
    /// Event kinds that it wants.
    pub events: Vec<String>,
    /// When it came into force.
    pub since: Moment,
    /// Times that it was asked.
    pub calls: u64,
    /// Times that it failed.
    pub failures: u64,
    /// Verdicts that refused.
    pub refusals: u64,
    /// Bans that it asked for.
    pub bans: u64,
    /// Counters of its own.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Half of the calls took at most so long.
    pub p50_micros: f64,
    /// 99 of 100 calls took at most so long.
    pub p99_micros: f64,
    /// It failed too often in a row and is left alone.
    pub suspended: bool,
    /// Answers until it has passed its probation behind a swap; 0: it is not on probation.
    #[serde(default)]
    pub probation: u32,
    /// Calls under way.
    #[serde(default)]
    pub busy: usize,
    /// What it has used of its bounds.
    #[serde(default)]
    pub used: Figures,
    /// Its last failure.
    pub last_error: Option<String>,
    /// Why what came after it is not in force: it failed its probation.
    #[serde(default)]
    pub rolled_back: Option<String>,
    /// The last attempt to load it anew.
    pub last_reload: Option<ReloadAttempt>,
}

/// An attempt to load a policy anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadAttempt {
    /// When.
    pub at: Moment,
    /// Why the old one is still in force.
    pub error: Option<String>,
}

/// What a reload changed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// New in the chain.
    pub added: Vec<String>,
    /// Other bytes or other settings.
    pub changed: Vec<String>,
    /// As before, counters and all.
    pub kept: Vec<String>,
    /// No longer in the chain.
    pub removed: Vec<String>,
}

pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Builtin(name) => format!("builtin:{name}"),
        Source::File(path) => format!("file:{}", path.display()),
    }
}

pub(super) fn instance(instance: Instance) -> String {
    match instance {
        Instance::Fresh => "fresh".to_owned(),
        Instance::Warm(calls) => format!("warm:{calls}"),
    }
}
