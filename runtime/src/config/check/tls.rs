//! `[tls]`: certificates, versions, clients' certificates, sessions.

use std::path::Path;

use super::super::settings::*;
use super::super::sheet::Section;
use super::super::takes::text;
use super::super::tree::What;
use super::{DAY, millis, seconds};

pub(super) fn tls(at: &mut Section<'_, '_>, base: &Path, store: &Store) -> Tls {
    let certificate = at.optional_path("certificate", base);
    let key = at.optional_path("key", base);
    let self_signed = at.flag("self-signed");
    match (&certificate, &key) {
        (Some(_), None) => {
            at.mistake("key", "is needed with `tls.certificate`", "name the PEM file of its private key")
        }
        (None, Some(_)) => at.mistake("certificate", "is needed with `tls.key`", "name the PEM file of the chain"),
        (None, None) if !self_signed => at.mistake(
            "certificate",
            "is needed: an FTPS server shows one",
            "name PEM files in `tls.certificate` and `tls.key`, or set `tls.self-signed = true` to try things out",
        ),
        _ => {}
    }
    let client_certificates = at.choice(
        "client-certificates",
        &[
            ("off", ClientCertificates::Off),
            ("optional", ClientCertificates::Optional),
            ("required", ClientCertificates::Required),
        ],
    );
    let client_authorities = at.optional_path("client-authorities", base);
    if client_certificates != ClientCertificates::Off && client_authorities.is_none() {
        at.mistake("client-authorities", "is needed", "name the PEM file of those who issue the clients' certificates");
    }
    let client_users = at.section("client-users", |at| {
        let names = at.names();
        let takes = "a list such as \"cn:alice\" or \"sha256:HEX\"";
        let read = |name: String| {
            let matches = at.required(&name, takes, |node| match &node.what {
                What::List(items) => items.iter().map(|item| certificate_match(text(item)?)).collect(),
                _ => None,
            });
            (name, matches.unwrap_or_default())
        };
        names.into_iter().map(read).collect()
    });
    Tls {
        client_certificates,
        client_authorities,
        client_names: at.flag("client-names"),
        client_users,
        expiry_check: at.span("expiry-check", millis(100)..=seconds(DAY)),
        certificate,
        key,
        self_signed,
        required: at.flag("required"),
        minimum: at.choice("minimum", &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]),
        data_resumption: at.choice(
            "data-resumption",
            &[("off", DataResumption::Off), ("log", DataResumption::Log), ("require", DataResumption::Require)],
        ),
        control_tickets: at.count("control-tickets", 0..=16),
        data_tickets: at.count("data-tickets", 0..=16),
        sessions: tls_sessions(at, store),
        session_life: at.span("session-life", seconds(1)..=seconds(7 * DAY)),
        ticket_rotation: at.span("ticket-rotation", seconds(1)..=seconds(7 * DAY)),
        session_queue: at.count("session-queue", 16..=1_000_000),
        session_ids: at.count("session-ids", 0..=1_000_000),
        strict_close: at.flag("strict-close"),
    }
}

/// What is shared is sealed: without the cluster's key nothing is.
fn tls_sessions(at: &mut Section<'_, '_>, store: &Store) -> TlsSessions {
    let ways = [
        ("auto", None),
        ("tickets", Some(TlsSessions::Tickets)),
        ("store", Some(TlsSessions::Store)),
        ("node", Some(TlsSessions::Node)),
    ];
    let way = at.choice("sessions", &ways);
    let shared = matches!(way, Some(TlsSessions::Tickets | TlsSessions::Store));
    if shared && store.cluster_key.is_none() {
        at.mistake(
            "sessions",
            "needs `store.cluster-key`: sessions leave this node sealed, or not at all",
            "make a key with `portcullis cluster keygen --out FILE`, and name it there on every node",
        );
    }
    if way == Some(TlsSessions::Store) && store.engine == StoreEngine::Memory {
        at.mistake(
            "sessions",
            "needs memcached servers in `store.servers`",
            "name them, or set `tls.sessions = \"tickets\"`, which needs none",
        );
    }
    let fallback = if store.cluster_key.is_some() { TlsSessions::Tickets } else { TlsSessions::Node };
    way.unwrap_or(fallback)
}

fn certificate_match(text: &str) -> Option<CertificateMatch> {
    match text.split_once(':')? {
        ("cn", name) if !name.is_empty() => Some(CertificateMatch::CommonName(name.to_owned())),
        ("sha256", hex) => {
            let hex: String = hex.chars().filter(|mark| *mark != ':').map(|mark| mark.to_ascii_lowercase()).collect();
            let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then_some(CertificateMatch::Fingerprint(hex))
        }
        _ => None,
    }
}
