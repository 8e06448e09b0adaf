//! Handshakes, on control and data channels, always in the server's role.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::ServerConfig;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certs::{CertError, Identity};
use super::expiry::Expiry;
use super::gathered::Gathered;
use super::hello::{self, Assembler, Hello, Progress};
use super::noting::Noting;
use super::owner::{Channel, Owner, Witness};
use super::prefixed::Prefixed;
use super::sessions::Sessions;
use super::templates::Templates;
use super::x509::Certificate;
use crate::config::settings::{CertificateMatch, ClientCertificates, DataResumption, Tls};
use crate::events::TlsFacts;
use crate::net::{HostId, Hosts};

/// A protected control connection.
pub type ControlTls = TlsStream<Prefixed<TcpStream>>;
/// A protected data connection.
pub type DataTls = TlsStream<Gathered>;

/// Which way the bytes of a data connection go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client: it reads, so it can take new tickets.
    Out,
    /// From the client: it never reads, so tickets would be lost on it.
    In,
}

/// Why there is no protected connection.
#[derive(Debug)]
pub enum TlsFault {
    /// The peer's bytes, offers or certificate; the text is rustls's own.
    Handshake(String),
    /// The connection broke or ended in the middle.
    Broken(io::ErrorKind),
    /// It asks for a name that no server here has; the name is the client's text.
    UnknownName(String),
    /// A client certificate is required, and a session was resumed in which there was none.
    NoCertificate,
    /// No end of it within the bound.
    TooLong,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsFault::Handshake(reason) => out.write_str(reason),
            TlsFault::Broken(kind) => kind.fmt(out),
            TlsFault::UnknownName(name) => write!(out, "unknown server name {name:?}"),
            TlsFault::NoCertificate => out.write_str("peer sent no certificates"),
            TlsFault::TooLong => out.write_str("the ClientHello is too long"),
        }
    }
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> TlsFault {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(reason) => TlsFault::Handshake(reason.to_string()),
            None => TlsFault::Broken(error.kind()),
        }
    }
}

/// A control connection after its handshake.
pub struct Secured {
    /// The stream.
    pub stream: ControlTls,
    /// What the handshake told.
    pub facts: TlsFacts,
    /// The virtual server that the client asked for, or the one that it was at.
    pub host: HostId,
    /// Whom the client's certificate names, if it showed one.
    pub certificate: Option<ClientCertificate>,
    /// For its data connections.
    pub data: DataKeys,
}

/// A client certificate that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of its DER form, lower-case hex.
    pub fingerprint: String,
    /// The common name of its subject.
    pub common_name: Option<String>,
}

impl ClientCertificate {
    /// Whether it logs a user in.
    pub fn logs_in(&self, user: &str, settings: &Tls) -> bool {
        let named = |name: &str| self.common_name.as_deref() == Some(name);
        let listed = settings.client_users.get(user).is_some_and(|matches| {
            matches.iter().any(|known| match known {
                CertificateMatch::Fingerprint(fingerprint) => *fingerprint == self.fingerprint,
                CertificateMatch::CommonName(name) => named(name),
            })
        });
        listed || settings.client_names && named(user)
    }
}

/// Accepts control connections. Can be given other certificates while it serves.
pub struct Acceptor {
    /// By `HostId`; servers with the same certificate share one.
    templates: ArcSwap<Vec<Arc<Templates>>>,
    hosts: Arc<Hosts>,
    sessions: Arc<Sessions>,
    settings: Tls,
}

impl Acceptor {
    /// Reads the certificates and their keys, one for each virtual server.
    ///
    /// # Errors
    /// `CertError` for what an operator must mend.
    pub fn new(
        settings: &Tls,
        identities: &[Identity],
        hosts: Arc<Hosts>,
        sessions: Arc<Sessions>,
    ) -> Result<Acceptor, CertError> {
        let templates = ArcSwap::from_pointee(Templates::all(settings, identities)?);
        Ok(Acceptor { templates, hosts, sessions, settings: settings.clone() })
    }

    /// Reads the files again; new control connections get what they hold now. Connections that run keep
    /// theirs, for their data connections too. On failure the old ones stay, all of them.
    ///
    /// # Errors
    /// `CertError` for what an operator must mend.
    pub fn reload(&self, identities: &[Identity]) -> Result<(), CertError> {
        self.templates.store(Arc::new(Templates::all(&self.settings, identities)?));
        Ok(())
    }

    /// When the certificates in force end.
    pub fn expiries(&self) -> Vec<Expiry> {
        let mut expiries: Vec<Expiry> =
            self.templates.load().iter().filter_map(|templates| templates.expiry.clone()).collect();
        expiries.sort_unstable();
        expiries.dedup();
        expiries
    }

    /// The handshake on a control connection at the virtual server `at`. `first`: bytes that were read
    /// behind `AUTH TLS`.
    ///
    /// # Errors
    /// `TlsFault`; an alert was sent if there was one to send. The caller bounds the time.
    pub async fn accept_control(&self, mut stream: TcpStream, first: Vec<u8>, at: HostId) -> Result<Secured, TlsFault> {
        let (first, hello) = read_hello(&mut stream, first).await?;
        let host = match hello.as_ref().and_then(Hello::asked_name) {
            None => at,
            Some(name) => match self.hosts.named(&name, at) {
                Some(host) => host,
                None => {
                    // Whether it arrives or not, there is no more to say.
                    let _ = stream.write_all(UNRECOGNIZED_NAME).await;
                    return Err(TlsFault::UnknownName(name));
                }
            },
        };
        let templates = self.templates.load()[host.index()].clone();
        let context = self.sessions.context(host.index(), &templates.clients);
        let channel = Channel::new(self.sessions.clone(), context, templates.verifier.is_some())
            .ok_or_else(|| TlsFault::Handshake("the system has no randomness".to_owned()))?;
        let offered = hello.as_ref().map(Hello::offered).unwrap_or_default();
        let witness = Witness::control(&channel, self.sessions.fetch(&offered).await);
        let acceptor = match &templates.verifier {
            None => witnessed(&templates.control, &witness),
            Some(verifier) => {
                let noting = Noting { within: verifier.clone(), channel: channel.clone() };
                let noted = templates.control_with(Arc::new(noting));
                witnessed(&noted.map_err(|error| TlsFault::Handshake(error.to_string()))?, &witness)
            }
        };
        let stream = acceptor.accept(Prefixed::new(first, stream)).await?;
        let mut facts = facts(stream.get_ref().1);
        witness.settle(facts.resumed);
        let certificate = client_certificate(stream.get_ref().1);
        if certificate.is_none() && self.settings.client_certificates == ClientCertificates::Required {
            return Err(TlsFault::NoCertificate);
        }
        facts.ja4 = hello.as_ref().map(Hello::ja4);
        facts.client_certificate = certificate.as_ref().map(|certificate| certificate.fingerprint.clone());
        Ok(Secured { stream, facts, host, certificate, data: DataKeys { templates, channel } })
    }
}

/// A fatal alert (RFC 6066 section 3): 21, version, length, fatal, unrecognized_name.
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
/// Bytes read at a time; most ClientHellos are whole then.
const HELLO_READ_BYTES: usize = 2048;

/// Reads until the ClientHello is whole, or is none: then rustls shall say so. Gives back all bytes.
async fn read_hello(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<(Vec<u8>, Option<Hello>), TlsFault> {
    let mut assembler = Assembler::default();
    let mut seen = 0;
    loop {
        match assembler.push(&bytes[seen..]) {
            Progress::Whole(hello) => return Ok((bytes, Some(hello))),
            Progress::Foreign => return Ok((bytes, None)),
            Progress::More => seen = bytes.len(),
        }
        if bytes.len() >= hello::BYTES_MAX {
            return Err(TlsFault::TooLong);
        }
        bytes.reserve(HELLO_READ_BYTES);
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(TlsFault::Broken(io::ErrorKind::UnexpectedEof));
        }
    }
}

fn client_certificate(connection: &ServerConnection) -> Option<ClientCertificate> {
    let der = connection.peer_certificates()?.first()?;
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, der);
    Some(ClientCertificate {
        fingerprint: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        common_name: Certificate::parse(der).and_then(|certificate| certificate.common_name),
    })
}

/// What the data connections of one control connection need: its certificate and its proof of ownership.
#[derive(Clone)]
pub struct DataKeys {
    templates: Arc<Templates>,
    channel: Arc<Channel>,
}

impl DataKeys {
    /// The handshake on a data connection, and whose session it resumed. `buffer`: bytes that are read
    /// from the socket at a time; rustls alone would read 4 KiB.
    ///
    /// # Errors
    /// `TlsFault`; the caller bounds the time.
    pub async fn accept(
        &self,
        stream: TcpStream,
        direction: Direction,
        buffer: usize,
    ) -> Result<(DataTls, Owner), TlsFault> {
        let template = match direction {
            Direction::Out => &self.templates.download,
            Direction::In => &self.templates.upload,
        };
        let stream = Gathered::new(stream, buffer);
        if self.templates.resumption == DataResumption::Off {
            let stream = handshake(&TlsAcceptor::from(Arc::new(template.clone())), stream).await?;
            return Ok((stream, Owner::None));
        }
        let witness = Witness::data(&self.channel);
        let stream = handshake(&witnessed(template, &witness), stream).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((stream, witness.owner(resumed)))
    }
}

async fn handshake(acceptor: &TlsAcceptor, stream: Gathered) -> io::Result<DataTls> {
    acceptor.accept(stream).into_fallible().await.map_err(|(error, mut stream)| {
        // The alert that says why.
        stream.push_now();
        error
    })
}

fn witnessed(template: &ServerConfig, witness: &Arc<Witness>) -> TlsAcceptor {
    let mut config = template.clone();
    config.ticketer = witness.clone();
    config.session_storage = witness.clone();
    TlsAcceptor::from(Arc::new(config))
}

fn facts(connection: &ServerConnection) -> TlsFacts {
    TlsFacts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2".to_owned(),
            _ => "1.3".to_owned(),
        },
        cipher: connection.negotiated_cipher_suite().map(|suite| iana(suite.suite())).unwrap_or_default(),
        server_name: connection.server_name().map(str::to_owned),
        alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        ja4: None,
        client_certificate: None,
    }
}

/// rustls writes `TLS13_` where IANA writes `TLS_`.
fn iana(suite: rustls::CipherSuite) -> String {
    suite.as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests;
