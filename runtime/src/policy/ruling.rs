//! What a chain of policies answered, as data. Nobody has acted yet; see `session/ruling.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::{Access, By, Reach, Subject};

/// Why a ban of a user from everywhere is not imposed.
pub const USER_NOT_GRANTED: &str =
    "a ban of a user from everywhere needs the grant `user-bans`; prefer the user at a host";

/// Whether a ban of this subject takes the grant `user-bans`: one of a user from everywhere shuts its owner out too.
pub const fn needs_user_bans(subject: &Subject) -> bool {
    matches!(subject, Subject::User(_))
}

/// Which policy spoke, down to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStamp {
    /// The operator's name for it.
    pub name: String,
    /// The version that it describes itself with.
    pub version: String,
    /// SHA-256 of its component, lower-case hex.
    pub digest: String,
    /// SHA-256 of its settings as JSON, lower-case hex.
    pub settings: String,
}

impl From<&PolicyStamp> for By {
    fn from(stamp: &PolicyStamp) -> By {
        By::Policy {
            name: stamp.name.clone(),
            version: stamp.version.clone(),
            digest: stamp.digest.clone(),
            settings: stamp.settings.clone(),
        }
    }
}

/// The answer to the event itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Decision {
    /// No policy had an opinion.
    #[default]
    Pass,
    /// Final yes for this event. It lifts no ban.
    Allow,
    /// Final no for this event.
    Refuse {
        /// A guest's text, not yet cleaned.
        text: Option<String>,
        /// Close the connection as well.
        close: bool,
    },
}

/// A ban that a policy asked for, not yet clamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanOrder {
    /// Whom.
    pub subject: Subject,
    /// How long; `None`: until lifted.
    pub span: Option<Duration>,
    /// For people.
    pub reason: String,
    /// For the client.
    pub message: Option<String>,
    /// How far.
    pub reach: Reach,
    /// By whom.
    pub by: Arc<PolicyStamp>,
    /// What the decision asked of the store.
    pub accesses: Arc<Vec<Access>>,
}

/// A lift that a policy asked for: of its own bans only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiftOrder {
    /// Whom.
    pub subject: Subject,
    /// By whom.
    pub by: Arc<PolicyStamp>,
}

/// What the chain answered to one event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ruling {
    /// The first decision that was not `pass`.
    pub decision: Decision,
    /// The policy that made it, if one did.
    pub by: Option<Arc<PolicyStamp>>,
    /// Longest pause that a policy asked for before the answer.
    pub delay: Duration,
    /// Bans asked for by policies in `enforce` mode, in chain order.
    pub bans: Vec<BanOrder>,
    /// Lifts asked for by policies in `enforce` mode, in chain order.
    pub lifts: Vec<LiftOrder>,
}
