//! Nodes of one pool, and what they tell of their TLS sessions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::client::ClientConfig;
use serde_json::Value;
use tempfile::TempDir;
use tests::authority::own_certificate;
use tests::client::Client;
use tests::config::Config;
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::server::{Server, portcullis};
use tests::tls::{self, TLS_12, TLS_13};

pub const CLIENT: &str = "127.0.0.1";
pub const VERSIONS: [(&[&SupportedProtocolVersion], &str); 2] = [(TLS_12, "1.2"), (TLS_13, "1.3")];
pub const WAYS: [&str; 2] = ["tickets", "store"];

/// Nodes with one cluster key and one certificate.
pub struct Nodes {
    pub nodes: Vec<Server>,
    pub memcached: Option<Memcached>,
    pub certificate: PathBuf,
    pub folder: TempDir,
}

impl Nodes {
    /// Two of them. Tickets need no memcached, so that there is none.
    pub async fn of(way: &str) -> Nodes {
        Nodes::with(way, way == "store", |_, _, _| {}).await
    }

    pub async fn with(way: &str, store: bool, change: impl Fn(usize, &mut Config, &Path)) -> Nodes {
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

    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        tls::trusting(&self.certificate, versions)
    }

    /// A protected client whose first reply has come, and with it its tickets.
    pub async fn greet(&self, node: usize, own: &Arc<ClientConfig>) -> Client {
        let mut client = self.nodes[node].welcome(CLIENT).await;
        client.upgrade(own).await;
        client.command("NOOP").await.expect(200);
        client
    }

    pub async fn info(&self, node: usize) -> Value {
        self.nodes[node].admin(&["tls", "sessions", "info", "--json"]).await.good().json()
    }

    pub async fn refused(&self, node: usize, reason: &str) -> u64 {
        self.info(node).await["refused"][reason].as_u64().expect("a count")
    }

    /// Waits until nothing waits to be written: who comes to another node within the same millisecond may be earlier
    /// than its session.
    pub async fn settled(&self, node: usize) {
        let none = async || (self.info(node).await["store"]["waiting"].as_u64().unwrap_or(0) == 0).then_some(());
        deadline::until_asked(SOON, "sessions to be written", none).await;
    }

    /// How many sessions a node has written into the store; 0 where there is none.
    pub async fn written(&self, node: usize) -> u64 {
        self.info(node).await["store"]["stored"].as_u64().unwrap_or(0)
    }

    /// Waits until a node has written so many, if it writes any.
    pub async fn stored(&self, node: usize, count: u64) {
        let info = self.info(node).await;
        if info["way"] == "store" {
            let enough = async || (self.written(node).await >= count).then_some(());
            deadline::until_asked(SOON, "sessions in the store", enough).await;
        }
    }

    pub fn memcached(&self) -> &Memcached {
        self.memcached.as_ref().expect("there is one")
    }

    pub fn address(&self, node: usize) -> String {
        self.nodes[node].address().to_string()
    }
}

/// As an argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("scratch folders have plain names").to_owned()
}

/// Sessions that a handshake with this version gives to a client.
pub fn given(version: &str) -> u64 {
    if version == "1.2" { 1 } else { 4 }
}
