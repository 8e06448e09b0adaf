//! What handshakes go by under one certificate, on control connections and on both kinds of data connections.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};

use super::certs::{self, CertError, Identity};
use super::expiry::Expiry;
use super::x509::Certificate;
use crate::config::settings::{ClientCertificates, DataResumption, Tls, TlsVersion};

/// FTP's ALPN name (IANA); a browser's offer finds no overlap and fails (T-10).
const ALPN_CONTROL: &[u8] = b"ftp";
const ALPN_DATA: &[u8] = b"ftp-data";

type Versions = &'static [&'static rustls::SupportedProtocolVersion];

static BOTH: Versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
static NEWEST: Versions = &[&rustls::version::TLS13];

/// Settings of handshakes under one certificate.
pub(super) struct Templates {
    pub(super) control: ServerConfig,
    pub(super) download: ServerConfig,
    pub(super) upload: ServerConfig,
    pub(super) resumption: DataResumption,
    /// What decides about certificates of clients: sessions are resumed only where it is the same.
    pub(super) clients: Arc<[u8]>,
    /// Checks them; none is asked for without.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) expiry: Option<Expiry>,
    versions: Versions,
}

impl Templates {
    /// One for each identity; equal identities share one.
    pub(super) fn all(settings: &Tls, identities: &[Identity]) -> Result<Vec<Arc<Templates>>, CertError> {
        let (verifier, clients) = client_verifier(settings)?;
        let mut made: Vec<(&Identity, Arc<Templates>)> = Vec::new();
        for identity in identities {
            let known = made.iter().find(|(known, _)| known.is_same(identity)).map(|(_, templates)| templates.clone());
            let templates = match known {
                Some(templates) => templates,
                None => Arc::new(Templates::new(settings, identity, verifier.clone(), clients.clone())?),
            };
            made.push((identity, templates));
        }
        Ok(made.into_iter().map(|(_, templates)| templates).collect())
    }

    fn new(
        settings: &Tls,
        identity: &Identity,
        verifier: Option<Arc<dyn ClientCertVerifier>>,
        clients: Arc<[u8]>,
    ) -> Result<Templates, CertError> {
        let (chain, key) = identity.read()?;
        let not_after = chain.first().and_then(|own| Certificate::parse(own)).map(|own| own.not_after);
        let expiry = not_after.map(|not_after| Expiry { file: identity.certificate.clone(), not_after });
        let versions: Versions = match settings.minimum {
            TlsVersion::V12 => BOTH,
            TlsVersion::V13 => NEWEST,
        };
        let builder = || {
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)
                .map_err(|error| identity.unusable(&error))
        };
        // Data connections ask for no certificate: what proves their owner is the session that they resume.
        let mut upload = builder()?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| identity.unusable(&error))?;
        let mut control = match verifier.clone() {
            None => upload.clone(),
            Some(verifier) => builder()?
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain, key)
                .map_err(|error| identity.unusable(&error))?,
        };
        control.alpn_protocols = vec![ALPN_CONTROL.to_vec()];
        control.send_tls13_tickets = settings.control_tickets;
        // A replayed STOR would be a write (T-13).
        control.max_early_data_size = 0;

        upload.max_early_data_size = 0;
        upload.alpn_protocols = vec![ALPN_DATA.to_vec(), ALPN_CONTROL.to_vec()];
        upload.send_tls13_tickets = 0;
        if settings.data_resumption == DataResumption::Off {
            upload.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let mut download = upload.clone();
        if settings.data_resumption != DataResumption::Off {
            download.send_tls13_tickets = settings.data_tickets;
        }
        Ok(Templates {
            control,
            download,
            upload,
            resumption: settings.data_resumption,
            clients,
            verifier,
            expiry,
            versions,
        })
    }

    /// Those of a control connection with another verifier, which rustls takes only while it makes them.
    pub(super) fn control_with(&self, verifier: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.control.crypto_provider().clone())
            .with_protocol_versions(self.versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.control.cert_resolver.clone());
        config.alpn_protocols.clone_from(&self.control.alpn_protocols);
        config.send_tls13_tickets = self.control.send_tls13_tickets;
        config.max_early_data_size = self.control.max_early_data_size;
        Ok(config)
    }
}

type Verifier = Option<Arc<dyn ClientCertVerifier>>;

/// Checks client certificates, and what that depends on; `None`: none is asked for.
fn client_verifier(settings: &Tls) -> Result<(Verifier, Arc<[u8]>), CertError> {
    let (ClientCertificates::Optional | ClientCertificates::Required, Some(file)) =
        (settings.client_certificates, &settings.client_authorities)
    else {
        return Ok((None, Arc::from(&b"off"[..])));
    };
    let setting = || "tls.client-authorities".to_owned();
    let unusable = |reason: String| CertError::Unusable { setting: setting(), file: file.clone(), reason };
    let mut roots = RootCertStore::empty();
    let mut issuers = certs::chain(&setting(), file)?;
    issuers.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    let mut clients = match settings.client_certificates {
        ClientCertificates::Required => b"required".to_vec(),
        _ => b"optional".to_vec(),
    };
    for certificate in issuers {
        clients.extend_from_slice(::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, &certificate).as_ref());
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
    let builder = match settings.client_certificates {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    let verifier = builder.build().map_err(|error| unusable(error.to_string()))?;
    Ok((Some(verifier), Arc::from(clients)))
}
