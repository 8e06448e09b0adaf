//! Work that computes or waits for long, on a thread that serves nobody meanwhile: a bounded number at once.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// Does work on a thread of its own, as soon as one of the places is free. Whoever gives up waiting for it does not
/// free the place before its time: the work itself holds it, and is done all the same.
///
/// # Errors
/// The work has panicked, or the runtime ends.
pub async fn run<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let place = places.clone().acquire_owned().await;
    let work = move || {
        let _place = place;
        work()
    };
    spawn_blocking(work).await
}
