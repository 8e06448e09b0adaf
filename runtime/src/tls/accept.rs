//! Handshakes, on control and data channels, always in the server's role.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ServerConfig, ServerSessionMemoryCache};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certs::{CertError, Identity};
use super::owner::{Channel, Owner, Shared, Witness};
use super::prefixed::Prefixed;
use crate::config::settings::{DataResumption, Tls, TlsVersion};
use crate::events::TlsFacts;

/// A protected control connection.
pub type ControlTls = TlsStream<Prefixed<TcpStream>>;
/// A protected data connection.
pub type DataTls = TlsStream<BufReader<TcpStream>>;

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
}

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsFault::Handshake(reason) => out.write_str(reason),
            TlsFault::Broken(kind) => kind.fmt(out),
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
    /// For its data connections.
    pub data: DataKeys,
}

/// Accepts control connections. Can be given another certificate while it serves.
pub struct Acceptor {
    templates: ArcSwap<Templates>,
    shared: Arc<Shared>,
    settings: Tls,
}

/// Settings of handshakes under one certificate.
struct Templates {
    control: ServerConfig,
    download: ServerConfig,
    upload: ServerConfig,
    resumption: DataResumption,
}

impl Acceptor {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// `CertError` for what an operator must mend.
    pub fn new(settings: &Tls, identity: &Identity) -> Result<Acceptor, CertError> {
        let tickets = aws_lc_rs::Ticketer::new().map_err(|error| identity.unusable(&error))?;
        let shared = Arc::new(Shared { tickets, sessions: ServerSessionMemoryCache::new(settings.session_ids) });
        let templates = ArcSwap::from_pointee(Templates::new(settings, identity)?);
        Ok(Acceptor { templates, shared, settings: settings.clone() })
    }

    /// Reads the files again; new control connections get what they hold now. Connections that run keep
    /// theirs, for their data connections too. On failure the old one stays.
    ///
    /// # Errors
    /// `CertError` for what an operator must mend.
    pub fn reload(&self, identity: &Identity) -> Result<(), CertError> {
        self.templates.store(Arc::new(Templates::new(&self.settings, identity)?));
        Ok(())
    }

    /// The handshake on a control connection. `first`: bytes that were read behind `AUTH TLS`.
    ///
    /// # Errors
    /// `TlsFault`; an alert was sent if there was one to send. The caller bounds the time.
    pub async fn accept_control(&self, stream: TcpStream, first: Vec<u8>) -> Result<Secured, TlsFault> {
        let templates = self.templates.load_full();
        let channel = Channel::new(self.shared.clone())
            .ok_or_else(|| TlsFault::Handshake("the system has no randomness".to_owned()))?;
        let witness = Witness::new(&channel);
        let acceptor = witnessed(&templates.control, &witness);
        let stream = acceptor.accept(Prefixed::new(first, stream)).await?;
        let facts = facts(stream.get_ref().1);
        if facts.resumed {
            witness.adopt();
        }
        Ok(Secured { stream, facts, data: DataKeys { templates, channel } })
    }
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
        // A buffer that is smaller than what is asked for is passed by.
        let stream = BufReader::with_capacity(buffer.max(1), stream);
        if self.templates.resumption == DataResumption::Off {
            let stream = TlsAcceptor::from(Arc::new(template.clone())).accept(stream).await?;
            return Ok((stream, Owner::None));
        }
        let witness = Witness::new(&self.channel);
        let stream = witnessed(template, &witness).accept(stream).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((stream, witness.owner(resumed)))
    }
}

fn witnessed(template: &ServerConfig, witness: &Arc<Witness>) -> TlsAcceptor {
    let mut config = template.clone();
    config.ticketer = witness.clone();
    config.session_storage = witness.clone();
    TlsAcceptor::from(Arc::new(config))
}

/// FTP's ALPN name (IANA); a browser's offer finds no overlap and fails (T-10).
const ALPN_CONTROL: &[u8] = b"ftp";
const ALPN_DATA: &[u8] = b"ftp-data";

impl Templates {
    fn new(settings: &Tls, identity: &Identity) -> Result<Templates, CertError> {
        let (chain, key) = identity.read()?;
        let versions: &[&rustls::SupportedProtocolVersion] = match settings.minimum {
            TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::V13 => &[&rustls::version::TLS13],
        };
        let mut control = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| identity.unusable(&error))?;
        control.alpn_protocols = vec![ALPN_CONTROL.to_vec()];
        control.send_tls13_tickets = settings.control_tickets;
        // A replayed STOR would be a write (T-13).
        control.max_early_data_size = 0;

        let mut upload = control.clone();
        upload.alpn_protocols = vec![ALPN_DATA.to_vec(), ALPN_CONTROL.to_vec()];
        upload.send_tls13_tickets = 0;
        if settings.data_resumption == DataResumption::Off {
            upload.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let mut download = upload.clone();
        if settings.data_resumption != DataResumption::Off {
            download.send_tls13_tickets = settings.data_tickets;
        }
        Ok(Templates { control, download, upload, resumption: settings.data_resumption })
    }
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
        Acceptor::new(&settings(), &identity).expect("acceptor")
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
        let (near, secured) = tokio::join!(client.connect(name(), near), acceptor.accept_control(far, Vec::new()));
        let (mut near, mut secured) = (near.expect("client"), secured.expect("server"));
        // Reading makes the client take its tickets.
        secured.stream.write_all(b"!").await.expect("write");
        near.read_u8().await.expect("read");
        secured
    }

    async fn data(keys: &DataKeys, client: &TlsConnector, direction: Direction) -> Owner {
        let (near, far) = pair().await;
        let (near, far) = tokio::join!(client.connect(name(), near), keys.accept(far, direction, 0));
        let (mut near, (mut far, owner)) = (near.expect("client"), far.expect("server"));
        far.write_all(b"!").await.expect("write");
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
    async fn t_10_t_11_only_ftp_is_agreed_on() {
        let state = tempfile::tempdir().expect("folder");
        let acceptor = acceptor(state.path());
        let filezilla = client(&rustls::version::TLS13, &[b"x-filezilla-ftp", b"ftp"]);
        assert_eq!(control(&acceptor, &filezilla).await.facts.alpn.as_deref(), Some("ftp"));

        let browser = client(&rustls::version::TLS13, &[b"h2", b"http/1.1"]);
        let (near, far) = pair().await;
        let (near, far) = tokio::join!(browser.connect(name(), near), acceptor.accept_control(far, Vec::new()));
        assert!(near.is_err());
        assert!(matches!(far, Err(TlsFault::Handshake(_))));
    }
}
