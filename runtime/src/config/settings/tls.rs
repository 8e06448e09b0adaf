//! How connections are protected.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `[tls]`
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM chain; `None` with `self_signed`.
    pub certificate: Option<PathBuf>,
    /// PEM key; `None` with `self_signed`.
    pub key: Option<PathBuf>,
    /// Make a certificate and key in the state directory when no files are named.
    pub self_signed: bool,
    /// USER, PASS and data only under TLS.
    pub required: bool,
    /// The lowest version.
    pub minimum: TlsVersion,
    /// What to do about a data connection that does not resume its control connection's session.
    pub data_resumption: DataResumption,
    /// TLS 1.3 tickets sent on a control connection.
    pub control_tickets: usize,
    /// TLS 1.3 tickets sent on the data connection of a download or a listing; uploads get none.
    pub data_tickets: usize,
    /// Where sessions that clients may resume are.
    pub sessions: TlsSessions,
    /// From a full handshake until its session is resumed no more.
    pub session_life: Duration,
    /// How long one key seals.
    pub ticket_rotation: Duration,
    /// Sessions that may wait to be written into the store; more are not shared.
    pub session_queue: usize,
    /// Sessions kept on this node for clients that resume by session id; the oldest makes room. A control
    /// connection's own session is kept besides, for its data connections.
    pub session_ids: usize,
    /// A FIN without close_notify at the end of an upload: `true` makes it an error (426).
    pub strict_close: bool,
    /// Whether clients show certificates on control connections.
    pub client_certificates: ClientCertificates,
    /// PEM file of those who issue them; there unless they are off.
    pub client_authorities: Option<PathBuf>,
    /// A certificate whose common name is a user's name logs that user in.
    pub client_names: bool,
    /// Users and the certificates that log them in, without a password.
    pub client_users: BTreeMap<String, Vec<CertificateMatch>>,
    /// How often the ends of certificates are looked at.
    pub expiry_check: Duration,
}

/// Where sessions that clients may resume are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsSessions {
    /// In tickets that every node with the cluster's key opens.
    Tickets,
    /// In the shared store, sealed with the cluster's key.
    Store,
    /// In tickets that this node alone opens.
    Node,
}

/// The lowest TLS version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246)
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446)
    #[serde(rename = "1.3")]
    V13,
}

/// Which certificate is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateMatch {
    /// The SHA-256 of its DER form, lower-case hex.
    Fingerprint(String),
    /// The common name of its subject.
    CommonName(String),
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    Off,
    /// One that is shown must be good.
    Optional,
    /// Without a good one there is no handshake.
    Required,
}

/// How data connections prove that they belong to their control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataResumption {
    /// No resumption on data connections.
    Off,
    /// Offered; what did not resume is logged.
    Log,
    /// A data connection that does not resume its own control connection's session is refused (522).
    Require,
}
