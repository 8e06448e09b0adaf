//! Who may be at the other end of a data connection: the client of its control connection, nobody else.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::settings::DataResumption;
use crate::net::peer::fold;
use crate::tls::Owner;

/// The first port that needs no privilege: below it are services that a client must not be led to.
const FIRST_USER_PORT: u16 = 1024;

/// From whom a passive data connection may come.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The client of the control connection.
    pub client: IpAddr,
    /// Through whom it comes.
    pub through: Through<'a>,
}

/// Through whom a data connection comes.
#[derive(Clone, Copy, Debug)]
pub enum Through<'a> {
    /// Nobody: from the client itself.
    Nobody,
    /// A balancer that says whom it speaks for.
    Header(&'a [IpNet]),
    /// A balancer that says nothing: the resumed TLS session has to prove the owner.
    Trusted(&'a [IpNet]),
}

impl<'a> Expected<'a> {
    /// Straight from the client.
    pub const fn direct(client: IpAddr) -> Expected<'a> {
        Expected { client, through: Through::Nobody }
    }

    /// Whether a connection from `address` may be the one, as far as the address tells.
    pub(super) fn may_come_from(&self, address: SocketAddr) -> bool {
        match self.through {
            Through::Nobody => is_client(address, self.client),
            Through::Header(from) | Through::Trusted(from) => {
                from.iter().any(|network| network.contains(&fold(address.ip())))
            }
        }
    }

    /// What a protected connection has to prove.
    pub(super) const fn wanted(&self, configured: DataResumption) -> DataResumption {
        match self.through {
            Through::Trusted(_) => DataResumption::Require,
            Through::Nobody | Through::Header(_) => configured,
        }
    }
}

/// Whether a connection from `address` belongs to the client of the control connection.
pub(super) fn is_client(address: SocketAddr, client: IpAddr) -> bool {
    fold(address.ip()) == client
}

/// Whether the server may connect to an address that the client named: only to the client itself, never to
/// another host or a privileged port (RFC 2577 section 3).
pub fn may_connect(address: SocketAddr, client: IpAddr) -> bool {
    is_client(address, client) && address.port() >= FIRST_USER_PORT
}

/// Whether a protected data connection has proved enough.
pub(super) fn proves_enough(owner: Owner, wanted: DataResumption) -> bool {
    owner == Owner::This || wanted != DataResumption::Require
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_43_t_72_the_server_connects_to_its_client_only() {
        let client: IpAddr = "192.0.2.7".parse().expect("address");
        for (address, allowed) in [
            ("192.0.2.7:1024", true),
            ("[::ffff:192.0.2.7]:50000", true),
            ("192.0.2.7:1023", false),
            ("192.0.2.7:0", false),
            ("192.0.2.8:50000", false),
            ("127.0.0.1:50000", false),
            ("[2001:db8::1]:50000", false),
        ] {
            assert_eq!(may_connect(address.parse().expect("address"), client), allowed, "{address}");
        }
    }

    #[test]
    fn behind_a_balancer_only_the_balancer_comes_and_the_session_proves_the_rest() {
        let from = ["192.0.2.0/28".parse().expect("network")];
        let client: IpAddr = "198.51.100.7".parse().expect("address");
        let may =
            |through, address: &str| Expected { client, through }.may_come_from(address.parse().expect("address"));
        for through in [Through::Header(&from), Through::Trusted(&from)] {
            assert!(may(through, "[::ffff:192.0.2.1]:50000"));
            assert!(!may(through, "192.0.2.16:50000"));
            assert!(!may(through, "198.51.100.7:50000"), "not even the client, past the balancer");
        }
        let wanted = |through| Expected { client, through }.wanted(DataResumption::Log);
        assert_eq!(wanted(Through::Trusted(&from)), DataResumption::Require);
        assert_eq!(wanted(Through::Header(&from)), DataResumption::Log);
    }

    #[test]
    fn s_42_require_wants_this_control_connections_session() {
        for (owner, wanted, enough) in [
            (Owner::This, DataResumption::Require, true),
            (Owner::Other, DataResumption::Require, false),
            (Owner::None, DataResumption::Require, false),
            (Owner::Other, DataResumption::Log, true),
            (Owner::None, DataResumption::Off, true),
        ] {
            assert_eq!(proves_enough(owner, wanted), enough, "{owner:?} {wanted:?}");
        }
    }
}
