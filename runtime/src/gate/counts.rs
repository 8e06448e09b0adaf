//! How many connections there are, in all and from each client. Bounded by `limits.connections`: a client
//! without a connection has no entry.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

/// One client as the limits see it, and whether it has logged in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    client: Client,
    logged_in: bool,
}

/// An IPv4 address, or the /64 of an IPv6 address. Behind NAT64 (RFC 6052) it is the IPv4 address inside:
/// one prefix holds all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(Known);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Known {
    V4(u32),
    V6(u64),
}

impl Client {
    /// The client behind an address.
    pub fn of(ip: IpAddr) -> Client {
        Client(match ip {
            IpAddr::V4(ip) => Known::V4(ip.into()),
            IpAddr::V6(ip) => match ip.segments() {
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Known::V4((u32::from(high) << 16) | u32::from(low)),
                _ => Known::V6((u128::from(ip) >> 64) as u64),
            },
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: usize,
    pub(super) unauthenticated: usize,
}

#[derive(Debug)]
pub(super) struct Counts {
    clients: HashMap<Client, Tally, RandomState>,
    all: Tally,
}

impl Slot {
    pub(super) fn of(ip: IpAddr) -> Slot {
        Slot { client: Client::of(ip), logged_in: false }
    }

    /// As keys of the client and of its network: the /24 of an IPv4 address, the /48 around a /64.
    pub(super) const fn keys(self) -> ((u8, u64), (u8, u64)) {
        match self.client.0 {
            Known::V4(bits) => ((4, bits as u64), (4, (bits >> 8) as u64)),
            Known::V6(bits) => ((6, bits), (6, bits >> 16)),
        }
    }

    /// True the first time.
    pub(super) fn log_in(&mut self) -> bool {
        !std::mem::replace(&mut self.logged_in, true)
    }
}

impl Counts {
    /// Room for `most` clients is taken at once, so that admitting allocates nothing.
    pub(super) fn new(most: usize) -> Counts {
        Counts { clients: HashMap::with_capacity_and_hasher(most, RandomState::default()), all: Tally::default() }
    }

    pub(super) const fn connections(&self) -> usize {
        self.all.connections
    }

    pub(super) const fn unauthenticated(&self) -> usize {
        self.all.unauthenticated
    }

    pub(super) fn of(&self, slot: Slot) -> Tally {
        self.clients.get(&slot.client).copied().unwrap_or_default()
    }

    pub(super) fn enter(&mut self, slot: Slot) {
        for count in [self.clients.entry(slot.client).or_default(), &mut self.all] {
            count.connections += 1;
            count.unauthenticated += 1;
        }
    }

    pub(super) fn logged_in(&mut self, slot: Slot) {
        for count in self.clients.get_mut(&slot.client).into_iter().chain([&mut self.all]) {
            count.unauthenticated = count.unauthenticated.saturating_sub(1);
        }
    }

    pub(super) fn leave(&mut self, slot: Slot) {
        for count in self.clients.get_mut(&slot.client).into_iter().chain([&mut self.all]) {
            count.connections = count.connections.saturating_sub(1);
            if !slot.logged_in {
                count.unauthenticated = count.unauthenticated.saturating_sub(1);
            }
        }
        if self.of(slot).connections == 0 {
            self.clients.remove(&slot.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(ip: &str) -> Slot {
        Slot::of(ip.parse().expect(ip))
    }

    #[test]
    fn what_left_is_forgotten() {
        let mut counts = Counts::new(4);
        let mut one = slot("192.0.2.1");
        counts.enter(one);
        assert!(one.log_in());
        counts.logged_in(one);
        assert!(!one.log_in());
        counts.enter(slot("192.0.2.2"));
        counts.leave(one);
        counts.leave(slot("192.0.2.2"));
        assert!(counts.clients.is_empty());
        assert_eq!((counts.connections(), counts.unauthenticated()), (0, 0));
    }

    #[test]
    fn s_22_behind_nat64_the_ipv4_address_is_the_client() {
        assert_eq!(slot("64:ff9b::192.0.2.1").client, slot("192.0.2.1").client);
        assert_ne!(slot("64:ff9b::192.0.2.2").client, slot("192.0.2.1").client);
    }
}
