//! The policy engine: loads components, asks them, bounds them.
//!
//! Trust: none in a guest; its code, its answers and its calls are bounded and checked here. Must not
//! know: sockets, FTP, the ledger's files. The only room that names wasmtime.

mod builtin;
mod cache;
mod catching;
pub mod chain;
mod clock;
mod contract;
pub mod describe;
mod digest;
pub mod engine;
mod entries;
pub mod fault;
mod health;
mod history;
mod host;
pub mod keys;
mod limits;
mod link;
pub mod load;
pub mod nested;
mod offer;
mod probation;
mod quota;
pub mod reload;
pub mod ruling;
mod series;
mod shape;
mod snapshot;
mod source;
pub mod status;
mod tally;
mod text;
mod trace;
mod used;
mod verdict;
mod warm;
mod wasi;
mod worker;

pub use chain::Policies;
pub use describe::Description;
pub use engine::{Engine, EngineError};
pub use fault::{Failure, FailureKind, LoadError, LoadFault, SettingFault};
pub use keys::{InForce, KeyPolicy};
pub use load::{Inspection, check, inspect};
pub use offer::{Deps, FindBan};
pub use reload::{Watcher, file_of};
pub use ruling::{BanOrder, Decision, LiftOrder, PolicyStamp, Ruling, USER_NOT_GRANTED, needs_user_bans};
pub use series::Metric;
pub use status::{PolicyStatus, ReloadAttempt, ReloadReport};
pub use used::Figures;
pub use worker::{COMMAND as COMPILE, Worker, work as compile};
