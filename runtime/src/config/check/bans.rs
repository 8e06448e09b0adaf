//! `[bans]` and `[networks]`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::settings::*;
use super::super::sheet::Section;
use super::super::takes::text;
use super::super::tree::What;
use super::{DAY, HOUR, fsync, is_policy_name, millis, seconds};

/// What keys take that hold networks.
pub(super) const NETWORKS: &str = "a list of networks such as \"192.0.2.0/24\" or addresses";

pub(super) fn bans(at: &mut Section<'_, '_>) -> Bans {
    let (share_proftpd, share_proftpd_match_server, share_proftpd_by_policy) = at.section("share", |at| {
        let forms = [("off", ProftpdForm::Off), ("json", ProftpdForm::Json), ("tpl", ProftpdForm::Tpl)];
        (
            at.choice("proftpd", &forms),
            at.flag("proftpd-match-server"),
            at.choice("proftpd-keys", &[("server", false), ("policy", true)]),
        )
    });
    Bans {
        protected: at.list("protected", NETWORKS, usize::MAX, network),
        longest: at.span("longest", seconds(1)..=seconds(3650 * DAY)),
        spread_percent: at.count("spread-percent", 0..=50),
        table: at.count("table", 100..=10_000_000),
        table_per_node: at.count("table-per-node", 100..=10_000_000),
        shortest_v4_prefix: at.count("shortest-v4-prefix", 8..=32),
        shortest_v6_prefix: at.count("shortest-v6-prefix", 16..=128),
        end_logged_in: at.flag("end-logged-in"),
        fsync: fsync(at),
        message: at.line("message"),
        evidence: at.count("evidence", 0..=100),
        evidence_addresses: at.count("evidence-addresses", 1..=1_000_000),
        queue: at.count("queue", 16..=1_000_000),
        share_proftpd,
        share_proftpd_match_server,
        share_proftpd_by_policy,
        sync: at.span("sync", millis(10)..=seconds(HOUR)),
        sync_page: at.count("sync-page", 10..=100_000),
        gap_patience: at.span("gap-patience", seconds(1)..=seconds(600)),
        presence: at.span("presence", seconds(1)..=seconds(HOUR)),
        upkeep: at.span("upkeep", millis(10)..=seconds(HOUR)),
        upkeep_batch: at.count("upkeep-batch", 1..=1_000_000),
    }
}

/// A network in canonical form; an address is a network of one.
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(match network {
        // What is written as IPv4 in IPv6 means the IPv4 network.
        IpNet::V6(six) if six.prefix_len() >= 96 => match six.addr().to_ipv4_mapped() {
            Some(four) => ipnet::Ipv4Net::new(four, six.prefix_len() - 96).ok()?.trunc().into(),
            None => network.trunc(),
        },
        _ => network.trunc(),
    })
}

pub(super) fn networks(at: &mut Section<'_, '_>) -> BTreeMap<String, Vec<IpNet>> {
    let mut sets = BTreeMap::new();
    for name in at.names() {
        let set = at.required(&name, NETWORKS, |node| match &node.what {
            What::List(items) => items.iter().map(|item| network(text(item)?)).collect(),
            _ => None,
        });
        if !is_policy_name(&name) {
            at.mistake(&name, "is no name of a set", "it has 1 to 40 lower-case letters, digits or \"-\"");
        }
        sets.insert(name, set.unwrap_or_default());
    }
    sets
}
