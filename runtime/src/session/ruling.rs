//! Asks the policies, carries out what they order, tells what they decided.

use std::time::Duration;

use tracing::{debug, warn};

use super::house::House;
use super::registry::Entry;
use crate::events::{Kind, Recent};
use crate::ftp::reply::ReplyText;
use crate::ledger::{Ban, By, Which, message};
use crate::moment::Moment;
use crate::policy::{Decision, LiftOrder};
use crate::waits::{self, Wait};

/// What the policies decided about an event; their bans are in force already.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) decision: Decision,
    /// How long the client shall wait for the answer.
    pub(super) delay: Duration,
}

/// A no, in the words for the client.
#[derive(Debug)]
pub(super) struct No {
    pub(super) text: Option<ReplyText>,
    pub(super) close: bool,
}

/// Asks. An event that no policy subscribes to costs next to nothing.
pub(super) async fn ask(house: &House, entry: &Entry, kind: Kind) -> Verdict {
    let handles = &house.handles;
    let wanted = handles.policies.wants(kind.name());
    if !wanted && !Recent::speaks_against(&kind) {
        return Verdict::default();
    }
    let event = entry.event(&house.names, wanted && handles.store.health().degraded, kind);
    house.recent.note(&event);
    if !wanted {
        return Verdict::default();
    }
    let limits = &house.settings.timeouts;
    let Ok(ruling) = waits::within(limits, Wait::Ruling, handles.policies.decide(&event)).await else {
        warn!(connection = entry.id, event = event.kind.name(), "ruling.timeout");
        return Verdict::default();
    };
    for order in ruling.bans {
        let subject = order.subject.clone();
        if let Err(why) = handles.ban_writer.impose(order, house.recent.evidence(&event), Moment::now()).await {
            warn!(connection = entry.id, subject = %subject.to_string().escape_debug(), %why, "ban.not-imposed");
        }
    }
    for order in &ruling.lifts {
        lift(house, order).await;
    }
    if ruling.decision != Decision::Pass {
        debug!(
            connection = entry.id,
            event = event.kind.name(),
            decision = ?ruling.decision,
            policy = ruling.by.as_ref().map(|by| by.name.as_str()),
            "ruling.decided"
        );
    }
    Verdict { decision: ruling.decision, delay: ruling.delay.min(house.settings.policies.longest_delay) }
}

/// A policy lifts what it imposed itself; the bans of operators and other policies are not its business.
async fn lift(house: &House, order: &LiftOrder) {
    let now = Moment::now();
    let Some(ban) = house.handles.bans.find(&order.subject, now) else { return };
    if matches!(&ban.by, By::Policy { name, .. } if *name == order.by.name) {
        house.handles.ban_writer.lift(Which::Id(ban.id), &order.by.name, now).await;
    } else {
        warn!(policy = %order.by.name, ban = %ban.id, "ban.not-lifted: another made it");
    }
}

/// Asks, makes the client wait as long as the policies say, and turns the answer into a yes or a no. A ban
/// that names this session is a no, whoever imposed it.
pub(super) async fn permit(house: &House, entry: &Entry, kind: Kind) -> Result<(), No> {
    let verdict = ask(house, entry, kind).await;
    if !verdict.delay.is_zero() {
        waits::pause(verdict.delay).await;
    }
    verdict.permit(house, entry)
}

impl Verdict {
    pub(super) fn permit(self, house: &House, entry: &Entry) -> Result<(), No> {
        let now = Moment::now();
        if let Some(ban) = entry.ban(house, now) {
            return Err(No { text: Some(told(house, entry, &ban, now)), close: true });
        }
        match self.decision {
            Decision::Pass | Decision::Allow => Ok(()),
            Decision::Refuse { text, close } => Err(No { text: text.as_deref().map(ReplyText::clean), close }),
        }
    }
}

/// What a banned client is told.
pub(super) fn told(house: &House, entry: &Entry, ban: &Ban, now: Moment) -> ReplyText {
    let default = &house.settings.bans.message;
    let user = entry.user();
    let text = message::expand(ban, default, entry.peer.ip(), user.as_deref(), now, ReplyText::BYTES_MAX);
    ReplyText::clean(&text)
}
