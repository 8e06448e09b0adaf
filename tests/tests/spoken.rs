//! FileZilla and WinSCP as they speak: their commands in their order, their TLS, and listings read as they read
//! them. The programs themselves are graphical; what they need of a server is held here on every run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::client::ClientConfig;
use tests::client::{Client, Data, DataTls, dial};
use tests::deadline::{self, SOON};
use tests::server::{Server, address};
use tests::tls;
use tests::tree;

const CLIENT: &str = "127.0.0.1";

/// What FileZilla offers after AUTH TLS, and on port 990 (3.63).
const AFTER_AUTH: &[&str] = &["x-filezilla-ftp", "ftp"];
const IMPLICIT: &[&str] = &["ftp"];

/// A file in a listing, as a client shows it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    name: String,
    folder: bool,
    size: u64,
    /// `YYYYMMDDhhmmss`, or `Mon DD hh:mm`, or `Mon DD YYYY`.
    changed: String,
}

/// A line of LIST in the reading that both share: mode, links, owner, group, size, month, day, time or year, and
/// behind one blank the name up to the end.
fn list_line(line: &str) -> Shown {
    let first = line.chars().next().expect("a line is not empty");
    assert!("bcdlps-".contains(first), "FileZilla leaves this line out: {line}");
    let mode = line.split(' ').next().expect("a mode");
    assert!(mode.len() == 10 && mode[1..].chars().all(|c| "rwxsStT-".contains(c)), "{line}");
    let (mut rest, mut words) = (line, Vec::new());
    for _ in 0..8 {
        let (word, behind) = rest.trim_start().split_once(' ').unwrap_or_else(|| panic!("words are missing: {line}"));
        words.push(word);
        rest = behind;
    }
    assert!(words[1].parse::<u32>().is_ok(), "links: {line}");
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].contains(&words[5]);
    let day = words[6].parse::<u8>().is_ok_and(|day| (1..=31).contains(&day));
    let time = words[7].split_once(':').map(|(hour, minute)| (hour.parse::<u8>().ok(), minute.parse::<u8>().ok()));
    let time_or_year = match time {
        Some((Some(hour), Some(minute))) => hour < 24 && minute < 60 && words[7].len() == 5,
        Some(_) => false,
        None => words[7].len() == 4 && words[7].parse::<u16>().is_ok(),
    };
    assert!(month && day && time_or_year, "{line}");
    Shown {
        name: rest.to_owned(),
        folder: first == 'd',
        size: words[4].parse().unwrap_or_else(|_| panic!("size: {line}")),
        changed: words[5..].join(" "),
    }
}

/// A line of MLSD: facts that each end in `;`, one blank, the name. Both give up a line where a fact has no `=`.
fn mlsd_line(line: &str) -> Shown {
    let (facts, name) = line.split_once(' ').unwrap_or_else(|| panic!("no name: {line}"));
    assert!(facts.ends_with(';'), "the last fact has no end: {line}");
    let mut shown = Shown { name: name.to_owned(), folder: false, size: 0, changed: String::new() };
    for fact in facts.split_terminator(';') {
        let (key, value) = fact.split_once('=').unwrap_or_else(|| panic!("{fact:?} is no fact: {line}"));
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                assert!(!["cdir", "pdir"].contains(&value), "{line}");
                shown.folder = value == "dir";
            }
            "size" => shown.size = value.parse().unwrap_or_else(|_| panic!("size: {line}")),
            "modify" => {
                assert!(value.len() == 14 && value.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
                value.clone_into(&mut shown.changed);
            }
            "perm" => assert!(value.bytes().all(|letter| b"acdeflmprw".contains(&letter)), "{line}"),
            "unix.mode" => assert!(u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o777), "{line}"),
            "unix.uid" | "unix.gid" => assert!(value.parse::<u32>().is_ok(), "{line}"),
            "unique" => assert!(!value.is_empty(), "{line}"),
            other => panic!("{other} was not asked for: {line}"),
        }
    }
    shown
}

/// Both open the data connection behind PASV before they send the command, and begin TLS behind the 150.
async fn opened(client: &mut Client, command: &str) -> Data {
    let target = client.pasv().await;
    let stream = dial(address(CLIENT), target).await.expect("the passive port accepts");
    client.command(command).await.expect(150);
    let data = client.protect(stream).await;
    assert!(data.resumed(), "FileZilla aborts a data connection that does not resume: {command}");
    data
}

async fn listing(client: &mut Client, command: &str) -> Vec<Shown> {
    let bytes = opened(client, command).await.read_all().await;
    client.reply().await.expect(226);
    let text = String::from_utf8(bytes).expect("UTF-8, as OPTS UTF8 says");
    let read = if command.starts_with("MLSD") { mlsd_line } else { list_line };
    let mut shown: Vec<Shown> = text.split_terminator("\r\n").map(read).collect();
    shown.sort_by(|one, other| one.name.cmp(&other.name));
    shown
}

async fn stored(client: &mut Client, command: &str, bytes: &[u8]) {
    let mut data = opened(client, command).await;
    data.write_all(bytes).await;
    data.close().await;
    client.reply().await.expect(226);
}

async fn fetched(client: &mut Client, command: &str) -> Vec<u8> {
    let bytes = opened(client, command).await.read_all().await;
    client.reply().await.expect(226);
    bytes
}

/// The lines of FEAT, each with exactly one blank before it; the same before and after the login, since FileZilla
/// remembers them for the server.
async fn features(client: &mut Client) -> Vec<String> {
    let reply = client.command("FEAT").await.expect(211);
    let [first, inner @ .., last] = &reply.lines[..] else { panic!("FEAT has many lines: {reply}") };
    assert!(first.starts_with("211-") && last.starts_with("211 "), "{reply}");
    inner
        .iter()
        .map(|line| match line.strip_prefix(' ') {
            Some(feature) if !feature.starts_with(' ') => feature.to_owned(),
            _ => panic!("{line:?}: one blank comes before a feature"),
        })
        .collect()
}

fn offers(features: &[String], wanted: &str) -> bool {
    features.iter().any(|feature| feature.split(' ').next() == Some(wanted))
}

/// FileZilla from the handshake to the folder that it shows, in the order of its log.
async fn filezilla(server: &Server, client: &mut Client) {
    assert_eq!(client.agreed().as_deref(), Some("ftp"), "anything else makes it expect FileZilla Server");
    client.command(&format!("USER {}", server.user())).await.expect(331);
    client.command(&format!("PASS {}", server.password())).await.expect(230);
    assert_eq!(client.command("SYST").await.text(), "215 UNIX Type: L8");
    let features = features(client).await;
    for wanted in ["UTF8", "CLNT", "MLST", "MFMT", "REST", "TVFS", "SIZE", "MDTM", "EPSV"] {
        assert!(offers(&features, wanted), "{wanted} of {features:?}");
    }
    client.command("CLNT FileZilla").await.expect(200);
    client.command("OPTS UTF8 ON").await.expect(200);
    client.command("PBSZ 0").await.expect(200);
    client.command("PROT P").await.expect(200);
    // Facts that it knows and that FEAT does not star.
    client.command("OPTS MLST type;size;modify;perm;unix.mode;unix.uid;unix.gid;").await.expect(200);
    assert!(client.command("PWD").await.expect(257).text().starts_with("257 \"/\""));
}

fn with_folder(server: &Server) {
    for name in [" leading", "two  blanks", "ünï", "-dash", "a -> b", "semi;colon=x"] {
        fs::write(server.root().join(name), name).expect("a file");
    }
    fs::create_dir(server.root().join("folder")).expect("a folder");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        server.root().join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .expect("a FIFO");
}

const NAMES: [&str; 8] = [" leading", "-dash", "a -> b", "fifo", "folder", "semi;colon=x", "two  blanks", "ünï"];

/// What both lists show of [`with_folder`].
fn checked(shown: &[Shown]) {
    let names: Vec<&str> = shown.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, NAMES);
    for entry in shown {
        assert_eq!(entry.folder, entry.name == "folder", "{entry:?}");
        let size = if ["folder", "fifo"].contains(&entry.name.as_str()) { 0 } else { entry.name.len() as u64 };
        assert!(entry.folder || entry.size == size, "{entry:?}");
    }
}

async fn connected(server: &Server, config: &Arc<ClientConfig>) -> Client {
    let mut client = server.welcome(CLIENT).await;
    client.upgrade(config).await;
    client
}

#[tokio::test]
async fn t_11_t_55_t_59_filezilla_after_auth_tls_lists_uploads_resumes_and_downloads() {
    for versions in [tls::TLS_12, tls::TLS_13] {
        let server = Server::serve_with(|config| {
            config.set("tls.data-resumption", "require").set("files.partial", "keep");
        })
        .await;
        with_folder(&server);
        let config = tls::offering_with(&server.ready().certificate, versions, AFTER_AUTH);
        let mut client = connected(&server, &config).await;
        filezilla(&server, &mut client).await;
        client.command("TYPE I").await.expect(200);
        checked(&listing(&mut client, "MLSD").await);
        checked(&listing(&mut client, "LIST -a").await);

        // A folder goes up: CWD first, and MKD where there is none.
        client.command("CWD /new").await.expect(550);
        client.command("MKD new").await.expect(257);
        client.command("MKD new").await.expect(550);
        client.command("CWD new").await.expect(250);
        assert_eq!(client.command("PWD").await.text().split('"').nth(1), Some("/new"));
        let bytes = tree::content(1, 300_000);
        stored(&mut client, "STOR up.bin", &bytes).await;
        client.command("MFMT 20240102030405 up.bin").await.expect(213);
        let shown = listing(&mut client, "MLSD").await;
        assert_eq!(shown.iter().map(|entry| entry.changed.as_str()).collect::<Vec<_>>(), ["20240102030405"]);
        assert_eq!(listing(&mut client, "LIST").await[0].changed, "Jan 2 2024");
        client.command("SITE CHMOD 640 up.bin").await.expect(200);
        let mode = fs::metadata(server.root().join("new/up.bin")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);

        // An upload that broke goes on behind what SIZE says, by APPE; where the tail is in doubt by REST and STOR.
        fs::write(server.root().join("new/part.bin"), &bytes[..100_000]).expect("a part");
        client.command("TYPE I").await.expect(200);
        assert_eq!(client.command("SIZE part.bin").await.text(), "213 100000");
        stored(&mut client, "APPE part.bin", &bytes[100_000..]).await;
        assert_eq!(fs::read(server.root().join("new/part.bin")).expect("whole"), bytes);
        // REST comes before PASV: the mark must outlive it (T-64).
        client.command("REST 50000").await.expect(350);
        stored(&mut client, "STOR part.bin", &bytes[50_000..]).await;
        assert_eq!(fs::read(server.root().join("new/part.bin")).expect("whole"), bytes);

        // A download that broke goes on.
        assert_eq!(fetched(&mut client, "RETR part.bin").await, bytes);
        client.command("REST 123456").await.expect(350);
        assert_eq!(fetched(&mut client, "RETR part.bin").await, bytes[123_456..]);
        client.command("QUIT").await.expect(221);
    }
}

#[tokio::test]
async fn t_05_t_11_filezilla_on_an_implicit_port_offers_ftp_alone() {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require").table("listener", "address = \"127.0.0.1:0\"\ntls = \"implicit\"");
    })
    .await;
    with_folder(&server);
    let target = server.ready().addresses[1];
    let mut client = Client::connect(address(CLIENT), target).await.expect("the server accepts");
    client.handshake(&tls::offering(&server.ready().certificate, IMPLICIT)).await.expect("TLS comes first");
    client.reply().await.expect(220);
    filezilla(&server, &mut client).await;
    client.command("TYPE I").await.expect(200);
    checked(&listing(&mut client, "MLSD").await);
    client.command("QUIT").await.expect(221);
}

#[tokio::test]
async fn t_55_t_59_t_64_t_65_winscp_lists_in_ascii_uploads_under_another_name_and_resumes() {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require");
    })
    .await;
    with_folder(&server);
    // It offers no ALPN.
    let mut client = connected(&server, &server.tls()).await;
    assert_eq!(client.agreed(), None);
    client.command(&format!("USER {}", server.user())).await.expect(331);
    client.command(&format!("PASS {}", server.password())).await.expect(230);
    client.command("SYST").await.expect(215);
    features(&mut client).await;
    client.command("CLNT WinSCP-release-6.1").await.expect(200);
    client.command("OPTS UTF8 ON").await.expect(200);
    client.command("PBSZ 0").await.expect(200);
    client.command("PROT P").await.expect(200);
    client.command("PWD").await.expect(257);
    client.command("CWD /").await.expect(250);
    client.command("PWD").await.expect(257);
    // It lists in TYPE A: names and facts stay as they are.
    client.command("TYPE A").await.expect(200);
    checked(&listing(&mut client, "MLSD").await);
    checked(&listing(&mut client, "LIST -a").await);
    client.command("MLST /folder").await.expect(250);

    // Up under a name of its own, renamed at the end over what is there, and given its time.
    fs::write(server.root().join("doc.txt"), "old").expect("a file");
    let bytes = tree::content(2, 200_000);
    client.command("TYPE I").await.expect(200);
    stored(&mut client, "STOR /doc.txt.filepart", &bytes[..80_000]).await;
    assert_eq!(client.command("SIZE /doc.txt.filepart").await.text(), "213 80000");
    client.command("REST 80000").await.expect(350);
    stored(&mut client, "STOR /doc.txt.filepart", &bytes[80_000..]).await;
    client.command("RNFR /doc.txt.filepart").await.expect(350);
    client.command("RNTO /doc.txt").await.expect(250);
    client.command("MFMT 20231114221320 /doc.txt").await.expect(213);
    assert_eq!(fs::read(server.root().join("doc.txt")).expect("replaced"), bytes);
    assert_eq!(client.command("MDTM /doc.txt").await.text(), "213 20231114221320");

    // It keeps the control connection alive during a transfer, and reads each answer.
    fs::write(server.root().join("long"), vec![7; 64 << 20]).expect("a file");
    let mut data = opened(&mut client, "RETR /long").await;
    client.command("NOOP").await.expect(200);
    assert_eq!(data.read_all().await.len(), 64 << 20);
    client.reply().await.expect(226);
    client.command("REST 150000").await.expect(350);
    assert_eq!(fetched(&mut client, "RETR /doc.txt").await, bytes[150_000..]);
    client.command("DELE /doc.txt").await.expect(250);
    client.command("RMD /folder").await.expect(250);
    client.command("QUIT").await.expect(221);
    assert!(client.until_closed(SOON).await.is_empty());
}

#[tokio::test]
async fn t_64_a_mark_is_spent_by_any_command_but_those_that_open_the_transfer() {
    let server = Server::serve().await;
    let bytes = tree::content(3, 1000);
    fs::write(server.root().join("f"), &bytes).expect("a file");
    let mut client = server.enter(CLIENT).await;
    // PASV, EPSV, PORT, EPRT and TYPE keep it.
    for keeps in ["TYPE I", "PORT 127,0,0,1,195,81", "EPRT |1|127.0.0.1|50001|", "EPSV"] {
        client.command("REST 400").await.expect(350);
        client.command(keeps).await;
        assert_eq!(fetched(&mut client, "RETR f").await, bytes[400..], "{keeps}");
        assert_eq!(fetched(&mut client, "RETR f").await, bytes, "once only");
    }
    for spends in ["NOOP", "PWD", "SIZE f", "FEAT", "STAT", "CWD /", "MDTM f", "nonsense"] {
        client.command("REST 400").await.expect(350);
        client.command(spends).await;
        assert_eq!(fetched(&mut client, "RETR f").await, bytes, "{spends}");
    }
    // An upload goes on inside the file, and what was behind is cut off; never beyond the end, nor from nothing.
    client.command("REST 400").await.expect(350);
    stored(&mut client, "STOR f", b"new").await;
    assert_eq!(fs::read(server.root().join("f")).expect("a file"), [&bytes[..400], b"new"].concat());
    client.command("REST 404").await.expect(350);
    client.pasv().await;
    client.command("STOR f").await.expect(554);
    client.command("REST 404").await.expect(350);
    client.command("RETR f").await.expect(554);
    client.command("REST 1").await.expect(350);
    client.command("STOR nothing").await.expect(550);
    client.command("REST 18446744073709551616").await.expect(501);
    client.command("REST 0").await.expect(350);
}

#[tokio::test]
async fn t_65_renames_are_two_commands_in_a_row_and_replace_what_is_there() {
    let server = Server::serve().await;
    let mut client = server.enter(CLIENT).await;
    for name in ["a", "b"] {
        fs::write(server.root().join(name), name).expect("a file");
    }
    for between in ["TYPE I", "NOOP", "PWD", "SIZE a"] {
        client.command("RNFR a").await.expect(350);
        client.command(between).await;
        client.command("RNTO c").await.expect(503);
    }
    client.command("RNFR missing").await.expect(550);
    client.command("RNTO c").await.expect(503);
    client.command("RNFR a").await.expect(350);
    client.command("RNTO b").await.expect(250);
    assert_eq!(fs::read(server.root().join("b")).expect("replaced"), b"a");
    assert!(!server.root().join("a").exists() && !server.root().join("c").exists());
}

#[tokio::test]
async fn t_74_whatever_ends_or_changes_the_data_address_closes_the_listener() {
    let server = Server::serve_with(|config| {
        config.set("timeouts.data-open", "500ms");
    })
    .await;
    fs::write(server.root().join("f"), b"bytes").expect("a file");
    let gone = async |target, what: &str| {
        let refused = async || dial(address(CLIENT), target).await.is_err().then_some(());
        deadline::until_asked(SOON, &format!("the listener to be closed by {what}"), refused).await;
    };
    let mut client = server.enter(CLIENT).await;
    for closes in ["PASV", "EPSV", "PORT 127,0,0,1,195,81", "EPRT |1|127.0.0.1|50001|", "ABOR"] {
        let target = client.pasv().await;
        client.command(closes).await;
        gone(target, closes).await;
    }
    for keeps in ["RETR missing", "STOR a/b/c", "NOOP", "nonsense", "TYPE X"] {
        let target = client.pasv().await;
        client.command(keeps).await;
        let stream = dial(address(CLIENT), target).await.unwrap_or_else(|error| panic!("{keeps}: {error}"));
        client.command("RETR f").await.expect(150);
        assert_eq!(client.protect(stream).await.read_all().await, b"bytes", "{keeps}");
        client.reply().await.expect(226);
        gone(target, "its one connection").await;
    }
    for ends in ["REIN", "QUIT"] {
        let mut client = server.enter(CLIENT).await;
        let target = client.pasv().await;
        client.command(ends).await;
        gone(target, ends).await;
    }
    // Nobody comes: the next transfer says so, and the session lives.
    client.pasv().await;
    client.command("RETR f").await.expect(150);
    client.reply().await.expect(425);
    let data = client.open_data("RETR f", &DataTls::Resuming).await.read_all().await;
    assert_eq!(data, b"bytes");
}
