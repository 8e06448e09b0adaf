//! P-42 to P-51: TLS sessions of one node are resumed on another, by tickets and by the store, and by nobody
//! else.
//!
//! Two of ProFTPD's ways cannot be had. P-47 with a ProFTPD on the other side: its cache holds OpenSSL's own
//! encoding of a session, from which rustls can make no session, and it holds the secret in clear. P-52, a cache
//! of OCSP answers: rustls staples what it is given at the start, and this server is given nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::SupportedProtocolVersion;
use rustls::client::ClientConfig;
use serde_json::Value;
use tempfile::TempDir;
use tests::authority::{Authority, own_certificate};
use tests::client::{Client, DataTls};
use tests::config::Config;
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::program::Program;
use tests::server::{Server, portcullis};
use tests::tls::{self, TLS_12, TLS_13};

const CLIENT: &str = "127.0.0.1";
const VERSIONS: [(&[&SupportedProtocolVersion], &str); 2] = [(TLS_12, "1.2"), (TLS_13, "1.3")];
const WAYS: [&str; 2] = ["tickets", "store"];
/// Handshakes of a row, each on the other node than the one before.
const ROUNDS: usize = 100;
/// A full handshake on a busy machine, and what the store may add.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Nodes with one cluster key and one certificate.
struct Nodes {
    nodes: Vec<Server>,
    memcached: Option<Memcached>,
    certificate: PathBuf,
    folder: TempDir,
}

impl Nodes {
    /// Two of them. Tickets need no memcached, so that there is none.
    async fn of(way: &str) -> Nodes {
        Nodes::with(way, way == "store", |_, _, _| {}).await
    }

    async fn with(way: &str, store: bool, change: impl Fn(usize, &mut Config, &Path)) -> Nodes {
        let folder = tempfile::tempdir().expect("folder");
        let key = text(&folder.path().join("cluster.key"));
        portcullis(&["cluster", "keygen", "--out", &key]).run().await.good();
        let own = own_certificate(folder.path(), "pool", &["localhost"], 100);
        let memcached = if store { Some(Memcached::start().await) } else { None };
        let mut nodes = Vec::new();
        for number in 0..2 {
            let node = Server::serve_with(|config| {
                config
                    .set("server.node", format!("node-{number}"))
                    .set("server.site", "pool")
                    .set("tls.certificate", text(&own.certificate))
                    .set("tls.key", text(&own.key))
                    .set("tls.sessions", way)
                    .set("store.cluster-key", key.as_str())
                    // Slow machines run tests too.
                    .set("store.deadline", "1s");
                if let Some(memcached) = &memcached {
                    config.store(&[memcached.address()]);
                }
                change(number, config, folder.path());
            })
            .await;
            std::fs::write(node.root().join("file"), b"bytes").expect("a file");
            nodes.push(node);
        }
        Nodes { nodes, memcached, certificate: own.certificate, folder }
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        tls::trusting(&self.certificate, versions)
    }

    /// A protected client whose first reply has come, and with it its tickets.
    async fn greet(&self, node: usize, own: &Arc<ClientConfig>) -> Client {
        let mut client = self.nodes[node].welcome(CLIENT).await;
        client.upgrade(own).await;
        client.command("NOOP").await.expect(200);
        client
    }

    async fn info(&self, node: usize) -> Value {
        self.nodes[node].admin(&["tls", "sessions", "info", "--json"]).await.good().json()
    }

    async fn refused(&self, node: usize, reason: &str) -> u64 {
        self.info(node).await["refused"][reason].as_u64().expect("a count")
    }

    /// Waits until nothing waits to be written: who comes to another node within the same millisecond may be earlier
    /// than its session.
    async fn settled(&self, node: usize) {
        let none = async || (self.info(node).await["store"]["waiting"].as_u64().unwrap_or(0) == 0).then_some(());
        deadline::until_asked(SOON, "sessions to be written", none).await;
    }

    /// How many sessions a node has written into the store; 0 where there is none.
    async fn written(&self, node: usize) -> u64 {
        self.info(node).await["store"]["stored"].as_u64().unwrap_or(0)
    }

    /// Waits until a node has written so many, if it writes any.
    async fn stored(&self, node: usize, count: u64) {
        let info = self.info(node).await;
        if info["way"] == "store" {
            let enough = async || (self.written(node).await >= count).then_some(());
            deadline::until_asked(SOON, "sessions in the store", enough).await;
        }
    }

    fn memcached(&self) -> &Memcached {
        self.memcached.as_ref().expect("there is one")
    }

    fn address(&self, node: usize) -> String {
        self.nodes[node].address().to_string()
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("scratch folders have plain names").to_owned()
}

/// Sessions that a handshake with this version gives to a client.
fn given(version: &str) -> u64 {
    if version == "1.2" { 1 } else { 4 }
}

#[tokio::test]
async fn p_48_a_client_that_changes_nodes_resumes_at_least_95_times_in_100_both_ways() {
    for way in WAYS {
        let nodes = Nodes::of(way).await;
        for (versions, version) in VERSIONS {
            let own = nodes.client(versions);
            assert!(!nodes.greet(1, &own).await.resumed(), "the first has nothing to resume");
            let mut resumed = 0;
            for round in 0..ROUNDS {
                nodes.settled((round + 1) % 2).await;
                resumed += usize::from(nodes.greet(round % 2, &own).await.resumed());
            }
            println!("rustls, {way}, TLS {version}: {resumed} of {ROUNDS}");
            assert!(resumed >= 95, "{way}, TLS {version}: {resumed}");
        }
        let info = nodes.info(0).await;
        assert!(info["resumed"].as_u64() >= Some(95) && info["way"] == way, "{info}");
        let outcomes = nodes.nodes[0].outcomes(ROUNDS).await;
        assert!(outcomes.iter().filter(|line| line.flag("resumed") == Some(true)).count() >= 95, "the log says so");
    }
}

/// OpenSSL's own client, from one node to the other; what it says of its second session.
async fn s_client(nodes: &Nodes, version: &str, from: usize, more: &[&str]) -> String {
    let session = text(&nodes.folder.path().join("session.pem"));
    let _ = std::fs::remove_file(&session);
    let flag = format!("-tls{}", version.replace('.', "_"));
    let run = async |node: usize, what: &str| {
        let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", &flag, "-ign_eof"]);
        let openssl = openssl.args(["-servername", "localhost", "-CAfile"]).arg(&nodes.certificate);
        let openssl = openssl.args(["-connect", &nodes.address(node), what, &session]).args(more);
        openssl.input("NOOP\r\nQUIT\r\n").run().await.good().out
    };
    let first = run(from, "-sess_out").await;
    assert!(first.contains("New, TLSv"), "{first}");
    nodes.stored(from, given(version)).await;
    run(1 - from, "-sess_in").await
}

#[tokio::test]
async fn p_48_openssl_says_reused_on_the_other_node_both_ways() {
    for way in WAYS {
        for version in ["1.2", "1.3"] {
            for from in [0, 1] {
                let nodes = Nodes::of(way).await;
                let said = s_client(&nodes, version, from, &[]).await;
                assert!(said.contains(&format!("Reused, TLSv{version}")), "{way}, {version}, from {from}: {said}");
                assert!(said.contains("221 "), "it speaks: {said}");
            }
        }
    }
}

/// P-47 among nodes of this server; with a ProFTPD it cannot hold, see above.
#[tokio::test]
async fn p_47_a_session_id_of_tls_1_2_is_resumed_on_the_other_node_through_the_store() {
    for from in [0, 1] {
        let nodes = Nodes::of("store").await;
        let said = s_client(&nodes, "1.2", from, &["-no_ticket"]).await;
        assert!(said.contains("Reused, TLSv1.2"), "from {from}: {said}");
    }
    let nodes = Nodes::of("tickets").await;
    let said = s_client(&nodes, "1.2", 0, &["-no_ticket"]).await;
    assert!(said.contains("New, TLSv1.2") && said.contains("221 "), "no ticket, no other node: {said}");
}

/// Connects to its nodes in turn with the session of the time before.
const TURNS: &str = r#"
import socket, ssl, sys
version, certificate, rounds, ports = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
context = ssl.create_default_context(cafile=certificate)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
session, resumed = None, 0
for turn in range(rounds + 1):
    plain = socket.create_connection(("127.0.0.1", int(ports[turn % len(ports)])), timeout=60)
    assert plain.recv(1000).startswith(b"220")
    plain.sendall(b"AUTH TLS\r\n")
    assert plain.recv(1000).startswith(b"234")
    safe = context.wrap_socket(plain, server_hostname="localhost", session=session)
    safe.sendall(b"NOOP\r\n")
    assert safe.recv(1000).startswith(b"200")
    resumed += safe.session_reused
    session = safe.session
    safe.sendall(b"QUIT\r\n")
    assert safe.recv(1000).startswith(b"221")
    safe.close()
print("resumed", resumed)
"#;

#[tokio::test]
async fn p_48_pythons_ssl_resumes_in_turn_on_both_nodes_both_ways() {
    for way in WAYS {
        let nodes = Nodes::of(way).await;
        for (_, version) in VERSIONS {
            let ports = nodes.nodes.iter().map(|node| node.address().port().to_string());
            let python = Program::new("python3").args(["-c", TURNS, version]).arg(&nodes.certificate);
            let answer = python.arg(ROUNDS.to_string()).args(ports).run().await.good();
            let resumed: usize =
                answer.out.trim().strip_prefix("resumed ").and_then(|n| n.parse().ok()).expect("a count");
            println!("python, {way}, TLS {version}: {resumed} of {ROUNDS}");
            assert!(resumed >= 95, "{way}, TLS {version}: {resumed}");
        }
    }
}

#[tokio::test]
async fn p_49_a_data_connection_resumes_its_control_connection_wherever_that_was_resumed() {
    for (way, needed) in [("tickets", "require"), ("store", "require"), ("tickets", "log")] {
        let store = way == "store";
        let nodes = Nodes::with(way, store, |_, config, _| {
            config.set("tls.data-resumption", needed);
        })
        .await;
        for (versions, version) in VERSIONS {
            let (own, other) = (nodes.client(versions), nodes.client(versions));
            let written = nodes.written(0).await;
            nodes.greet(0, &own).await;
            nodes.greet(0, &other).await;
            nodes.stored(0, written + 2 * given(version)).await;
            let mut client = nodes.nodes[1].enter_with(CLIENT, &own).await;
            assert!(client.resumed(), "{way}, TLS {version}");
            for _ in 0..20 {
                assert_eq!(client.download("file").await, b"bytes");
                client.upload("other", b"more").await.expect(226);
            }
            // Somebody else's session, of the same pool, and none at all: refused, or taken where that is said.
            for stranger in [&other, &nodes.client(versions)] {
                let opened = client.try_open_data("RETR file", &DataTls::Foreign(stranger.clone())).await;
                let came = match opened {
                    Ok(mut data) => {
                        let bytes = data.try_read_all().await.unwrap_or_default();
                        (client.reply().await.code, bytes)
                    }
                    Err(reply) => (reply.code, Vec::new()),
                };
                let expected = if needed == "log" { (226, b"bytes".to_vec()) } else { (522, Vec::new()) };
                assert_eq!(came, expected, "{way}, TLS {version}");
            }
        }
    }
}

#[tokio::test]
async fn p_50_after_a_clear_everything_is_a_full_handshake_on_every_node_and_running_sessions_go_on() {
    for way in WAYS {
        let nodes = Nodes::with(way, true, |_, config, _| {
            config.set("tls.data-resumption", "require").set("bans.sync", "100ms");
        })
        .await;
        let before = nodes.memcached().names().await;
        for (versions, version) in VERSIONS {
            let clients = [nodes.client(versions), nodes.client(versions)];
            let written = nodes.written(0).await;
            for own in &clients {
                nodes.greet(0, own).await;
            }
            let mut running = nodes.nodes[0].enter_with(CLIENT, &nodes.client(versions)).await;
            let given = 3 * given(version);
            if way == "store" {
                nodes.stored(0, written + given).await;
                assert!(nodes.memcached().names().await.len() as u64 >= before.len() as u64 + given);
            }
            let said = nodes.nodes[0].admin(&["tls", "sessions", "clear"]).await.good().out;
            assert!(said.contains("refused on this node") && said.contains("other nodes follow within 0.1s"), "{said}");
            let cleared = nodes.info(0).await["cleared"].as_u64().expect("a moment");
            deadline::until_asked(SOON, "the other node to hear of it", async || {
                (nodes.info(1).await["cleared"].as_u64() == Some(cleared)).then_some(())
            })
            .await;
            for (node, own) in clients.iter().enumerate() {
                let refused = nodes.refused(node, "cleared").await;
                let client = nodes.greet(node, own).await;
                assert!(!client.resumed(), "{way}, TLS {version}, node {node}");
                if way == "tickets" {
                    assert!(nodes.refused(node, "cleared").await > refused, "it is counted");
                }
                // rustls offers its newest session first.
                assert!(nodes.greet(node, own).await.resumed(), "what is issued from now on counts");
            }
            assert_eq!(running.download("file").await, b"bytes", "who is in stays in");
            running.upload("other", b"more").await.expect(226);
            if way == "store" {
                deadline::until_asked(SOON, "the keys to be gone", async || {
                    (nodes.info(0).await["store"]["deleted"].as_u64() >= Some(given)).then_some(())
                })
                .await;
            }
        }
    }
}

#[tokio::test]
async fn p_50_a_clear_outlives_the_node_and_the_store() {
    for way in WAYS {
        let mut nodes = Nodes::with(way, true, |_, config, _| {
            config.set("bans.sync", "100ms");
        })
        .await;
        let own = nodes.client(TLS_13);
        nodes.greet(0, &own).await;
        nodes.nodes[0].admin(&["tls", "sessions", "clear"]).await.good();
        nodes.memcached().flush().await;
        nodes.nodes[0].crash_and_restart().await;
        assert!(!nodes.greet(0, &own).await.resumed(), "{way}");
        assert!(nodes.info(0).await["cleared"].as_u64().is_some());
    }
}

#[tokio::test]
async fn p_50_info_tells_ways_keys_and_counts_to_people_too() {
    let nodes = Nodes::of("store").await;
    let own = nodes.client(TLS_12);
    nodes.greet(0, &own).await;
    nodes.stored(0, 1).await;
    assert!(nodes.greet(1, &own).await.resumed());
    let said = nodes.nodes[1].admin(&["tls", "sessions", "info"]).await.good().out;
    for expected in
        ["store: sealed in memcached", "12h", "the cluster's key", "seals and opens", "1 resumed, 0 full", "1 found"]
    {
        assert!(said.contains(expected), "{expected} in:\n{said}");
    }
    let info = nodes.info(0).await;
    assert_eq!((info["full"].as_u64(), info["resumed"].as_u64(), info["kept"].as_u64()), (Some(1), Some(0), Some(1)));
    let alone = Server::serve().await;
    let info = alone.admin(&["tls", "sessions", "info", "--json"]).await.good().json();
    assert_eq!((info["way"].as_str(), info["store"].is_null()), (Some("node"), true));
    let said = alone.admin(&["tls", "sessions", "clear"]).await.good().out;
    assert!(said.contains("no other node is told"), "{said}");
}

#[tokio::test]
async fn a_session_of_another_virtual_server_is_a_full_handshake() {
    for way in WAYS {
        let nodes = Nodes::with(way, way == "store", |_, config, _| {
            config.table("host", "name = \"shop\"\nnames = [\"shop.example\"]");
        })
        .await;
        for (versions, version) in VERSIONS {
            let own = nodes.client(versions);
            let enter = async |node: usize, host: Option<&str>| {
                let mut client = nodes.nodes[node].welcome(CLIENT).await;
                if let Some(host) = host {
                    client.command(&format!("HOST {host}")).await.expect(220);
                }
                // No name in TLS: nothing but the server's own word tells the two apart.
                client.ask_for("127.0.0.1");
                client.upgrade(&own).await;
                client.command("NOOP").await.expect(200);
                client.resumed()
            };
            let (written, refused) = (nodes.written(0).await, nodes.refused(1, "other-server").await);
            assert!(!enter(0, Some("shop.example")).await);
            assert!(!enter(0, None).await, "{way}, TLS {version}: the first server's");
            nodes.stored(0, written + 2 * given(version)).await;
            assert!(enter(1, None).await, "{way}, TLS {version}: the same server on the other node");
            assert!(!enter(1, Some("shop.example")).await, "{way}, TLS {version}: the second server's");
            assert!(nodes.refused(1, "other-server").await > refused, "{way}, TLS {version}");
        }
    }
}

#[tokio::test]
async fn a_session_is_no_way_around_the_check_of_a_clients_certificate() {
    for way in WAYS {
        // The first node asks for none, the second takes nobody without.
        let nodes = Nodes::with(way, way == "store", |number, config, folder| {
            if number == 1 {
                let issuer = Authority::new(folder, "clients");
                let alice = issuer.issue("alice");
                std::fs::copy(&alice.certificate, folder.join("own.pem")).expect("a copy");
                std::fs::copy(&alice.key, folder.join("own.key")).expect("a copy");
                config
                    .set("tls.client-certificates", "required")
                    .set("tls.client-authorities", text(&issuer.certificate));
            }
        })
        .await;
        let folder = nodes.folder.path();
        let pair = tests::authority::Pair { certificate: folder.join("own.pem"), key: folder.join("own.key") };
        for (versions, version) in VERSIONS {
            let own = tls::certified(&nodes.certificate, versions, &pair);
            let written = nodes.written(0).await;
            assert!(!nodes.greet(0, &own).await.resumed());
            nodes.stored(0, written + given(version)).await;
            let client = nodes.greet(1, &own).await;
            assert!(!client.resumed(), "{way}, TLS {version}: checked anew");
            assert!(nodes.greet(1, &own).await.resumed(), "{way}, TLS {version}: and then resumed");
            assert!(nodes.refused(1, "other-client-certificates").await > 0, "{way}, TLS {version}");
            // Who shows none stays out, with a session of the first node too.
            let bare = nodes.client(versions);
            nodes.greet(0, &bare).await;
            let mut client = nodes.nodes[1].welcome(CLIENT).await;
            client.command("AUTH TLS").await.expect(234);
            let entered = client.handshake(&bare).await.is_ok() && client.try_command("NOOP").await.is_some();
            assert!(!entered, "{way}, TLS {version}");
        }
    }
}

#[tokio::test]
async fn a_session_older_than_its_life_is_a_full_handshake() {
    for way in WAYS {
        // The node that issues tells the client of a longer life, so that the client still offers it.
        let nodes = Nodes::with(way, way == "store", |number, config, _| {
            config.set("tls.session-life", if number == 0 { "1h" } else { "1s" });
        })
        .await;
        for (versions, version) in VERSIONS {
            let own = nodes.client(versions);
            let (written, refused) = (nodes.written(0).await, nodes.refused(1, "expired").await);
            nodes.greet(0, &own).await;
            nodes.stored(0, written + given(version)).await;
            deadline::pace(Duration::from_millis(1500)).await;
            assert!(!nodes.greet(1, &own).await.resumed(), "{way}, TLS {version}");
            assert!(nodes.refused(1, "expired").await > refused, "{way}, TLS {version}");
        }
    }
}

#[tokio::test]
async fn p_51_s_73_what_stands_in_memcached_shows_no_secret_and_what_was_put_there_is_ignored() {
    let nodes = Nodes::of("store").await;
    let before = nodes.memcached().names().await;
    let session = text(&nodes.folder.path().join("session.pem"));
    let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", "-tls1_2", "-ign_eof", "-connect"]);
    let openssl = openssl.args([&nodes.address(0), "-servername", "localhost", "-sess_out", &session, "-CAfile"]);
    let said = openssl.arg(&nodes.certificate).input("QUIT\r\n").run().await.good().out;
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name)).expect("a field of the session");
        (0..line.trim().len() / 2)
            .map(|at| u8::from_str_radix(&line.trim()[2 * at..2 * at + 2], 16).expect("hex"))
            .collect()
    };
    let (secret, id): (Vec<u8>, Vec<u8>) = (field("Master-Key:"), field("Session-ID:"));
    assert_eq!((secret.len(), id.len()), (48, 32));
    nodes.stored(0, 1).await;
    let own = [nodes.client(TLS_12), nodes.client(TLS_12), nodes.client(TLS_12)];
    for (at, one) in own.iter().enumerate() {
        nodes.greet(0, one).await;
        nodes.stored(0, at as u64 + 2).await;
    }
    let names: Vec<String> =
        nodes.memcached().names().await.into_iter().filter(|name| !before.contains(name)).collect();
    let mut values = Vec::new();
    for name in &names {
        let value = nodes.memcached().value(name).await;
        let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
        assert!(!has(&secret) && !has(&id) && !has(b"localhost"), "{name}");
        values.push(value);
    }
    assert!(names.iter().all(|name| name.starts_with("pcx1.")), "{names:?}");
    // Whoever owns memcached moves every value one place on, cuts it, writes something of his own.
    let sessions: Vec<usize> = (0..values.len()).filter(|at| values[*at].starts_with(b"pct1")).collect();
    assert_eq!(sessions.len(), 4);
    for (number, at) in sessions.iter().enumerate() {
        let next = &values[sessions[(number + 1) % sessions.len()]];
        let forged = match number {
            0 => next[..next.len() / 2].to_vec(),
            1 => b"a session of mine".to_vec(),
            _ => next.clone(),
        };
        nodes.memcached().set(&names[*at], &forged).await;
    }
    for one in &own {
        assert!(!nodes.greet(1, one).await.resumed(), "a full handshake");
        assert!(nodes.greet(1, one).await.resumed());
    }
    let openssl = Program::new("openssl").args(["s_client", "-starttls", "ftp", "-tls1_2", "-ign_eof", "-connect"]);
    let openssl = openssl.args([&nodes.address(1), "-servername", "localhost", "-sess_in", &session]);
    let said = openssl.input("QUIT\r\n").run().await.good().out;
    assert!(said.contains("New, TLSv1.2") && said.contains("221 "), "{said}");
    let info = nodes.info(1).await;
    assert_eq!((info["store"]["forged"].as_u64(), info["refused"]["unknown"].as_u64()), (Some(4), Some(4)), "{info}");
    nodes.nodes[1].logged("the forgery", |line| line.message().starts_with("tls.session-forged")).await;
}

#[tokio::test]
async fn p_42_a_memcached_that_hangs_or_dies_makes_full_handshakes_and_blocks_none() {
    for dies in [false, true] {
        let mut nodes = Nodes::with("store", true, |_, config, _| {
            config.set("store.deadline", "50ms");
        })
        .await;
        for (versions, version) in VERSIONS {
            let clients: Vec<_> = (0..6).map(|_| nodes.client(versions)).collect();
            for own in &clients {
                nodes.greet(0, own).await;
            }
            match (dies, nodes.memcached.as_mut().expect("memcached")) {
                (true, memcached) => memcached.kill(),
                (false, memcached) => memcached.hang(),
            }
            for own in &clients {
                let began = Instant::now();
                let client = nodes.greet(1, own).await;
                assert!(!client.resumed() && began.elapsed() < HANDSHAKE, "TLS {version}: {:?}", began.elapsed());
                // What this node made itself it knows without the store.
                assert!(nodes.greet(1, own).await.resumed(), "TLS {version}");
            }
            assert!(nodes.info(1).await["store"]["unavailable"].as_u64() > Some(0));
            match (dies, nodes.memcached.as_mut().expect("memcached")) {
                (true, memcached) => memcached.restart().await,
                (false, memcached) => memcached.go_on(),
            }
            // P-41: and when it is back, sessions cross again.
            deadline::until_asked(SOON, "a session to cross again", async || {
                let own = nodes.client(versions);
                nodes.greet(0, &own).await;
                nodes.greet(1, &own).await.resumed().then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn p_43_with_sessions_and_bans_in_one_store_a_ban_still_holds_after_fifty_sessions() {
    let nodes = Nodes::of("store").await;
    let own = nodes.client(TLS_13);
    for round in 0..50 {
        nodes.greet(round % 2, &own).await;
    }
    nodes.nodes[0].admin(&["bans", "add", "127.0.0.9", "--for", "1h"]).await.good();
    nodes.nodes[0].assert_refused("127.0.0.9").await;
    nodes.nodes[1].assert_refused("127.0.0.9").await;
    for round in 0..50 {
        nodes.greet(round % 2, &own).await;
        nodes.nodes[round % 2].assert_refused("127.0.0.9").await;
    }
    nodes.greet(1, &own).await;
}
