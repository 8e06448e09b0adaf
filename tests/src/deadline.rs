//! Waiting for what was named, and not longer than was said.
#![expect(clippy::disallowed_methods, reason = "the harness is no part of the server; this is its one home of waits")]

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for anything that takes an instant on an idle machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Long enough for anything that a test does at all.
pub const LATE: Duration = Duration::from_secs(240);

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What `work` yields; a panic that names `what` when it takes longer than `span`.
pub async fn within<T>(span: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(span, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited {span:?} in vain for {what}"),
    }
}

/// What `work` yields, or nothing when it takes longer than `span`.
pub async fn at_most<T>(span: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(span, work).await.ok()
}

/// Looks until there is something; a panic that names `what` when there is nothing after `span`.
pub async fn until<T>(span: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + span;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {span:?} in vain for {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Asks until there is something; a panic that names `what` when there is nothing after `span`.
pub async fn until_asked<T>(span: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + span;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {span:?} in vain for {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Lets time pass where time itself is the subject: pacing a transfer, a client that is slow on purpose.
pub async fn pace(span: Duration) {
    tokio::time::sleep(span).await;
}
