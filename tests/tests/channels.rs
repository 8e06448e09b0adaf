//! Control and data connections as clients really use them: order, ends, addresses, ports.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tests::client::{Client, Data, DataTls, dial};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

const OWNER: &str = "127.0.0.1";

async fn with_file(change: impl FnOnce(&mut tests::config::Config)) -> Server {
    let server = Server::serve_with(change).await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    server
}

/// Sends AUTH and the ClientHello in one segment, and skips the 234.
struct Glued {
    inner: TcpStream,
    sent: bool,
    replied: bool,
}

impl AsyncWrite for Glued {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent {
            return Pin::new(&mut self.inner).poll_write(cx, bytes);
        }
        let glued = [b"AUTH TLS\r\n", bytes].concat();
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, &glued))?;
        assert_eq!(count, glued.len(), "a fresh socket takes one segment");
        self.sent = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Glued {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while !self.replied {
            let mut byte = [0];
            let mut room = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut room))?;
            assert_eq!(room.filled().len(), 1, "the reply comes before the end");
            self.replied = room.filled() == b"\n";
        }
        Pin::new(&mut self.inner).poll_read(cx, out)
    }
}

#[tokio::test]
async fn t_02_a_client_hello_glued_to_auth_is_taken() {
    let server = Server::serve().await;
    for versions in [tls::TLS_12, tls::TLS_13] {
        let mut inner = dial(address(OWNER), server.address()).await.expect("the server accepts");
        let mut greeting = [0; 100];
        let count = inner.read(&mut greeting).await.expect("a greeting");
        assert!(greeting[..count].starts_with(b"220"));
        let glued = Glued { inner, sent: false, replied: false };
        let config = tls::trusting(&server.ready().certificate, versions);
        let connect = TlsConnector::from(config).connect(tls::name(), glued);
        let mut stream = deadline::within(SOON, "the handshake", connect).await.expect("a handshake");
        stream.write_all(b"NOOP\r\n").await.expect("sent");
        let mut reply = [0; 3];
        stream.read_exact(&mut reply).await.expect("a reply");
        assert_eq!(&reply, b"200");
    }
}

#[tokio::test]
async fn t_01_commands_behind_auth_in_one_segment_are_never_executed() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    let mut client = server.welcome(OWNER).await;
    client.send(b"AUTH TLS\r\nUSER evil\r\n").await.expect("sent");
    let told = client.until_closed(SOON).await;
    assert!(told.iter().all(|reply| reply.code != 331), "{told:?}");
    let line = server.logged("the attack", |line| line.text("outcome") == "injection").await;
    assert_eq!(line.text("user"), "", "{}", line.raw);
}

#[tokio::test]
async fn t_14_an_end_without_close_notify_is_a_farewell() {
    let server = Server::serve().await;
    let client = server.enter(OWNER).await;
    drop(client);
    let line = server.logged("the end", |line| line.is_outcome()).await;
    assert_eq!(line.text("outcome"), "left", "{}", line.raw);
}

#[tokio::test]
async fn t_20_t_79_the_handshake_comes_after_150_and_the_server_is_its_server_in_active_mode_too() {
    let server = with_file(|_| {}).await;
    let mut client = server.enter(OWNER).await;
    for command in ["PORT", "EPRT"] {
        let listener = TcpListener::bind((OWNER, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let named = match command {
            "PORT" => format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255),
            _ => format!("EPRT |1|127.0.0.1|{port}|"),
        };
        client.command(&named).await.expect(200);
        // ftplib waits for 150 before it does anything: a server that waited for the handshake would hang.
        client.command("RETR file").await.expect(150);
        let (stream, from) = deadline::within(SOON, "the server", listener.accept()).await.expect("it connects");
        // From any port but a service's.
        assert!(from.port() >= 1024 && from.ip() == address(OWNER), "{from}");
        assert_eq!(client.protect(stream).await.read_all().await, b"bytes", "the client's role is ours");
        client.reply().await.expect(226);
    }
}

#[tokio::test]
async fn t_28_a_failed_data_handshake_is_one_522_and_the_session_lives() {
    let server = with_file(|_| {}).await;
    std::fs::write(server.root().join("kept"), b"old").expect("a file");
    let mut client = server.enter(OWNER).await;
    for (command, bytes) in
        [("RETR file", &b"no TLS at all"[..]), ("STOR kept", b"\x16\x03\x01\0\x05junk!"), ("LIST", b"")]
    {
        let target = client.epsv().await;
        let mut stream = dial(address(OWNER), target).await.expect("the kernel accepts");
        client.command(command).await.expect(150);
        stream.write_all(bytes).await.expect("sent");
        stream.shutdown().await.expect("a FIN");
        client.reply().await.expect(522);
        client.command("NOOP").await.expect(200);
    }
    assert_eq!(std::fs::read(server.root().join("kept")).expect("a file"), b"old");
    assert_eq!(client.download("file").await, b"bytes");
}

#[tokio::test]
async fn t_29_where_data_must_be_protected_prot_c_is_534_and_521_keeps_the_listener() {
    let server = with_file(|_| {}).await;
    let mut client = server.protected(OWNER).await;
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    // RFC 4217: clear until PROT says otherwise.
    let target = client.epsv().await;
    client.command("RETR file").await.expect(521);
    for (command, code) in
        [("PBSZ 0", 200), ("PROT C", 534), ("PROT S", 536), ("PROT E", 536), ("PROT X", 504), ("PROT P", 200)]
    {
        client.command(command).await.expect(code);
    }
    let stream = dial(address(OWNER), target).await.expect("the listener is still there");
    client.command("RETR file").await.expect(150);
    assert_eq!(client.protect(stream).await.read_all().await, b"bytes");
    client.reply().await.expect(226);

    let mut plain = server.welcome("127.0.0.2").await;
    plain.command("PBSZ 0").await.expect(503);
    plain.command("PROT P").await.expect(503);
}

#[tokio::test]
async fn t_30_ciphertext_under_prot_c_is_never_written_into_the_file() {
    let server = with_file(|config| {
        config.set("tls.required", false);
    })
    .await;
    let mut client = server.protected(OWNER).await;
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    client.command("PBSZ 0").await.expect(200);
    client.command("PROT C").await.expect(200);
    let mut data = client.open_data("RETR file", &DataTls::Clear).await;
    assert_eq!(data.read_all().await, b"bytes");
    client.reply().await.expect(226);
    // The client handshakes all the same.
    let target = client.epsv().await;
    let stream = dial(address(OWNER), target).await.expect("the kernel accepts");
    client.command("STOR secret").await.expect(150);
    let config = client.own_tls();
    let handshake = tokio::spawn(async move { TlsConnector::from(config).connect(tls::name(), stream).await.is_ok() });
    client.reply().await.expect(522);
    assert!(!handshake.await.expect("it ends"));
    assert!(!server.root().join("secret").exists());
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn t_74_one_listener_for_a_session_and_it_goes_with_its_session() {
    let server = with_file(|_| {}).await;
    let mut client = server.enter(OWNER).await;
    let closed = async |target: SocketAddr, what: &str| {
        deadline::until_asked(SOON, what, async || dial(address(OWNER), target).await.is_err().then_some(())).await;
    };
    let first = client.epsv().await;
    let second = client.pasv().await;
    closed(first, "the first to be closed by the second").await;
    client.command("PORT 127,0,0,1,200,200").await.expect(200);
    closed(second, "the second to be closed by PORT").await;
    let third = client.epsv().await;
    client.command("RETR missing").await.expect(550);
    let mut data = reopen(&mut client, third).await;
    assert_eq!(data.read_all().await, b"bytes", "550 kept it");
    client.reply().await.expect(226);
    closed(third, "a used one to be closed").await;
    let fourth = client.epsv().await;
    client.command("ABOR").await.expect(225);
    closed(fourth, "ABOR to close it").await;
    let fifth = client.epsv().await;
    client.command("QUIT").await.expect(221);
    closed(fifth, "QUIT to close it").await;
}

async fn reopen(client: &mut Client, target: SocketAddr) -> Data {
    let stream = dial(address(OWNER), target).await.expect("the listener is still there");
    client.command("RETR file").await.expect(150);
    client.protect(stream).await
}

#[tokio::test]
async fn t_75_s_09_an_exhausted_range_is_425_at_once_and_one_address_gets_its_share() {
    // A range that is free now, and is used by nobody else for so short a time.
    let free = TcpListener::bind((OWNER, 0)).await.expect("a port").local_addr().expect("an address").port();
    let last = free.saturating_add(7);
    let server = with_file(|config| {
        config.set("passive.ports", format!("{free}-{last}")).set("passive.share-percent", 25);
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.enter(OWNER).await;
        let port = client.epsv().await.port();
        assert!((free..=last).contains(&port), "{port}");
        held.push(client);
    }
    let mut third = server.enter(OWNER).await;
    third.command("EPSV").await.expect(425);
    third.command("PASV").await.expect(425);
    let mut neighbour = server.enter("127.0.0.2").await;
    neighbour.epsv().await;
    // A share that was given back can be had again.
    held[0].command("ABOR").await.expect(225);
    third.epsv().await;
}

#[tokio::test]
async fn t_76_the_address_that_clients_of_a_network_are_told_is_a_setting() {
    let server = with_file(|config| {
        config
            .set("networks.near", vec!["127.0.0.2"])
            .set("networks.far", vec!["127.0.0.3"])
            .set("passive.address", "192.0.2.1")
            .set("passive.address-for.near", "same")
            .set("passive.address-for.far", "192.0.2.2");
    })
    .await;
    for (source, told) in [(OWNER, "192.0.2.1"), ("127.0.0.2", "127.0.0.1"), ("127.0.0.3", "192.0.2.2")] {
        let mut client = server.enter(source).await;
        assert_eq!(client.pasv().await.ip().to_string(), told, "{source}");
        // EPSV needs none.
        assert_eq!(client.download("file").await, b"bytes");
    }
    let prepared = Server::prepared(|config| {
        config.set("passive.address-for.nowhere", "same");
    })
    .await;
    let place = prepared.config_file();
    let answer = tests::server::portcullis(&["check", "--config", &place.to_string_lossy()]).run().await;
    assert!(answer.err.contains("passive.address-for.nowhere"), "{}", answer.err);
}

#[tokio::test]
async fn t_78_one_server_never_sends_to_another() {
    let server = with_file(|_| {}).await;
    let mut client = server.enter(OWNER).await;
    for (command, code) in [("PORT 127,0,0,9,200,200", 501), ("SSCN ON", 502), ("CPSV", 502)] {
        let reply = client.command(command).await;
        assert!(reply.code == code || (command.starts_with("PORT") && (500..=504).contains(&reply.code)), "{reply}");
    }
}

#[tokio::test]
async fn s_02_a_slow_client_hello_is_cut_at_its_deadline_and_a_huge_one_at_its_bound() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.handshake", "1s");
    })
    .await;
    let mut slow = server.welcome(OWNER).await;
    slow.command("AUTH TLS").await.expect(234);
    slow.send(&[22, 3, 1, 0, 100, 1]).await.expect("sent");
    assert_eq!(slow.drain(SOON).await, 0);
    server.logged("the deadline", |line| line.text("outcome") == "handshake-timeout").await;

    let mut huge = server.welcome(OWNER).await;
    huge.command("AUTH TLS").await.expect(234);
    // Records of one byte each, of a hello that says it has 60,000.
    let mut bytes = [22, 3, 1, 0, 4, 1, 0, 0xea, 0x60].to_vec();
    bytes.extend([22, 3, 1, 0, 1, 0].repeat(12_000));
    let _ = huge.send(&bytes).await;
    huge.drain(SOON).await;
    server.logged("the bound", |line| line.text("detail").contains("too long")).await;
}

#[tokio::test]
async fn s_56_noop_for_ever_holds_no_place() {
    let server = with_file(|config| {
        config.set("timeouts.no-transfer", "2s");
    })
    .await;
    let mut client = server.enter(OWNER).await;
    let started = std::time::Instant::now();
    let last = loop {
        match client.try_command("NOOP").await {
            Some(reply) if reply.code == 200 => deadline::pace(std::time::Duration::from_millis(100)).await,
            other => break other,
        }
    };
    last.expect("a reason").expect(421);
    assert!(started.elapsed() >= std::time::Duration::from_millis(1900), "{:?}", started.elapsed());
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    // Transfers keep a session.
    let mut client = server.enter("127.0.0.2").await;
    for _ in 0..8 {
        deadline::pace(std::time::Duration::from_millis(400)).await;
        assert_eq!(client.download("file").await, b"bytes");
    }
}

#[tokio::test]
async fn connections_that_come_too_fast_are_refused_and_the_neighbours_are_not() {
    let server = Server::serve_with(|config| {
        config.set("limits.rate-per-address", "5 in 1h").set("limits.rate-per-network", "7 in 1h");
    })
    .await;
    for _ in 0..5 {
        server.welcome(OWNER).await;
    }
    server.assert_refused(OWNER).await.expect("a reason").expect(421);
    server.welcome("127.0.0.2").await;
    server.welcome("127.0.0.2").await;
    server.assert_refused("127.0.0.3").await.expect("a reason").expect(421);
    server.welcome("127.0.1.1").await;
    let causes: Vec<String> = server.outcomes(2).await.iter().map(|line| line.text("cause").to_owned()).collect();
    for cause in ["limits.rate-per-address", "limits.rate-per-network"] {
        assert!(causes.iter().any(|told| told == cause), "{causes:?}");
    }
}
