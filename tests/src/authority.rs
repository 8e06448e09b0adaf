//! Certificates for tests: servers' own, and clients' by an authority of the test's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

/// A certificate and its key as PEM files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Pair {
    /// As lines of a TOML table.
    pub fn toml(&self) -> String {
        format!("certificate = {:?}\nkey = {:?}\n", self.certificate, self.key)
    }

    fn write(folder: &Path, name: &str, certificate: &str, key: &KeyPair) -> Pair {
        let pair = Pair { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        fs::write(&pair.key, key.serialize_pem()).expect("a key can be written");
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).expect("the mode can be set");
        fs::write(&pair.certificate, certificate).expect("a certificate can be written");
        pair
    }
}

/// A server's own certificate in files `NAME.pem` and `NAME.key`, for some names, ending in so many days.
pub fn own_certificate(folder: &Path, name: &str, names: &[&str], days: i64) -> Pair {
    let mut params = params(names, days);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Pair::write(folder, name, &certificate.pem(), &key)
}

/// Issues certificates to clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate.
    pub certificate: PathBuf,
}

impl Authority {
    /// With its certificate in `FOLDER/NAME.pem`.
    pub fn new(folder: &Path, name: &str) -> Authority {
        let mut params = params(&[], 1000);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let pair = Pair::write(folder, name, &certificate.pem(), &key);
        Authority { issuer: Issuer::new(params, key), folder: folder.to_owned(), certificate: pair.certificate }
    }

    /// A client's certificate in files `NAME.pem` and `NAME.key`; the name is its common name.
    pub fn issue(&self, name: &str) -> Pair {
        let mut params = params(&[], 1000);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair::write(&self.folder, name, &certificate.pem(), &key)
    }
}

fn params(names: &[&str], days: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(400);
    params.not_after = now + Duration::days(days);
    params
}
