//! Drives the machine of one connection: bytes in, effects out, answers back.

mod answers;
mod transfers;

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use self::transfers::{Done, Work};
use super::control::{Control, Outbox, Turn};
use super::house::House;
use super::member::{Membership, TransferPlace};
use super::moving::Moving;
use super::outcome::{Closing, Outcome};
use super::registry::{Entry, Order};
use super::ruling::{self, No};
use crate::config::settings::ListenTls;
use crate::data::Opener;
use crate::events::{Command, Kind, Occasion};
use crate::ftp::command;
use crate::ftp::effect::{Effect, Ending, Input, TransferEnd};
use crate::ftp::line::{Line, LineFault, LineReader};
use crate::ftp::machine::{Machine, MachineSettings};
use crate::ftp::reply::Reply;
use crate::moment::Moment;
use crate::tls::{ClientCertificate, DataKeys};
use crate::vfs::Root;
use crate::waits::{self, TimedOut, Wait};

/// A connection that the gate has admitted.
pub(super) struct Driver {
    closing: Closing,
    pub(super) control: Control,
    pub(super) lines: LineReader,
    pub(super) out: Outbox,
    machine: Machine,
    pub(super) keys: Option<DataKeys>,
    pub(super) certificate: Option<Box<ClientCertificate>>,
    root: Option<Root>,
    opener: Option<(Opener, Instant)>,
    work: Option<Work>,
    moving: Option<Moving>,
    /// Among the sessions of the user, if the user has limits.
    member: Option<Box<Membership>>,
    /// Among the transfers of the user, while a file moves.
    place: Option<TransferPlace>,
    /// The client's side has ended; a transfer may still be finishing.
    ended: bool,
    pub(super) started: Instant,
    /// The last command, or the end of the last transfer.
    active: Instant,
    /// The login, or the end of the last transfer.
    moved: Instant,
    /// When the client last took bytes of its replies, or they began to wait.
    taken: Instant,
}

enum Happened {
    Turn(Turn),
    Done(Done),
    Told,
}

/// What one effect leads to: something to tell the machine, or nothing.
pub(super) type Next = Result<Option<Input<'static>>, Outcome>;

impl Driver {
    pub(super) fn new(closing: Closing, control: Control) -> Driver {
        let house = &closing.house;
        let now = Instant::now();
        Driver {
            control,
            lines: LineReader::new(house.settings.limits.line_bytes),
            out: Outbox::default(),
            machine: Machine::new(house.machine(&closing.entry).clone()),
            keys: None,
            certificate: None,
            root: None,
            opener: None,
            work: None,
            moving: None,
            member: None,
            place: None,
            ended: false,
            started: now,
            active: now,
            moved: now,
            taken: now,
            closing,
        }
    }

    pub(super) fn house(&self) -> &Arc<House> {
        &self.closing.house
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.closing.entry
    }

    /// TLS comes first, before any word.
    fn is_implicit(&self) -> bool {
        self.house().settings.listeners[self.entry().listener].tls == ListenTls::Implicit
    }

    /// What the machine is told where the client is by now.
    fn place(&self) -> Arc<MachineSettings> {
        self.house().machine(self.entry()).clone()
    }

    /// Says something before the machine speaks, and ends.
    pub(super) async fn turn_away(&mut self, reply: &Reply, ending: Ending) -> Outcome {
        if !self.is_implicit() {
            self.out.push(reply);
        }
        self.end(ending.into()).await
    }

    /// From the greeting to the end.
    pub(super) async fn drive(&mut self) -> Outcome {
        let Err(outcome) = self.story().await;
        // A transfer that is under way when its session ends is aborted.
        self.work = None;
        if self.moving.is_some() {
            Box::pin(self.tell_ended(TransferEnd::Aborted)).await;
        }
        self.end(outcome).await
    }

    /// What is left to do at the end: the last replies, the farewell, the outcome.
    async fn end(&mut self, outcome: Outcome) -> Outcome {
        // A client that has said its close_notify may wait for ours.
        if matches!(outcome, Outcome::Ended(_) | Outcome::Left) {
            let limits = &self.closing.house.settings.timeouts;
            let (control, lines, out) = (&mut self.control, &mut self.lines, &mut self.out);
            let flushed = async {
                while !out.is_empty() {
                    if let Turn::Broken(_) = poll_fn(|cx| control.poll_turn(cx, lines, out, false)).await {
                        return;
                    }
                }
            };
            let _ = waits::within(limits, Wait::ReplyStall, flushed).await;
            let control = std::mem::replace(&mut self.control, Control::Away);
            let _ = waits::within(limits, Wait::Linger, control.close(&self.closing.house.lingering)).await;
        }
        match outcome {
            // Whoever refused, the reason was a ban.
            Outcome::Ended(Ending::Refused) if self.entry().ban(self.house(), Moment::now()).is_some() => {
                Ending::Banned.into()
            }
            outcome => outcome,
        }
    }

    pub(super) fn close(self, outcome: Outcome) {
        self.closing.with(outcome);
    }

    async fn story(&mut self) -> Result<std::convert::Infallible, Outcome> {
        let protected = self.is_implicit();
        if protected {
            // Big and rare: an idle session shall not hold room for it.
            Box::pin(self.handshake(Vec::new())).await?;
            // The name that TLS asked for may have led to another virtual server.
            self.machine = Machine::new(self.place());
        }
        self.feed(Input::Admitted { protected }).await?;
        loop {
            self.take_lines().await?;
            if self.ended && self.work.is_none() {
                return Err(Outcome::Left);
            }
            let (deadline, wait) = self.deadline();
            let left = deadline.saturating_duration_since(Instant::now());
            match waits::for_at_most(left, wait, self.happening()).await {
                Ok(Happened::Turn(Turn::Came)) => {}
                Ok(Happened::Turn(Turn::Went)) => self.taken = Instant::now(),
                Ok(Happened::Turn(Turn::Ended)) => self.ended = true,
                Ok(Happened::Turn(Turn::Broken(kind))) => return Err(Outcome::Broken(kind)),
                Ok(Happened::Done(done)) => self.done(done).await?,
                Ok(Happened::Told) => self.told().await?,
                Err(TimedOut(wait)) => self.timed_out(wait).await?,
            }
        }
    }

    /// Hands complete lines to the machine while it takes them and the client takes the replies.
    async fn take_lines(&mut self) -> Result<(), Outcome> {
        while !self.is_full() {
            let (house, entry) = (&self.closing.house, &self.closing.entry);
            let Some(line) = self.lines.next() else { break };
            entry.commands.fetch_add(1, Ordering::Relaxed);
            let input = match line {
                Ok(line) if self.machine.logged_in() && house.handles.policies.wants(Occasion::Command) => {
                    match Box::pin(may_do(house, entry, line)).await {
                        Ok(()) => Input::Line(line),
                        Err(No { text, close }) => Input::Refused { text, close },
                    }
                }
                Ok(line) => Input::Line(line),
                Err(fault) => {
                    if fault == LineFault::TooLong {
                        Box::pin(ruling::limit_reached(house, entry, "line-bytes")).await;
                    }
                    Input::Fault(fault)
                }
            };
            self.active = Instant::now();
            let effects = self.machine.on(input, Moment::now());
            self.carry_out(effects).await?;
            if !self.machine.logged_in()
                && let Some(user) = self.machine.user()
            {
                self.closing.entry.names(user, &self.closing.house);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.machine.is_full() || self.out.waiting() >= self.closing.house.settings.limits.reply_bytes
    }

    /// The next thing that happens.
    async fn happening(&mut self) -> Happened {
        let may_read = !self.ended && !self.is_full();
        let (control, lines, out) = (&mut self.control, &mut self.lines, &mut self.out);
        let work = &mut self.work;
        tokio::select! {
            biased;
            () = self.closing.entry.changed.notified() => Happened::Told,
            done = async {
                match work {
                    Some(work) => work.as_mut().await,
                    None => pending().await,
                }
            } => Happened::Done(done),
            turn = poll_fn(|cx| control.poll_turn(cx, lines, out, may_read)) => Happened::Turn(turn),
        }
    }

    /// The wait that ends first.
    fn deadline(&self) -> (Instant, Wait) {
        let limits = &self.closing.house.settings.timeouts;
        let idle = self.machine.idle_seconds().map_or(limits.idle, |seconds| Duration::from_secs(seconds.into()));
        let mut first = match (self.machine.transfer_running(), self.machine.logged_in()) {
            // A transfer has waits of its own.
            (true, _) => (Instant::now() + idle, Wait::Idle),
            (false, true) => {
                let idle = (self.active + idle, Wait::Idle);
                let no_transfer = (self.moved + limits.no_transfer, Wait::NoTransfer);
                std::cmp::min_by_key(idle, no_transfer, |(deadline, _)| *deadline)
            }
            (false, false) => (self.started + limits.login, Wait::Login),
        };
        if !self.out.is_empty() {
            let taken = (self.taken + limits.reply_stall, Wait::ReplyStall);
            first = std::cmp::min_by_key(first, taken, |(deadline, _)| *deadline);
        }
        if let Some((_, since)) = &self.opener {
            let opened = (*since + limits.data_open, Wait::DataOpen);
            first = std::cmp::min_by_key(first, opened, |(deadline, _)| *deadline);
        }
        first
    }

    async fn timed_out(&mut self, wait: Wait) -> Result<(), Outcome> {
        match wait {
            // Nobody came: the port goes to somebody else, and the next transfer is told.
            Wait::DataOpen => {
                self.opener = None;
                self.tell_timeout(wait).await;
            }
            Wait::Idle | Wait::NoTransfer if self.machine.transfer_running() => {}
            Wait::ReplyStall => {
                self.tell_timeout(wait).await;
                return Err(Outcome::ReplyStall);
            }
            wait => {
                self.tell_timeout(wait).await;
                self.feed(Input::Expired(wait)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn tell_timeout(&mut self, wait: Wait) {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        let kind = Kind::Timeout(wait.name().to_owned());
        let _ = Box::pin(ruling::ask(&house, &entry, kind)).await;
    }

    /// Somebody outside wants something of this session.
    async fn told(&mut self) -> Result<(), Outcome> {
        match self.entry().take_order() {
            Some(Order::End) => Err(Ending::Stopping.into()),
            Some(Order::Finish) => self.feed(Input::Stopping).await,
            Some(Order::Revoked) => self.feed(Input::Revoked).await,
            Some(Order::Banned(ban)) => {
                let text = ruling::told(self.house(), self.entry(), &ban, Moment::now());
                self.feed(Input::Banned(text)).await
            }
            None => Ok(()),
        }
    }

    async fn feed(&mut self, input: Input<'_>) -> Result<(), Outcome> {
        let effects = self.machine.on(input, Moment::now());
        self.carry_out(effects).await
    }

    async fn carry_out(&mut self, mut effects: crate::ftp::effect::Effects) -> Result<(), Outcome> {
        while let Some(effect) = effects.next() {
            let next = match effect {
                Effect::Reply(reply) => {
                    if self.out.is_empty() {
                        self.taken = Instant::now();
                    }
                    self.out.push(&reply);
                    None
                }
                Effect::DropData => {
                    self.opener = None;
                    None
                }
                Effect::LeaveHost => {
                    let (house, entry) = (self.house(), self.entry());
                    entry.move_to(house.handles.hosts.at(entry.arrival.local.ip()));
                    None
                }
                Effect::Logout => {
                    // Whoever had logged in has the whole time for the next login.
                    if self.root.take().is_some() {
                        self.started = Instant::now();
                    }
                    self.member = None;
                    self.closing.entry.forget();
                    None
                }
                Effect::Limit(limit) => {
                    Box::pin(ruling::limit_reached(self.house(), self.entry(), limit)).await;
                    None
                }
                Effect::ClientName(name) => {
                    debug!(connection = self.entry().id, client = name, "session.client");
                    None
                }
                Effect::Transfer(transfer) => self.start(transfer),
                Effect::AbortTransfer => Some(Box::pin(self.abort()).await),
                Effect::End(ending) => {
                    if let Some(limit) = ending.limit() {
                        Box::pin(ruling::limit_reached(self.house(), self.entry(), limit)).await;
                    }
                    return Err(ending.into());
                }
                // Big and rare: an idle session shall not hold room for them.
                Effect::StartTls => Box::pin(self.secure()).await?,
                Effect::Ask(question) => Box::pin(self.answer(question)).await.map(Input::Answer),
            };
            if let Some(input) = next {
                for effect in self.machine.on(input, Moment::now()) {
                    effects.push(effect);
                }
            }
        }
        Ok(())
    }

    /// The login is granted.
    pub(super) fn is_in(&mut self, root: Root, member: Option<Membership>) {
        self.root = Some(root);
        self.member = member.map(Box::new);
        self.moved = Instant::now();
        self.closing.admitted.logged_in();
    }
}

/// Asks about a command that can be done.
async fn may_do(house: &House, entry: &Entry, line: Line<'_>) -> Result<(), No> {
    match command::told(line) {
        Some((verb, argument)) => {
            let command = Command { verb: verb.to_owned(), argument };
            ruling::permit(house, entry, Kind::Command(command)).await
        }
        None => Ok(()),
    }
}
