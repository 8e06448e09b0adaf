//! What the logs of transfers are told about one file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::house::House;
use super::registry::Entry;
use crate::admin::{self, Transferred};
use crate::ftp::effect::{FileError, TransferEnd, TransferKind};
use crate::moment::Moment;

/// Tells of a file's transfer when it is over; one that is dropped before its end was aborted.
pub(super) struct Record {
    house: Arc<House>,
    entry: Arc<Entry>,
    file: File,
    ascii: bool,
    protected: bool,
    started: Moment,
    /// What the session had moved before.
    before: u64,
    end: TransferEnd,
}

/// The file that a transfer moves.
pub(super) struct File {
    direction: admin::Direction,
    path: String,
    offset: u64,
}

impl File {
    /// Listings are not told.
    pub(super) fn of(what: &TransferKind) -> Option<File> {
        let (direction, path, offset) = match what {
            TransferKind::Download { path, offset } => (admin::Direction::Download, path, *offset),
            TransferKind::Upload { path, offset } => (admin::Direction::Upload, path, *offset),
            TransferKind::Unique { path } | TransferKind::Append { path } => (admin::Direction::Upload, path, 0),
            TransferKind::Listing { .. } => return None,
        };
        Some(File { direction, path: path.shown(), offset })
    }

    fn count(&self, entry: &Entry) -> u64 {
        let counter = match self.direction {
            admin::Direction::Download => &entry.bytes_out,
            admin::Direction::Upload => &entry.bytes_in,
        };
        counter.load(Ordering::Relaxed)
    }
}

impl Record {
    pub(super) fn begin(file: File, ascii: bool, protected: bool, house: &Arc<House>, entry: &Arc<Entry>) -> Record {
        let (before, started, end) = (file.count(entry), Moment::now(), TransferEnd::Aborted);
        Record { house: house.clone(), entry: entry.clone(), file, ascii, protected, started, before, end }
    }

    pub(super) fn ended(mut self, end: TransferEnd) {
        self.end = end;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (file, entry, at) = (&self.file, &self.entry, Moment::now());
        let user = entry.user().unwrap_or_default();
        self.house.handles.transfers.tell(&Transferred {
            at,
            connection: entry.id,
            peer: entry.peer.ip(),
            anonymous: self.house.handles.login.is_anonymous(&user),
            user,
            direction: file.direction,
            path: file.path.clone(),
            offset: file.offset,
            bytes: file.count(entry).saturating_sub(self.before),
            millis: u64::try_from(self.started.until(at).as_millis()).unwrap_or(u64::MAX),
            ascii: self.ascii,
            protected: self.protected,
            end: word(self.end),
            complete: self.end == TransferEnd::Complete,
        });
    }
}

const fn word(end: TransferEnd) -> &'static str {
    match end {
        TransferEnd::Complete => "complete",
        TransferEnd::File(FileError::NoSpace) => "no-space",
        TransferEnd::File(FileError::Quota) => "over-quota",
        TransferEnd::File(_) => "file-error",
        TransferEnd::NoConnection => "no-connection",
        TransferEnd::TlsFailed => "tls-failed",
        TransferEnd::NotResumed => "not-resumed",
        TransferEnd::Broken => "broken",
        TransferEnd::Stalled => "stalled",
        TransferEnd::Aborted => "aborted",
    }
}
