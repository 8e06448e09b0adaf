//! Resumption on another node: rustls, OpenSSL, Python, and data connections after it.

use tests::client::DataTls;
use tests::program::Program;

use crate::nodes::{CLIENT, Nodes, VERSIONS, WAYS, given, text};

/// Handshakes of a row, each on the other node than the one before.
const ROUNDS: usize = 100;

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
