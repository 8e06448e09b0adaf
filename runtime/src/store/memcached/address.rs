//! Where a server is: names are resolved beside all operations, again and again, and what is known stays good
//! while the resolver fails. The ring knows a server by its configured name, so that a new address moves no key.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;

use super::server::Server;
use crate::config::settings::StoreServer;
use crate::waits;

/// Soon enough after a failure, and rare enough for any name server.
const RETRY: Duration = Duration::from_secs(1);

/// What a connection is made to.
#[derive(Debug)]
pub(super) enum Address {
    /// A path.
    Unix(String),
    /// Host and port; the addresses that are known, the first of them tried first.
    Tcp(Mutex<Vec<SocketAddr>>),
}

impl Address {
    pub(super) fn of(server: &StoreServer) -> Address {
        if server.host.starts_with('/') {
            return Address::Unix(server.host.clone());
        }
        let literal = server.host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, server.port));
        Address::Tcp(Mutex::new(literal.into_iter().collect()))
    }

    /// Whether it has to be resolved.
    pub(super) fn is_name(server: &StoreServer) -> bool {
        !server.host.starts_with('/') && server.host.parse::<IpAddr>().is_err()
    }
}

/// Resolves the server's name until the server is gone.
pub(super) async fn follow(server: Weak<Server>, host: String, port: u16, every: Duration) {
    loop {
        let answer = tokio::net::lookup_host((host.as_str(), port)).await;
        let Some(server) = server.upgrade() else { return };
        let pause = match answer.map(Iterator::collect::<Vec<_>>) {
            Ok(found) if !found.is_empty() => {
                server.moved(found);
                every
            }
            other => {
                server.unresolved(&other.err().unwrap_or_else(|| io::Error::other("the name has no address")));
                RETRY.min(every)
            }
        };
        drop(server);
        waits::pause(pause).await;
    }
}
