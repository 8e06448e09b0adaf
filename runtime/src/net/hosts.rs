//! Virtual servers: which one does a client mean, by the address that it came to or the name that it asks for?

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::config::settings::Host;

/// A DNS name in lower case, or `*.` and one: every name with one label more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// A name in DNS has no more bytes (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl HostName {
    /// A name as an operator writes it; a trailing dot is dropped.
    pub fn parse(text: &str) -> Option<HostName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let labels = text.strip_prefix("*.").unwrap_or(text);
        is_dns_name(labels).then(|| HostName(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(label)
}

/// A virtual server, by its place in the settings; 0 is `[server]` itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostId(u16);

impl HostId {
    /// The server of `[server]`.
    pub const MAIN: HostId = HostId(0);

    /// Its place in `Settings::hosts`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a client asked for with HOST (RFC 7151), or with SNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A name.
    Name(String),
    /// An address, `[..]` around IPv6.
    Address(IpAddr),
}

impl Asked {
    /// The argument of HOST; `None` when it is neither a name nor an address. A port is not taken.
    pub fn parse(text: &str) -> Option<Asked> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']')?;
            return inside.parse().ok().map(|ip: std::net::Ipv6Addr| Asked::Address(IpAddr::V6(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Asked::Address(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        is_dns_name(name).then(|| Asked::Name(name.to_ascii_lowercase()))
    }
}

/// All virtual servers, to be found.
#[derive(Debug)]
pub struct Hosts {
    by_name: HashMap<Box<str>, HostId, RandomState>,
    by_address: HashMap<IpAddr, HostId, RandomState>,
    /// The main server names nobody: it answers to every name that is nobody else's.
    any_name: bool,
}

impl Hosts {
    /// From the settings.
    pub fn new(hosts: &[Host]) -> Hosts {
        let numbered = || hosts.iter().zip(0..=u16::MAX).map(|(host, number)| (host, HostId(number)));
        let names = numbered().flat_map(|(host, id)| host.names.iter().map(move |name| (name.0.clone(), id)));
        let addresses = numbered().flat_map(|(host, id)| host.addresses.iter().map(move |ip| (*ip, id)));
        Hosts {
            by_name: names.collect(),
            by_address: addresses.collect(),
            any_name: hosts.first().is_none_or(|main| main.names.is_empty()),
        }
    }

    /// The server that is met at a local address.
    pub fn at(&self, local: IpAddr) -> HostId {
        self.by_address.get(&local).copied().unwrap_or_default()
    }

    /// The server that a client at `current` asks for by a name in lower case; `None`: there is none.
    pub fn named(&self, name: &str, current: HostId) -> Option<HostId> {
        let exact = || self.by_name.get(name);
        let wild = || self.by_name.get(format!("*.{}", name.split_once('.')?.1).as_str());
        exact().or_else(wild).copied().or(self.any_name.then_some(current))
    }

    /// The server that a client at `current`, which it met at `local`, asks for.
    pub fn asked(&self, asked: &Asked, current: HostId, local: IpAddr) -> Option<HostId> {
        match asked {
            Asked::Name(name) => self.named(name, current),
            Asked::Address(ip) => match self.by_address.get(ip) {
                Some(id) => Some(*id),
                None => (*ip == local || self.any_name).then_some(current),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(name: &str, names: &[&str], addresses: &[&str]) -> Host {
        Host {
            name: name.to_owned(),
            names: names.iter().map(|name| HostName::parse(name).expect(name)).collect(),
            addresses: addresses.iter().map(|ip| ip.parse().expect(ip)).collect(),
            identity: None,
            banner: String::new(),
        }
    }

    #[test]
    fn a_server_is_found_by_name_by_wildcard_and_by_address() {
        let hosts = Hosts::new(&[
            host("main", &[], &[]),
            host("shop", &["ftp.shop.example"], &["192.0.2.2"]),
            host("all", &["*.example.com"], &[]),
        ]);
        let named = |name: &str| hosts.named(name, HostId::MAIN).map(HostId::index);
        assert_eq!(named("ftp.shop.example"), Some(1));
        assert_eq!(named("a.example.com"), Some(2));
        assert_eq!(named("a.b.example.com"), Some(0), "one label more, not two");
        assert_eq!(named("elsewhere.example"), Some(0), "the main server names nobody, so it answers to all");
        assert_eq!(hosts.at("192.0.2.2".parse().expect("ip")).index(), 1);
        assert_eq!(hosts.at("192.0.2.3".parse().expect("ip")).index(), 0);
    }

    #[test]
    fn t_71_a_server_with_names_answers_to_no_other() {
        let hosts = Hosts::new(&[host("main", &["ftp.example.com"], &[]), host("shop", &["shop.example"], &[])]);
        assert_eq!(hosts.named("ftp.example.com", HostId::MAIN), Some(HostId::MAIN));
        assert_eq!(hosts.named("www.example.com", HostId::MAIN), None);
        let local: IpAddr = "192.0.2.1".parse().expect("ip");
        let asked = |text: &str| hosts.asked(&Asked::parse(text).expect(text), HostId::MAIN, local);
        assert_eq!(asked("192.0.2.1"), Some(HostId::MAIN), "where the client is already");
        assert_eq!(asked("192.0.2.9"), None);
        assert_eq!(asked("SHOP.example.").map(HostId::index), Some(1));
    }

    #[test]
    fn host_takes_names_and_addresses_and_no_ports() {
        assert_eq!(Asked::parse("[2001:db8::1]"), Some(Asked::Address("2001:db8::1".parse().expect("ip"))));
        assert_eq!(Asked::parse("[::ffff:192.0.2.1]"), Some(Asked::Address("192.0.2.1".parse().expect("ip"))));
        for wrong in ["", "a b", "ftp.example.com:21", "[192.0.2.1]", "2001:db8::1", "[::1", "a..b", "-a", "*.a"] {
            assert_eq!(Asked::parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_none(text in "\\PC{0,300}") {
            let _ = Asked::parse(&text);
            if let Some(name) = HostName::parse(&text) {
                prop_assert_eq!(HostName::parse(&name.to_string()), Some(name));
            }
        }
    }
}
