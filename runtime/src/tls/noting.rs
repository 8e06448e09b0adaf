//! Checks certificates of clients as another verifier does, and notes when what was shown ends: a session that
//! was made with it must not outlive it.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::owner::Channel;
use super::x509::Certificate;
use crate::moment::Moment;

/// For one handshake.
pub(super) struct Noting {
    pub(super) within: Arc<dyn ClientCertVerifier>,
    pub(super) channel: Arc<Channel>,
}

impl fmt::Debug for Noting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Noting").field(&self.within).finish()
    }
}

impl ClientCertVerifier for Noting {
    fn offer_client_auth(&self) -> bool {
        self.within.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.within.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.within.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.within.verify_client_cert(end_entity, intermediates, now)?;
        for certificate in std::iter::once(end_entity).chain(intermediates) {
            // One that cannot be read here was good to the verifier; its session is not resumed.
            let end = Certificate::parse(certificate).map_or(0, |certificate| certificate.not_after);
            let millis = u64::try_from(end).unwrap_or_default().saturating_mul(1000);
            self.channel.ends_at(Moment::from_millis(millis));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.within.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.within.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.within.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.within.requires_raw_public_keys()
    }
}
