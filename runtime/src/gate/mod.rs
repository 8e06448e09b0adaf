//! Decides whether a peer may speak to us at all, before TLS and before a greeting.
//!
//! Trust: the address is the kernel's; nothing else is known yet. Must not know: FTP, TLS, policies, the
//! store, the clock (it is told the moment).

mod counts;
mod rate;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Settings;
use crate::config::settings::Limits;
use crate::ledger::{Ban, Bans};
use crate::moment::Moment;
use crate::net::{Networks, Peer};

pub use counts::Client;
use counts::{Counts, Slot};
use rate::Rates;
pub use rate::TooFast;

/// The gate. One for all listeners.
#[derive(Clone, Debug)]
pub struct Gate {
    bans: Bans,
    networks: Arc<Networks>,
    limits: Arc<Limits>,
    counts: Arc<Mutex<Counts>>,
    rates: Option<Arc<Mutex<Rates>>>,
}

/// Why a peer may not speak.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It is banned.
    Banned(Arc<Ban>),
    /// The listener does not serve its network.
    NotServed,
    /// One of the rates.
    TooFast(TooFast),
    /// `limits.connections`
    TooManyConnections,
    /// `limits.connections-per-address`
    TooManyFromAddress,
    /// `limits.unauthenticated`
    TooManyUnauthenticated,
    /// `limits.unauthenticated-per-address`
    TooManyUnauthenticatedFromAddress,
}

/// A place among the connections, and until the login one among the unauthenticated. Given back on drop.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    peer: Peer,
    slot: Slot,
    counts: Arc<Mutex<Counts>>,
}

impl Gate {
    /// A gate over the ledger.
    pub fn new(settings: &Settings, bans: Bans, networks: Arc<Networks>) -> Gate {
        let limits = Arc::new(settings.limits.clone());
        let counts = Arc::new(Mutex::new(Counts::new(limits.connections)));
        let rates = Rates::new(&limits).map(|rates| Arc::new(Mutex::new(rates)));
        Gate { bans, networks, limits, counts, rates }
    }

    /// Lets a peer in or says why not. The refused path allocates nothing.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&self, peer: Peer, now: Moment) -> Result<Admitted, Refusal> {
        if let Some(ban) = self.bans.on_host_of(peer.ip(), || self.networks.covering(peer.ip()), now) {
            return Err(Refusal::Banned(ban));
        }
        if let Some(rates) = &self.rates {
            rates.lock().enter(peer.ip(), now).map_err(Refusal::TooFast)?;
        }
        let slot = Slot::of(peer.ip());
        let mut counts = self.counts.lock();
        decide(&self.limits, &counts, slot)?;
        counts.enter(slot);
        drop(counts);
        Ok(Admitted { peer, slot, counts: Arc::clone(&self.counts) })
    }

    /// Connections that are open, and those of them that have not logged in.
    pub fn load(&self) -> (usize, usize) {
        let counts = self.counts.lock();
        (counts.connections(), counts.unauthenticated())
    }
}

/// The limits' part of the decision.
fn decide(limits: &Limits, counts: &Counts, slot: Slot) -> Result<(), Refusal> {
    let from = counts.of(slot);
    if counts.connections() >= limits.connections {
        return Err(Refusal::TooManyConnections);
    }
    if from.connections >= limits.connections_per_address {
        return Err(Refusal::TooManyFromAddress);
    }
    if counts.unauthenticated() >= limits.unauthenticated {
        return Err(Refusal::TooManyUnauthenticated);
    }
    if from.unauthenticated >= limits.unauthenticated_per_address {
        return Err(Refusal::TooManyUnauthenticatedFromAddress);
    }
    Ok(())
}

impl Admitted {
    /// Who was admitted.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Frees the place among the unauthenticated.
    pub fn logged_in(&mut self) {
        if self.slot.log_in() {
            self.counts.lock().logged_in(self.slot);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.counts.lock().leave(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 5,
            connections_per_address: 3,
            unauthenticated: 4,
            unauthenticated_per_address: 2,
            ..crate::ledger::fixtures::settings("").limits
        }
    }

    fn slot(ip: &str) -> Slot {
        Slot::of(ip.parse().expect(ip))
    }

    fn enter(counts: &mut Counts, ip: &str) -> Result<(), Refusal> {
        decide(&limits(), counts, slot(ip))?;
        counts.enter(slot(ip));
        Ok(())
    }

    fn log_in(counts: &mut Counts, ip: &str) {
        let mut slot = slot(ip);
        assert!(slot.log_in());
        counts.logged_in(slot);
    }

    #[test]
    fn each_limit_refuses_for_its_own_reason() {
        let mut counts = Counts::new(5);
        assert_eq!(enter(&mut counts, "192.0.2.1"), Ok(()));
        assert_eq!(enter(&mut counts, "192.0.2.1"), Ok(()));
        assert_eq!(enter(&mut counts, "192.0.2.1"), Err(Refusal::TooManyUnauthenticatedFromAddress));
        log_in(&mut counts, "192.0.2.1");
        log_in(&mut counts, "192.0.2.1");
        assert_eq!(enter(&mut counts, "192.0.2.1"), Ok(()));
        assert_eq!(enter(&mut counts, "192.0.2.1"), Err(Refusal::TooManyFromAddress));
        assert_eq!(enter(&mut counts, "192.0.2.2"), Ok(()));
        assert_eq!(enter(&mut counts, "192.0.2.3"), Ok(()));
        assert_eq!(enter(&mut counts, "192.0.2.4"), Err(Refusal::TooManyConnections));
    }

    #[test]
    fn unauthenticated_peers_are_bounded_in_all() {
        let mut counts = Counts::new(5);
        for last in 1..=4 {
            assert_eq!(enter(&mut counts, &format!("192.0.2.{last}")), Ok(()));
        }
        assert_eq!(enter(&mut counts, "192.0.2.5"), Err(Refusal::TooManyUnauthenticated));
        log_in(&mut counts, "192.0.2.1");
        assert_eq!(enter(&mut counts, "192.0.2.5"), Ok(()));
    }

    #[test]
    fn s_21_one_ipv6_network_is_one_client() {
        let mut counts = Counts::new(5);
        assert_eq!(enter(&mut counts, "2001:db8:0:1::1"), Ok(()));
        assert_eq!(enter(&mut counts, "2001:db8:0:1:ffff::2"), Ok(()));
        assert_eq!(enter(&mut counts, "2001:db8:0:1::3"), Err(Refusal::TooManyUnauthenticatedFromAddress));
        assert_eq!(enter(&mut counts, "2001:db8:0:2::1"), Ok(()));
    }

    /// Derives nothing: these bans stay here.
    struct NoKeys;

    #[async_trait::async_trait]
    impl crate::store::Derive for NoKeys {
        async fn derive(&self, _: &crate::store::Purpose) -> Vec<crate::store::Key> {
            Vec::new()
        }
    }

    #[tokio::test]
    async fn the_ledger_decides_first_and_a_place_gives_itself_back() {
        let lines =
            "networks.office = [\"203.0.113.0/24\"]\nbans.protected = [\"192.0.2.1\"]\nlimits.connections = 1\n";
        let mut settings = crate::ledger::fixtures::settings(lines);
        let state = tempfile::tempdir().expect("directory");
        settings.server.state = state.path().to_owned();
        let store = crate::store::open(&settings, crate::store::Secrets::default());
        let (bans, writer) = crate::ledger::open(&settings, store, Arc::new(NoKeys)).expect("ledger");
        let gate = Gate::new(&settings, bans, Arc::new(Networks::new(&settings.networks)));
        let now = Moment::now();
        let admit = |ip: &str| gate.admit(Peer::new(std::net::SocketAddr::new(ip.parse().expect(ip), 4000)), now);
        for subject in ["class:office", "host:192.0.2.7"] {
            let subject = crate::ledger::Subject::parse(subject).expect(subject);
            let reach = crate::ledger::Reach::Node;
            writer.add(subject, None, "test".into(), reach, "root", now).await.expect("imposed");
        }
        let mut admitted = admit("192.0.2.1").expect("the neighbour is fine");
        assert_eq!(gate.load(), (1, 1));
        assert!(matches!(admit("192.0.2.7"), Err(Refusal::Banned(_))), "a banned peer learns nothing of limits");
        assert!(matches!(admit("203.0.113.9"), Err(Refusal::Banned(_))));
        assert!(matches!(admit("::ffff:192.0.2.7"), Err(Refusal::Banned(_))));
        assert_eq!(admit("192.0.2.8").err(), Some(Refusal::TooManyConnections));
        admitted.logged_in();
        admitted.logged_in();
        assert_eq!(gate.load(), (1, 0));
        drop(admitted);
        assert_eq!(gate.load(), (0, 0));
        assert!(admit("192.0.2.8").is_ok());
    }
}
