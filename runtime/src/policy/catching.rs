//! A panic in a host function ends one decision, never its neighbours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The work panicked; the panic hook has told where.
#[derive(Debug)]
pub(super) struct Panicked;

/// Awaits `work`; whatever it held is dropped with it, so nothing half-changed is seen again.
pub(super) async fn catching<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(_panic) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn w_09_a_panic_is_an_answer() {
        assert!(catching(async { 1 }).await.is_ok());
        let answer: Result<(), Panicked> = catching(async { panic!("as a test") }).await;
        assert!(answer.is_err());
    }
}
