//! Addresses that nobody can trace back without the key, and that still tell networks apart.
//!
//! Two addresses share as many leading bits after as before (the scheme of Xu, Fan, Ammar and Moon, "Crypto-
//! PAn"): a /24 stays a /24, a /64 a /64, and no two addresses become one. Each bit is flipped or not by a
//! keyed hash of the bits before it; one hash decides all bits of a byte. Pure.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

/// Makes pseudonyms.
pub(super) struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    pub(super) fn new(key: &[u8]) -> Pseudonyms {
        Pseudonyms(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The pseudonym of a peer; its port stays.
    pub(super) fn peer(&self, peer: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.address(peer.ip()), peer.port())
    }

    /// The pseudonym of an address, of the same family.
    pub(super) fn address(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) => IpAddr::V4(self.bytes(b"4", ip.octets()).into()),
            IpAddr::V6(ip) => IpAddr::V6(self.bytes(b"6", ip.octets()).into()),
        }
    }

    fn bytes<const N: usize>(&self, family: &[u8], bytes: [u8; N]) -> [u8; N] {
        std::array::from_fn(|at| {
            let mut context = hmac::Context::with_key(&self.0);
            context.update(family);
            context.update(&bytes[..at]);
            let tag = context.sign();
            (0..8).fold(0, |flipped, bit| {
                // The bits of this byte that come before, with a one in front: 1 to 255, its own for each.
                let place = (1_usize << bit) | (usize::from(bytes[at]) >> (8 - bit));
                let flip = tag.as_ref()[place / 8] >> (place % 8) & 1;
                flipped | (bytes[at] >> (7 - bit) & 1 ^ flip) << (7 - bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn common(one: u32, other: u32) -> u32 {
        (one ^ other).leading_zeros()
    }

    fn v4(pseudonyms: &Pseudonyms, ip: u32) -> u32 {
        match pseudonyms.address(IpAddr::V4(ip.into())) {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => panic!("{ip} is of another family"),
        }
    }

    #[test]
    fn no_two_addresses_of_a_network_become_one() {
        let pseudonyms = Pseudonyms::new(b"a key");
        let all: BTreeSet<u32> = (0..65_536).map(|low| v4(&pseudonyms, 0xc000_0000 | low)).collect();
        assert_eq!(all.len(), 65_536);
        assert!(all.iter().all(|ip| ip >> 16 == all.first().expect("one") >> 16));
    }

    #[test]
    fn another_key_gives_other_pseudonyms() {
        let ip = 0xc000_0207;
        let (one, other) = (v4(&Pseudonyms::new(b"one"), ip), v4(&Pseudonyms::new(b"other"), ip));
        assert!(one != other && one != ip);
        assert_eq!(one, v4(&Pseudonyms::new(b"one"), ip));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_stays_one() {
        let pseudonyms = Pseudonyms::new(b"a key");
        let half = |text: &str| match pseudonyms.address(text.parse().expect(text)) {
            IpAddr::V6(ip) => ip.to_bits() >> 64,
            IpAddr::V4(ip) => panic!("{ip}"),
        };
        assert_eq!(half("2001:db8:0:1::1"), half("2001:db8:0:1:ffff::2"));
        assert_ne!(half("2001:db8:0:1::1"), half("2001:db8:0:2::1"));
    }

    proptest! {
        #[test]
        fn as_many_leading_bits_are_shared_as_before(one: u32, other: u32) {
            let pseudonyms = Pseudonyms::new(b"a key");
            prop_assert_eq!(common(v4(&pseudonyms, one), v4(&pseudonyms, other)), common(one, other));
        }
    }
}
