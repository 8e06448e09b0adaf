//! Custom events: what an operator or a tool tells the policies, of a client or of nobody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::house::House;
use super::ruling;
use crate::events::{Custom, Kind, Occasion};
use crate::ledger::BanId;
use crate::moment::Moment;
use crate::net::{Arrival, HostId, Peer};
use crate::policy::Decision;

/// What came of a custom event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// Whether any policy wants custom events.
    pub heard: bool,
    /// `pass`, `allow` or `refuse`; there is nothing to refuse, so it is for the raiser to use.
    pub decision: String,
    /// Bans that came of it, or were in force already.
    pub bans: Vec<BanId>,
}

impl House {
    /// Tells the policies. The event's peer is `host` with port 0, or `0.0.0.0` where none is named; its
    /// connection is one that never was.
    pub async fn raise(self: &Arc<House>, custom: Custom, host: Option<IpAddr>, user: Option<&str>) -> Raised {
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let peer = Peer::new(host.map_or(nowhere, |host| SocketAddr::new(host, 0)));
        let classes = host.map(|_| self.handles.networks.classes_of(peer.ip())).unwrap_or_default();
        let arrival = Arrival::direct(peer, nowhere);
        let entry = self.registry().stranger(arrival, (0, HostId::MAIN), classes, Moment::now());
        if let Some(user) = user {
            // An operator does not mistype a password there.
            entry.name(user, None);
        }
        let heard = self.handles.policies.wants(Occasion::Custom);
        let verdict = ruling::ask(self, &entry, Kind::Custom(custom)).await;
        let decision = match verdict.decision {
            Decision::Pass => "pass",
            Decision::Allow => "allow",
            Decision::Refuse { .. } => "refuse",
        };
        Raised { heard, decision: decision.to_owned(), bans: verdict.imposed }
    }
}
