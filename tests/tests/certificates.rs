//! Which certificate a client sees, how it changes, when it ends; and certificates of clients.

use std::sync::Arc;

use rustls::client::ClientConfig;
use tests::authority::{Authority, Pair, own_certificate};
use tests::client::{Client, DataTls};
use tests::deadline::SOON;
use tests::recorder::{recording, seen};
use tests::server::Server;
use tests::tls::{self, TLS_12, TLS_13, TLS_ANY};

const CLIENT: &str = "127.0.0.1";

async fn served(change: impl FnOnce(&mut tests::config::Config, &std::path::Path)) -> Server {
    let mut server = Server::prepared(|_| {}).await;
    let folder = server.folder().to_owned();
    change(&mut server.config, &folder);
    server.rewrite();
    server.start().await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    server
}

fn pair(server: &Server, name: &str) -> Pair {
    let file = |end: &str| server.folder().join(format!("{name}.{end}"));
    Pair { certificate: file("pem"), key: file("key") }
}

/// `main` by default, `shop` for shop.example, `wild` for one label below wild.example.
async fn with_hosts() -> Server {
    served(|config, folder| {
        let main = own_certificate(folder, "main", &["main.example"], 1000);
        let shop = own_certificate(folder, "shop", &["shop.example"], 1000);
        let wild = own_certificate(folder, "wild", &["*.wild.example"], 1000);
        config
            .set("server.names", vec!["main.example", "localhost"])
            .set("tls.certificate", main.certificate.to_string_lossy().into_owned())
            .set("tls.key", main.key.to_string_lossy().into_owned())
            .table("host", &format!("name = \"shop\"\nnames = [\"shop.example\"]\n{}", shop.toml()))
            .table("host", &format!("name = \"wild\"\nnames = [\"*.wild.example\"]\n{}", wild.toml()));
    })
    .await
}

/// A client that takes one certificate only; the handshake's success tells that it was shown.
async fn sees(server: &Server, asked: &str, host: Option<&str>, expected: &str) -> Option<Client> {
    let config = tls::trusting(&pair(server, expected).certificate, TLS_ANY);
    let mut client = server.welcome(CLIENT).await;
    if let Some(host) = host {
        client.command(&format!("HOST {host}")).await.expect(220);
    }
    client.ask_for(asked);
    client.command("AUTH TLS").await.expect(234);
    client.handshake(&config).await.ok()?;
    Some(client)
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate_of_control_and_data() {
    let server = with_hosts().await;
    for (asked, expected) in
        [("main.example", "main"), ("SHOP.example", "shop"), ("a.wild.example", "wild"), ("127.0.0.1", "main")]
    {
        let mut client = sees(&server, asked, None, expected).await.unwrap_or_else(|| panic!("{asked}"));
        client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
        client.protect_data().await;
        // FileZilla wants the same certificate on both.
        assert_eq!(client.download("file").await, b"bytes", "{asked}");
    }
    assert!(sees(&server, "shop.example", None, "main").await.is_none(), "not the other certificate");
    assert!(
        sees(&server, "127.0.0.1", Some("shop.example"), "shop").await.is_some(),
        "HOST chooses for who asks no name"
    );
    let told = server.logged("the end of a session at the shop", |line| line.text("server") == "shop").await;
    assert_eq!(told.message(), "connection.ended");
}

#[tokio::test]
async fn t_71_a_name_that_nobody_has_is_refused_with_an_alert() {
    let server = with_hosts().await;
    let mut client = server.welcome(CLIENT).await;
    client.ask_for("www.example.org");
    client.command("AUTH TLS").await.expect(234);
    let told = client.handshake(&server.tls()).await.expect_err("no such server").to_string();
    assert!(told.contains("UnrecognisedName") || told.contains("UnrecognizedName"), "{told}");
    let line = server.logged("the refused name", |line| line.text("outcome") == "tls-failed").await;
    assert!(line.text("detail").contains("www.example.org"), "{}", line.raw);

    let mut client = sees(&server, "shop.example", None, "shop").await.expect("a handshake");
    client.command("HOST main.example").await.expect(504);
    client.command("HOST shop.example").await.expect(220);
}

#[tokio::test]
async fn t_09_data_connections_need_not_ask_for_a_name() {
    let server = with_hosts().await;
    let mut client = sees(&server, "shop.example", None, "shop").await.expect("a handshake");
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    client.protect_data().await;
    for asked in ["127.0.0.1", "elsewhere.example", "shop.example"] {
        client.ask_for(asked);
        assert_eq!(client.download("file").await, b"bytes", "{asked}");
    }
}

#[tokio::test]
async fn t_08_f_18_a_new_certificate_is_for_new_sessions_and_a_broken_one_for_nobody() {
    let server = with_hosts().await;
    let old = std::fs::read(pair(&server, "shop").certificate).expect("a certificate");
    let mut running = sees(&server, "shop.example", None, "shop").await.expect("a handshake");
    running.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    running.protect_data().await;

    let elsewhere = tempfile::TempDir::new().expect("a folder");
    let new = own_certificate(elsewhere.path(), "new", &["shop.example"], 1000);
    let place = pair(&server, "shop");
    // Half of the pair: no key for it yet.
    tests::config::replace(&place.certificate, &std::fs::read(&new.certificate).expect("PEM"));
    let answer = server.admin(&["policy", "reload"]).await.exits(1);
    assert!(answer.err.contains("host.shop.certificate") && answer.err.contains("host.shop.key"), "{answer:?}");
    std::fs::write(elsewhere.path().join("old.pem"), &old).expect("a copy");
    let pinned_old = tls::trusting(&elsewhere.path().join("old.pem"), TLS_ANY);
    let fresh = async |config: &Arc<ClientConfig>| {
        let mut client = server.welcome(CLIENT).await;
        client.ask_for("shop.example");
        client.command("AUTH TLS").await.expect(234);
        client.handshake(config).await.is_ok()
    };
    assert!(fresh(&pinned_old).await, "the old pair is in force");

    let key = std::fs::read(&new.key).expect("PEM");
    std::fs::write(&place.key, key).expect("the mode stays");
    // The file's change is enough; nobody has to ask.
    let pinned_new = tls::trusting(&new.certificate, TLS_ANY);
    tests::deadline::until_asked(SOON, "the new certificate", async || fresh(&pinned_new).await.then_some(())).await;
    assert_eq!(running.download("file").await, b"bytes", "the running session keeps the old one for data");
    let mut data = running.open_data("RETR file", &DataTls::Foreign(pinned_old)).await;
    assert_eq!(data.read_all().await, b"bytes", "in a full handshake too");
    running.reply().await.expect(226);
}

#[tokio::test]
async fn f_17_the_end_of_a_certificate_is_told_and_it_serves_on() {
    for (days, told) in [(40, None), (20, Some("certificate.expires")), (-1, Some("certificate.expired"))] {
        let server = served(|config, folder| {
            let own = own_certificate(folder, "main", &["localhost"], days);
            config
                .set("tls.certificate", own.certificate.to_string_lossy().into_owned())
                .set("tls.key", own.key.to_string_lossy().into_owned());
        })
        .await;
        server.enter(CLIENT).await.command("NOOP").await.expect(200);
        match told {
            Some(told) => {
                let line = server.logged(told, |line| line.message().starts_with(told)).await;
                assert!(line.text("file").ends_with("main.pem"), "{}", line.raw);
            }
            None => assert!(!server.words().contains("certificate.expires"), "{}", server.words()),
        }
    }
}

/// Client certificates as `mode`, and the authority that issues them.
async fn with_client_certificates(mode: &str) -> (Server, Authority) {
    let mut authority = None;
    let server = served(|config, folder| {
        let issuer = Authority::new(folder, "clients");
        config
            .set("tls.client-certificates", mode)
            .set("tls.client-authorities", issuer.certificate.to_string_lossy().into_owned());
        authority = Some(issuer);
    })
    .await;
    (server, authority.expect("made above"))
}

async fn handshake(server: &Server, config: &Arc<ClientConfig>) -> Option<Client> {
    let mut client = server.welcome(CLIENT).await;
    client.command("AUTH TLS").await.expect(234);
    client.handshake(config).await.ok()?;
    // With TLS 1.3 a refusal comes after the client's part.
    client.try_command("NOOP").await.filter(|reply| reply.code == 200)?;
    Some(client)
}

#[tokio::test]
async fn client_certificates_are_optional_or_required_and_always_verified() {
    for versions in [TLS_12, TLS_13] {
        for (mode, without) in [("optional", true), ("required", false)] {
            let (server, authority) = with_client_certificates(mode).await;
            let shown = &server.ready().certificate;
            let good = tls::certified(shown, versions, &authority.issue("alice"));
            let mut client = handshake(&server, &good).await.expect("a good certificate");
            client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
            client.protect_data().await;
            assert_eq!(client.download("file").await, b"bytes");

            let foreign = Authority::new(server.folder(), "strangers").issue("mallory");
            let foreign = tls::certified(shown, versions, &foreign);
            assert!(handshake(&server, &foreign).await.is_none(), "{mode}: a foreign authority's");
            let bare = handshake(&server, &tls::trusting(shown, versions)).await;
            assert_eq!(bare.is_some(), without, "{mode}: none at all");
        }
    }
}

#[tokio::test]
async fn a_session_of_a_data_connection_is_no_way_around_a_required_certificate() {
    for versions in [TLS_12, TLS_13] {
        let (server, authority) = with_client_certificates("required").await;
        let shown = &server.ready().certificate;
        let good = tls::certified(shown, versions, &authority.issue("alice"));
        let mut client = handshake(&server, &good).await.expect("a good certificate");
        client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
        client.protect_data().await;
        // A full handshake on data asks for no certificate; its session names nobody.
        let bare = tls::trusting(shown, versions);
        let mut data = client.open_data("RETR file", &DataTls::Foreign(bare.clone())).await;
        assert_eq!(data.read_all().await, b"bytes");
        client.reply().await.expect(226);
        assert!(handshake(&server, &bare).await.is_none());
    }
}

#[tokio::test]
async fn t_10_s_18_a_browsers_protocols_are_refused_on_control_and_data() {
    let server = Server::serve().await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    let certificate = server.ready().certificate.clone();
    let browser = tls::offering(&certificate, &["h2", "http/1.1"]);
    let mut client = server.welcome(CLIENT).await;
    client.command("AUTH TLS").await.expect(234);
    let told = client.handshake(&browser).await.expect_err("no overlap").to_string();
    assert!(told.contains("NoApplicationProtocol"), "{told}");

    let mut client = server.enter(CLIENT).await;
    let refused = client.try_open_data("STOR upload", &DataTls::Foreign(browser)).await.err().expect("refused");
    refused.expect(522);
    assert!(!server.root().join("upload").exists());
    // As FileZilla and Cyberduck do, and who knows no ALPN.
    for alpn in [&["x-filezilla-ftp", "ftp"][..], &["ftp"], &["ftp-data"], &[]] {
        let data = DataTls::Foreign(tls::offering(&certificate, alpn));
        let opened = client.try_open_data("RETR file", &data).await;
        assert_eq!(opened.unwrap_or_else(|reply| panic!("{alpn:?}: {reply}")).read_all().await, b"bytes");
        client.reply().await.expect(226);
    }
}

#[tokio::test]
async fn policies_see_the_fingerprints_of_a_clients_tls_and_of_its_certificate() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "clients");
    let server = recording(&[], |config| {
        config
            .set("tls.client-certificates", "optional")
            .set("tls.client-authorities", authority.certificate.to_string_lossy().into_owned());
    })
    .await;
    let own = tls::certified(&server.ready().certificate, TLS_ANY, &authority.issue("alice"));
    let mut client = server.welcome("127.0.0.8").await;
    client.upgrade(&own).await;
    let event = seen(&server, "tls-established", "127.0.0.8").await;
    let ja4 = event["tls"][5].as_str().unwrap_or_else(|| panic!("{event}"));
    let parts: Vec<&str> = ja4.split('_').collect();
    assert!(matches!(parts[..], [a, b, c] if a.starts_with("t13d") && b.len() == 12 && c.len() == 12), "{event}");
    let fingerprint = event["tls"][6].as_str().unwrap_or_else(|| panic!("{event}"));
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{event}");

    server.protected("127.0.0.9").await;
    let event = seen(&server, "tls-established", "127.0.0.9").await;
    assert!(event["tls"][6].is_null(), "{event}");
}

#[tokio::test]
async fn tls_1_3_alone_can_be_asked_for() {
    let server = Server::serve_with(|config| {
        config.set("tls.minimum", "1.3");
    })
    .await;
    let certificate = &server.ready().certificate;
    assert!(handshake(&server, &tls::trusting(certificate, TLS_12)).await.is_none());
    assert!(handshake(&server, &tls::trusting(certificate, TLS_13)).await.is_some());
}

#[tokio::test]
async fn a_client_certificate_logs_its_user_in_without_a_password_and_nobody_else() {
    for versions in [TLS_12, TLS_13] {
        let mut authority = None;
        let server = served(|config, folder| {
            let issuer = Authority::new(folder, "clients");
            config
                .set("tls.client-certificates", "optional")
                .set("tls.client-authorities", issuer.certificate.to_string_lossy().into_owned())
                .set("tls.client-users.demo", vec!["cn:Demo Person"]);
            authority = Some(issuer);
        })
        .await;
        let authority = authority.expect("made above");
        let shown = &server.ready().certificate;
        let own = tls::certified(shown, versions, &authority.issue("Demo Person"));
        let mut client = handshake(&server, &own).await.expect("a good certificate");
        client.command("USER nobody").await.expect(331);
        client.command("USER demo").await.expect(230);
        client.protect_data().await;
        assert_eq!(client.download("file").await, b"bytes");

        let other = tls::certified(shown, versions, &authority.issue("Somebody Else"));
        let mut client = handshake(&server, &other).await.expect("a good certificate");
        client.command("USER demo").await.expect(331);
        client.command(&format!("PASS {}", server.password())).await.expect(230);
    }
}
