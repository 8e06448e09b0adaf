//! Bans by what a client's TLS shows, its certificate or the fingerprint of its hello: what curl and OpenSSL
//! notice of them, and what their neighbours do not.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::authority::{Authority, Pair};
use tests::deadline::{self, SOON};
use tests::program::{Answer, Program};
use tests::recorder::{count, recording, seen};
use tests::server::Server;
use tests::tls::{self, TLS_ANY};

const ATTACKER: &str = "127.0.2.2";
const NEIGHBOUR: &str = "127.0.3.3";

/// A server whose recorder bans `subject` when a client says XYZZY, and takes certificates of `authority`.
async fn banning(subject: &str, authority: &Authority) -> Server {
    let rule = format!(
        "{{ on = 'command-unknown', about = 'XYZZY', ban = ['{subject}'], seconds = 600, message = 'Gone for %t' }}"
    );
    recording(&[&rule], |config| {
        config
            .set("tls.client-certificates", "optional")
            .set("tls.client-authorities", authority.certificate.to_string_lossy().into_owned());
    })
    .await
}

/// A listing by curl from an address, and perhaps with a certificate.
fn curl(server: &Server, from: &str, own: Option<&Pair>) -> Program {
    let curl = Program::new("curl")
        .args(["--silent", "--show-error", "--verbose", "--ssl-reqd", "--max-time", "60", "--interface", from])
        .arg("--cacert")
        .arg(&server.ready().certificate)
        .args(["--user", &format!("{}:{}", server.user(), server.password())]);
    match own {
        Some(own) => curl.arg("--cert").arg(&own.certificate).arg("--key").arg(&own.key),
        None => curl,
    }
    .arg(format!("ftp://{}/", server.address()))
}

/// Asked whether the server lets it in: the reply that says no is in its log.
fn is_told_to_go(answer: &Answer) {
    assert_ne!(answer.code, Some(0), "{answer:?}");
    assert!(answer.err.lines().any(|line| line.starts_with("< 421 Gone for")), "{answer:?}");
}

/// SHA-256 of a certificate, as OpenSSL tells it.
async fn fingerprint(certificate: &Path) -> String {
    let openssl = Program::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
    let told = openssl.arg(certificate).run().await.good().out;
    told.trim().rsplit('=').next().unwrap_or_default().replace(':', "").to_lowercase()
}

async fn only_ban(server: &Server) -> Value {
    let bans = server.admin(&["bans", "list", "--json"]).await.good().json();
    assert_eq!(bans.as_array().map(Vec::len), Some(1), "{bans}");
    bans[0].clone()
}

/// The operator sees the ban in the list and its story, and lifts it.
async fn is_explained_and_lifted(server: &Server, subject: &str) {
    let listed = server.admin(&["bans", "list"]).await.good().out;
    assert!(listed.contains(subject), "{listed}");
    let story = server.admin(&["bans", "explain", subject]).await.good().out;
    assert!(story.starts_with(&format!("{subject} is banned")), "{story}");
    assert!(story.contains("policy recorder") && story.contains("command-unknown"), "{story}");
    let lifted = server.admin(&["bans", "lift", subject]).await.good().out;
    assert!(lifted.contains("no longer banned"), "{lifted}");
    server.admin(&["bans", "explain", subject]).await.exits(1);
}

#[tokio::test]
async fn a_ban_of_a_client_certificate_shuts_it_out_from_everywhere_and_nobody_else() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "clients");
    let (mallory, alice) = (authority.issue("mallory"), authority.issue("alice"));
    let server = banning("client-certificate", &authority).await;
    let mut open = server.enter_with(ATTACKER, &tls::certified(&server.ready().certificate, TLS_ANY, &mallory)).await;
    let mut alices = server.enter_with(ATTACKER, &tls::certified(&server.ready().certificate, TLS_ANY, &alice)).await;

    let provoked = curl(&server, ATTACKER, Some(&mallory)).args(["--quote", "XYZZY"]).run().await;
    is_told_to_go(&provoked);
    let last = open.until_closed(SOON).await.pop().expect("a last word").expect(421);
    assert!(last.text().contains("Gone for"), "{last}");

    for from in [ATTACKER, NEIGHBOUR] {
        is_told_to_go(&curl(&server, from, Some(&mallory)).run().await);
        curl(&server, from, Some(&alice)).run().await.good();
        curl(&server, from, None).run().await.good();
    }
    alices.command("NOOP").await.expect(200);

    let digest = fingerprint(&mallory.certificate).await;
    let ban = only_ban(&server).await;
    assert_eq!(ban["subject"], json!({ "client-certificate": digest }), "{ban}");
    is_explained_and_lifted(&server, &format!("client-certificate:{digest}")).await;
    curl(&server, ATTACKER, Some(&mallory)).run().await.good();
}

#[tokio::test]
async fn a_certificate_that_an_operator_bans_is_out_at_once() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "clients");
    let mallory = authority.issue("mallory");
    let server = banning("host", &authority).await;
    let mut open = server.enter_with(ATTACKER, &tls::certified(&server.ready().certificate, TLS_ANY, &mallory)).await;
    let subject = format!("client-certificate:{}", fingerprint(&mallory.certificate).await);
    server.admin(&["bans", "add", &subject, "--for", "1h", "--reason", "stolen"]).await.good();
    open.until_closed(SOON).await.pop().expect("a last word").expect(421);
    assert_ne!(curl(&server, NEIGHBOUR, Some(&mallory)).run().await.code, Some(0));
    curl(&server, NEIGHBOUR, None).run().await.good();
}

/// OpenSSL's client with a short list of ciphers of its own, which says what it is told; what it was told.
async fn openssl(address: &str, words: &str) -> String {
    let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", "-tls1_2", "-ign_eof", "-quiet"]);
    let openssl = openssl.args(["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", "-connect"]);
    openssl.arg(address).input(words).run().await.out
}

#[tokio::test]
async fn a_ban_of_a_tls_fingerprint_shuts_that_program_out_and_no_other() {
    let folder = TempDir::new().expect("a folder");
    let server = banning("tls-fingerprint", &Authority::new(folder.path(), "clients")).await;
    let address = server.address().to_string();

    // One that says nothing more is open when the other one is banned.
    let open = tokio::spawn({
        let address = address.clone();
        async move { openssl(&address, "NOOP\r\n").await }
    });
    deadline::until(SOON, "a first handshake", || (count(&server, "tls-established") == 1).then_some(())).await;
    let mut neighbour = server.enter(ATTACKER).await;
    let provoked = openssl(&address, "XYZZY\r\n").await;
    assert!(provoked.contains("421 Gone for"), "{provoked}");
    let ended = deadline::within(SOON, "the end of the open session", open).await.expect("it ran");
    assert!(ended.contains("200 ") && ended.contains("421 Gone for"), "{ended}");

    let refused = openssl(&address, "USER demo\r\n").await;
    assert!(refused.contains("421 Gone for") && !refused.contains("331 "), "{refused}");
    neighbour.command("NOOP").await.expect(200);
    curl(&server, NEIGHBOUR, None).run().await.good();

    let event = seen(&server, "command-unknown", "XYZZY").await;
    let ja4 = event["tls"][5].as_str().unwrap_or_else(|| panic!("no fingerprint: {event}"));
    // TLS 1.2, no server name.
    assert!(ja4.starts_with("t12i"), "{ja4}");
    let ban = only_ban(&server).await;
    assert_eq!(ban["subject"], json!({ "tls-fingerprint": ja4 }), "{ban}");
    is_explained_and_lifted(&server, &format!("tls-fingerprint:{ja4}")).await;
    let again = openssl(&address, "NOOP\r\nQUIT\r\n").await;
    assert!(again.contains("221 ") && !again.contains("421 "), "{again}");
}
