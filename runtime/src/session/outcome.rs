//! How a connection ended: one word for the log, the event, the counter.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tracing::{error, info};

use super::counters::count;
use super::house::House;
use super::registry::Entry;
use super::ruling;
use crate::events::Kind;
use crate::ftp::effect::Ending;
use crate::gate::{Admitted, Refusal, TooFast};
use crate::moment::Moment;
use crate::net::Peer;
use crate::waits::Wait;

/// The one outcome of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Outcome {
    /// The machine ended it.
    Ended(Ending),
    /// The client closed, with or without a farewell.
    Left,
    /// The connection broke.
    Broken(io::ErrorKind),
    /// The client took no replies.
    ReplyStall,
    /// The TLS handshake failed, for this reason.
    TlsFailed(String),
    /// The TLS handshake took too long.
    HandshakeTimeout,
    /// The session's task panicked. News.
    Crashed,
}

impl Outcome {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Outcome::Ended(ending) => match ending {
                Ending::Quit => "quit",
                Ending::LoginTimeout => "login-timeout",
                Ending::IdleTimeout => "idle-timeout",
                Ending::TooManyTries => "too-many-tries",
                Ending::TooManyUnknown => "too-many-unknown",
                Ending::ProtocolMismatch => "protocol-mismatch",
                Ending::Injection => "injection",
                Ending::Refused => "refused",
                Ending::Banned => "banned",
                Ending::Revoked => "revoked",
                Ending::Stopping => "stopping",
            },
            Outcome::Left => "left",
            Outcome::Broken(_) => "broken",
            Outcome::ReplyStall => Wait::ReplyStall.name(),
            Outcome::TlsFailed(_) => "tls-failed",
            Outcome::HandshakeTimeout => "handshake-timeout",
            Outcome::Crashed => "crashed",
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Outcome::TlsFailed(reason) => Some(reason.escape_debug().to_string()),
            Outcome::Broken(kind) => Some(kind.to_string()),
            _ => None,
        }
    }
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Outcome {
        Outcome::Ended(ending)
    }
}

/// Consumes the outcome of one connection, whatever becomes of its task: one log line, one event, one
/// counter, and its places are free again.
pub(super) struct Closing {
    pub(super) house: Arc<House>,
    pub(super) entry: Arc<Entry>,
    pub(super) admitted: Admitted,
    outcome: Outcome,
}

impl Closing {
    /// Until told otherwise, it crashed.
    pub(super) const fn new(house: Arc<House>, entry: Arc<Entry>, admitted: Admitted) -> Closing {
        Closing { house, entry, admitted, outcome: Outcome::Crashed }
    }

    pub(super) fn with(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.outcome == Outcome::Crashed && !std::thread::panicking() {
            // Its task was dropped with the server.
            self.outcome = Ending::Stopping.into();
        }
        let (house, entry, word) = (&self.house, &self.entry, self.outcome.word());
        house.registry().leave(entry.id);
        house.counters().ended(word);
        let counted = entry.counted();
        house.counters().bytes_in.fetch_add(counted.bytes_in, Ordering::Relaxed);
        house.counters().bytes_out.fetch_add(counted.bytes_out, Ordering::Relaxed);
        let tls = entry.tls.get();
        info!(
            connection = entry.id,
            peer = %entry.peer,
            through = entry.arrival.through.map(|through| through.balancer.to_string()),
            server = house.names.servers[entry.host().index()].as_str(),
            outcome = word,
            detail = self.outcome.detail(),
            user = entry.shown_user(&house.settings.log).map(|user| user.escape_debug().to_string()),
            tls = tls.map(|facts| facts.version.as_str()),
            resumed = tls.map(|facts| facts.resumed),
            millis = u64::try_from(entry.since.until(Moment::now()).as_millis()).unwrap_or(u64::MAX),
            commands = counted.commands,
            failed_logins = counted.failed_logins,
            transfers = counted.transfers,
            bytes_in = counted.bytes_in,
            bytes_out = counted.bytes_out,
            "connection.ended"
        );
        if self.outcome == Outcome::Crashed {
            error!(connection = entry.id, peer = %entry.peer, "connection.crashed");
        }
        let kind = Kind::Disconnected(word.to_owned());
        if house.handles.recorder.is_some() || house.handles.policies.wants(kind.occasion()) {
            let (house, entry) = (house.clone(), entry.clone());
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    let _ = ruling::ask(&house, &entry, kind).await;
                });
            }
        }
    }
}

/// A connection that the gate refused: counted. A flood of them is no news, so at most some a second are
/// told, with how many were not.
pub(super) fn refused(house: &House, refusal: &Refusal, peer: Peer) {
    let counters = house.counters();
    let (counter, cause) = match (refusal, limit_of(refusal)) {
        (_, Some(limit)) => (&counters.refused_limit, format!("limits.{limit}")),
        (Refusal::NotServed, None) => (&counters.refused_limit, "listener.from".to_owned()),
        (_, None) => (&counters.refused_banned, "banned".to_owned()),
    };
    count(counter);
    if let Some(untold) = house.refusals.admit(Moment::now()) {
        let ban = match refusal {
            Refusal::Banned(ban) => Some(ban.id.to_string()),
            _ => None,
        };
        info!(%peer, outcome = "refused", cause, ban, untold, "connection.refused");
    }
}

/// The key under `[limits]` that a refusal comes of, if it does.
pub(super) const fn limit_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Banned(_) | Refusal::NotServed => None,
        Refusal::TooFast(TooFast::Address) => Some("rate-per-address"),
        Refusal::TooFast(TooFast::Network) => Some("rate-per-network"),
        Refusal::TooFast(TooFast::All) => Some("rate"),
        Refusal::TooManyConnections => Some("connections"),
        Refusal::TooManyFromAddress => Some("connections-per-address"),
        Refusal::TooManyUnauthenticated => Some("unauthenticated"),
        Refusal::TooManyUnauthenticatedFromAddress => Some("unauthenticated-per-address"),
    }
}

/// Lets some lines a second through and counts the others.
#[derive(Debug, Default)]
pub(super) struct Sparing(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    second: u64,
    told: u32,
    untold: u64,
}

/// More lines a second say nothing more to a person; the counters tell the rest.
const LINES_A_SECOND: u32 = 10;

impl Sparing {
    /// Whether to tell, and how many were not told since the last time.
    fn admit(&self, now: Moment) -> Option<u64> {
        let mut state = self.0.lock();
        if state.second != now.seconds() {
            state.second = now.seconds();
            state.told = 0;
        }
        if state.told == LINES_A_SECOND {
            state.untold += 1;
            return None;
        }
        state.told += 1;
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_some_lines_a_second_and_a_count() {
        let sparing = Sparing::default();
        let told = |second: u64| (0..100).filter_map(|_| sparing.admit(Moment::from_millis(second * 1000))).count();
        assert_eq!((told(5), told(5)), (10, 0));
        assert_eq!(sparing.admit(Moment::from_millis(6000)), Some(190));
        assert_eq!(sparing.admit(Moment::from_millis(6001)), Some(0));
    }
}
