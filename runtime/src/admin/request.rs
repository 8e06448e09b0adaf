//! What can be asked of a running server: one line of JSON each way. This table is the whole of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ledger::{Ban, BanId, By, Filter, Imported, Page, Reach, Standing, Subject};
use crate::moment::Moment;
use crate::policy::PolicyStatus;
use crate::store::Health;

/// A request. What it answers stands beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the server is: [`Status`].
    Status {},
    /// Bans in force, oldest first: lists of [`BanRow`] in [`Reply::More`], then an empty one.
    BansList {
        /// Which.
        #[serde(default)]
        filter: Filter,
        /// Which part of them.
        #[serde(default)]
        page: Page,
    },
    /// As `BansList`, everything about each: lists of [`Ban`].
    BansExport {
        /// Which.
        #[serde(default)]
        filter: Filter,
    },
    /// Take in bans that were exported: the list of [`ImportRow`], in their order.
    BansImport {
        /// Everything about each.
        bans: Vec<Ban>,
    },
    /// Ban somebody: the [`AddedBan`].
    BansAdd {
        /// Whom, as typed.
        subject: String,
        /// How long; `None`: until lifted.
        seconds: Option<u64>,
        /// For people.
        reason: String,
        /// How far.
        reach: Reach,
    },
    /// Lift what is in force for a subject or has an id: the list of [`BanRow`] that are gone.
    BansLift {
        /// Subject or id, as typed.
        which: String,
    },
    /// Everything about what bans a subject, an address or has an id: a list of [`Explained`], empty if nothing
    /// does.
    BansExplain {
        /// Subject, address or id, as typed.
        which: String,
    },
    /// Tell the policies something: the [`crate::session::Raised`].
    EventRaise {
        /// The raiser's name for it: 1 to 64 lower-case letters, digits, ".", "-" or "_".
        name: String,
        /// Whom it is about; `None`: nobody.
        #[serde(default)]
        host: Option<IpAddr>,
        /// Which user.
        #[serde(default)]
        user: Option<String>,
        /// Anything.
        #[serde(default)]
        data: serde_json::Value,
    },
    /// End every ban that a node made until now, everywhere: the [`crate::ledger::ForgottenNode`].
    ClusterForget {
        /// Its name.
        node: String,
        /// Its site; `None`: the server's own.
        #[serde(default)]
        site: Option<String>,
    },
    /// How TLS sessions are resumed: [`crate::tls::SessionsInfo`].
    TlsSessionsInfo {},
    /// Refuse every TLS session that was issued so far: [`crate::tls::ClearedSessions`].
    TlsSessionsClear {},
    /// The policies in order of asking, then the key policy: a list of [`PolicyStatus`].
    PolicyList {},
    /// Read configuration and components again, all or nothing: a list of [`PolicyStatus`].
    PolicyReload {},
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A part of a long list; more comes.
    More(serde_json::Value),
    /// As the request says.
    Done(serde_json::Value),
    /// It did not happen.
    Refused(Refusal),
}

/// Why a request did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In plain words; several where several things are wrong.
    pub why: Vec<String>,
    /// The request itself is wrong, rather than the state of the server.
    pub usage: bool,
}

impl Reply {
    /// An answer; one that cannot be written as JSON is our own fault and told so.
    pub fn done<T: Serialize>(answer: &T) -> Reply {
        match serde_json::to_value(answer) {
            Ok(value) => Reply::Done(value),
            Err(error) => Reply::refused(format!("the answer cannot be written: {error}")),
        }
    }

    /// It did not work.
    pub fn refused(why: impl Into<String>) -> Reply {
        Reply::Refused(Refusal { why: vec![why.into()], usage: false })
    }

    /// Whether it happened.
    pub const fn is_good(&self) -> bool {
        !matches!(self, Reply::Refused(_))
    }

    /// Why not, in a few words.
    pub fn why(&self) -> &str {
        match self {
            Reply::Refused(refusal) => refusal.why.first().map_or("", String::as_str),
            _ => "",
        }
    }

    /// It makes no sense.
    pub fn usage(why: impl Into<String>) -> Reply {
        Reply::Refused(Refusal { why: vec![why.into()], usage: true })
    }
}

/// How the server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Of this program.
    pub version: String,
    /// The site.
    pub site: String,
    /// The node.
    pub node: String,
    /// When it was ready.
    pub started: Moment,
    /// When this was asked.
    pub now: Moment,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Its state folder.
    pub state: PathBuf,
    /// Connections at present.
    pub connections: usize,
    /// Of these, not logged in.
    pub unauthenticated: usize,
    /// The ledger.
    pub bans: Standing,
    /// The shared store.
    pub store: Health,
    /// In order of asking.
    pub policies: Vec<PolicyStatus>,
    /// The key policy.
    pub keys: PolicyStatus,
}

/// The ban that is in force after an operator asked for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddedBan {
    /// The ban.
    #[serde(flatten)]
    pub ban: Ban,
    /// It was in force before, and lasts at least as long as what was asked for.
    pub already: bool,
}

impl AddedBan {
    /// For the audit.
    pub fn word(&self) -> &'static str {
        if self.already { "was banned already" } else { "banned" }
    }
}

/// A ban, and how it came here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The ban.
    #[serde(flatten)]
    pub ban: Ban,
    /// Another node decided, and shared it.
    pub learnt: bool,
}

/// What came of one ban of an import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportRow {
    /// Whom it names.
    pub subject: Subject,
    /// What came of it; `None`: it was refused.
    pub outcome: Option<Imported>,
    /// Why it was refused.
    pub refused: Option<String>,
}

/// A ban in a list: all but the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `Ban`")]
pub struct BanRow {
    pub id: BanId,
    pub subject: Subject,
    pub reach: Reach,
    pub reason: String,
    pub by: By,
    pub node: String,
    pub site: String,
    pub created: Moment,
    pub expires: Option<Moment>,
}

impl From<&Ban> for BanRow {
    fn from(ban: &Ban) -> BanRow {
        BanRow {
            id: ban.id,
            subject: ban.subject.clone(),
            reach: ban.reach,
            reason: ban.reason.clone(),
            by: ban.by.clone(),
            node: ban.node.clone(),
            site: ban.site.clone(),
            created: ban.created,
            expires: ban.expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_object_with_an_op() {
        let request = Request::BansExplain { which: "192.0.2.7".into() };
        let text = serde_json::to_string(&request).expect("json");
        assert_eq!(text, r#"{"op":"bans-explain","which":"192.0.2.7"}"#);
        assert_eq!(serde_json::from_str::<Request>(&text).expect("request"), request);
        let all = Request::BansList { filter: Filter::default(), page: Page::default() };
        assert_eq!(serde_json::from_str::<Request>(r#"{"op":"bans-list"}"#).expect("request"), all);
        assert!(serde_json::from_str::<Request>(r#"{"op":"bans-list","filter":{"colour":"red"}}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"op":"status","extra":1}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"op":"shutdown"}"#).is_err());
    }
}
