//! How fast connections come, from one address, from one network, and in all. A table of fixed size: under a
//! flood of sources those that came least often are forgotten first.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::quality::RandomState;

use super::counts::Slot;
use crate::config::settings::{Limits, Rate};
use crate::moment::Moment;

/// Places that one hash may take.
const WAYS: usize = 4;

/// A bucket that `connections` fit into and that empties evenly in `span`: as one moment, until which it is
/// not empty.
#[derive(Clone, Copy, Debug)]
struct Pace {
    span: u64,
    step: u64,
}

/// Which rate was too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooFast {
    /// `limits.rate`
    All,
    /// `limits.rate-per-network`
    Network,
    /// `limits.rate-per-address`
    Address,
}

/// The buckets of all that may be full.
#[derive(Debug)]
pub(super) struct Rates {
    all: Option<(Pace, u64)>,
    network: Option<(Pace, Table)>,
    address: Option<(Pace, Table)>,
}

#[derive(Debug)]
struct Table {
    cells: Vec<[Cell; WAYS]>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    key: u64,
    /// Microseconds of Unix time; the bucket is empty from then on.
    until: u64,
}

impl Pace {
    fn new(rate: Rate) -> Pace {
        let span = micros(rate.span);
        Pace { span, step: (span / u64::from(rate.connections.max(1))).max(1) }
    }

    /// The bucket with one connection more, if there is room.
    const fn fill(self, until: u64, now: u64) -> Option<u64> {
        let until = if until > now { until } else { now };
        if until - now + self.step > self.span { None } else { Some(until + self.step) }
    }
}

impl Rates {
    /// `None`: no rate is limited.
    pub(super) fn new(limits: &Limits) -> Option<Rates> {
        let table = |rate: Option<Rate>| rate.map(|rate| (Pace::new(rate), Table::new(limits.rate_entries)));
        let rates = Rates {
            all: limits.rate.map(|rate| (Pace::new(rate), 0)),
            network: table(limits.rate_per_network),
            address: table(limits.rate_per_address),
        };
        (rates.all.is_some() || rates.network.is_some() || rates.address.is_some()).then_some(rates)
    }

    /// Counts a connection, or none of it where one bucket is full: who is refused does not wait longer.
    pub(super) fn enter(&mut self, ip: IpAddr, now: Moment) -> Result<(), TooFast> {
        let now = now.millis().saturating_mul(1000);
        let (address, network) = Slot::of(ip).keys();
        // The narrowest first: a flood from one address is told as such.
        let address = filled(self.address.as_mut(), &address, now).ok_or(TooFast::Address)?;
        let network = filled(self.network.as_mut(), &network, now).ok_or(TooFast::Network)?;
        let all = match &mut self.all {
            Some((pace, until)) => Some((pace.fill(*until, now).ok_or(TooFast::All)?, until)),
            None => None,
        };
        for (key, filled, cell) in [address, network].into_iter().flatten() {
            *cell = Cell { key, until: filled };
        }
        if let Some((filled, until)) = all {
            *until = filled;
        }
        Ok(())
    }
}

/// A place of a table and what to put there.
type Filled<'a> = (u64, u64, &'a mut Cell);

/// `Some(None)` where nothing is limited, `None` where the bucket is full.
fn filled<'a>(limit: Option<&'a mut (Pace, Table)>, key: &(u8, u64), now: u64) -> Option<Option<Filled<'a>>> {
    let Some((pace, table)) = limit else { return Some(None) };
    let (key, cell) = table.find(key);
    let until = if cell.key == key { cell.until } else { 0 };
    pace.fill(until, now).map(|filled| Some((key, filled, cell)))
}

impl Table {
    fn new(entries: usize) -> Table {
        Table { cells: vec![[Cell::default(); WAYS]; entries.div_ceil(WAYS).max(1)], hasher: RandomState::default() }
    }

    /// The cell of a key, or the one that is emptiest.
    fn find(&mut self, key: &(u8, u64)) -> (u64, &mut Cell) {
        // Zero is the key of no one.
        let key = self.hasher.hash_one(key).max(1);
        let count = self.cells.len() as u64;
        let cells = &mut self.cells[(key % count) as usize];
        let known = cells.iter().position(|cell| cell.key == key);
        let emptiest = || (0..WAYS).min_by_key(|way| cells[*way].until).unwrap_or_default();
        let way = known.unwrap_or_else(emptiest);
        (key, &mut cells[way])
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: u32, network: u32, address: u32) -> Limits {
        let rate = |connections| (connections > 0).then_some(Rate { connections, span: Duration::from_secs(10) });
        Limits {
            rate: rate(all),
            rate_per_network: rate(network),
            rate_per_address: rate(address),
            rate_entries: 64,
            ..crate::ledger::fixtures::settings("").limits
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_one_at_a_time() {
        let mut rates = Rates::new(&limits(0, 0, 5)).expect("limited");
        let at = |millis: u64| Moment::from_millis(1_000_000 + millis);
        for _ in 0..5 {
            assert_eq!(rates.enter(ip("192.0.2.1"), at(0)), Ok(()));
        }
        for millis in [0, 1, 1999] {
            assert_eq!(rates.enter(ip("192.0.2.1"), at(millis)), Err(TooFast::Address));
        }
        assert_eq!(rates.enter(ip("192.0.2.2"), at(0)), Ok(()), "the neighbour is fine");
        assert_eq!(rates.enter(ip("192.0.2.1"), at(2000)), Ok(()), "who was refused did not wait longer");
        assert_eq!(rates.enter(ip("192.0.2.1"), at(2001)), Err(TooFast::Address));
        assert_eq!(rates.enter(ip("192.0.2.1"), at(60_000)), Ok(()));
    }

    #[test]
    fn a_network_and_all_together_have_rates_of_their_own() {
        let mut rates = Rates::new(&limits(4, 3, 2)).expect("limited");
        let now = Moment::from_millis(1_000_000);
        assert_eq!(rates.enter(ip("192.0.2.1"), now), Ok(()));
        assert_eq!(rates.enter(ip("192.0.2.1"), now), Ok(()));
        assert_eq!(rates.enter(ip("192.0.2.1"), now), Err(TooFast::Address));
        assert_eq!(rates.enter(ip("192.0.2.2"), now), Ok(()));
        assert_eq!(rates.enter(ip("192.0.2.3"), now), Err(TooFast::Network));
        assert_eq!(rates.enter(ip("198.51.100.1"), now), Ok(()));
        assert_eq!(rates.enter(ip("198.51.100.1"), now), Err(TooFast::All));
        assert!(Rates::new(&limits(0, 0, 0)).is_none());
    }

    #[test]
    fn s_21_the_addresses_of_one_ipv6_network_are_one_client() {
        let mut rates = Rates::new(&limits(0, 0, 1)).expect("limited");
        let now = Moment::from_millis(1_000_000);
        assert_eq!(rates.enter(ip("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(rates.enter(ip("2001:db8:0:1::2"), now), Err(TooFast::Address));
        assert_eq!(rates.enter(ip("2001:db8:0:2::1"), now), Ok(()));
    }

    #[test]
    fn s_12_a_flood_of_sources_does_not_push_out_who_comes_often() {
        let mut rates = Rates::new(&limits(0, 0, 100)).expect("limited");
        let now = Moment::from_millis(1_000_000);
        while rates.enter(ip("192.0.2.1"), now).is_ok() {}
        for source in 0..10_000_u32 {
            let _ = rates.enter(IpAddr::V4((0x0a00_0000 + source).into()), now);
        }
        assert_eq!(rates.enter(ip("192.0.2.1"), now), Err(TooFast::Address));
    }
}
