//! One event: the moment, who, where, and one kind. Mirrors `wit/` in the server's own words.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::label::Label;
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
    /// Whether that user is logged in.
    pub logged_in: bool,
    /// Counters.
    pub session: SessionFacts,
    /// The control connection's TLS.
    pub tls: Option<TlsFacts>,
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

/// A command line. PASS and ACCT come without their argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Upper-case verb, at most 16 characters.
    pub verb: String,
    /// The argument, cut at 512 bytes, control characters replaced.
    pub argument: Option<String>,
}

/// What happened. The names are those of `wit/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "kebab-case")]
pub enum Kind {
    /// A connection was accepted and no ban refuses it.
    Connect,
    /// The control connection is protected.
    TlsEstablished,
    /// PASS came; nothing was checked yet. Holds the attempt tag.
    LoginAttempt(u16),
    /// The user is in.
    LoginSucceeded,
    /// The user is not.
    LoginFailed(LoginFailure),
    /// A verb that the server does not know.
    CommandUnknown(Command),
    /// Another protocol on this port: `http`, `ssh`, `smtp`, `tls-on-plain-port`, `other`.
    ProtocolMismatch(String),
    /// A named wait ran out.
    Timeout(String),
    /// The connection's end, in one word; see the session's `Outcome`.
    Disconnected(String),
}

impl Kind {
    /// The name under which a policy subscribes to it.
    pub const fn name(&self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::TlsEstablished => "tls-established",
            Kind::LoginAttempt(_) => "login-attempt",
            Kind::LoginSucceeded => "login-succeeded",
            Kind::LoginFailed(_) => "login-failed",
            Kind::CommandUnknown(_) => "command-unknown",
            Kind::ProtocolMismatch(_) => "protocol-mismatch",
            Kind::Timeout(_) => "timeout",
            Kind::Disconnected(_) => "disconnected",
        }
    }

    /// All names that this server emits.
    pub const NAMES: [&'static str; 9] = [
        "connect",
        "tls-established",
        "login-attempt",
        "login-succeeded",
        "login-failed",
        "command-unknown",
        "protocol-mismatch",
        "timeout",
        "disconnected",
    ];
}
