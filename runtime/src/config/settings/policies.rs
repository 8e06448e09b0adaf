//! Policies: where they come from, what they may do, and within which bounds.

use std::path::PathBuf;
use std::time::Duration;

/// `[policies]`
#[derive(Clone, Debug)]
pub struct Policies {
    /// Decisions under way at once, over all policies.
    pub at_once: usize,
    /// Threads that run guests.
    pub threads: usize,
    /// Largest component file, bytes.
    pub component_bytes: u64,
    /// How long compiling and configuring one policy may take.
    pub load_deadline: Duration,
    /// Bytes of memory that the process may have which compiles a component of a file.
    pub compiler_memory: u64,
    /// Quiet time after a file change before it is read.
    pub reload_quiet: Duration,
    /// How often watched files are looked at where the file system tells nothing.
    pub reload_poll: Duration,
    /// Bytes of compiled code that are kept on disk; 0: none.
    pub compiled_cache: u64,
    /// Decisions of a policy behind its swap, within which the one before comes back if it fails.
    pub probation: u32,
    /// Failures within the probation that bring the one before back.
    pub probation_failures: u32,
    /// Failures of one policy are told once in this time; the line counts those that it stands for.
    pub failure_log_interval: Duration,
    /// Answers of the key policy that are remembered.
    pub remembered_keys: usize,
    /// How long the pool remembers who succeeded from a network, for the fact `history`.
    pub history: Duration,
    /// Longest delay (tarpit) that a verdict may ask for.
    pub longest_delay: Duration,
    /// Bans in one verdict.
    pub bans_per_verdict: usize,
}

/// One `[[policy]]`, or `[keys]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// The operator's name for it: in logs, bans, and as its namespace in the store.
    pub name: String,
    /// Where its component comes from.
    pub source: Source,
    /// Whether its verdicts are carried out.
    pub mode: Mode,
    /// Handed to `configure` as JSON.
    pub settings: serde_json::Value,
    /// What a failure of the policy means to the client.
    pub on_error: OnError,
    /// Fresh for each decision, or warm for a number of calls.
    pub instance: Instance,
    /// Host interfaces that it may import, and powers that it has.
    pub grants: Vec<Grant>,
    /// With the event, determines the randomness that WASI gives.
    pub random_seed: u64,
    /// Virtual servers whose clients it is asked about; none: all.
    pub servers: Vec<String>,
    /// Classes of clients that it is asked about; none: all.
    pub classes: Vec<String>,
    /// Its bounds.
    pub bounds: Bounds,
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `builtin:NAME`: embedded in this binary.
    Builtin(String),
    /// `file:PATH`
    File(PathBuf),
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Carried out.
    Enforce,
    /// Evaluated and recorded, never carried out.
    Observe,
    /// Not loaded.
    Off,
}

/// What a failure of a policy means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// As if it had no opinion.
    Pass,
    /// As if it had refused.
    Refuse,
}

/// How long an instance of a guest lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// One decision: nothing leaks from one client to the next.
    Fresh,
    /// This many decisions.
    Warm(u32),
}

/// What may be granted: a host interface, or a power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in wit/")]
pub enum Grant {
    Store,
    Bans,
    Networks,
    Clock,
    Log,
    Metrics,
    /// No interface: bans of a user from everywhere, with which whoever knows a name can shut its owner out.
    UserBans,
}

/// The bounds of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// CPU time of one call, ms resolution.
    pub cpu: Duration,
    /// Wall-clock time of one call, host calls included.
    pub wall: Duration,
    /// Bytes of all its memories together.
    pub memory: usize,
    /// Elements of all its tables together.
    pub table_elements: usize,
    /// Host calls of one call.
    pub host_calls: u32,
    /// Bytes that one host call or result may carry.
    pub transfer_bytes: usize,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Operations of the store a second.
    pub store_operations: u64,
    /// Bytes of keys and values a second, written and read.
    pub store_bytes: u64,
    /// Log lines a second.
    pub log_lines: u32,
    /// Counters of its own in the server's metrics.
    pub metric_series: usize,
    /// Failures in a row after which it is suspended.
    pub suspend_after: u32,
    /// Pause after which a suspended policy is tried with one call.
    pub suspend_for: Duration,
    /// Its decisions under way at once.
    pub at_once: usize,
}
