//! What is a full handshake instead, and never an error: cleared, of another server, without the certificate that is
//! asked for, too old.

use std::time::Duration;

use tests::authority::{Authority, Pair};
use tests::deadline::{self, SOON};
use tests::server::Server;
use tests::tls::{self, TLS_12, TLS_13};

use crate::nodes::{CLIENT, Nodes, VERSIONS, WAYS, given, text};

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
        let pair = Pair { certificate: folder.join("own.pem"), key: folder.join("own.key") };
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
