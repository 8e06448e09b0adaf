//! Who is at the other end, in one canonical form.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The address of a client: IPv4 written in IPv6 (`::ffff:a.b.c.d`) is folded to IPv4, so that one
/// client has one identity whatever socket it came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    ip: IpAddr,
    port: u16,
}

impl Peer {
    /// From the kernel's address.
    pub fn new(address: SocketAddr) -> Peer {
        Peer { ip: fold(address.ip()), port: address.port() }
    }

    /// The folded address.
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// The port.
    pub const fn port(self) -> u16 {
        self.port
    }
}

/// Whom a connection comes from and where it came to, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The client.
    pub peer: Peer,
    /// The address that it connected to, folded.
    pub local: SocketAddr,
    /// The socket's own ends, where a balancer connected in the client's name.
    pub through: Option<Through>,
}

/// The ends of a socket to a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// The balancer.
    pub balancer: Peer,
    /// Our end, folded.
    pub local: SocketAddr,
}

impl Arrival {
    /// Straight from the client.
    pub fn direct(peer: Peer, local: SocketAddr) -> Arrival {
        Arrival { peer, local: folded(local), through: None }
    }

    /// The address of this machine that the connection uses.
    pub fn own_ip(&self) -> IpAddr {
        self.through.map_or(self.local, |through| through.local).ip()
    }
}

/// A socket address with its IP folded.
pub fn folded(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(fold(address.ip()), address.port())
}

/// IPv4-mapped IPv6 becomes IPv4; everything else stays.
pub fn fold(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_22_mapped_addresses_are_one_client() {
        let mapped = Peer::new("[::ffff:192.0.2.7]:4000".parse().expect("address"));
        let plain = Peer::new("192.0.2.7:4000".parse().expect("address"));
        assert_eq!(mapped, plain);
    }
}
