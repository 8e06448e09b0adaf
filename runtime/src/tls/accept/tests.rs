//! A control connection and its data connections, over real sockets, with rustls on the other side.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::certs::{SelfSigned, tests::settings};

/// A server with a certificate of its own, and clients that trust that one.
struct Place {
    identity: Identity,
    acceptor: Acceptor,
    _state: TempDir,
}

impl Place {
    fn new() -> Place {
        let state = tempfile::tempdir().expect("folder");
        let identity =
            Identity::find(&settings(), &SelfSigned { state: state.path(), addresses: &[] }).expect("identity");
        let sessions = Sessions::new(&crate::config::defaults(), None, None);
        let hosts = Arc::new(Hosts::new(&[]));
        let acceptor = Acceptor::new(&settings(), std::slice::from_ref(&identity), hosts, sessions).expect("acceptor");
        Place { identity, acceptor, _state: state }
    }

    /// It shares sessions with no other.
    fn client(&self, version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> TlsConnector {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(&self.identity.certificate).expect("a certificate")).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
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

async fn control(place: &Place, client: &TlsConnector) -> Secured {
    let (near, far) = pair().await;
    let (near, secured) =
        tokio::join!(client.connect(name(), near), place.acceptor.accept_control(far, Vec::new(), HostId::MAIN));
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
    let place = Place::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (one, two) = (place.client(version, &[b"ftp"]), place.client(version, &[b"ftp"]));
        let first = control(&place, &one).await;
        assert!(!first.facts.resumed);
        let second = control(&place, &two).await;
        for _ in 0..40 {
            assert_eq!(data(&first.data, &one, Direction::Out).await, Owner::This, "{version:?}");
        }
        assert_eq!(data(&first.data, &two, Direction::Out).await, Owner::Other, "{version:?}");
        let stranger = place.client(version, &[]);
        assert_eq!(data(&second.data, &stranger, Direction::In).await, Owner::None, "{version:?}");
    }
}

#[tokio::test]
async fn t_37_a_control_connection_that_resumed_owns_what_it_resumed() {
    let place = Place::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let one = place.client(version, &[b"ftp"]);
        let _first = control(&place, &one).await;
        let again = control(&place, &one).await;
        assert!(again.facts.resumed, "{version:?}");
        assert_eq!(data(&again.data, &one, Direction::In).await, Owner::This, "{version:?}");
    }
}

#[tokio::test]
async fn f_18_no_handshake_fails_in_a_thousand_reloads_of_good_and_broken_pairs() {
    let (place, other) = (Arc::new(Place::new()), Place::new());
    let broken = Identity { key: other.identity.key.clone(), ..place.identity.clone() };
    let reloading = tokio::spawn({
        let place = place.clone();
        async move {
            for _ in 0..500 {
                assert!(place.acceptor.reload(std::slice::from_ref(&broken)).is_err());
                place.acceptor.reload(std::slice::from_ref(&place.identity)).expect("a good pair");
                tokio::task::yield_now().await;
            }
        }
    });
    let client = place.client(&rustls::version::TLS13, &[b"ftp"]);
    let mut handshakes = 0;
    while !reloading.is_finished() || handshakes == 0 {
        control(&place, &client).await;
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
    let templates = Place::new().acceptor.templates.load()[0].clone();
    for config in [&templates.control, &templates.download, &templates.upload] {
        assert_eq!(config.max_early_data_size, 0);
    }
}

#[tokio::test]
async fn t_10_t_11_only_ftp_is_agreed_on() {
    let place = Place::new();
    let filezilla = place.client(&rustls::version::TLS13, &[b"x-filezilla-ftp", b"ftp"]);
    assert_eq!(control(&place, &filezilla).await.facts.alpn.as_deref(), Some("ftp"));

    let browser = place.client(&rustls::version::TLS13, &[b"h2", b"http/1.1"]);
    let (near, far) = pair().await;
    let (near, far) =
        tokio::join!(browser.connect(name(), near), place.acceptor.accept_control(far, Vec::new(), HostId::MAIN));
    assert!(near.is_err());
    assert!(matches!(far, Err(TlsFault::Handshake(_))));
}
