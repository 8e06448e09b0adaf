//! One policy's checked answer, before the chain makes a ruling of it.

use std::time::Duration;

use super::ruling::{BanOrder, Decision, LiftOrder};

/// What one policy answered: checked, not yet clamped, nothing carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) decision: Decision,
    pub(super) delay: Duration,
    pub(super) bans: Vec<BanOrder>,
    pub(super) lifts: Vec<LiftOrder>,
    /// Each one line.
    pub(super) alerts: Vec<String>,
}
