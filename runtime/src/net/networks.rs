//! The named sets of networks from the configuration: which of them contain an address?

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::events::Label;
use crate::ledger::trie::Trie;

/// All named sets in one trie.
#[derive(Debug)]
pub struct Networks {
    names: Vec<Label>,
    trie: Trie<Vec<u32>>,
}

impl Networks {
    /// From `[networks]`.
    pub fn new(sets: &BTreeMap<String, Vec<IpNet>>) -> Networks {
        let mut trie: Trie<Vec<u32>> = Trie::new();
        for (number, net) in
            (0u32..).zip(sets.values()).flat_map(|(number, nets)| nets.iter().map(move |net| (number, *net)))
        {
            let mut numbers = trie.remove(net).unwrap_or_default();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
            trie.insert(net, numbers);
        }
        Networks { names: sets.keys().map(|name| Label::from(name.as_str())).collect(), trie }
    }

    /// The names of the sets that contain the address, each once, in order of name.
    pub fn classes_of(&self, ip: IpAddr) -> Vec<Label> {
        if self.trie.is_empty() {
            return Vec::new();
        }
        let mut numbers: Vec<u32> = self.numbers(ip).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| self.names[number as usize].clone()).collect()
    }

    /// The same without an allocation, in no order; a name may come twice.
    pub fn covering(&self, ip: IpAddr) -> impl Iterator<Item = &Label> {
        self.numbers(ip).map(|number| &self.names[number as usize])
    }

    /// Whether the set contains the address; `None`: there is no such set.
    pub fn contains(&self, set: &str, ip: IpAddr) -> Option<bool> {
        let number = self.names.binary_search_by(|name| name.as_str().cmp(set)).ok()?;
        Some(self.numbers(ip).any(|found| found as usize == number))
    }

    fn numbers(&self, ip: IpAddr) -> impl Iterator<Item = u32> {
        self.trie.covering(ip.to_canonical()).flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks() -> Networks {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect::<Vec<IpNet>>();
        Networks::new(&BTreeMap::from([
            ("office".to_owned(), nets(&["192.0.2.0/24", "192.0.2.0/28", "2001:db8::/32"])),
            ("all".to_owned(), nets(&["0.0.0.0/0", "192.0.2.0/24"])),
            ("empty".to_owned(), Vec::new()),
        ]))
    }

    #[test]
    fn an_address_has_the_classes_of_all_its_networks_each_once() {
        let classes = |ip: &str| {
            networks().classes_of(ip.parse().expect(ip)).iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(classes("192.0.2.1"), ["all", "office"]);
        assert_eq!(classes("::ffff:192.0.2.1"), ["all", "office"]);
        assert_eq!(classes("2001:db8::1"), ["office"]);
        assert_eq!(classes("2001:db9::1"), [""; 0]);
    }

    #[test]
    fn an_unknown_set_is_not_an_empty_one() {
        let ip = "192.0.2.1".parse().expect("ip");
        assert_eq!(networks().contains("office", ip), Some(true));
        assert_eq!(networks().contains("empty", ip), Some(false));
        assert_eq!(networks().contains("nowhere", ip), None);
    }
}
