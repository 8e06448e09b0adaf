//! One event: the moment, who, where, and one kind. Mirrors `wit/` in the server's own words.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::label::Label;
use super::occasion::Occasion;
use crate::moment::Moment;

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Everything about the connection at that moment.
    #[serde(flatten)]
    pub facts: Facts,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The site.
    pub site: Label,
    /// The node.
    pub node: Label,
    /// Name of the virtual server.
    pub server: Label,
    /// Unique on this node while it runs.
    pub connection: u64,
    /// The client, IPv4-mapped addresses folded.
    pub peer: SocketAddr,
    /// The address that it came to.
    pub local: SocketAddr,
    /// Named networks that contain the peer.
    pub classes: Vec<Label>,
    /// The user named last, in canonical form.
    pub user: Option<String>,
    /// What records and logs say in its place, where nobody has that name: it may be a mistyped password.
    #[serde(skip)]
    pub pseudonym: Option<Box<str>>,
    /// Whether that user is logged in.
    pub logged_in: bool,
    /// Counters.
    pub session: SessionFacts,
    /// The control connection's TLS.
    pub tls: Option<TlsFacts>,
    /// What the pool remembers of this peer and user, if a policy asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The shared store is away: counters are this node's alone.
    pub store_degraded: bool,
}

/// Counted since the connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "plain counters, named as in wit/")]
pub struct SessionFacts {
    /// When the connection was accepted.
    pub started: Moment,
    pub commands: u32,
    pub unknown_commands: u32,
    pub failed_logins: u32,
    pub transfers: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Facts of a TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: String,
    /// IANA name of the cipher suite.
    pub cipher: String,
    /// SNI.
    pub server_name: Option<String>,
    /// ALPN protocol agreed on.
    pub alpn: Option<String>,
    /// Whether the handshake resumed an earlier session.
    pub resumed: bool,
    /// JA4 of the ClientHello.
    pub ja4: Option<String>,
    /// SHA-256 of the verified client certificate, lower-case hex.
    pub client_certificate: Option<String>,
}

/// What the pool remembers of a peer and a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Last success of this user from this network.
    pub last_success: Option<Moment>,
    /// Distinct users that succeeded from this network in the last 24 hours.
    pub good_users: u32,
    /// Bans of this peer in the last 7 days.
    pub earlier_bans: u32,
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No such user.
    UnknownUser,
    /// The user exists, the password is another.
    WrongPassword,
    /// No password at all.
    EmptyPassword,
    /// A name that may never log in, such as root.
    ForbiddenUser,
    /// Anonymous, with a password that a rule refuses.
    AnonymousRefused,
    /// A rule, a ban or a policy said no.
    DeniedByRule,
    /// The client certificate does not allow it.
    CertificateRefused,
}

/// A failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFailure {
    /// Why.
    pub cause: Cause,
    /// 12 bits of a keyed hash of user and password: equal for a repeated attempt.
    pub attempt_tag: u16,
}

/// A client's text as events carry it: no control characters, at most `most` bytes, whole characters.
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    for mark in text.chars().map(|mark| if mark.is_control() { '?' } else { mark }) {
        if plain.len() + mark.len_utf8() > most {
            break;
        }
        plain.push(mark);
    }
    plain
}

/// A command line. PASS and ACCT come without their argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Upper-case verb, at most 16 characters.
    pub verb: String,
    /// The argument, cut at 512 bytes, control characters replaced.
    pub argument: Option<String>,
}

/// Which way a transfer goes, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// STOR, APPE and the like.
    Upload,
    /// RETR.
    Download,
    /// LIST, NLST, MLSD.
    Listing,
}

/// A file or a listing on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// As the client sees it, starting with `/`.
    pub path: String,
    /// Bytes on the data connection so far.
    pub bytes: u64,
    /// Since the transfer began.
    pub milliseconds: u64,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferResult {
    /// All of it has moved.
    Complete,
    /// The client gave it up: ABOR, or the end of its connection.
    Aborted,
    /// No byte moved for too long, or no data connection came in time.
    TimedOut,
    /// A policy, a permission or the file system said no.
    Refused,
    /// The data connection or the disk broke.
    Failed,
}

/// What an operator or a tool raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custom {
    /// The raiser's name for it.
    pub name: String,
    /// JSON.
    pub data: String,
}

/// What happened. The names are those of `wit/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "kebab-case")]
pub enum Kind {
    /// A connection was accepted and no ban refuses it.
    Connect,
    /// The control connection is protected.
    TlsEstablished,
    /// The handshake on the control connection failed, for this reason.
    TlsFailed(String),
    /// PASS came; nothing was checked yet. Holds the attempt tag.
    LoginAttempt(u16),
    /// The user is in.
    LoginSucceeded,
    /// The user is not.
    LoginFailed(LoginFailure),
    /// A command of a user who is logged in; nothing of it was done yet.
    Command(Command),
    /// A verb that the server does not know.
    CommandUnknown(Command),
    /// Another protocol on this port: `http`, `ssh`, `smtp`, `tls-on-plain-port`, `other`.
    ProtocolMismatch(String),
    /// A file or a listing is about to move.
    TransferStarted(Transfer),
    /// It has ended.
    TransferEnded {
        /// What had moved by then.
        transfer: Transfer,
        /// How it ended.
        result: TransferResult,
    },
    /// A named wait ran out.
    Timeout(String),
    /// A limit was reached: its key under `[limits]`.
    LimitReached(String),
    /// The connection's end, in one word; see the session's `Outcome`.
    Disconnected(String),
    /// Raised by an operator or a tool.
    Custom(Custom),
}

impl Kind {
    /// Its kind alone.
    pub const fn occasion(&self) -> Occasion {
        match self {
            Kind::Connect => Occasion::Connect,
            Kind::TlsEstablished => Occasion::TlsEstablished,
            Kind::TlsFailed(_) => Occasion::TlsFailed,
            Kind::LoginAttempt(_) => Occasion::LoginAttempt,
            Kind::LoginSucceeded => Occasion::LoginSucceeded,
            Kind::LoginFailed(_) => Occasion::LoginFailed,
            Kind::Command(_) => Occasion::Command,
            Kind::CommandUnknown(_) => Occasion::CommandUnknown,
            Kind::ProtocolMismatch(_) => Occasion::ProtocolMismatch,
            Kind::TransferStarted(_) => Occasion::TransferStarted,
            Kind::TransferEnded { .. } => Occasion::TransferEnded,
            Kind::Timeout(_) => Occasion::Timeout,
            Kind::LimitReached(_) => Occasion::LimitReached,
            Kind::Disconnected(_) => Occasion::Disconnected,
            Kind::Custom(_) => Occasion::Custom,
        }
    }

    /// The name under which a policy subscribes to it.
    pub const fn name(&self) -> &'static str {
        self.occasion().name()
    }
}
