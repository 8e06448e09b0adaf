//! Data channels: only the owner of the control connection moves files over them.

use std::time::{Duration, Instant};

use tests::client::{Client, DataTls, dial};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::tls;
use tests::tree;
use tokio::io::AsyncReadExt;

const OWNER: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";

async fn with_file() -> (Server, Vec<u8>) {
    let server = Server::serve().await;
    let bytes = tree::content(3, 400_000);
    std::fs::write(server.root().join("file"), &bytes).expect("a file");
    (server, bytes)
}

#[tokio::test]
async fn s_08_nothing_listens_for_who_is_not_logged_in() {
    let server = Server::serve().await;
    let mut client = server.protected(OWNER).await;
    for command in ["PASV", "EPSV", "PORT 127,0,0,1,200,200", "RETR file", "STOR file", "LIST", "MLSD"] {
        client.command(command).await.expect(530);
    }
}

#[tokio::test]
async fn s_41_a_stranger_who_connects_first_gets_nothing_and_the_owner_gets_the_file() {
    let (server, bytes) = with_file().await;
    let mut client = server.enter(OWNER).await;
    let target = client.epsv().await;
    let mut stranger = dial(address(STRANGER), target).await.expect("the kernel accepts");
    let data = dial(address(OWNER), target).await.expect("the listener waits for its owner");
    client.command("RETR file").await.expect(150);
    let connect = tokio_rustls::TlsConnector::from(server.tls()).connect(tls::name(), data);
    let mut data = deadline::within(SOON, "the data handshake", connect).await.expect("a handshake");
    let mut all = Vec::new();
    data.read_to_end(&mut all).await.expect("a clean end");
    assert!(all == bytes);
    client.reply().await.expect(226);
    let read = stranger.read_u8();
    assert!(deadline::within(SOON, "the stranger to be dropped", read).await.is_err());
}

#[tokio::test]
async fn s_42_where_resumption_is_required_another_session_is_refused() {
    for versions in [tls::TLS_12, tls::TLS_13] {
        let server = Server::serve_with(|config| {
            config.set("tls.data-resumption", "require");
        })
        .await;
        std::fs::write(server.root().join("file"), b"for the owner").expect("a file");
        let own = tls::trusting(&server.ready().certificate, versions);
        let mut client = server.enter_with(OWNER, &own).await;
        // This client spends a ticket for each data connection, and uploads bring none back.
        for _ in 0..3 {
            assert_eq!(client.download("file").await, b"for the owner");
            client.upload("other", b"bytes").await.expect(226);
        }

        // A session of the same user's other connection is a foreign one as well.
        let foreign = tls::trusting(&server.ready().certificate, versions);
        let mut other = server.enter_with(OWNER, &foreign).await;
        other.download("file").await;
        for protection in
            [DataTls::Foreign(tls::trusting(&server.ready().certificate, versions)), DataTls::Foreign(foreign)]
        {
            let reply = match client.try_open_data("RETR file", &protection).await {
                Err(reply) => reply,
                Ok(mut data) => {
                    let told = data.try_read_all().await.unwrap_or_default();
                    assert!(told.is_empty(), "not a byte for a foreign session");
                    client.reply().await
                }
            };
            assert!(matches!(reply.code, 425 | 522), "{reply}");
        }
        assert_eq!(client.download("file").await, b"for the owner", "the owner still works");
    }
}

#[tokio::test]
async fn data_connections_of_the_owner_are_resumed_by_default() {
    let (server, bytes) = with_file().await;
    for versions in [tls::TLS_12, tls::TLS_13] {
        let mut client = server.enter_with(OWNER, &tls::trusting(&server.ready().certificate, versions)).await;
        for round in 0..3 {
            let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
            assert!(data.resumed(), "round {round}");
            assert!(data.read_all().await == bytes);
            client.reply().await.expect(226);
        }
    }
}

#[tokio::test]
async fn s_43_active_mode_goes_to_the_client_itself_and_to_high_ports_only() {
    let server = Server::serve().await;
    let mut client = server.enter(OWNER).await;
    for command in [
        "PORT 127,0,0,2,200,200",
        "PORT 192,0,2,1,200,200",
        "PORT 127,0,0,1,0,80",
        "EPRT |1|127.0.0.2|51000|",
        "EPRT |1|127.0.0.1|25|",
        "EPRT |2|::1|51000|",
    ] {
        let reply = client.command(command).await;
        assert!(matches!(reply.code, 500..=504 | 522), "{command}: {reply}");
    }
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_44_after_prot_p_clear_bytes_are_never_a_file() {
    let (server, _) = with_file().await;
    let mut client = server.enter(OWNER).await;
    let target = client.epsv().await;
    let mut data = dial(address(OWNER), target).await.expect("the passive port accepts");
    client.command("STOR clear").await.expect(150);
    tokio::io::AsyncWriteExt::write_all(&mut data, b"these bytes are no TLS record at all").await.expect("sent");
    let reply = client.reply().await;
    assert!(matches!(reply.code, 425 | 426 | 522), "{reply}");
    assert!(!server.root().join("clear").exists(), "nothing was stored");
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn t_30_a_handshake_where_clear_bytes_were_agreed_on_is_never_a_file() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    let mut client = server.enter(OWNER).await;
    client.command("PROT C").await.expect(200);
    let target = client.epsv().await;
    let mut data = dial(address(OWNER), target).await.expect("the passive port accepts");
    client.command("STOR f").await.expect(150);
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 505]].concat();
    tokio::io::AsyncWriteExt::write_all(&mut data, &hello).await.expect("sent");
    tokio::io::AsyncWriteExt::shutdown(&mut data).await.expect("shut down");
    client.reply().await.expect(522);
    assert!(!server.root().join("f").exists(), "ciphertext is no file");
}

#[tokio::test]
async fn s_44_prot_c_is_refused_where_tls_is_required() {
    let server = Server::serve().await;
    let mut client = server.enter(OWNER).await;
    let reply = client.command("PROT C").await;
    if reply.code == 200 {
        let target = client.epsv().await;
        let _data = dial(address(OWNER), target).await.expect("the passive port accepts");
        let reply = client.command("LIST").await;
        assert!(matches!(reply.code, 521 | 522), "{reply}");
    } else {
        assert!(matches!(reply.code, 521 | 534 | 536), "{reply}");
    }
}

#[tokio::test]
async fn s_19_an_upload_that_is_cut_is_not_published_as_whole_where_that_is_strict() {
    let server = Server::serve_with(|config| {
        config.set("tls.strict-close", true);
    })
    .await;
    let mut client = server.enter(OWNER).await;
    let mut data = client.open_data("STOR cut", &DataTls::Resuming).await;
    data.write_all(&tree::content(5, 100_000)).await;
    drop(data);
    client.reply().await.expect(426);
    client.upload("whole", b"whole").await.expect(226);
}

#[tokio::test]
async fn s_10_who_asks_for_a_file_and_never_reads_is_stopped_and_others_are_not() {
    let mut server = Server::serve_with(|config| {
        config.set("timeouts.stalled", "1s");
    })
    .await;
    std::fs::write(server.root().join("file"), tree::content(3, 40_000_000)).expect("a file");
    let mut bystander = server.enter(OWNER).await;
    let mut client = server.enter(STRANGER).await;
    let before = server.process().resident_kib();
    let data = client.open_data("RETR file", &DataTls::Resuming).await;
    let started = Instant::now();
    assert_eq!(bystander.download("file").await.len(), 40_000_000);
    let reply = client.reply().await;
    assert!(matches!(reply.code, 426 | 421), "{reply}");
    assert!(started.elapsed() < Duration::from_secs(10), "stopped after {:?}", started.elapsed());
    let grown = server.process().resident_kib().saturating_sub(before);
    assert!(grown < 24 * 1024, "memory grew by {grown} KiB");
    drop(data);
}

#[tokio::test]
async fn s_08_who_never_comes_to_the_passive_port_or_does_not_listen_on_an_own_gets_425() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.data-open", "500ms");
    })
    .await;
    let mut client = server.enter(OWNER).await;
    let closed = format!("EPRT |1|{OWNER}|{}|", tests::place::free_port());
    for (opening, code) in [("EPSV", 229), (closed.as_str(), 200)] {
        client.command(opening).await.expect(code);
        client.command("LIST").await.expect(150);
        client.reply().await.expect(425);
        client.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn s_55_abort_ends_a_transfer_with_one_final_reply_and_the_session_goes_on() {
    let server = Server::serve().await;
    std::fs::write(server.root().join("file"), tree::content(3, 40_000_000)).expect("a file");
    let mut client = server.enter(OWNER).await;
    let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
    let mut room = [0u8; 1000];
    data.read(&mut room).await;
    client.send(b"ABOR\r\n").await.expect("sent");
    // RFC 959: 426 for the transfer, then 226 for the ABOR.
    client.reply().await.expect(426);
    client.reply().await.expect(226);
    drop(data);
    client.command("NOOP").await.expect(200);
    client.upload("small", b"bytes").await.expect(226);
}

#[tokio::test]
async fn s_05_a_client_that_never_reads_its_replies_costs_no_memory() {
    let mut server = Server::serve_with(|config| {
        config.set("timeouts.reply-stall", "1s");
    })
    .await;
    let mut bystander = server.enter(OWNER).await;
    let mut client: Client = server.enter(STRANGER).await;
    let before = server.process().resident_kib();
    // Far more than the kernel keeps on the way.
    let flood = "NOOP\r\n".repeat(3_000_000);
    // It stops taking commands, so that sending blocks until the server hangs up.
    let sent = deadline::within(Duration::from_secs(60), "the end of the flood", client.send(flood.as_bytes())).await;
    if sent.is_ok() {
        client.drain(Duration::from_secs(60)).await;
    }
    let grown = server.process().resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB");
    bystander.command("NOOP").await.expect(200);
}
