//! Every wait has a name: the key under `[timeouts]`, the word in the log, the detail of the `timeout`
//! event. No other file calls tokio's `timeout`.
#![expect(clippy::disallowed_methods, reason = "this is the one home of tokio's timeout")]

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::config::Timeouts;

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// A TLS handshake, on the control or a data channel.
    Handshake,
    /// From the greeting to a successful login; absolute, no byte resets it.
    Login,
    /// The next command of a client that has logged in; runs while no transfer does.
    Idle,
    /// The next transfer of a client that has logged in; no other command resets it.
    NoTransfer,
    /// A balancer says whom it speaks for.
    ProxyHeader,
    /// The client takes its replies.
    ReplyStall,
    /// The data connection comes (passive) or is made (active).
    DataOpen,
    /// A byte moves in a transfer.
    Stalled,
    /// The client closes its side after the last byte.
    Linger,
    /// A policy chain's verdict, host calls included.
    Ruling,
    /// One operation of the shared store.
    Store,
    /// Sessions end after a request to stop.
    Drain,
    /// A file is hashed.
    Hash,
    /// PAM answers about a login.
    Pam,
    /// A disk answers.
    Disk,
    /// A whole upload is forced to disk and put in its place.
    DiskFlush,
    /// A request comes over the admin socket, or its answer is taken.
    Admin,
}

impl Wait {
    /// The key under `[timeouts]` (for `Ruling`, `Store` and `Admin`: `deadline` of `[policies]`, `[store]`, `[admin]`).
    pub const fn name(self) -> &'static str {
        match self {
            Wait::Handshake => "handshake",
            Wait::Login => "login",
            Wait::Idle => "idle",
            Wait::NoTransfer => "no-transfer",
            Wait::ProxyHeader => "proxy-header",
            Wait::ReplyStall => "reply-stall",
            Wait::DataOpen => "data-open",
            Wait::Stalled => "stalled",
            Wait::Linger => "linger",
            Wait::Ruling => "ruling",
            Wait::Store => "store",
            Wait::Drain => "drain",
            Wait::Hash => "hash",
            Wait::Pam => "pam",
            Wait::Disk => "disk",
            Wait::DiskFlush => "disk-flush",
            Wait::Admin => "admin",
        }
    }

    /// How long it may last.
    pub fn limit(self, limits: &Timeouts) -> Duration {
        match self {
            Wait::Handshake => limits.handshake,
            Wait::Login => limits.login,
            Wait::Idle => limits.idle,
            Wait::NoTransfer => limits.no_transfer,
            Wait::ProxyHeader => limits.proxy_header,
            Wait::ReplyStall => limits.reply_stall,
            Wait::DataOpen => limits.data_open,
            Wait::Stalled => limits.stalled,
            Wait::Linger => limits.linger,
            Wait::Ruling => limits.ruling,
            Wait::Store => limits.store,
            Wait::Drain => limits.drain,
            Wait::Hash => limits.hash,
            Wait::Pam => limits.pam,
            Wait::Disk => limits.disk,
            Wait::DiskFlush => limits.disk_flush,
            Wait::Admin => limits.admin,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A named wait ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out: {0}")]
pub struct TimedOut(pub Wait);

/// Awaits `work` no longer than the limit of `wait`.
///
/// # Errors
/// `TimedOut` with the wait's name; `work` is dropped then.
pub async fn within<T>(limits: &Timeouts, wait: Wait, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    for_at_most(wait.limit(limits), wait, work).await
}

/// As [`within`], with a span of the caller's: the rest of a budget that began earlier.
///
/// # Errors
/// `TimedOut` with the wait's name; `work` is dropped then.
pub async fn for_at_most<T>(span: Duration, wait: Wait, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    tokio::time::timeout(span, work).await.map_err(|_| TimedOut(wait))
}

/// As [`for_at_most`], for a span that began a moment ago. Work that is done without a pause costs no timer.
///
/// # Errors
/// `TimedOut` with the wait's name; `work` is dropped then.
pub async fn since<T>(
    began: Instant,
    span: Duration,
    wait: Wait,
    work: impl Future<Output = T>,
) -> Result<T, TimedOut> {
    let mut work = pin!(work);
    match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => for_at_most(span.saturating_sub(began.elapsed()), wait, work).await,
    }
}

/// Pauses without holding a thread: delays that a policy asked for, and pauses between retries.
pub async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
