//! The raw client's TLS: trusts exactly one certificate, speaks the versions it is told to.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WantsClientCert};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use crate::authority::Pair;

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

/// As [`trusting`], with a certificate of the client's own.
pub fn certified(file: &Path, versions: &[&'static SupportedProtocolVersion], own: &Pair) -> Arc<ClientConfig> {
    let chain = CertificateDer::pem_file_iter(&own.certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .expect("a chain");
    let key = PrivateKeyDer::from_pem_file(&own.key).expect("a key");
    let mut config = verifying(file, default_provider(), versions)
        .with_client_auth_cert(chain, key)
        .expect("the chain and its key fit");
    config.resumption = Resumption::in_memory_sessions(64);
    Arc::new(config)
}

/// As [`trusting`], offering these ALPN names.
pub fn offering(file: &Path, alpn: &[&str]) -> Arc<ClientConfig> {
    offering_with(file, TLS_ANY, alpn)
}

/// As [`offering`], of these versions.
pub fn offering_with(file: &Path, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut config = pinning(file, default_provider(), versions);
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
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
    verifying(file, provider, versions).with_no_client_auth()
}

fn verifying(
    file: &Path,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let certificate = CertificateDer::from_pem_file(file)
        .unwrap_or_else(|error| panic!("{} holds no certificate: {error}", file.display()));
    let provider = Arc::new(provider);
    let pinned = Pinned { certificate, algorithms: provider.signature_verification_algorithms };
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider speaks these versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
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
