//! Asks the pool whom it bans: at the door, and as somebody is named. A store that hangs holds a session up for one
//! deadline over all that it asks: what it asks later goes on beside it, and what comes of that ends the session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::house::House;
use super::refused;
use super::registry::Entry;
use crate::ftp::reply::Reply;
use crate::gate::{Admitted, Refusal};
use crate::ledger::Ban;
use crate::moment::Moment;
use crate::waits::{self, Wait};

/// A peer of whom the pool knows no ban, and how long that took.
pub(super) struct Cleared {
    pub(super) admitted: Admitted,
    pub(super) waited: Duration,
}

/// Whom the gate has let in may be banned by what the pool alone knows; then what they are told.
pub(super) async fn clear(
    house: &House,
    listener: usize,
    admitted: Admitted,
    now: Moment,
) -> Result<Cleared, Option<Reply>> {
    if !house.is_shared() {
        return Ok(Cleared { admitted, waited: Duration::ZERO });
    }
    let (peer, began) = (admitted.peer(), Instant::now());
    let classes = house.handles.networks.classes_of(peer.ip());
    match Box::pin(house.handles.bans.ask_pool_host(peer.ip(), &classes, now)).await {
        Some(ban) => Err(refused(house, listener, peer, &Refusal::Banned(ban), now)),
        None => Ok(Cleared { admitted, waited: began.elapsed() }),
    }
}

/// The ban that the pool alone knows of who was named, or of what the client's TLS shows.
pub(super) async fn ask_user(house: &House, entry: &Arc<Entry>, name: &str) -> Option<Arc<Ban>> {
    if !house.is_shared() {
        return None;
    }
    let (bans, began) = (house.handles.bans.clone(), Instant::now());
    let left = house.settings.timeouts.store.saturating_sub(entry.waited_for_pool());
    let ask = {
        let (entry, name) = (entry.clone(), name.to_owned());
        async move {
            let tls = entry.tls.get().map(|facts| &**facts);
            bans.ask_pool_user(&name, entry.peer.ip(), tls, Moment::now()).await
        }
    };
    if left.is_zero() {
        tokio::spawn(ask);
        return None;
    }
    let answer = waits::for_at_most(left, Wait::Store, Box::pin(ask)).await;
    entry.waits_for_pool(began.elapsed());
    answer.unwrap_or_default()
}
