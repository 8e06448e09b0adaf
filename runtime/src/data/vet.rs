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

/// Where the server connects when a client names an address: to the client itself, never to another host or a
/// privileged port (RFC 2577 section 3). A client behind NAT knows its private address only; from outside that
/// one means the address that it came from, as ProFTPD has it. `None`: nowhere.
pub fn active_target(named: SocketAddr, client: IpAddr) -> Option<SocketAddr> {
    let ip = fold(named.ip());
    let is_natted = ip.is_ipv4() == client.is_ipv4() && is_private(ip) && !is_private(client);
    (named.port() >= FIRST_USER_PORT && (ip == client || is_natted)).then(|| SocketAddr::new(client, named.port()))
}

/// Whether an address means something in its own network only (RFC 1918, RFC 6598, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
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
            ("169.254.1.1:50000", false),
            ("0.0.0.0:50000", false),
            ("[2001:db8::1]:50000", false),
        ] {
            let named: SocketAddr = address.parse().expect("address");
            let target = allowed.then(|| SocketAddr::new(client, named.port()));
            assert_eq!(active_target(named, client), target, "{address}");
        }
    }

    #[test]
    fn t_72_a_private_address_from_outside_means_the_client_and_nobody_else() {
        for (named, client, target) in [
            ("192.168.1.5:50000", "203.0.113.9", Some("203.0.113.9:50000")),
            ("10.0.0.1:1024", "203.0.113.9", Some("203.0.113.9:1024")),
            ("172.31.0.1:50000", "203.0.113.9", Some("203.0.113.9:50000")),
            ("100.64.0.1:50000", "203.0.113.9", Some("203.0.113.9:50000")),
            ("[fd00::5]:50000", "2001:db8::9", Some("[2001:db8::9]:50000")),
            ("192.168.1.5:80", "203.0.113.9", None),
            ("172.32.0.1:50000", "203.0.113.9", None),
            ("192.168.1.5:50000", "192.168.1.6", None),
            ("10.0.0.1:50000", "192.168.1.6", None),
            ("192.168.1.5:50000", "2001:db8::9", None),
            ("[fd00::5]:50000", "203.0.113.9", None),
        ] {
            let named: SocketAddr = named.parse().expect("address");
            let target = target.map(|target| target.parse().expect("address"));
            assert_eq!(active_target(named, client.parse().expect("address")), target, "{named} from {client}");
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
