//! What came of a replay. The same recording and the same policies give the same bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use crate::ledger::{Reach, Subject};
use crate::moment::Moment;

/// A policy, down to its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Who {
    /// The operator's name for it.
    pub name: String,
    /// The version that it describes itself with.
    pub version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// SHA-256 of its settings as JSON.
    pub settings: String,
}

/// A ban that there would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlayedBan {
    /// When.
    pub at: Moment,
    /// Whom.
    pub subject: Subject,
    /// Until when.
    pub expires: Option<Moment>,
    /// What the policy asked for, milliseconds; `None`: until lifted.
    pub asked_ms: Option<u64>,
    /// How far.
    pub reach: Reach,
    /// For people.
    pub reason: String,
    /// The operator's name of the policy.
    pub policy: String,
    /// Which event brought it about, counted from 1.
    pub number: u64,
    /// Its kind.
    pub event: String,
    /// Its peer.
    pub peer: SocketAddr,
    /// Its user.
    pub user: Option<String>,
    /// It was lifted by the policy at this moment.
    pub lifted: Option<Moment>,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The policies, in order of asking.
    pub policies: Vec<Who>,
    /// Events in the recording.
    pub events: u64,
    /// Lines that are no events.
    pub unreadable: u64,
    /// Events that some policy was asked about.
    pub asked: u64,
    /// Events of clients that would have been kept out by then.
    pub spared: u64,
    /// Events that would have been refused, without a ban.
    pub refused: u64,
    /// Moment of the first event.
    pub from: Option<Moment>,
    /// Moment of the last event.
    pub to: Option<Moment>,
    /// The bans, in order.
    pub bans: Vec<PlayedBan>,
    /// Bans that a policy asked for and that the rules do not allow: how often for each reason.
    pub not_imposed: BTreeMap<String, u64>,
    /// Answers that were failures of a policy: how often for each policy.
    pub failures: BTreeMap<String, u64>,
}
