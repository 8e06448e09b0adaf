//! The server's certificate and key: read and checked against each other, or made.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::config::settings::{Host, Tls};
use crate::moment::Moment;

/// A certificate or key that cannot be used. Each text names the setting and what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text says it")]
pub enum CertError {
    #[error("`{setting}`: {file} cannot be read: {source}")]
    Read { setting: String, file: PathBuf, source: io::Error },
    #[error("`{setting}`: {file} holds no PEM certificate; a server's own comes first, then its issuers")]
    NoCertificate { setting: String, file: PathBuf },
    #[error("`{setting}`: {file} holds no PEM private key (PKCS#8, SEC1 or PKCS#1, not encrypted)")]
    NoKey { setting: String, file: PathBuf },
    #[error("`{setting}`: {file} can be read by everybody (mode {mode:04o}); run `chmod 0600 {file}`")]
    Exposed { setting: String, file: PathBuf, mode: u32 },
    #[error(
        "`{section}.certificate` and `{section}.key` do not belong together: {certificate} was issued for another \
         key than {key}"
    )]
    Mismatch { section: String, certificate: PathBuf, key: PathBuf },
    #[error("`{setting}`: {file} cannot be used: {reason}")]
    Unusable { setting: String, file: PathBuf, reason: String },
    #[error("`tls.certificate` and `tls.key` are not set; name both files, or set `tls.self-signed = true`")]
    NotNamed,
    #[error("`tls.self-signed`: {file} cannot be made: {reason}")]
    NotMade { file: PathBuf, reason: String },
}

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The table of the settings that names them.
    pub section: String,
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
}

/// What a self-signed certificate names.
#[derive(Clone, Debug)]
pub struct SelfSigned<'a> {
    /// Where the certificate and key are kept.
    pub state: &'a Path,
    /// Addresses that clients will connect to.
    pub addresses: &'a [IpAddr],
}

impl Identity {
    /// The files that the settings name; else those of an earlier start in the state directory; else new ones.
    ///
    /// # Errors
    /// `CertError` when nothing is named and nothing may be made, or making fails.
    pub fn find(settings: &Tls, made: &SelfSigned<'_>) -> Result<Identity, CertError> {
        match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => Ok(Identity::named("tls", certificate, key)),
            (None, None) if settings.self_signed => {
                let (certificate, key) = (made.state.join("certificate.pem"), made.state.join("key.pem"));
                let identity = Identity::named("tls", &certificate, &key);
                if !(identity.certificate.exists() && identity.key.exists()) {
                    identity.make(made.addresses)?;
                }
                Ok(identity)
            }
            _ => Err(CertError::NotNamed),
        }
    }

    /// One for each virtual server, `main` first: a server that names none has that of the first.
    pub fn of_all(main: &Identity, hosts: &[Host]) -> Vec<Identity> {
        let own = |host: &Host| match &host.identity {
            Some((certificate, key)) => Identity::named(&format!("host.{}", host.name), certificate, key),
            None => main.clone(),
        };
        hosts.iter().map(own).collect()
    }

    /// Files that a table of the settings names.
    pub fn named(section: &str, certificate: &Path, key: &Path) -> Identity {
        Identity { section: section.to_owned(), certificate: certificate.to_owned(), key: key.to_owned() }
    }

    /// Whether they are the same files, whoever names them.
    pub(super) fn is_same(&self, other: &Identity) -> bool {
        (&self.certificate, &self.key) == (&other.certificate, &other.key)
    }

    /// Reads both files and checks what rustls does not: who may read the key.
    pub(super) fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertError> {
        let chain = chain(&self.setting("certificate"), &self.certificate)?;
        let setting = self.setting("key");
        let pem = open(&setting, &self.key)?;
        let mode = fs::metadata(&self.key)
            .map_err(|source| CertError::Read { setting: setting.clone(), file: self.key.clone(), source })?
            .permissions()
            .mode();
        if mode & 0o007 != 0 {
            return Err(CertError::Exposed { setting, file: self.key.clone(), mode: mode & 0o7777 });
        }
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CertError::NoKey { setting, file: self.key.clone() })?;
        Ok((chain, key))
    }

    fn setting(&self, key: &str) -> String {
        format!("{}.{key}", self.section)
    }

    pub(super) fn unusable(&self, error: &rustls::Error) -> CertError {
        let (certificate, setting) = (self.certificate.clone(), self.setting("certificate"));
        match error {
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
                CertError::Mismatch { section: self.section.clone(), certificate, key: self.key.clone() }
            }
            other => CertError::Unusable { setting, file: certificate, reason: other.to_string() },
        }
    }

    fn make(&self, addresses: &[IpAddr]) -> Result<(), CertError> {
        let failed =
            |error: rcgen::Error| CertError::NotMade { file: self.certificate.clone(), reason: error.to_string() };
        let names = ["localhost".to_owned()].into_iter();
        let specified = addresses.iter().filter(|ip| !ip.is_unspecified()).map(IpAddr::to_string);
        let mut params = CertificateParams::new(names.chain(specified).collect::<Vec<_>>()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "Portcullis, self-signed");
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        // People look at these dates before they trust it, and clients show years with two digits.
        let today = OffsetDateTime::from_unix_timestamp(i64::try_from(Moment::now().seconds()).unwrap_or_default())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        params.not_before = today - Duration::DAY;
        params.not_after = today + VALID;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        write_new(&self.key, 0o600, &key.serialize_pem())?;
        write_new(&self.certificate, 0o644, &certificate.pem())
    }
}

/// Ten years: nobody is there to renew it.
const VALID: Duration = Duration::days(3650);

/// The certificates of a PEM file, at least one.
pub(super) fn chain(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let none = || CertError::NoCertificate { setting: setting.to_owned(), file: file.to_owned() };
    let pem = open(setting, file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if chain.is_empty() { Err(none()) } else { Ok(chain) }
}

fn open(setting: &str, file: &Path) -> Result<Vec<u8>, CertError> {
    fs::read(file).map_err(|source| CertError::Read { setting: setting.to_owned(), file: file.to_owned(), source })
}

/// Whole or not at all: a crash in between must not leave half a key for the next start.
fn write_new(file: &Path, mode: u32, text: &str) -> Result<(), CertError> {
    let failed = |error: io::Error| CertError::NotMade { file: file.to_owned(), reason: error.to_string() };
    let part = file.with_extension("pem.part");
    let _ = fs::remove_file(&part);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&part).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    fs::rename(&part, file).map_err(failed)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::settings::{ClientCertificates, DataResumption, TlsSessions, TlsVersion};

    pub(in crate::tls) fn settings() -> Tls {
        Tls {
            certificate: None,
            key: None,
            self_signed: true,
            required: true,
            minimum: TlsVersion::V12,
            data_resumption: DataResumption::Log,
            control_tickets: 4,
            data_tickets: 1,
            session_ids: 4,
            sessions: TlsSessions::Node,
            session_life: Duration::from_secs(3600),
            ticket_rotation: Duration::from_secs(3600),
            session_queue: 16,
            strict_close: false,
            client_certificates: ClientCertificates::Off,
            client_authorities: None,
            client_names: false,
            client_users: Default::default(),
            expiry_check: Duration::from_secs(3600),
        }
    }

    #[test]
    fn a_second_start_has_the_certificate_of_the_first() {
        let state = tempfile::tempdir().expect("folder");
        let made = SelfSigned { state: state.path(), addresses: &["127.0.0.1".parse().expect("address")] };
        let first = Identity::find(&settings(), &made).expect("made");
        let bytes = fs::read(&first.certificate).expect("certificate");
        let second = Identity::find(&settings(), &made).expect("found");
        assert_eq!(first, second);
        assert_eq!(bytes, fs::read(&second.certificate).expect("certificate"));
        assert_eq!(fs::metadata(&first.key).expect("key").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn s_78_a_key_that_everybody_may_read_is_refused_with_its_remedy() {
        let state = tempfile::tempdir().expect("folder");
        let identity = Identity::find(&settings(), &SelfSigned { state: state.path(), addresses: &[] }).expect("made");
        fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o644)).expect("mode");
        let text = identity.read().expect_err("refused").to_string();
        assert!(text.contains("0644") && text.contains("chmod 0600"), "{text}");
    }
}
