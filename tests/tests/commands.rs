//! Commands beyond the everyday ones, as clients use them, and what may be said while a transfer runs.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use tests::client::{Client, DataTls, Reply};
use tests::deadline::{self, SOON};
use tests::server::Server;
use tests::tree;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const USER: &str = "127.0.0.1";

/// A download that the client does not read: it runs until somebody does something about it.
async fn stuck_download(server: &Server, client: &mut Client) -> tests::client::Data {
    std::fs::write(server.root().join("large"), vec![7; 64 << 20]).expect("a file");
    client.open_data("RETR large", &DataTls::Resuming).await
}

#[tokio::test]
async fn t_40_abor_ends_a_transfer_with_two_replies_in_order() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    let mut data = stuck_download(&server, &mut client).await;
    client.send(b"ABOR\r\n").await.expect("sent");
    client.reply().await.expect(426);
    client.reply().await.expect(226);
    assert!(data.try_read_all().await.is_err(), "no close_notify: the client can tell that it was cut");
    client.command("ABOR").await.expect(225);
    assert_eq!(client.download("large").await.len(), 64 << 20, "the session goes on");
}

#[tokio::test]
async fn t_41_an_old_client_aborts_with_telnet_signals_and_urgent_data() {
    let server = Server::serve_with(|config| {
        config.set("tls.required", false);
    })
    .await;
    for signals in [&b"\xff\xf4\xff\xf2"[..], b"\xf4\xff", b"\xff\xf4\xff"] {
        let mut client = server.welcome(USER).await;
        client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
        client.command("TYPE I").await.expect(200);
        std::fs::write(server.root().join("large"), vec![7; 64 << 20]).expect("a file");
        let _data = client.open_data("RETR large", &DataTls::Clear).await;
        client.send_urgent(signals);
        client.send(b"ABOR\r\n").await.expect("sent");
        client.reply().await.expect(426);
        client.reply().await.expect(226);
        client.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn t_42_s_55_during_a_transfer_some_commands_are_answered_and_none_is_lost() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    let mut data = stuck_download(&server, &mut client).await;
    client.command("NOOP").await.expect(200);
    assert!(client.command("STAT").await.expect(211).text().contains("A transfer is under way"));
    assert!(client.command("STAT large").await.expect(213).text().contains("67108864"));
    client.send(b"PWD\r\nSIZE large\r\nNOOP\r\n").await.expect("sent");
    client.reply().await.expect(200);
    assert_eq!(data.read_all().await.len(), 64 << 20);
    for code in [226, 257, 213] {
        client.reply().await.expect(code);
    }
}

#[tokio::test]
async fn quit_and_rein_let_a_transfer_finish() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    let mut data = stuck_download(&server, &mut client).await;
    client.command("REIN").await.expect(220);
    client.command("PWD").await.expect(530);
    assert_eq!(data.read_all().await.len(), 64 << 20);
    client.reply().await.expect(226);
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    client.command("TYPE I").await.expect(200);
    let mut data = client.open_data("STOR up", &DataTls::Resuming).await;
    client.command("QUIT").await.expect(221);
    data.write_all(b"whole").await;
    data.close().await;
    client.reply().await.expect(226);
    assert!(client.try_reply().await.is_none(), "then the connection ends");
    assert_eq!(std::fs::read(server.root().join("up")).expect("a file"), b"whole");
}

#[tokio::test]
async fn facts_modes_times_and_hashes_are_set_and_told() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    client.upload("f", b"The quick brown fox jumps over the lazy dog").await.expect(226);
    let on_disk = || std::fs::metadata(server.root().join("f")).expect("a file");
    assert_eq!(on_disk().permissions().mode() & 0o777, 0o644, "files.umask");
    client.command("SITE CHMOD 4640 f").await.expect(200);
    assert_eq!(on_disk().permissions().mode() & 0o7777, 0o640, "special bits are nobody's to set");
    client.command("MFF UNIX.mode=0600;Modify=20010203040506; f").await.expect(213);
    assert_eq!(on_disk().permissions().mode() & 0o777, 0o600);
    assert!(client.command("MDTM f").await.expect(213).text().ends_with(" 20010203040506"));
    client.command("SITE UTIME 200203040506 f").await.expect(200);
    assert!(client.command("MDTM f").await.expect(213).text().ends_with(" 20020304050600"));
    client.command("MDTM 20030405060708 f").await.expect(213);
    assert!(client.command("MLST f").await.expect(250).text().contains("modify=20030405060708;"));

    let sha256 = "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592";
    assert_eq!(client.command("HASH f").await.expect(213).text(), format!("213 SHA-256 0-43 {sha256} /f"));
    for (command, hash) in [
        ("XCRC f", "414fa339"),
        ("XMD5 f", "9e107d9d372bb6826bd81d3542a419d6"),
        ("XSHA f", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"),
        ("XSHA256 f", sha256),
        ("XCRC \"f\" 4 9", "8d5b8a4f"),
    ] {
        let told = client.command(command).await.expect(250).text();
        if command.starts_with("XCRC \"") {
            assert_eq!(told.len(), 4 + hash.len(), "{told}");
        } else {
            assert_eq!(told, format!("250 {hash}"), "{command}");
        }
    }
    client.command("OPTS HASH MD5").await.expect(200);
    assert!(client.command("HASH f").await.expect(213).text().contains("MD5 0-43 9e107d9d"));
    assert!(client.command("HASH nothing").await.code == 550);

    let room: u64 = client.command("AVBL").await.expect(213).text()[4..].parse().expect("a number");
    client.command(&format!("ALLO {room}0")).await.expect(552);
    client.command("ALLO 10").await.expect(202);
    client.command("SITE IDLE 900").await.expect(200);
    client.command("SITE EXEC ls").await.expect(500);
    client.command("CCC").await.expect(534);
    client.command("ACCT x").await.expect(202);
}

#[tokio::test]
async fn s_54_a_hash_that_takes_too_long_ends_and_the_session_goes_on() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.hash", "100ms").set("files.hash-bytes", "1024 GiB");
    })
    .await;
    let file = std::fs::File::create(server.root().join("hole")).expect("a file");
    file.set_len(900 << 30).expect("a sparse file");
    let mut client = server.enter(USER).await;
    client.command("HASH hole").await.expect(451);
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn a_scanner_stores_under_a_name_that_the_server_chooses() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    for _ in 0..2 {
        let target = client.epsv().await;
        let stream = tests::client::dial(USER.parse().expect("address"), target).await.expect("connected");
        let reply = client.command("STOU scan").await.expect(150);
        let name = reply.text().split_once("FILE: ").expect("RFC 1123's form").1.to_owned();
        let mut data = client.protect(stream).await;
        data.write_all(b"page").await;
        data.close().await;
        client.reply().await.expect(226);
        assert_eq!(std::fs::read(server.root().join(&name)).expect("a file"), b"page");
    }
    assert_eq!(std::fs::read_dir(server.root()).expect("a folder").count(), 2, "two names");
}

#[tokio::test]
async fn s_43_t_72_the_server_connects_to_its_client_and_to_no_service() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    client.command("PORT 127,0,0,2,195,81").await.expect(501);
    client.command("EPRT |1|127.0.0.2|50001|").await.expect(501);
    client.command("PORT 127,0,0,1,0,25").await.expect(501);
    client.command("PROT C").await.expect(534);
    std::fs::write(server.root().join("f"), b"over an active connection").expect("a file");
    let listener = tokio::net::TcpListener::bind((USER, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    client.command(&format!("EPRT |1|{USER}|{port}|")).await.expect(200);
    client.command("RETR f").await.expect(150);
    let (stream, peer) = listener.accept().await.expect("the server comes");
    assert_eq!(peer.ip().to_string(), USER);
    let mut data = client.protect(stream).await;
    assert_eq!(data.read_all().await, b"over an active connection");
    client.reply().await.expect(226);
    client.command("EPSV ALL").await.expect(200);
    client.command(&format!("EPRT |1|{USER}|{port}|")).await.expect(501);
    client.command("PASV").await.expect(501);
}

#[tokio::test]
async fn t_72_a_scanner_behind_nat_that_names_its_private_address_is_reached_where_it_came_from() {
    let server = Server::serve().await;
    std::fs::write(server.root().join("f"), b"for the scanner").expect("a file");
    let mut client = server.enter(USER).await;
    for (verb, named) in [("PORT", "192,168,178,20,"), ("EPRT", "|1|10.1.2.3|")] {
        let listener = tokio::net::TcpListener::bind((USER, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let port = if verb == "PORT" { format!("{},{}", port >> 8, port & 255) } else { format!("{port}|") };
        client.command(&format!("{verb} {named}{port}")).await.expect(200);
        client.command("RETR f").await.expect(150);
        let (stream, peer) = deadline::within(SOON, "the server to come", listener.accept()).await.expect("it comes");
        assert_eq!(peer.ip().to_string(), USER);
        assert_eq!(client.protect(stream).await.read_all().await, b"for the scanner");
        client.reply().await.expect(226);
    }
    // A public address is somebody, and so is a private one of the wrong family.
    client.command("PORT 203,0,113,9,195,81").await.expect(501);
    client.command("EPRT |2|fd00::5|50001|").await.expect(501);
}

#[tokio::test]
async fn t_61_a_name_that_is_not_utf8_is_fetched_by_the_bytes_that_are_listed() {
    let server = Server::serve().await;
    let name = b"caf\xe9 \xff.txt";
    std::fs::write(server.root().join(std::ffi::OsStr::from_bytes(name)), b"old bytes").expect("a file");
    let mut client = server.enter(USER).await;
    let mut data = client.open_data("NLST", &DataTls::Resuming).await;
    assert_eq!(data.read_all().await, [name, &b"\r\n"[..]].concat());
    client.reply().await.expect(226);

    let target = client.epsv().await;
    let stream = tests::client::dial(USER.parse().expect("address"), target).await.expect("connected");
    // On the wire 0xff is doubled, as Telnet has it.
    client.send(b"RETR caf\xe9 \xff\xff.txt\r\n").await.expect("sent");
    client.reply().await.expect(150);
    assert_eq!(client.protect(stream).await.read_all().await, b"old bytes");
    client.reply().await.expect(226);
    for (command, code) in [(&b"SIZE caf\xe9 \xff\xff.txt"[..], 213), (b"MKD n\xe4w", 553), (b"USER al\xefce", 501)] {
        client.send(&[command, b"\r\n"].concat()).await.expect("sent");
        client.reply().await.expect(code);
    }
    client.send(b"DELE caf\xe9 \xff\xff.txt\r\n").await.expect("sent");
    client.reply().await.expect(250);
}

async fn put_ascii(client: &mut Client, name: &str, parts: &[&[u8]]) -> Reply {
    client.command("TYPE A").await.expect(200);
    let mut data = client.open_data(&format!("STOR {name}"), &DataTls::Resuming).await;
    for part in parts {
        data.write_all(part).await;
    }
    data.close().await;
    client.reply().await
}

#[tokio::test]
async fn t_62_t_63_line_ends_are_converted_or_pass_as_the_operator_says() {
    for (ascii, stored, fetched) in
        [("convert", &b"a\nb\rc\n"[..], &b"a\r\nb\rc\r\n"[..]), ("passthrough", b"a\r\nb\rc\r\n", b"a\r\nb\rc\r\n")]
    {
        let server = Server::serve_with(|config| {
            config.set("files.ascii", ascii);
        })
        .await;
        let mut client = server.enter(USER).await;
        // A CR at the edge of what is sent at once.
        put_ascii(&mut client, "f", &[b"a\r", b"\nb\r", b"c\r", b"\n"]).await.expect(226);
        assert_eq!(std::fs::read(server.root().join("f")).expect("a file"), stored, "{ascii}");
        let mut data = client.open_data("RETR f", &DataTls::Resuming).await;
        assert_eq!(data.read_all().await, fetched, "{ascii}");
        client.reply().await.expect(226);
        let (size, rest) = if ascii == "convert" { (550, 501) } else { (213, 350) };
        client.command("SIZE f").await.expect(size);
        client.command("REST 3").await.expect(rest);
    }
}

#[tokio::test]
async fn t_66_a_broken_upload_leaves_nothing_or_a_part_that_can_be_gone_on_with() {
    for partial in ["discard", "keep"] {
        let server = Server::serve_with(|config| {
            config.set("files.partial", partial);
        })
        .await;
        let mut client = server.enter(USER).await;
        let bytes = tree::content(3, 300_000);
        let mut data = client.open_data("STOR f", &DataTls::Resuming).await;
        data.write_all(&bytes[..200_000]).await;
        // What has come is only sure once something behind it was asked for: the size on disk tells.
        tests::deadline::until(tests::deadline::SOON, "the part on disk", || {
            let entries = std::fs::read_dir(server.root()).ok()?.flatten();
            entries.filter_map(|entry| entry.metadata().ok()).any(|facts| facts.len() > 0).then_some(())
        })
        .await;
        client.send(b"ABOR\r\n").await.expect("sent");
        client.reply().await.expect(426);
        client.reply().await.expect(226);
        let names = || std::fs::read_dir(server.root()).expect("a folder").count();
        if partial == "discard" {
            tests::deadline::until(tests::deadline::SOON, "the part to go", || (names() == 0).then_some(())).await;
            client.command("SIZE f").await.expect(550);
            continue;
        }
        let size = tests::deadline::until_asked(tests::deadline::SOON, "the part to show", async || {
            let reply = client.command("SIZE f").await;
            (reply.code == 213).then(|| reply.text()[4..].parse::<usize>().expect("a number"))
        })
        .await;
        assert!(size > 0 && size <= 200_000, "{size}");
        client.command(&format!("REST {size}")).await.expect(350);
        let mut data = client.open_data("STOR f", &DataTls::Resuming).await;
        data.write_all(&bytes[size..]).await;
        data.close().await;
        client.reply().await.expect(226);
        assert!(std::fs::read(server.root().join("f")).expect("a file") == bytes, "whole");
        assert_eq!(names(), 1);
    }
}

#[tokio::test]
async fn t_22_t_23_t_26_t_27_each_order_of_opening_and_closing_a_data_connection_works() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    std::fs::write(server.root().join("f"), b"text").expect("a file");
    for before in [true, false] {
        let target = client.epsv().await;
        let dial = async || tests::client::dial(USER.parse().expect("address"), target).await.expect("connected");
        let early = if before { Some(dial().await) } else { None };
        client.command("RETR f").await.expect(150);
        let stream = match early {
            Some(stream) => stream,
            None => dial().await,
        };
        // To the end, close_notify included: a cut would be an error.
        assert_eq!(client.protect(stream).await.read_all().await, b"text");
        client.reply().await.expect(226);
    }
    // The client's close_notify is answered before 226: it may wait for ours first.
    let mut data = client.open_data("STOR up", &DataTls::Resuming).await;
    data.write_all(b"up").await;
    data.close().await;
    assert_eq!(data.read_all().await, b"", "the server's close_notify");
    client.reply().await.expect(226);
    // Nothing at all is an empty file.
    client.upload("empty", b"").await.expect(226);
    assert_eq!(std::fs::read(server.root().join("empty")).expect("a file"), b"");
}

#[tokio::test]
async fn t_27_t_28_a_data_connection_without_tls_is_522_and_the_old_file_stays() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    client.upload("f", b"old").await.expect(226);
    for bytes in [&b""[..], b"no handshake at all"] {
        let target = client.epsv().await;
        let mut stream = tests::client::dial(USER.parse().expect("address"), target).await.expect("connected");
        client.command("STOR f").await.expect(150);
        stream.write_all(bytes).await.expect("sent");
        stream.shutdown().await.expect("shut down");
        client.reply().await.expect(522);
        let _ = stream.read(&mut [0; 64]).await;
        assert_eq!(client.download("f").await, b"old");
    }
}

#[tokio::test]
async fn t_25_an_upload_that_is_reset_is_never_a_file() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    let target = client.epsv().await;
    let stream = tests::client::dial(USER.parse().expect("address"), target).await.expect("connected");
    client.command("STOR f").await.expect(150);
    let mut data = client.protect(stream).await;
    data.write_all(b"half of it").await;
    data.reset();
    client.reply().await.expect(426);
    client.command("SIZE f").await.expect(550);
}

#[tokio::test]
async fn t_57_t_58_list_takes_options_and_says_550_before_any_data() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    std::fs::write(server.root().join(".dot"), b"").expect("a file");
    std::fs::write(server.root().join("-la"), b"").expect("a file");
    for (command, lines) in [("LIST", 1), ("LIST -a", 2), ("LIST -la", 1), ("LIST -al /", 2), ("LIST -R", 1)] {
        let mut data = client.open_data(command, &DataTls::Resuming).await;
        let text = String::from_utf8(data.read_all().await).expect("UTF-8");
        client.reply().await.expect(226);
        assert_eq!(text.lines().count(), lines, "{command}: {text}");
    }
    client.epsv().await;
    for command in ["LIST none", "NLST none", "MLSD none", "RETR none"] {
        client.command(command).await.expect(550);
    }
    client.command("MLSD -la").await.expect(501);
}

#[tokio::test]
async fn t_68_the_idle_clock_stands_still_while_a_transfer_runs() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.idle", "1s");
    })
    .await;
    std::fs::write(server.root().join("large"), vec![7; 64 << 20]).expect("a file");
    let mut client = server.enter(USER).await;
    let mut data = client.open_data("RETR large", &DataTls::Resuming).await;
    let mut room = vec![0; 4096];
    data.read(&mut room).await;
    // Twice as long as may be idled.
    let (since, long) = (std::time::Instant::now(), std::time::Duration::from_secs(2));
    tests::deadline::until(tests::deadline::SOON, "the clock", || (since.elapsed() > long).then_some(())).await;
    data.read_all().await;
    client.reply().await.expect(226);
    client.reply().await.expect(421);
}

#[tokio::test]
async fn t_51_the_oddest_names_are_stored_listed_and_fetched() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    let longest = "\u{e4}".repeat(127) + "x";
    for name in ["-dash", " blank ", "quote\"d", "a'b", "back\\slash", "*", "~", "cafe\u{301}", "caf\u{e9}", &longest] {
        client.upload(name, name.as_bytes()).await.expect(226);
        assert_eq!(client.download(name).await, name.as_bytes(), "{name:?}");
        assert!(server.root().join(name).is_file(), "{name:?}");
        client.command(&format!("DELE {name}")).await.expect(250);
    }
    client.command(&format!("MKD {longest}x")).await.expect(553);
    client.command("MKD a\rb").await.expect(553);
}
