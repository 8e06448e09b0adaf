//! A session's transfer, from the machine's wish to its end: told to the policies, opened, moved, told again.
//!
//! How bytes move is `session::transfer`'s; what may move is the machine's and the policies'.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Driver;
use crate::data::Throttle;
use crate::ftp::effect::{FileError, Input, Transfer, TransferEnd, TransferKind};
use crate::session::counters::count;
use crate::session::moving::{self, Moving};
use crate::session::outcome::Outcome;
use crate::session::ruling::{self, No};
use crate::session::transfer::{self, Opened, Way};
use crate::waits::Wait;

/// What is under way beside the control connection. Dropped, it is aborted.
pub(super) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

pub(super) enum Done {
    Refused(No),
    Opened(Result<Opened, FileError>),
    Moved(TransferEnd),
}

impl Driver {
    /// Asks the policies and opens the file; at once what to tell the machine, if it comes to neither.
    pub(super) fn start(&mut self, transfer: Transfer) -> Option<Input<'static>> {
        let entry = self.entry();
        entry.transfers.fetch_add(1, Ordering::Relaxed);
        count(&self.house().counters().transfers);
        let (Some(root), Some(_)) = (self.root.clone(), &self.opener) else {
            return Some(Input::TransferDone(TransferEnd::NoConnection));
        };
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let taken = match &self.member {
            Some(member) if !matches!(transfer.what, TransferKind::Listing { .. }) => Some(member.transfer()),
            _ => None,
        };
        if let Some(None) = taken {
            // Told in passing: the policies have all the time until the next try.
            tokio::spawn(async move { ruling::limit_reached(&house, &entry, "user-transfers").await });
            return Some(Input::TransferDone(TransferEnd::File(FileError::TooManyTransfers)));
        }
        self.place = taken.flatten();
        let what = transfer.what.clone();
        self.moving = Some(Moving::new(transfer, &entry));
        self.work = Some(Box::pin(async move {
            match Moving::permit(&what, &house, &entry).await {
                Ok(()) => Done::Opened(transfer::open(&root, what).await),
                Err(no) => Done::Refused(no),
            }
        }));
        None
    }

    fn throttle(&self, what: &TransferKind) -> Throttle {
        let (house, member) = (self.house(), self.member.as_ref());
        match what {
            TransferKind::Download { .. } | TransferKind::Listing { .. } => {
                Throttle::of([member.and_then(|member| member.download()), house.download.clone()])
            }
            _ => Throttle::of([member.and_then(|member| member.upload()), house.upload.clone()]),
        }
    }

    /// One step of it is done: the next begins.
    pub(super) async fn done(&mut self, done: Done) -> Result<(), Outcome> {
        self.work = None;
        self.active = Instant::now();
        if !matches!(done, Done::Opened(Ok(_))) {
            self.place = None;
        }
        self.moved = self.active;
        match done {
            Done::Opened(Ok(opened)) => self.ready(opened).await,
            Done::Opened(Err(error)) => self.over(TransferEnd::File(error)).await,
            Done::Moved(end) => self.over(end).await,
            Done::Refused(No { text, close }) => {
                self.moving = None;
                self.feed(Input::TransferRefused { text, close }).await
            }
        }
    }

    /// A transfer has ended: the policies are told first, so that their bans hold before the client reads.
    async fn over(&mut self, end: TransferEnd) -> Result<(), Outcome> {
        Box::pin(self.tell_ended(end)).await;
        self.feed(Input::TransferDone(end)).await
    }

    pub(super) async fn tell_ended(&mut self, end: TransferEnd) {
        if end == TransferEnd::Stalled {
            self.tell_timeout(Wait::Stalled).await;
        }
        if let Some(moving) = self.moving.take() {
            moving.ended(moving::result(end), self.house(), self.entry()).await;
        }
    }

    /// The file is open: the machine says so, then the bytes move.
    async fn ready(&mut self, opened: Opened) -> Result<(), Outcome> {
        let Some(transfer) = self.moving.as_ref().map(|moving| &moving.transfer) else { return Ok(()) };
        let ascii = transfer.ascii;
        let (throttle, told) = (self.throttle(&transfer.what), self.house().handles.transfers.is_on());
        let way = self.opener.take();
        let way = way.and_then(|(opener, _)| Way::of(transfer, opener, self.keys.as_ref(), throttle, told));
        let Some(way) = way else { return self.over(TransferEnd::NoConnection).await };
        self.feed(Input::TransferReady { bytes: opened.bytes(ascii) }).await?;
        if self.machine.transfer_running() {
            let (house, entry) = (self.house().clone(), self.entry().clone());
            self.work = Some(Box::pin(async move { Done::Moved(way.carry(opened, house, entry).await) }));
        }
        Ok(())
    }

    /// The client, or the machine, wants no more of it.
    pub(super) async fn abort(&mut self) -> Input<'static> {
        self.work = None;
        self.place = None;
        self.active = Instant::now();
        self.moved = self.active;
        self.tell_ended(TransferEnd::Aborted).await;
        Input::TransferDone(TransferEnd::Aborted)
    }
}
