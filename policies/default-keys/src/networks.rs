//! Addresses and networks in their one form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, IPv4 in IPv6 folded to IPv4.
pub fn host(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A network with its host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub bits: u8,
}

impl Network {
    /// From CIDR text; `::ffff:a.b.c.d/96+N` is the IPv4 network.
    pub fn parse(cidr: &str) -> Option<Network> {
        let (address, bits) = cidr.split_once('/')?;
        let (typed, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
        let address = typed.to_canonical();
        let bits = if typed.is_ipv6() && address.is_ipv4() { bits.checked_sub(96)? } else { bits };
        (bits <= width(address)).then(|| Network::around(address, bits))
    }

    /// The network of this length that holds the address. Longer than can be is the address itself.
    pub fn around(address: IpAddr, bits: u8) -> Network {
        let bits = bits.min(width(address));
        let rest = u32::from(width(address) - bits);
        let first = match address {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(rest).unwrap_or(0)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(rest).unwrap_or(0)).into(),
        };
        Network { address: first, bits }
    }

    /// Whether it is one address.
    pub fn is_host(&self) -> bool {
        self.bits == width(self.address)
    }

    /// Kind and name in a key.
    pub fn place(&self) -> String {
        format!("network/{}/{}", self.address, self.bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
