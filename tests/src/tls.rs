//! The raw client's TLS: trusts exactly one certificate, speaks the versions it is told to.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};

/// TLS 1.2 only.
pub const TLS_12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
/// TLS 1.3 only.
pub const TLS_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
/// Both.
pub const TLS_ANY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A client's TLS that trusts the certificate in `file`. Connections that share it can resume sessions of
/// each other; a second call shares nothing with the first.
pub fn trusting(file: &Path, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut config = pinning(file, default_provider(), versions);
    config.resumption = Resumption::in_memory_sessions(64);
    Arc::new(config)
}

/// A client's TLS for comparing servers: TLS 1.3, AES-256-GCM and P-256 (some servers know no other
/// curve) are all that it offers, so that every server computes the same.
pub fn alike(file: &Path, resumption: Resumption) -> Arc<ClientConfig> {
    let mut provider = default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_256_GCM_SHA384];
    provider.kx_groups = vec![kx_group::SECP256R1];
    let mut config = pinning(file, provider, TLS_13);
    config.resumption = resumption;
    Arc::new(config)
}

fn pinning(file: &Path, provider: CryptoProvider, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let certificate = CertificateDer::from_pem_file(file)
        .unwrap_or_else(|error| panic!("{} holds no certificate: {error}", file.display()));
    let provider = Arc::new(provider);
    let pinned = Pinned { certificate, algorithms: provider.signature_verification_algorithms };
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider speaks these versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth()
}

/// The name under which sessions are kept; the certificate is pinned, so that the name proves nothing.
pub fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a host name")
}

#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
