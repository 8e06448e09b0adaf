//! Behind a balancer: whose name it speaks in, and what nobody else may say.

use std::net::SocketAddr;

use tests::client::{Client, dial};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BALANCER: &str = "127.0.0.50";
const CLIENT: &str = "203.0.113.7";
const OTHER: &str = "203.0.113.8";

async fn behind(data: &str) -> Server {
    let server = Server::serve_with(|config| {
        config
            .set("listeners.proxy-from", vec!["127.0.0.48/29"])
            .set("listeners.proxy-data", data)
            .set("timeouts.proxy-header", "1s");
    })
    .await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    server
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.2 40000 21\r\n").into_bytes()
}

fn v2(client: &str) -> Vec<u8> {
    let ip: std::net::Ipv4Addr = client.parse().expect("IPv4");
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x12".to_vec();
    bytes.extend(ip.octets());
    bytes.extend([198, 51, 100, 2, 0x9c, 0x40, 0, 21]);
    // A hint that nobody needs: a name of three bytes.
    bytes.extend([2, 0, 3, b'a', b'.', b'b']);
    bytes
}

async fn connect(server: &Server, header: &[u8]) -> Client {
    let mut client = Client::connect(address(BALANCER), server.address()).await.expect("the server accepts");
    client.send(header).await.expect("sent");
    client
}

async fn enter(server: &Server, header: &[u8]) -> Client {
    let mut client = connect(server, header).await;
    client.reply().await.expect(220);
    client.upgrade(&server.tls()).await;
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    client.protect_data().await;
    client
}

/// What a transfer over a data connection from `source` gives, with `header` in front.
async fn fetch(
    server: &Server,
    client: &mut Client,
    source: &str,
    header: &[u8],
    resuming: bool,
) -> Result<Vec<u8>, u16> {
    let target = client.epsv().await;
    let mut stream = dial(address(source), target).await.expect("the kernel accepts");
    stream.write_all(header).await.expect("sent");
    client.send(b"RETR file\r\n").await.expect("sent");
    client.reply().await.expect(150);
    let config = if resuming { client.own_tls() } else { server.tls() };
    let connect = tokio_rustls::TlsConnector::from(config).connect(tls::name(), stream);
    let mut bytes = Vec::new();
    if let Ok(mut stream) = deadline::within(SOON, "the data handshake", connect).await {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    match client.reply().await.code {
        226 => Ok(bytes),
        code => Err(code),
    }
}

#[tokio::test]
async fn the_client_that_the_header_names_is_the_client() {
    let server = behind("none").await;
    for header in [v1(CLIENT), v2(CLIENT)] {
        let mut client = enter(&server, &header).await;
        // 227 tells what the client dialled, not where the balancer came to.
        let told = client.pasv().await;
        assert_eq!(told.ip(), "198.51.100.2".parse::<std::net::IpAddr>().expect("ip"));
        client.command("QUIT").await.expect(221);
    }
    let line = server.logged("the client's end", |line| line.peer_is(CLIENT)).await;
    assert!(line.text("through").starts_with(BALANCER), "{}", line.raw);
    // Bans are the client's, and another behind the same balancer is not concerned.
    server.admin(&["bans", "add", CLIENT, "--for", "1h", "--reason", "a test"]).await.good();
    connect(&server, &v1(CLIENT)).await.reply().await.expect(530);
    connect(&server, &v1(OTHER)).await.reply().await.expect(220);
    // It cannot be banned itself, by nobody.
    server.admin(&["bans", "add", BALANCER, "--for", "1h", "--reason", "a mistake"]).await.exits(1);
}

#[tokio::test]
async fn s_30_without_a_good_header_in_time_a_balancers_connection_is_closed_in_silence() {
    let server = behind("none").await;
    for wrong in
        [&b"USER demo\r\n"[..], b"PROXY TCP4 1.2.3.4 5.6.7.8 9\r\n", b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n\x21", b""]
    {
        let mut client = connect(&server, wrong).await;
        assert_eq!(client.drain(SOON).await, 0, "{wrong:?}");
    }
    server.logged("the missing header", |line| line.message().starts_with("proxy.no-header")).await;
    // Twice: the second is no command, and no header either.
    let mut client = connect(&server, &[v1(CLIENT), v1(OTHER)].concat()).await;
    client.reply().await.expect(220);
    let told = client.until_closed(SOON).await;
    assert!(told.iter().all(|reply| reply.code == 421), "{told:?}");
    let line = server.logged("the mismatch", |line| line.text("outcome") == "protocol-mismatch").await;
    assert!(line.peer_is(CLIENT), "{}", line.raw);
}

#[tokio::test]
async fn s_30_from_others_no_header_is_read() {
    let server = behind("none").await;
    let mut client = server.welcome("127.0.0.2").await;
    client.send(&v1(CLIENT)).await.expect("sent");
    let told = client.until_closed(SOON).await;
    assert!(told.iter().all(|reply| reply.code == 421), "{told:?}");
    let line = server.logged("the mismatch", |line| line.text("outcome") == "protocol-mismatch").await;
    assert!(line.peer_is("127.0.0.2"), "the blame is on the socket's peer: {}", line.raw);
    server.enter("127.0.0.3").await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_31_health_checks_are_nobodys_connections() {
    let server = Server::serve_with(|config| {
        config.set("listeners.proxy-from", vec![BALANCER]).set("limits.unauthenticated-per-address", 2);
    })
    .await;
    for _ in 0..10 {
        // A connect and a close, or a reset.
        drop(connect(&server, b"").await);
        let mut check = connect(&server, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00").await;
        check.reply().await.expect(220);
        check.command("QUIT").await.expect(221);
        let mut check = connect(&server, b"PROXY UNKNOWN\r\n").await;
        check.reply().await.expect(220);
    }
    connect(&server, &v1(CLIENT)).await.reply().await.expect(220);
    let ended: Vec<_> = server.log().into_iter().filter(|line| line.peer_is(BALANCER)).collect();
    assert!(ended.is_empty(), "{:?}", ended.iter().map(|line| &line.raw).collect::<Vec<_>>());
}

#[tokio::test]
async fn data_connections_carry_a_header_too_where_the_balancer_sends_one() {
    let server = behind("proxy").await;
    let mut client = enter(&server, &v1(CLIENT)).await;
    assert_eq!(fetch(&server, &mut client, BALANCER, &v1(CLIENT), true).await, Ok(b"bytes".to_vec()));
    assert_eq!(fetch(&server, &mut client, BALANCER, &v2(CLIENT), false).await, Ok(b"bytes".to_vec()));

    // Another client's header, and somebody past the balancer: both wait outside while the owner gets in.
    let target = client.epsv().await;
    for (source, header) in [(BALANCER, v1(OTHER)), ("127.0.0.2", v1(CLIENT))] {
        let mut stranger = dial(address(source), target).await.expect("the kernel accepts");
        stranger.write_all(&header).await.expect("sent");
    }
    let owner: SocketAddr = target;
    let mut stream = dial(address(BALANCER), owner).await.expect("the kernel accepts");
    stream.write_all(&v1(CLIENT)).await.expect("sent");
    client.command("RETR file").await.expect(150);
    let connect = tokio_rustls::TlsConnector::from(client.own_tls()).connect(tls::name(), stream);
    let mut stream = deadline::within(SOON, "the data handshake", connect).await.expect("the owner's handshake");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("a clean end");
    assert_eq!(bytes, b"bytes");
    client.reply().await.expect(226);
}

#[tokio::test]
async fn without_headers_on_data_the_resumed_session_proves_the_owner() {
    let server = behind("trusted-upstream").await;
    let mut client = enter(&server, &v1(CLIENT)).await;
    assert_eq!(fetch(&server, &mut client, BALANCER, b"", true).await, Ok(b"bytes".to_vec()));
    assert_eq!(fetch(&server, &mut client, BALANCER, b"", false).await, Err(522));
    client.command("PROT C").await.expect(534);
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn trusting_a_balancer_without_tls_is_a_mistake_of_the_configuration() {
    let server = Server::prepared(|config| {
        config
            .set("tls.required", false)
            .set("listeners.proxy-from", vec![BALANCER])
            .set("listeners.proxy-data", "trusted-upstream");
    })
    .await;
    let place = server.config_file();
    let answer = tests::server::portcullis(&["check", "--config", &place.to_string_lossy()]).run().await;
    assert_eq!(answer.code, Some(2));
    assert!(answer.err.contains("trusted-upstream"), "{}", answer.err);
}
