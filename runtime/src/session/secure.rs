//! TLS on the control connection: behind AUTH TLS, or at once on an implicit listener.

use std::future::poll_fn;

use tokio::time::Instant;

use super::control::{Control, Turn};
use super::driver::{Driver, Next};
use super::outcome::Outcome;
use super::registry::{Entry, Order};
use super::ruling;
use crate::events::{self, Kind};
use crate::ftp::effect::{Ending, Input};
use crate::ftp::reply::Reply;
use crate::waits::{self, Wait};

/// The first byte of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Longest reason of a failed handshake that an event tells.
const REASON_BYTES_MAX: usize = 256;

impl Driver {
    /// AUTH TLS: the reply goes out in clear, everything behind it is protected.
    pub(super) async fn secure(&mut self) -> Next {
        if self.lines.leftover().first().is_some_and(|byte| *byte != TLS_HANDSHAKE) {
            return Ok(Some(Input::Injected));
        }
        let house = self.house().clone();
        let limits = &house.settings.timeouts;
        while !self.out.is_empty() {
            let (control, lines, out) = (&mut self.control, &mut self.lines, &mut self.out);
            let sent = poll_fn(|cx| control.poll_turn(cx, lines, out, false));
            match waits::within(limits, Wait::ReplyStall, sent).await {
                Ok(Turn::Broken(kind)) => return Err(Outcome::Broken(kind)),
                Ok(_) => {}
                Err(_) => return Err(Outcome::ReplyStall),
            }
        }
        let first = self.lines.take_leftover();
        self.handshake(first).await?;
        Ok(Some(Input::TlsUp))
    }

    /// The handshake, and what the policies say to it. Nothing is said in clear, whatever comes of it.
    pub(super) async fn handshake(&mut self, first: Vec<u8>) -> Result<(), Outcome> {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let limits = &house.settings.timeouts;
        let Some(stream) = self.control.take_clear() else { return Err(Outcome::Broken(std::io::ErrorKind::Other)) };
        let until_login = (self.started + limits.login).saturating_duration_since(Instant::now());
        let span = limits.handshake.min(until_login);
        let handshake = house.handles.acceptor.accept_control(stream, first, entry.host());
        let accepted = tokio::select! {
            accepted = waits::for_at_most(span, Wait::Handshake, handshake) => accepted,
            // No text into a half-open TLS stream.
            outcome = told_to_end(&entry) => return Err(outcome),
        };
        let secured = match accepted {
            Ok(Ok(secured)) => secured,
            Ok(Err(fault)) => {
                let reason = fault.to_string();
                let told = Kind::TlsFailed(events::plain(&reason, REASON_BYTES_MAX));
                Box::pin(ruling::ask(&house, &entry, told)).await;
                return Err(Outcome::TlsFailed(reason));
            }
            Err(_) => {
                self.tell_timeout(Wait::Handshake).await;
                return Err(Outcome::HandshakeTimeout);
            }
        };
        self.control = Control::Tls(Box::new(secured.stream));
        self.keys = Some(secured.data);
        self.certificate = secured.certificate.map(Box::new);
        entry.move_to(secured.host);
        let _ = entry.tls.set(Box::new(secured.facts));
        match ruling::permit(&house, &entry, Kind::TlsEstablished).await {
            Ok(()) => Ok(()),
            Err(no) => {
                self.out.push(&Reply::closing(no.text.as_ref()));
                Err(Ending::Refused.into())
            }
        }
    }
}

/// Ends when somebody outside wants the session to end.
async fn told_to_end(entry: &Entry) -> Outcome {
    loop {
        entry.changed.notified().await;
        match entry.take_order() {
            Some(Order::Banned(_)) => return Ending::Banned.into(),
            Some(Order::Revoked) => return Ending::Revoked.into(),
            Some(Order::End | Order::Finish) => return Ending::Stopping.into(),
            None => {}
        }
    }
}
