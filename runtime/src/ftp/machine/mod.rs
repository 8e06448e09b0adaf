//! The state machine of one control connection. Pure: see [`super::effect`] for the rules of the game.
//!
//! Here is the order of things: what may run now, what waits, what ends the connection. What commands do
//! stands beside: `control` and `login` in any state, the others only with a session.

pub(super) mod change;
pub(super) mod control;
pub(super) mod data;
pub(super) mod files;
pub(super) mod hash;
pub(super) mod login;
pub(super) mod parameters;
mod state;
#[cfg(test)]
mod tests;
pub(super) mod transfer;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::moment::Moment;
use crate::vfs::VirtualPath;
use crate::waits::Wait;

use super::command::{Parsed, parse};
use super::effect::{Answer, Effect, Effects, Ending, Input, Question, Ruled, TransferEnd};
use super::line::{Line, LineFault};
use super::raw::has_raw;
use super::reply::{Reply, ReplyText};
use super::table::{Command, During, Handler};

pub(super) use state::Desk;
use state::{Channel, Control, Doing, Login, Marks, Notice, Options, Running, Waiting};

/// What the machine is told about the server.
#[derive(Clone, Debug)]
pub struct MachineSettings {
    /// The text after `220 `; may have several lines.
    pub banner: String,
    /// USER, PASS and data only under TLS.
    pub tls_required: bool,
    /// AUTH TLS is offered.
    pub tls_available: bool,
    /// Failed logins before the connection ends.
    pub login_tries: u32,
    /// Unknown commands before login, before the connection ends.
    pub unknown_commands: u32,
    /// Bytes of a password.
    pub password_bytes: usize,
    /// Commands that wait while a transfer runs.
    pub queued_commands: usize,
    /// PORT and EPRT are offered.
    pub active_mode: bool,
    /// TYPE A converts nothing: files pass as they are.
    pub ascii_passthrough: bool,
    /// How long a session may idle, seconds, until SITE IDLE says otherwise.
    pub idle_seconds: u32,
    /// The most that SITE IDLE takes, seconds.
    pub idle_seconds_max: u32,
    /// A client certificate may log in whom USER names.
    pub certificate_logins: bool,
}

/// The state machine of one control connection.
#[derive(Debug)]
pub struct Machine {
    control: Control,
    login: Login,
    doing: Doing,
    transfer: Option<Running>,
    waiting: VecDeque<Waiting>,
    failed_logins: u32,
    unknown_commands: u32,
    stopping: bool,
    /// QUIT came while a transfer ran.
    quitting: bool,
}

impl Machine {
    /// For a connection that the gate has not let in yet.
    pub fn new(settings: impl Into<Arc<MachineSettings>>) -> Machine {
        Machine {
            control: Control {
                settings: settings.into(),
                first: None,
                channel: Channel::Clear,
                options: Options::USUAL,
            },
            login: Login::Nobody,
            doing: Doing::Unadmitted,
            transfer: None,
            waiting: VecDeque::new(),
            failed_logins: 0,
            unknown_commands: 0,
            stopping: false,
            quitting: false,
        }
    }

    /// What follows from what happened. An input that the state does not expect changes nothing.
    pub fn on(&mut self, input: Input<'_>, now: Moment) -> Effects {
        let mut out = Effects::default();
        match input {
            Input::Line(line) => self.line(line, now, &mut out),
            Input::Fault(fault) => self.or_wait(Waiting::Fault(fault), now, &mut out),
            Input::Admitted { protected } => self.admitted(protected, &mut out),
            Input::TlsUp => {
                if let Doing::Upgrading { private_data } = self.doing {
                    self.control.channel = Channel::Tls { private_data };
                    self.doing = Doing::Idle;
                }
            }
            Input::Injected => self.end(Ending::Injection, &mut out),
            Input::Answer(answer) => self.answer(answer, now, &mut out),
            Input::TransferReady { bytes } => transfer::ready(self, bytes, &mut out),
            Input::TransferDone(end) => transfer::done(self, end, &mut out),
            Input::TransferRefused { text, close } => transfer::refused(self, text.as_ref(), close, &mut out),
            Input::Refused { text, close } => self.or_wait(Waiting::Refused { text, close }, now, &mut out),
            Input::Expired(wait) => self.expired(wait, &mut out),
            Input::Stopping => self.stopping = true,
            Input::Revoked => self.say_and_end(Reply::account_closed(), Ending::Revoked, &mut out),
            Input::Banned(text) => {
                // The transfer is told its end before the connection is.
                transfer::done(self, TransferEnd::Aborted, &mut out);
                self.say_and_end(Reply::closing(Some(&text)), Ending::Banned, &mut out);
            }
        }
        self.settle(now, &mut out);
        out
    }

    /// Feed no line now.
    pub fn is_full(&self) -> bool {
        match self.doing {
            Doing::Idle => self.transfer.is_some() && self.waiting.len() >= self.control.settings.queued_commands,
            _ => true,
        }
    }

    /// Between `Effect::Transfer` and `Input::TransferDone`.
    pub fn transfer_running(&self) -> bool {
        self.transfer.is_some()
    }

    /// How long a session may idle, seconds, if SITE IDLE has said so.
    pub fn idle_seconds(&self) -> Option<u32> {
        match &self.login {
            Login::In(session) => session.idle,
            _ => None,
        }
    }

    /// An answer is awaited.
    pub fn is_asking(&self) -> bool {
        !matches!(self.doing, Doing::Unadmitted | Doing::Idle | Doing::Upgrading { .. } | Doing::Ended)
    }

    /// A login was granted.
    pub fn logged_in(&self) -> bool {
        matches!(self.login, Login::In(_))
    }

    /// Who is logged in, or was named by USER.
    pub fn user(&self) -> Option<&str> {
        match &self.login {
            Login::Nobody => None,
            Login::Named(user) => Some(user),
            Login::In(session) => Some(&session.user),
        }
    }

    /// The working folder of who is logged in.
    pub fn working_folder(&self) -> Option<&VirtualPath> {
        match &self.login {
            Login::In(session) => Some(&session.folder),
            _ => None,
        }
    }

    /// The control connection is under TLS.
    pub fn protected(&self) -> bool {
        self.control.channel.is_protected()
    }

    /// Data connections are to be protected (PROT P).
    pub fn data_protected(&self) -> bool {
        self.control.channel.data_protected()
    }

    /// Failed logins on this connection.
    pub fn failed_logins(&self) -> u32 {
        self.failed_logins
    }

    /// `Effect::End` was given.
    pub fn ended(&self) -> bool {
        matches!(self.doing, Doing::Ended)
    }

    fn admitted(&mut self, protected: bool, out: &mut Effects) {
        if !matches!(self.doing, Doing::Unadmitted) {
            return;
        }
        if protected {
            // Old devices on an implicit listener send no PROT.
            self.control.channel = Channel::Tls { private_data: true };
        }
        self.doing = Doing::Idle;
        out.say(Reply::greeting(&self.control.settings.banner));
    }

    fn line(&mut self, line: Line<'_>, now: Moment, out: &mut Effects) {
        if self.runs_now(line) {
            self.execute(line, now, out);
        } else {
            self.or_wait(Waiting::Line(line.text().to_owned()), now, out);
        }
    }

    /// Whether a line is carried out now, or waits for what is under way.
    fn runs_now(&self, line: Line<'_>) -> bool {
        let Some(running) = self.transfer.as_ref().filter(|_| !self.quitting) else { return self.is_free() };
        let (Doing::Idle, Parsed::Known(command, _)) = (&self.doing, parse(line)) else { return false };
        match command.during {
            // A second ABOR waits: the first one's replies come first.
            During::AtOnce => !(running.aborting && command.verb() == "ABOR"),
            During::IfNoneWaits => self.waiting.is_empty(),
            // REIN came: the answer is no, and the transfer's end changes nothing about it.
            During::Waits => self.waiting.is_empty() && command.needs_login() && !self.logged_in(),
        }
    }

    /// Nothing is under way.
    fn is_free(&self) -> bool {
        matches!(self.doing, Doing::Idle) && self.transfer.is_none()
    }

    fn or_wait(&mut self, what: Waiting, now: Moment, out: &mut Effects) {
        if self.ended() || self.quitting {
            return;
        }
        if self.is_free() {
            self.take_up(&what, now, out);
        } else if self.waiting.len() >= self.control.settings.queued_commands.max(1) {
            // The driver stops reading before this happens; a driver that does not loses the command.
            out.say(Reply::too_many_queued());
        } else {
            self.waiting.push_back(what);
        }
    }

    fn take_up(&mut self, what: &Waiting, now: Moment, out: &mut Effects) {
        match what {
            Waiting::Line(text) => self.execute(Line(text), now, out),
            Waiting::Fault(fault) => self.fault(*fault, out),
            Waiting::Refused { text, close } => self.refused(text.as_ref(), *close, out),
        }
    }

    /// Whatever waited goes on, in order, until something must be awaited again.
    fn settle(&mut self, now: Moment, out: &mut Effects) {
        let at_rest = matches!(self.doing, Doing::Unadmitted | Doing::Idle | Doing::Upgrading { .. });
        if self.stopping && at_rest && self.transfer.is_none() {
            self.say_and_end(Reply::shutting_down(), Ending::Stopping, out);
        }
        while self.is_free() {
            let Some(next) = self.waiting.pop_front() else { break };
            self.take_up(&next, now, out);
        }
    }

    fn execute(&mut self, line: Line<'_>, now: Moment, out: &mut Effects) {
        let parsed = parse(line);
        let marks = match &mut self.login {
            Login::In(session) => std::mem::take(&mut session.marks),
            _ => Marks::default(),
        };
        match parsed {
            Parsed::Known(command, argument) => self.run(command, argument, marks, now, out),
            Parsed::Foreign(protocol) => self.ask(Question::Mismatch(protocol), Notice::Mismatch, out),
            Parsed::Unknown { verb, argument } => {
                self.ask(Question::UnknownCommand { verb, argument }, Notice::Unknown, out);
            }
        }
    }

    /// Carries out a row of the table.
    fn run(&mut self, command: &Command, argument: &str, marks: Marks, now: Moment, out: &mut Effects) {
        if !command.takes_path() && has_raw(argument) {
            return self.not_understood(Reply::not_utf8(), out);
        }
        let named = !matches!(self.login, Login::Nobody) || self.control.first.is_some();
        let fault = command.argument_fault(argument).or_else(|| command.state_fault(self.protected(), named));
        match command.handler {
            Handler::Any(run) => match fault {
                Some(fault) => out.say(fault),
                None => run(self, argument, now, out),
            },
            Handler::Refused(reply) => out.say(reply()),
            Handler::LoggedIn(run) => {
                let Login::In(session) = &mut self.login else { return out.say(Reply::log_in_first()) };
                if command.keeps_restart() {
                    session.marks.restart = marks.restart;
                }
                match fault {
                    Some(fault) => out.say(fault),
                    None => {
                        let (control, doing, transfer) = (&self.control, &mut self.doing, &mut self.transfer);
                        run(&mut Desk { control, session, doing, transfer, marks, now, out }, argument);
                    }
                }
            }
        }
    }

    fn fault(&mut self, fault: LineFault, out: &mut Effects) {
        match fault {
            LineFault::TlsRecord => self.ask(Question::Mismatch("tls-on-plain-port"), Notice::Mismatch, out),
            LineFault::TooLong => self.not_understood(Reply::line_too_long(), out),
            LineFault::Nul => self.not_understood(Reply::nul_in_line(), out),
        }
    }

    fn answer(&mut self, answer: Answer, now: Moment, out: &mut Effects) {
        if !self.is_asking() {
            return;
        }
        let asked = std::mem::replace(&mut self.doing, Doing::Idle);
        match (asked, answer) {
            (Doing::Checking, Answer::Login(answer)) => login::answered(self, answer, out),
            (Doing::Choosing, Answer::Host(chosen)) => login::chosen(self, chosen, out),
            (Doing::Noticing(Notice::Mismatch), Answer::Ruled(ruled)) => {
                let text = match &ruled {
                    Ruled::Refuse { text: Some(text), .. } => Reply::closing(Some(text)),
                    _ => Reply::foreign_protocol(),
                };
                self.say_and_end(text, Ending::ProtocolMismatch, out);
            }
            (Doing::Noticing(Notice::Unknown), Answer::Ruled(ruled)) => match ruled {
                Ruled::Proceed => self.not_understood(Reply::not_understood(), out),
                Ruled::Refuse { text, close: true } => {
                    self.say_and_end(Reply::closing(text.as_ref()), Ending::Refused, out);
                }
                Ruled::Refuse { text, close: false } => self.not_understood(Reply::refused(text.as_ref()), out),
            },
            (asked, answer) => {
                let Login::In(session) = &mut self.login else { return out.say(Reply::local_error()) };
                let (control, doing, transfer) = (&self.control, &mut self.doing, &mut self.transfer);
                let mut desk = Desk { control, session, doing, transfer, marks: Marks::default(), now, out };
                match (asked, answer) {
                    (Doing::Listening(wanted), Answer::Listening(address)) => {
                        data::listening(&mut desk, wanted, address)
                    }
                    (Doing::Noting, Answer::Active(accepted)) => data::noted(&mut desk, accepted),
                    (Doing::File(step), Answer::File(answer)) => files::answered(&mut desk, step, answer),
                    _ => desk.say(Reply::local_error()),
                }
            }
        }
    }

    fn expired(&mut self, wait: Wait, out: &mut Effects) {
        let (reply, ending) = match wait {
            Wait::Login | Wait::Handshake => (Reply::login_timeout(), Ending::LoginTimeout),
            _ => (Reply::idle_timeout(), Ending::IdleTimeout),
        };
        self.say_and_end(reply, ending, out);
    }

    /// Counted only before login: strangers get a few tries at guessing what is spoken here.
    fn not_understood(&mut self, reply: Reply, out: &mut Effects) {
        if self.logged_in() {
            return out.say(reply);
        }
        self.unknown_commands = self.unknown_commands.saturating_add(1);
        if self.unknown_commands >= self.control.settings.unknown_commands {
            self.say_and_end(Reply::too_many_unknown(), Ending::TooManyUnknown, out);
        } else {
            out.say(reply);
        }
    }

    fn refused(&mut self, text: Option<&ReplyText>, close: bool, out: &mut Effects) {
        if close {
            self.say_and_end(Reply::closing(text), Ending::Refused, out);
        } else {
            out.say(Reply::not_permitted(text));
        }
    }

    fn ask(&mut self, question: Question, notice: Notice, out: &mut Effects) {
        self.doing = Doing::Noticing(notice);
        out.push(Effect::Ask(question));
    }

    fn say_and_end(&mut self, reply: Reply, ending: Ending, out: &mut Effects) {
        if self.ended() {
            return;
        }
        // No text into a half-open TLS stream.
        if !matches!(self.doing, Doing::Upgrading { .. }) {
            out.say(reply);
        }
        self.end(ending, out);
    }

    fn end(&mut self, ending: Ending, out: &mut Effects) {
        if !self.ended() {
            self.doing = Doing::Ended;
            self.waiting.clear();
            // Nothing is said of it any more, whatever the driver still tells.
            self.transfer = None;
            out.push(Effect::End(ending));
        }
    }
}

impl Effects {
    fn say(&mut self, reply: Reply) {
        self.push(Effect::Reply(reply));
    }
}
