//! What the policies are told of a transfer: that it begins, how it ended, what it moved.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::house::House;
use super::registry::Entry;
use super::ruling::{self, No};
use crate::events::{self, Direction, Kind, Occasion, TransferResult};
use crate::ftp::effect::{FileError, Transfer, TransferEnd, TransferKind};

/// A transfer under way.
pub(super) struct Moving {
    pub(super) transfer: Transfer,
    began: Instant,
    /// What the connection's counter of bytes showed then.
    before: u64,
}

impl Moving {
    pub(super) fn new(transfer: Transfer, entry: &Entry) -> Moving {
        let before = counter(&transfer.what, entry);
        Moving { transfer, began: Instant::now(), before }
    }

    /// Asks whether it may begin. Whoever does not want to know costs nothing.
    pub(super) async fn permit(what: &TransferKind, house: &House, entry: &Entry) -> Result<(), No> {
        if !house.handles.policies.wants(Occasion::TransferStarted) {
            return Ok(());
        }
        let (direction, path) = named(what);
        let transfer = events::Transfer { direction, path, bytes: 0, milliseconds: 0 };
        ruling::permit(house, entry, Kind::TransferStarted(transfer)).await
    }

    /// Tells how it ended.
    pub(super) async fn ended(self, result: TransferResult, house: &House, entry: &Entry) {
        if !house.handles.policies.wants(Occasion::TransferEnded) {
            return;
        }
        let (direction, path) = named(&self.transfer.what);
        let transfer = events::Transfer {
            direction,
            path,
            bytes: counter(&self.transfer.what, entry).saturating_sub(self.before),
            milliseconds: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let _ = ruling::ask(house, entry, Kind::TransferEnded { transfer, result }).await;
    }
}

/// The machine's word for an end as the policies know it.
pub(super) const fn result(end: TransferEnd) -> TransferResult {
    match end {
        TransferEnd::Complete => TransferResult::Complete,
        TransferEnd::Aborted => TransferResult::Aborted,
        TransferEnd::Stalled | TransferEnd::NoConnection | TransferEnd::File(FileError::TimedOut) => {
            TransferResult::TimedOut
        }
        TransferEnd::File(FileError::Io) | TransferEnd::TlsFailed | TransferEnd::Broken => TransferResult::Failed,
        TransferEnd::File(_) | TransferEnd::NotResumed => TransferResult::Refused,
    }
}

fn counter(what: &TransferKind, entry: &Entry) -> u64 {
    let counter = match named_direction(what) {
        Direction::Upload => &entry.bytes_in,
        Direction::Download | Direction::Listing => &entry.bytes_out,
    };
    counter.load(Ordering::Relaxed)
}

const fn named_direction(what: &TransferKind) -> Direction {
    match what {
        TransferKind::Download { .. } => Direction::Download,
        TransferKind::Upload { .. } | TransferKind::Unique { .. } | TransferKind::Append { .. } => Direction::Upload,
        TransferKind::Listing { .. } => Direction::Listing,
    }
}

fn named(what: &TransferKind) -> (Direction, String) {
    let path = match what {
        TransferKind::Download { path, .. }
        | TransferKind::Upload { path, .. }
        | TransferKind::Unique { path }
        | TransferKind::Append { path }
        | TransferKind::Listing { path, .. } => path,
    };
    (named_direction(what), events::plain(&path.shown(), PATH_BYTES_MAX))
}

/// Longest path that an event tells; longer ones are cut.
const PATH_BYTES_MAX: usize = 4096;
