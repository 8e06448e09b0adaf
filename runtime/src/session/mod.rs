//! The story of one connection, from the admission to its one outcome.
//!
//! Trust: what `ftp/`, `auth/`, `vfs/` and `policy/` have checked; nothing that came from the wire
//! directly. Must not know: reply codes, rustls, wasmtime, file paths.

mod balanced;
mod control;
mod counters;
mod driver;
mod house;
mod login;
mod member;
mod moving;
mod outcome;
mod pool;
mod raise;
mod record;
mod registry;
mod ruling;
mod secure;
mod transfer;

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::{debug, info};

pub use counters::{Counted, Counters};
pub use house::{Handles, House};
pub use raise::Raised;
pub use registry::{Open, Registry};

use control::Control;
use driver::Driver;
use outcome::{Closing, Outcome};
use pool::Cleared;
use registry::Order;

use crate::config::settings::ListenTls;
use crate::events::Kind;
use crate::ftp::effect::Ending;
use crate::ftp::reply::{Reply, ReplyText};
use crate::gate::{Admitted, Refusal};
use crate::ledger::message;
use crate::moment::Moment;
use crate::net::{Arrival, Listener, Peer, Phase, Stop, socket};
use crate::waits::{self, Wait};

/// Serves until told to stop, then lets sessions finish for as long as `timeouts.drain` says.
pub async fn serve(house: Arc<House>, listeners: Vec<Listener>, stop: Stop) {
    let followers =
        [tokio::spawn(registry::follow_bans(house.clone())), tokio::spawn(registry::follow_users(house.clone()))];
    let pause = house.settings.server.accept_pause;
    let mut accepting = JoinSet::new();
    for (number, listener) in listeners.into_iter().enumerate() {
        let (house, told) = (house.clone(), stop.clone());
        let door = move |stream, peer| meet(&house, number, stream, peer, &told);
        accepting.spawn(listener.serve(pause, door));
    }
    stop.stopping().await;
    drain(&house, &stop).await;
    for follower in followers {
        follower.abort();
    }
}

/// New clients are told that the server stops; those who are there finish what they do.
async fn drain(house: &House, stop: &Stop) {
    let registry = house.registry();
    info!(sessions = registry.count(), "server.draining");
    registry.tell_all(&Order::Finish);
    let limits = &house.settings.timeouts;
    let progress = async {
        loop {
            waits::pause(house.settings.server.drain_report).await;
            info!(sessions = registry.count(), "server.draining: waits for these to end");
        }
    };
    tokio::select! {
        _ = waits::within(limits, Wait::Drain, registry.emptied()) => {}
        () = stop.now() => {}
        () = progress => {}
    }
    registry.tell_all(&Order::End);
    let _ = waits::within(limits, Wait::Linger, registry.emptied()).await;
    info!(cut = registry.count(), "server.drained");
}

/// The gate decides before anything else is spent on a connection.
fn meet(house: &Arc<House>, listener: usize, stream: std::net::TcpStream, peer: Peer, stop: &Stop) {
    if stop.phase() != Phase::Running {
        return socket::refuse(
            stream,
            unless_implicit(house, listener, Reply::shutting_down()).as_ref().map(Reply::wire),
        );
    }
    if balanced::is_balancer(house, listener, peer) {
        tokio::spawn(balanced::meet(house.clone(), listener, stream, peer));
        return;
    }
    let now = Moment::now();
    let arrival = || Some(Arrival::direct(peer, stream.local_addr().ok()?));
    match decide(house, listener, peer, arrival, now) {
        Ok(admitted) => {
            tokio::spawn(direct(house.clone(), listener, stream, admitted, now));
        }
        Err(reply) => socket::refuse(stream, reply.as_ref().map(Reply::wire)),
    }
}

/// Lets a peer in, or says what it is told instead.
fn decide(
    house: &Arc<House>,
    listener: usize,
    peer: Peer,
    arrival: impl FnOnce() -> Option<Arrival>,
    now: Moment,
) -> Result<Admitted, Option<Reply>> {
    let rules = &house.settings.listeners[listener];
    let admitted = if rules.serves(peer.ip()) { house.handles.gate.admit(peer, now) } else { Err(Refusal::NotServed) };
    let refusal = match admitted {
        Ok(admitted) => {
            counters::count(&house.counters().accepted);
            return Ok(admitted);
        }
        Err(refusal) => refusal,
    };
    ruling::turned_away(house, &refusal, listener, arrival, now);
    Err(refused(house, listener, peer, &refusal, now))
}

/// Notes a refusal; what the peer is told.
fn refused(house: &House, listener: usize, peer: Peer, refusal: &Refusal, now: Moment) -> Option<Reply> {
    outcome::refused(house, refusal, peer);
    let reply = match refusal {
        Refusal::Banned(ban) => {
            let default = &house.settings.bans.message;
            let text = message::expand(ban, default, peer.ip(), None, now, ReplyText::BYTES_MAX);
            Reply::banned(&ReplyText::clean(&text))
        }
        Refusal::NotServed => Reply::network_not_served(),
        _ => Reply::too_many_connections(),
    };
    unless_implicit(house, listener, reply)
}

/// No text where a client expects TLS.
fn unless_implicit(house: &House, listener: usize, reply: Reply) -> Option<Reply> {
    (house.settings.listeners[listener].tls != ListenTls::Implicit).then_some(reply)
}

/// A connection with all that is known of it.
struct Came {
    listener: usize,
    arrival: Arrival,
    stream: tokio::net::TcpStream,
    since: Moment,
}

/// One connection that came straight from its client.
async fn direct(house: Arc<House>, listener: usize, stream: std::net::TcpStream, admitted: Admitted, since: Moment) {
    let client = admitted.peer();
    let cleared = match pool::clear(&house, listener, admitted, since).await {
        Ok(cleared) => cleared,
        Err(reply) => return socket::refuse(stream, reply.as_ref().map(Reply::wire)),
    };
    let patience = house.settings.server.patience();
    let stream = socket::control(stream, patience).and_then(|stream| Ok((stream.local_addr()?, stream)));
    match stream {
        Ok((local, stream)) => {
            let arrival = Arrival::direct(client, local);
            story(house, Came { listener, arrival, stream, since }, cleared).await;
        }
        Err(error) => debug!(peer = %client, %error, "connection.gone"),
    }
}

/// One connection, whatever happens to it.
async fn story(house: Arc<House>, came: Came, cleared: Cleared) {
    let Came { listener, arrival, stream, since } = came;
    let classes = house.handles.networks.classes_of(arrival.peer.ip());
    let place = (listener, house.handles.hosts.at(arrival.local.ip()));
    let entry = house.registry().enter(arrival, place, classes, since);
    entry.waits_for_pool(cleared.waited);
    let closing = Closing::new(house, entry, cleared.admitted);
    let mut driver = Driver::new(closing, Control::Clear(stream));
    let outcome = meet_admitted(&mut driver).await;
    driver.close(outcome);
}

/// The policies speak first, then the machine.
async fn meet_admitted(driver: &mut Driver) -> Outcome {
    let (house, entry) = (driver.house().clone(), driver.entry().clone());
    if let Err(no) = Box::pin(ruling::permit(&house, &entry, Kind::Connect)).await {
        let reply = no.text.as_ref().map_or_else(|| Reply::closing(None), Reply::banned);
        return driver.turn_away(&reply, Ending::Refused).await;
    }
    driver.drive().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn an_idle_session_is_small() {
        let story = bytes_of(direct);
        assert!(story < 4096, "{story} bytes");
    }
}
