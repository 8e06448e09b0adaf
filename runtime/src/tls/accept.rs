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
mod tests {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::certs::{SelfSigned, tests::settings};

    #[derive(Debug)]
    struct Anyone;

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
        }
    }

    fn client(version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> TlsConnector {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    fn acceptor(state: &std::path::Path) -> Acceptor {
        let identity = Identity::find(&settings(), &SelfSigned { state, addresses: &[] }).expect("identity");
        let sessions = Sessions::new(&crate::config::defaults(), None, None);
        Acceptor::new(&settings(), &[identity], Arc::new(Hosts::new(&[])), sessions).expect("acceptor")
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.expect("connect"), server.expect("accept").0)
    }

    fn name() -> ServerName<'static> {
        ServerName::try_from("localhost").expect("name")
    }

    async fn control(acceptor: &Acceptor, client: &TlsConnector) -> Secured {
        let (near, far) = pair().await;
        let (near, secured) =
            tokio::join!(client.connect(name(), near), acceptor.accept_control(far, Vec::new(), HostId::MAIN));
        let (mut near, mut secured) = (near.expect("client"), secured.expect("server"));
        // Reading makes the client take its tickets.
        secured.stream.write_all(b"!").await.expect("write");
        near.read_u8().await.expect("read");
        secured
    }

    async fn data(keys: &DataKeys, client: &TlsConnector, direction: Direction) -> Owner {
        let (near, far) = pair().await;
        let serving = async {
            let (mut far, owner) = keys.accept(far, direction, 0).await.expect("server");
            // Its last word of the handshake travels with these.
            far.write_all(b"!").await.expect("write");
            far.shutdown().await.expect("end");
            owner
        };
        let (near, owner) = tokio::join!(client.connect(name(), near), serving);
        let mut near = near.expect("client");
        near.read_u8().await.expect("read");
        owner
    }

    #[tokio::test]
    async fn t_33_t_35_data_connections_prove_their_owner_every_time() {
        let state = tempfile::tempdir().expect("folder");
        let acceptor = acceptor(state.path());
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let (one, two) = (client(version, &[b"ftp"]), client(version, &[b"ftp"]));
            let first = control(&acceptor, &one).await;
            assert!(!first.facts.resumed);
            let second = control(&acceptor, &two).await;
            for _ in 0..40 {
                assert_eq!(data(&first.data, &one, Direction::Out).await, Owner::This, "{version:?}");
            }
            assert_eq!(data(&first.data, &two, Direction::Out).await, Owner::Other, "{version:?}");
            let stranger = client(version, &[]);
            assert_eq!(data(&second.data, &stranger, Direction::In).await, Owner::None, "{version:?}");
        }
    }

    #[tokio::test]
    async fn t_37_a_control_connection_that_resumed_owns_what_it_resumed() {
        let state = tempfile::tempdir().expect("folder");
        let acceptor = acceptor(state.path());
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let one = client(version, &[b"ftp"]);
            let _first = control(&acceptor, &one).await;
            let again = control(&acceptor, &one).await;
            assert!(again.facts.resumed, "{version:?}");
            assert_eq!(data(&again.data, &one, Direction::In).await, Owner::This, "{version:?}");
        }
    }

    #[tokio::test]
    async fn f_18_no_handshake_fails_in_a_thousand_reloads_of_good_and_broken_pairs() {
        let state = tempfile::tempdir().expect("folder");
        let acceptor = Arc::new(acceptor(state.path()));
        let identity =
            Identity::find(&settings(), &SelfSigned { state: state.path(), addresses: &[] }).expect("identity");
        let other = tempfile::tempdir().expect("folder");
        let other = Identity::find(&settings(), &SelfSigned { state: other.path(), addresses: &[] }).expect("identity");
        let broken = Identity { key: other.key.clone(), ..identity.clone() };
        let reloading = tokio::spawn({
            let acceptor = acceptor.clone();
            async move {
                for _ in 0..500 {
                    assert!(acceptor.reload(std::slice::from_ref(&broken)).is_err());
                    acceptor.reload(std::slice::from_ref(&identity)).expect("a good pair");
                    tokio::task::yield_now().await;
                }
            }
        });
        let client = client(&rustls::version::TLS13, &[b"ftp"]);
        let mut handshakes = 0;
        while !reloading.is_finished() || handshakes == 0 {
            control(&acceptor, &client).await;
            handshakes += 1;
        }
        reloading.await.expect("all reloads went as they should");
    }

    #[test]
    fn a_certificate_logs_in_whom_the_settings_say_and_nobody_else() {
        let certificate = ClientCertificate { fingerprint: "ab".repeat(32), common_name: Some("alice".to_owned()) };
        let mut settings = settings();
        assert!(!certificate.logs_in("alice", &settings), "off");
        settings.client_names = true;
        assert!(certificate.logs_in("alice", &settings));
        assert!(!certificate.logs_in("Alice", &settings) && !certificate.logs_in("bob", &settings));
        let bob = vec![CertificateMatch::Fingerprint("ab".repeat(32))];
        settings.client_users.insert("bob".to_owned(), bob);
        settings.client_users.insert("carol".to_owned(), vec![CertificateMatch::CommonName("bob".to_owned())]);
        assert!(certificate.logs_in("bob", &settings) && !certificate.logs_in("carol", &settings));
    }

    #[test]
    fn t_13_nothing_is_taken_before_the_handshake_is_done() {
        let state = tempfile::tempdir().expect("folder");
        let templates = acceptor(state.path()).templates.load()[0].clone();
        for config in [&templates.control, &templates.download, &templates.upload] {
            assert_eq!(config.max_early_data_size, 0);
        }
    }

    #[tokio::test]
    async fn t_10_t_11_only_ftp_is_agreed_on() {
        let state = tempfile::tempdir().expect("folder");
        let acceptor = acceptor(state.path());
        let filezilla = client(&rustls::version::TLS13, &[b"x-filezilla-ftp", b"ftp"]);
        assert_eq!(control(&acceptor, &filezilla).await.facts.alpn.as_deref(), Some("ftp"));

        let browser = client(&rustls::version::TLS13, &[b"h2", b"http/1.1"]);
        let (near, far) = pair().await;
        let (near, far) =
            tokio::join!(browser.connect(name(), near), acceptor.accept_control(far, Vec::new(), HostId::MAIN));
        assert!(near.is_err());
        assert!(matches!(far, Err(TlsFault::Handshake(_))));
    }
}
