//! What clients may do with files, and what no client gets at.

use std::os::unix::fs::symlink;

use tests::client::{Client, DataTls, Reply};
use tests::server::Server;
use tests::tree;

const USER: &str = "127.0.0.1";

/// All that a listing command sends.
async fn listing(client: &mut Client, command: &str) -> Result<String, Reply> {
    let mut data = client.try_open_data(command, &DataTls::Resuming).await?;
    let text = String::from_utf8_lossy(&data.read_all().await).into_owned();
    let end = client.reply().await;
    if end.code == 226 { Ok(text) } else { Err(end) }
}

#[tokio::test]
async fn the_everyday_commands_do_what_they_say() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    client.command("SYST").await.expect(215);
    let features = client.command("FEAT").await.expect(211).text();
    for feature in ["MLST", "SIZE", "MDTM", "REST STREAM", "UTF8", "EPSV", "PBSZ", "PROT"] {
        assert!(features.contains(feature), "`{feature}` is missing in\n{features}");
    }
    client.command("OPTS UTF8 ON").await.expect(200);
    client.command("HELP").await;
    client.command("STAT").await.expect(211);

    client.command("MKD new").await.expect(257);
    client.command("CWD new").await.expect(250);
    assert!(client.command("PWD").await.expect(257).text().contains("\"/new\""));
    let bytes = tree::content(11, 10_000);
    client.upload("a", &bytes).await.expect(226);
    assert!(client.command("SIZE a").await.expect(213).text().ends_with(" 10000"));
    let stamp = client.command("MDTM a").await.expect(213).text();
    assert_eq!(stamp.trim_start_matches("213 ").split('.').next().map(str::len), Some(14), "{stamp}");
    assert!(client.command("MLST a").await.expect(250).text().contains("size=10000"));

    let mut data = client.open_data("APPE a", &DataTls::Resuming).await;
    data.write_all(b"tail").await;
    data.close().await;
    client.reply().await.expect(226);
    client.command("REST 9998").await.expect(350);
    let mut data = client.open_data("RETR a", &DataTls::Resuming).await;
    let tail = data.read_all().await;
    client.reply().await.expect(226);
    assert_eq!(tail, [&bytes[9998..], b"tail"].concat());

    client.command("RNFR a").await.expect(350);
    client.command("RNTO b").await.expect(250);
    for command in ["LIST", "NLST", "MLSD"] {
        let text = listing(&mut client, command).await.expect(command);
        assert!(text.contains('b') && !text.contains(" a\r"), "{command}: {text}");
    }
    client.command("DELE b").await.expect(250);
    client.command("CDUP").await.expect(250);
    client.command("RMD new").await.expect(250);
    client.command("RETR b").await;
    client.command("QUIT").await.expect(221);
}

#[tokio::test]
async fn s_46_no_spelling_leads_out_of_the_root() {
    let server = Server::serve().await;
    std::fs::write(server.folder().join("outside"), b"not for clients").expect("a file");
    let mut client = server.enter(USER).await;
    for path in [
        "../outside",
        "/../outside",
        "..//outside",
        "./../outside",
        "a/../../outside",
        "..\\outside",
        "/proc/self/root/etc/passwd",
        "/etc/passwd",
        "%2e%2e/outside",
        "....//outside",
    ] {
        let reply = client.try_open_data(&format!("RETR {path}"), &DataTls::Resuming).await;
        let reply = reply.err().unwrap_or_else(|| panic!("{path} was opened"));
        assert!(matches!(reply.code, 501 | 550 | 553), "{path}: {reply}");
        let size = client.command(&format!("SIZE {path}")).await;
        assert!(matches!(size.code, 501 | 550 | 553), "{path}: {size}");
    }
    client.command("CWD ..").await;
    assert!(client.command("PWD").await.expect(257).text().contains("\"/\""), "above the root is the root");
    client.send(b"SIZE \xc0\xae\xc0\xae/outside\r\n").await.expect("sent");
    let reply = client.reply().await;
    assert!(matches!(reply.code, 500 | 501 | 550 | 553), "overlong UTF-8: {reply}");
}

#[tokio::test]
async fn s_47_a_link_out_of_the_root_opens_nothing_and_makes_nothing() {
    let server = Server::serve().await;
    let outside = server.folder().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("secret"), b"not for clients").expect("a file");
    symlink(&outside, server.root().join("door")).expect("a link");
    symlink(outside.join("secret"), server.root().join("key")).expect("a link");
    let mut client = server.enter(USER).await;
    for command in ["RETR door/secret", "RETR key", "STOR door/new", "STOR key", "APPE key", "LIST door", "MLSD door"] {
        if let Ok(mut data) = client.try_open_data(command, &DataTls::Resuming).await {
            assert_eq!(data.read_all().await, b"", "{command}");
            let reply = client.reply().await;
            // An upload may replace the link itself; what it points to is out of reach.
            assert!(reply.code >= 400 || command.starts_with("LIST") || command == "STOR key", "{command}: {reply}");
        }
    }
    for command in ["CWD door", "MKD door/made", "DELE door/secret", "SIZE door/secret"] {
        let reply = client.command(command).await;
        assert!(reply.code >= 500, "{command}: {reply}");
    }
    assert_eq!(std::fs::read(outside.join("secret")).expect("it is still there"), b"not for clients");
    assert_eq!(std::fs::read_dir(&outside).expect("a folder").count(), 1, "nothing was made outside");
}

#[tokio::test]
async fn s_48_a_pipe_in_the_tree_blocks_nobody() {
    let server = Server::serve().await;
    tests::program::Program::new("mkfifo").arg(server.root().join("pipe")).run().await.good();
    let mut client = server.enter(USER).await;
    for command in ["RETR pipe", "STOR pipe", "APPE pipe"] {
        let refused = match client.try_open_data(command, &DataTls::Resuming).await {
            Err(reply) => reply,
            Ok(data) => {
                drop(data);
                client.reply().await
            }
        };
        assert!(refused.code >= 425 || command == "STOR pipe", "{command}: {refused}");
    }
    client.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_38_names_cannot_forge_a_reply_or_a_listing() {
    let server = Server::serve().await;
    let mut client = server.enter(USER).await;
    client.command("MKD say \"hi\"").await.expect(257);
    client.command("CWD say \"hi\"").await.expect(250);
    let told = client.command("PWD").await.expect(257).text();
    assert!(told.contains("\"/say \"\"hi\"\"\""), "quotes are doubled: {told}");
    std::fs::write(server.root().join("say \"hi\"/two\r\nlines"), b"").expect("Linux allows it");
    for command in ["LIST", "NLST", "MLSD"] {
        let text = listing(&mut client, command).await.expect(command);
        assert!(!text.contains("\r\nlines"), "{command}: {text:?}");
    }
}

#[tokio::test]
async fn s_50_a_huge_folder_is_listed_ten_times_at_once_in_little_memory_and_abor_is_quick() {
    const ENTRIES: usize = 100_000;
    let mut server = Server::serve_with(|config| {
        config.set("limits.connections-per-address", 100).set("limits.unauthenticated-per-address", 100);
    })
    .await;
    let folder = server.root().join("huge");
    std::fs::create_dir(&folder).expect("a folder");
    for number in 0..ENTRIES {
        std::fs::File::create(folder.join(format!("entry-{number:06}"))).expect("a file");
    }
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(server.enter(USER).await);
    }
    let before = server.process().resident_kib();
    let mut listings = tokio::task::JoinSet::new();
    for mut client in clients {
        listings.spawn(async move { listing(&mut client, "MLSD huge").await.expect("a listing").lines().count() });
    }
    while let Some(lines) = listings.join_next().await {
        assert_eq!(lines.expect("it ends"), ENTRIES);
    }
    let grown = server.process().peak_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB for ten listings");

    let mut client = server.enter(USER).await;
    let _unread = client.open_data("MLSD huge", &DataTls::Resuming).await;
    let since = std::time::Instant::now();
    client.send(b"ABOR\r\n").await.expect("sent");
    client.reply().await.expect(426);
    client.reply().await.expect(226);
    assert!(since.elapsed() < std::time::Duration::from_secs(5), "{:?}", since.elapsed());
}
