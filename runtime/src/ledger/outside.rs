//! What the ledger has from outside besides its store and its disk: the moment, pauses, chance. The server's are
//! the system's; a simulation hands in its own, so that what spans nodes runs again as it ran before.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::moment::Moment;
use crate::waits::{self, TimedOut, Wait};

/// A pause that is under way.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time and chance.
pub trait Outside: Debug + Send + Sync + 'static {
    /// The present moment; it never goes back.
    fn now(&self) -> Moment;
    /// What the clock on the wall shows, which somebody may set.
    fn shown(&self) -> Moment;
    /// Ends after this span.
    fn pause(&self, span: Duration) -> Pause;
    /// Bits that nobody can guess.
    fn chance(&self) -> u128;
}

/// This machine's.
#[derive(Debug)]
pub struct System;

impl Outside for System {
    fn now(&self) -> Moment {
        Moment::now()
    }

    fn shown(&self) -> Moment {
        Moment::shown()
    }

    fn pause(&self, span: Duration) -> Pause {
        Box::pin(waits::pause(span))
    }

    fn chance(&self) -> u128 {
        let mut bits = [0; 16];
        aws_lc_rs::rand::fill(&mut bits).expect("the system's random source never fails once it has started");
        u128::from_le_bytes(bits)
    }
}

/// Awaits an operation of the store no longer than `span`.
///
/// # Errors
/// `TimedOut`; `work` is dropped then.
pub(super) async fn within<T>(
    outside: &dyn Outside,
    span: Duration,
    work: impl Future<Output = T>,
) -> Result<T, TimedOut> {
    let mut late = outside.pause(span);
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        late.as_mut().poll(context).map(|()| Err(TimedOut(Wait::Store)))
    })
    .await
}
