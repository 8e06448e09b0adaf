//! What drives the machine and what it wants done. The driver (`session/`) carries out effects in order
//! and feeds the answers back; a fuzz target and the unit tests are other drivers.
//!
//! The rules of the game:
//! - It feeds no line while [`super::machine::Machine::is_full`] holds: before `Input::Admitted`, after
//!   `Effect::Ask` until the `Input::Answer`, after `Effect::StartTls` until `Input::TlsUp`, while too many
//!   commands wait, and after `Effect::End`.
//! - At `Effect::StartTls` it looks at what the line reader has left over: bytes that start like a TLS
//!   record (0x16) go to the acceptor, any others mean `Input::Injected`.
//! - After `Effect::Transfer` it feeds `Input::TransferReady` (then the machine says 150 and the driver moves
//!   the bytes) or `Input::TransferDone` at once (the file could not be opened); after the bytes
//!   `Input::TransferDone`. Lines that come meanwhile are fed and the machine answers those that may be
//!   answered during a transfer (ABOR, STAT, NOOP) and queues the others, up to its bound. With
//!   `TransferReady` the passive listener or active address is used up; before it, it stays for the next try.
//! - `Effect::End` is the last one: the driver flushes what was replied and closes.

mod files;

use std::collections::VecDeque;

pub use files::{Algorithm, Change, Entry, EntryKind, FileAnswer, FileError, FileQuestion, HashJob, May};

use crate::auth::Secret;
use crate::vfs::VirtualPath;

use super::line::{Line, LineFault};
use super::reply::{Reply, ReplyText};

/// What happened, as the driver tells the machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// The gate and the policies let the connection in; `protected` on an implicit TLS listener.
    Admitted {
        /// TLS is up already.
        protected: bool,
    },
    /// A command line.
    Line(Line<'a>),
    /// Bytes that are no command line.
    Fault(LineFault),
    /// The handshake that `Effect::StartTls` asked for is done and no policy objects.
    TlsUp,
    /// Bytes that are no TLS record came in clear behind AUTH.
    Injected,
    /// The answer to the last `Effect::Ask`.
    Answer(Answer),
    /// The file of the transfer is open. For downloads: bytes that will be sent, where they are known.
    TransferReady {
        /// Exact count, for the text of the 150.
        bytes: Option<u64>,
    },
    /// The transfer is over.
    TransferDone(TransferEnd),
    /// In place of `TransferReady`: a policy refused the transfer.
    TransferRefused {
        /// For the client.
        text: Option<ReplyText>,
        /// End the connection as well.
        close: bool,
    },
    /// In place of a line: a policy refused that command.
    Refused {
        /// For the client.
        text: Option<ReplyText>,
        /// End the connection as well.
        close: bool,
    },
    /// The login deadline, the idle deadline or another session-wide wait ran out.
    Expired(crate::waits::Wait),
    /// The server is stopping.
    Stopping,
    /// A ban of this host or user came into force.
    Banned(ReplyText),
    /// The user may not log in any more.
    Revoked,
}

/// What the machine wants done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Send.
    Reply(Reply),
    /// Send what was replied, then hand the stream to the TLS acceptor.
    StartTls,
    /// Find out; answered by `Input::Answer`.
    Ask(Question),
    /// Move a file or a listing.
    Transfer(Transfer),
    /// Tell that a limit was reached: its key under `[limits]`.
    Limit(&'static str),
    /// Stop the transfer under way; it ends with `Input::TransferDone(TransferEnd::Aborted)`.
    AbortTransfer,
    /// Close the passive listener or forget the active address; a transfer under way is not touched.
    DropData,
    /// Forget who was logged in (REIN, AUTH, USER).
    Logout,
    /// Forget the virtual server that HOST chose.
    LeaveHost,
    /// CLNT: what the client calls itself, cleaned and bounded. For the log; nothing follows from it.
    ClientName(String),
    /// The connection is over.
    End(Ending),
}

/// Effects in order. One effect, the usual case, costs no allocation.
#[derive(Debug, Default)]
pub struct Effects {
    first: Option<Effect>,
    more: VecDeque<Effect>,
}

impl Effects {
    /// Behind all others.
    pub fn push(&mut self, effect: Effect) {
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(effect);
        } else {
            self.more.push_back(effect);
        }
    }

    /// No effect.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }
}

impl Iterator for Effects {
    type Item = Effect;

    fn next(&mut self) -> Option<Effect> {
        self.first.take().or_else(|| self.more.pop_front())
    }
}

/// Why the machine ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// QUIT.
    Quit,
    /// Login deadline.
    LoginTimeout,
    /// Idle deadline.
    IdleTimeout,
    /// Too many failed logins on one connection.
    TooManyTries,
    /// Too many unknown commands before login.
    TooManyUnknown,
    /// Another protocol.
    ProtocolMismatch,
    /// Bytes behind AUTH that are no TLS record: an attack on the upgrade.
    Injection,
    /// A policy refused with `close`.
    Refused,
    /// A ban came into force.
    Banned,
    /// The user was removed or disabled.
    Revoked,
    /// The server is stopping.
    Stopping,
}

impl Ending {
    /// The key under `[limits]` that it comes of.
    pub const fn limit(self) -> Option<&'static str> {
        match self {
            Ending::TooManyTries => Some("login-tries"),
            Ending::TooManyUnknown => Some("unknown-commands"),
            _ => None,
        }
    }
}

/// What the machine asks the driver.
#[derive(Debug)]
pub enum Question {
    /// Check a user and password: bans, policies, tries, the password itself. Answered by `Answer::Login`.
    Login {
        /// As typed after USER, canonical form.
        user: String,
        /// As typed after PASS.
        password: Secret,
    },
    /// Does the client's certificate log this user in? Answered by `Answer::Login`.
    Certificate {
        /// As typed after USER, canonical form.
        user: String,
    },
    /// A verb that nobody knows. Answered by `Answer::Ruled`.
    UnknownCommand {
        /// Upper case, bounded.
        verb: String,
        /// Bounded, cleaned.
        argument: Option<String>,
    },
    /// Another protocol: `http`, `ssh`, `smtp`, `tls-on-plain-port`. Answered by `Answer::Ruled`.
    Mismatch(&'static str),
    /// Something about files. Answered by `Answer::File`.
    File(FileQuestion),
    /// Open a passive listener. Answered by `Answer::Listening`.
    Listen {
        /// EPSV: only the port matters.
        extended: bool,
    },
    /// HOST: is there such a virtual server? Answered by `Answer::Host`.
    Host(crate::net::Asked),
    /// Take note of an active-mode address, already checked against the control peer by the driver.
    /// Answered by `Answer::Active`.
    Active(std::net::SocketAddr),
}

/// Answers to [`Question`]s.
#[derive(Debug)]
pub enum Answer {
    /// To `Login`.
    Login(LoginAnswer),
    /// To `UnknownCommand` and `Mismatch`.
    Ruled(Ruled),
    /// To `File`.
    File(Result<FileAnswer, FileError>),
    /// To `Listen`: the address to tell the client (its family is the control connection's), or `None`
    /// when there is no port (425).
    Listening(Option<std::net::SocketAddr>),
    /// To `Host`: what holds at that server, or `None` when there is none.
    Host(Option<std::sync::Arc<super::machine::MachineSettings>>),
    /// To `Active`: whether it was accepted.
    Active(bool),
}

/// To a login.
#[derive(Debug)]
pub enum LoginAnswer {
    /// In; the folder where the session starts.
    Granted {
        /// Start folder.
        home: VirtualPath,
    },
    /// To `Certificate`: it does not, a password must.
    PasswordNeeded,
    /// Name or password wrong, or anything that must look so.
    Denied,
    /// The user has as many sessions as are allowed.
    TooMany,
    /// A policy or a ban said no, with its text.
    Refused {
        /// For the client; `None`: as `Denied`.
        text: Option<ReplyText>,
        /// Close the connection too.
        close: bool,
    },
}

/// What the policies said to a notice.
#[derive(Debug)]
pub enum Ruled {
    /// Go on as usual.
    Proceed,
    /// Refuse with a text; close if so.
    Refuse {
        /// For the client.
        text: Option<ReplyText>,
        /// Close the connection too.
        close: bool,
    },
}

/// A transfer that the driver shall carry out over the data connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What moves.
    pub what: TransferKind,
    /// Whether the data channel is protected (PROT P).
    pub protected: bool,
    /// TYPE A: line ends are converted.
    pub ascii: bool,
}

/// What moves over a data connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// RETR from an offset.
    Download {
        /// The file.
        path: VirtualPath,
        /// REST.
        offset: u64,
    },
    /// STOR, or STOR behind REST.
    Upload {
        /// The file.
        path: VirtualPath,
        /// REST: write there, cut the rest; 0 replaces the file.
        offset: u64,
    },
    /// STOU: a new file.
    Unique {
        /// A name that was free a moment ago.
        path: VirtualPath,
    },
    /// APPE.
    Append {
        /// The file; made if missing.
        path: VirtualPath,
    },
    /// LIST, NLST, MLSD.
    Listing {
        /// Folder, or a file for LIST and NLST.
        path: VirtualPath,
        /// In which form.
        form: ListForm,
        /// Matches names (`*`, `?`); `None`: all.
        glob: Option<String>,
        /// Show names that start with a dot.
        hidden: bool,
        /// Put before each name of `ListForm::Names`; ends in `/` or is empty.
        prefix: String,
    },
}

/// Forms of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListForm {
    /// `ls -l`
    Long,
    /// Names only.
    Names,
    /// RFC 3659 facts, those chosen by OPTS MLST.
    Facts(super::listing::FactSet),
}

/// How a transfer ended. Exactly one final reply follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// All bytes moved, the file is in its place.
    Complete,
    /// The file could not be opened, or stored at the end.
    File(FileError),
    /// Nobody connected in time, or the connection failed (425).
    NoConnection,
    /// The data connection's TLS failed (522).
    TlsFailed,
    /// The data connection did not resume the control connection's session and that is required (522).
    NotResumed,
    /// The connection broke (426).
    Broken,
    /// No byte moved for too long (426).
    Stalled,
    /// `Effect::AbortTransfer`.
    Aborted,
}
