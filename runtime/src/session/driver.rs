//! Drives the machine of one connection: bytes in, effects out, answers back.

use std::future::{Future, pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::control::{Control, Outbox, Turn};
use super::counters::count;
use super::house::House;
use super::member::{Membership, TransferPlace};
use super::moving::{self, Moving};
use super::outcome::{Closing, Outcome};
use super::registry::{Entry, Order};
use super::ruling::{self, No};
use super::transfer::{self, Opened, Way};
use crate::config::settings::ListenTls;
use crate::data::{Opener, Throttle, active_target};
use crate::events::{Command, Kind, Occasion};
use crate::ftp::command;
use crate::ftp::effect::{
    Answer, Effect, Ending, FileAnswer, FileError, FileQuestion, Input, Question, Ruled, Transfer, TransferEnd,
    TransferKind,
};
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

/// What is under way beside the control connection. Dropped, it is aborted.
type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

enum Done {
    Refused(No),
    Opened(Result<Opened, FileError>),
    Moved(TransferEnd),
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
                self.closing.entry.names(user);
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

    async fn done(&mut self, done: Done) -> Result<(), Outcome> {
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

    async fn tell_ended(&mut self, end: TransferEnd) {
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
                Effect::AbortTransfer => {
                    self.work = None;
                    self.place = None;
                    self.active = Instant::now();
                    self.moved = self.active;
                    Box::pin(self.tell_ended(TransferEnd::Aborted)).await;
                    Some(Input::TransferDone(TransferEnd::Aborted))
                }
                Effect::End(ending) => {
                    if let Some(limit) = limit_of(ending) {
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

    fn start(&mut self, transfer: Transfer) -> Option<Input<'static>> {
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

    async fn answer(&mut self, question: Question) -> Option<Answer> {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        Some(match question {
            Question::Login { user, password } => Answer::Login(self.log_in(&user, password).await),
            Question::Certificate { user } => Answer::Login(self.log_in_by_certificate(&user).await),
            Question::UnknownCommand { verb, argument } => {
                entry.unknown_commands.fetch_add(1, Ordering::Relaxed);
                let kind = Kind::CommandUnknown(Command { verb, argument });
                Answer::Ruled(ruled(ruling::permit(&house, &entry, kind).await))
            }
            Question::Mismatch(protocol) => {
                let kind = Kind::ProtocolMismatch(protocol.to_owned());
                Answer::Ruled(ruled(ruling::permit(&house, &entry, kind).await))
            }
            Question::File(question) => Answer::File(match self.root.clone() {
                Some(root) => look_up(&root, question, &house, &entry).await,
                None => Err(FileError::Denied),
            }),
            Question::Listen { extended } => {
                // The old one first: its port may be the last.
                self.opener = None;
                Answer::Listening(self.listen(extended))
            }
            Question::Host(asked) => {
                let at = entry.host();
                let found = house.handles.hosts.asked(&asked, at, entry.arrival.local.ip());
                // TLS has asked for a name already, and shown the certificate for it.
                let bound = entry.tls.get().is_some_and(|facts| facts.server_name.is_some());
                Answer::Host(found.filter(|host| !bound || *host == at).map(|host| {
                    entry.move_to(host);
                    self.place()
                }))
            }
            Question::Active(address) => {
                let target = active_target(address, entry.peer.ip());
                if let Some(address) = target {
                    let opener = Opener::Active { address, local: entry.arrival.own_ip() };
                    self.opener = Some((opener, Instant::now()));
                }
                Answer::Active(target.is_some())
            }
        })
    }

    /// The address to tell in 227, where it is another than the listener's own: what the client dialled at
    /// a balancer, or what the settings say for its network.
    fn told_address(&self) -> Option<IpAddr> {
        let (passive, entry) = (&self.house().settings.passive, self.entry());
        if entry.arrival.through.is_some() {
            return Some(entry.arrival.local.ip());
        }
        let near =
            passive.address_for.iter().find(|(name, _)| entry.classes.iter().any(|class| class.as_str() == name));
        let told = near.map_or(passive.address, |(_, address)| *address);
        told.filter(|_| entry.arrival.local.is_ipv4())
    }

    fn listen(&mut self, extended: bool) -> Option<SocketAddr> {
        let (house, entry) = (self.house(), self.entry());
        let listener = house.ports.listen(entry.arrival.own_ip(), entry.peer.ip())?;
        let mut address = listener.address();
        if let Some(told) = self.told_address().filter(|_| !extended) {
            address.set_ip(told);
        }
        self.opener = Some((Opener::Passive(listener), Instant::now()));
        Some(address)
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

/// The key under `[limits]` that an ending comes of.
const fn limit_of(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::TooManyTries => Some("login-tries"),
        Ending::TooManyUnknown => Some("unknown-commands"),
        _ => None,
    }
}

/// A hash takes its time, but not more than it may, and nobody who is to end waits for it.
async fn look_up(root: &Root, question: FileQuestion, house: &House, entry: &Entry) -> Result<FileAnswer, FileError> {
    if !matches!(question, FileQuestion::Hash(_)) {
        return root.answer(question).await;
    }
    tokio::select! {
        hashed = waits::within(&house.settings.timeouts, Wait::Hash, root.answer(question)) => {
            hashed.unwrap_or(Err(FileError::TimedOut))
        }
        () = entry.changed.notified() => {
            // It is told right behind this answer.
            entry.changed.notify_one();
            Err(FileError::TimedOut)
        }
    }
}

fn ruled(permitted: Result<(), No>) -> Ruled {
    match permitted {
        Ok(()) => Ruled::Proceed,
        Err(No { text, close }) => Ruled::Refuse { text, close },
    }
}
