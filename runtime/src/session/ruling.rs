//! Asks the policies, carries out what they order, tells what they decided.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::house::House;
use super::outcome::limit_of;
use super::registry::Entry;
use crate::events::{Event, Kind, Mask, Occasion, Recent};
use crate::ftp::reply::ReplyText;
use crate::gate::Refusal;
use crate::ledger::{Ban, BanId, By, Grounds, Subject, Which, message};
use crate::moment::Moment;
use crate::net::Arrival;
use crate::policy::{BanOrder, Decision, LiftOrder};
use crate::waits::{self, Wait};

/// What the policies decided about an event; their bans are in force already.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) decision: Decision,
    /// Bans that came of it, or were in force already.
    pub(super) imposed: Vec<BanId>,
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
    let (wanted, recorder) = (handles.policies.wants(kind.occasion()), handles.recorder.as_ref());
    if !wanted && recorder.is_none() && !Recent::speaks_against(&kind) {
        return Verdict::default();
    }
    let degraded = (wanted || recorder.is_some()) && handles.store.health().degraded;
    let mut event = entry.event(&house.names, degraded, kind);
    house.recent.note(&event);
    let record = |event: &Event| recorder.into_iter().for_each(|recorder| recorder.note(event));
    if !wanted {
        record(&event);
        return Verdict::default();
    }
    let limits = &house.settings.timeouts;
    let asked = async {
        handles.policies.supply(&mut event).await;
        record(&event);
        handles.policies.decide(&event).await
    };
    let Ok(ruling) = waits::within(limits, Wait::Ruling, asked).await else {
        warn!(connection = entry.id, event = event.kind.name(), "ruling.timeout");
        return Verdict::default();
    };
    let mut imposed = Vec::new();
    for mut order in ruling.bans {
        if let Some(mask) = event.mask() {
            hide(&mut order, mask);
        }
        let (subject, by) = (order.subject.clone(), order.by.clone());
        let grounds = Grounds {
            event: Some(Recent::whole(&event)),
            evidence: house.recent.evidence(&event),
            ends: house.registry().ended_by(&subject, house.settings.bans.end_logged_in),
        };
        match handles.ban_writer.impose(order, grounds, Moment::now()).await {
            Ok(ban) => {
                handles.policies.remember_ban(&ban.subject, event.at).await;
                imposed.push(ban.id);
            }
            Err(why) => {
                warn!(
                    connection = entry.id,
                    subject = %subject.to_string().escape_debug(),
                    policy = %by.name,
                    digest = %by.digest,
                    why = %why.to_string().escape_debug(),
                    "ban.not-imposed"
                );
            }
        }
    }
    for order in &ruling.lifts {
        lift(house, order, event.mask()).await;
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
    Verdict { imposed, decision: ruling.decision, delay: ruling.delay.min(house.settings.policies.longest_delay) }
}

/// A user is in: for the fact `history`, beside the answer to the client.
pub(super) fn remember_success(house: &Arc<House>, entry: &Arc<Entry>) {
    if house.handles.policies.remembers() {
        let (house, entry) = (house.clone(), entry.clone());
        tokio::spawn(async move {
            let facts = entry.event(&house.names, false, Kind::LoginSucceeded).facts;
            house.handles.policies.remember_success(&facts, Moment::now()).await;
        });
    }
}

/// Tells that a limit was reached, by its key under `[limits]`.
pub(super) async fn limit_reached(house: &House, entry: &Entry, limit: &str) {
    let _ = ask(house, entry, Kind::LimitReached(limit.to_owned())).await;
}

/// Tells of a connection that was over a limit, if somebody wants to know. It gets its answer meanwhile.
pub(super) fn turned_away(
    house: &Arc<House>,
    refusal: &Refusal,
    listener: usize,
    arrival: impl FnOnce() -> Option<Arrival>,
    now: Moment,
) {
    let Some(limit) = limit_of(refusal) else { return };
    if !house.handles.policies.wants(Occasion::LimitReached) {
        return;
    }
    let (Some(arrival), Ok(turn)) = (arrival(), house.turned_away.clone().try_acquire_owned()) else { return };
    let classes = house.handles.networks.classes_of(arrival.peer.ip());
    let place = (listener, house.handles.hosts.at(arrival.local.ip()));
    let (house, entry) = (house.clone(), house.registry().stranger(arrival, place, classes, now));
    tokio::spawn(async move {
        limit_reached(&house, &entry, limit).await;
        drop(turn);
    });
}

/// A ban of a name that nobody has is one of its pseudonym, and tells nothing else of the name.
fn hide(order: &mut BanOrder, mask: Mask<'_>) {
    if let Some(subject) = hidden(&order.subject, mask) {
        order.subject = subject;
    }
    order.reason = mask.text(&order.reason);
    order.message = order.message.as_deref().map(|message| mask.text(message));
    for access in Arc::make_mut(&mut order.accesses) {
        (access.key, access.answer) = (mask.text(&access.key), mask.text(&access.answer));
    }
}

/// The subject under the pseudonym, if it is of the name.
fn hidden(subject: &Subject, mask: Mask<'_>) -> Option<Subject> {
    match subject {
        Subject::User(name) => mask.of_name(name).map(|shown| Subject::User(shown.to_owned())),
        Subject::UserAtHost(name, ip) => mask.of_name(name).map(|shown| Subject::UserAtHost(shown.to_owned(), *ip)),
        _ => None,
    }
}

/// A policy lifts what it imposed itself; the bans of operators and other policies are not its business.
async fn lift(house: &House, order: &LiftOrder, mask: Option<Mask<'_>>) {
    let now = Moment::now();
    let hidden = mask.and_then(|mask| hidden(&order.subject, mask));
    let Some(ban) = house.handles.bans.find(hidden.as_ref().unwrap_or(&order.subject), now) else { return };
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
        entry.pause(verdict.delay).await;
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
