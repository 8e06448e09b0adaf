//! Who may be at the other end of a data connection: the client of its control connection, nobody else.

use std::net::{IpAddr, SocketAddr};

use crate::config::settings::DataResumption;
use crate::net::peer::fold;
use crate::tls::Owner;

/// The first port that needs no privilege: below it are services that a client must not be led to.
const FIRST_USER_PORT: u16 = 1024;

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
