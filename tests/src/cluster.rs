//! Several nodes of one site over one memcached.

use crate::config::Config;
use crate::memcached::Memcached;
use crate::server::Server;

/// Nodes that share a store.
pub struct Cluster {
    /// What they share.
    pub memcached: Memcached,
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts memcached, then `count` nodes.
    pub async fn of(count: usize) -> Cluster {
        Cluster::with(count, |_, _| {}).await
    }

    /// As [`Cluster::of`]; `change` sees each node's number and configuration.
    pub async fn with(count: usize, mut change: impl FnMut(usize, &mut Config)) -> Cluster {
        let memcached = Memcached::start().await;
        let mut nodes = Vec::with_capacity(count);
        for number in 0..count {
            let node = Server::serve_with(|config| {
                config.set("server.node", format!("node-{number}")).set("server.site", "cluster");
                config.store(&[memcached.address()]);
                change(number, config);
            });
            nodes.push(node.await);
        }
        Cluster { memcached, nodes }
    }

    /// One of the nodes.
    pub fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    /// One of the nodes, to stop or restart it.
    pub fn node_mut(&mut self, number: usize) -> &mut Server {
        &mut self.nodes[number]
    }
}
