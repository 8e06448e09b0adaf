//! A prefix trie over IPv4 and IPv6 networks: which networks contain this address?
//!
//! Path-compressed and binary, all nodes in one vector, so that a look-up is a short walk without an
//! allocation. A node without a value is only a fork. Both families are kept as bits from the left of a
//! `u128`, each under its own root.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const NONE: u32 = u32::MAX;
const V4_ROOT: u32 = 0;
const V6_ROOT: u32 = 1;
const V4_WIDTH: u8 = 32;
const V6_WIDTH: u8 = 128;

/// Networks, each with a value.
#[derive(Clone, Debug)]
pub struct Trie<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Node<T> {
    bits: u128,
    len: u8,
    children: [u32; 2],
    value: Option<T>,
}

/// A network as the trie sees it.
#[derive(Clone, Copy)]
struct Prefix {
    root: u32,
    bits: u128,
    len: u8,
}

impl<T> Trie<T> {
    /// Without networks.
    pub fn new() -> Trie<T> {
        Trie { nodes: vec![Node::fork(0, 0), Node::fork(0, 0)], free: Vec::new(), len: 0 }
    }

    /// How many networks.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a network in, and returns the value that it had. Host bits are ignored.
    pub fn insert(&mut self, net: IpNet, value: T) -> Option<T> {
        let at = self.node_for(Prefix::of(net));
        let old = self.nodes[at as usize].value.replace(value);
        self.len += usize::from(old.is_none());
        old
    }

    /// The value of exactly this network.
    pub fn get(&self, net: IpNet) -> Option<&T> {
        let to = Prefix::of(net);
        let mut at = to.root;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.len > to.len || !node.covers(to.bits) {
                return None;
            }
            if node.len == to.len {
                return node.value.as_ref();
            }
            at = node.children[bit(to.bits, node.len)];
        }
        None
    }

    /// Takes exactly this network out.
    pub fn remove(&mut self, net: IpNet) -> Option<T> {
        let prefix = Prefix::of(net);
        let path = self.walk(prefix);
        let at = *path.last()?;
        let node = &mut self.nodes[at as usize];
        if node.len != prefix.len {
            return None;
        }
        let value = node.value.take()?;
        self.len -= 1;
        self.prune(&path);
        Some(value)
    }

    /// The values of all networks that contain the address, widest first.
    pub fn covering(&self, ip: IpAddr) -> Covering<'_, T> {
        let address = Prefix::of(IpNet::from(ip));
        Covering { trie: self, next: if self.len == 0 { NONE } else { address.root }, address }
    }

    /// The value of the narrowest network that contains the address.
    pub fn longest(&self, ip: IpAddr) -> Option<&T> {
        self.covering(ip).last()
    }

    /// All networks with their values, in order of address, IPv4 first, wider before narrower.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        let mut stack = vec![V6_ROOT, V4_ROOT];
        let mut family = V4_ROOT;
        std::iter::from_fn(move || {
            while let Some(at) = stack.pop() {
                if at == V6_ROOT {
                    family = V6_ROOT;
                }
                let node = &self.nodes[at as usize];
                stack.extend(node.children.iter().rev().filter(|child| **child != NONE));
                if let Some(value) = &node.value {
                    return Some((Prefix { root: family, bits: node.bits, len: node.len }.net(), value));
                }
            }
            None
        })
    }

    /// The nodes from the root towards a prefix, all of them prefixes of it.
    fn walk(&self, to: Prefix) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = to.root;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.len > to.len || !node.covers(to.bits) {
                break;
            }
            path.push(at);
            if node.len == to.len {
                break;
            }
            at = node.children[bit(to.bits, node.len)];
        }
        path
    }

    /// The node of exactly this prefix, made where it is missing.
    fn node_for(&mut self, to: Prefix) -> u32 {
        let mut parent = to.root;
        loop {
            let above = self.nodes[parent as usize].len;
            if above == to.len {
                return parent;
            }
            let side = bit(to.bits, above);
            let child = self.nodes[parent as usize].children[side];
            if child == NONE {
                let made = self.make(to.bits, to.len);
                self.nodes[parent as usize].children[side] = made;
                return made;
            }
            let node = &self.nodes[child as usize];
            if node.len <= to.len && node.covers(to.bits) {
                parent = child;
                continue;
            }
            let (below, shared) = (node.bits, common(node.bits, to.bits).min(node.len).min(to.len));
            let fork = self.make(to.bits, shared);
            self.nodes[fork as usize].children[bit(below, shared)] = child;
            self.nodes[parent as usize].children[side] = fork;
            parent = fork;
        }
    }

    fn make(&mut self, bits: u128, len: u8) -> u32 {
        let node = Node::fork(cut(bits, len), len);
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        let at = u32::try_from(self.nodes.len()).expect("the ban table is bounded far below 2^31 entries");
        self.nodes.push(node);
        at
    }

    /// Drops what a removal left useless: a leaf without a value, a fork with one side.
    fn prune(&mut self, path: &[u32]) {
        for pair in path.windows(2).rev() {
            let (parent, at) = (pair[0], pair[1]);
            let node = &self.nodes[at as usize];
            let heir = match node.children {
                _ if node.value.is_some() => return,
                [NONE, other] | [other, NONE] => other,
                _ => return,
            };
            let side = bit(node.bits, self.nodes[parent as usize].len);
            self.nodes[parent as usize].children[side] = heir;
            self.free.push(at);
        }
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Trie<T> {
        Trie::new()
    }
}

impl<T> Node<T> {
    const fn fork(bits: u128, len: u8) -> Node<T> {
        Node { bits, len, children: [NONE; 2], value: None }
    }

    fn covers(&self, bits: u128) -> bool {
        common(self.bits, bits) >= self.len
    }
}

impl Prefix {
    fn of(net: IpNet) -> Prefix {
        let (root, bits) = match net.network() {
            IpAddr::V4(ip) => (V4_ROOT, u128::from(u32::from(ip)) << (V6_WIDTH - V4_WIDTH)),
            IpAddr::V6(ip) => (V6_ROOT, u128::from(ip)),
        };
        Prefix { root, bits, len: net.prefix_len() }
    }

    fn net(self) -> IpNet {
        let why = "a prefix came from a network of the same family";
        if self.root == V4_ROOT {
            let bits = u32::try_from(self.bits >> (V6_WIDTH - V4_WIDTH)).expect(why);
            IpNet::V4(Ipv4Net::new(bits.into(), self.len).expect(why))
        } else {
            IpNet::V6(Ipv6Net::new(self.bits.into(), self.len).expect(why))
        }
    }
}

/// See [`Trie::covering`].
pub struct Covering<'a, T> {
    trie: &'a Trie<T>,
    next: u32,
    address: Prefix,
}

impl<'a, T> Iterator for Covering<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        while self.next != NONE {
            let node = &self.trie.nodes[self.next as usize];
            if node.len > self.address.len || !node.covers(self.address.bits) {
                self.next = NONE;
                break;
            }
            self.next =
                if node.len == self.address.len { NONE } else { node.children[bit(self.address.bits, node.len)] };
            if node.value.is_some() {
                return node.value.as_ref();
            }
        }
        None
    }
}

/// Bit `index` from the left.
fn bit(bits: u128, index: u8) -> usize {
    usize::from(bits & (1 << (V6_WIDTH - 1 - index)) != 0)
}

/// How many leading bits are the same.
fn common(one: u128, other: u128) -> u8 {
    (one ^ other).leading_zeros() as u8
}

/// The first `len` bits, zeros after them.
fn cut(bits: u128, len: u8) -> u128 {
    if len == 0 { 0 } else { bits & (u128::MAX << (V6_WIDTH - len)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect(text)
    }

    #[test]
    fn the_widest_comes_first_and_the_narrowest_is_the_longest_match() {
        let mut trie = Trie::new();
        for text in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32"] {
            trie.insert(net(text), text);
        }
        let ip = "10.1.2.3".parse().expect("ip");
        let found: Vec<_> = trie.covering(ip).copied().collect();
        assert_eq!(found, ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"]);
        assert_eq!(trie.longest(ip), Some(&"10.1.2.0/24"));
        assert_eq!(trie.longest("2001:db8::1".parse().expect("ip")), Some(&"2001:db8::/32"));
        assert_eq!(trie.longest("2001:db9::1".parse().expect("ip")), None);
    }

    #[test]
    fn a_single_address_is_a_network_too() {
        let mut trie = Trie::new();
        trie.insert(net("192.0.2.7/32"), 1);
        trie.insert(net("2001:db8::7/128"), 2);
        assert_eq!(trie.longest("192.0.2.7".parse().expect("ip")), Some(&1));
        assert_eq!(trie.longest("192.0.2.6".parse().expect("ip")), None);
        assert_eq!(trie.longest("2001:db8::7".parse().expect("ip")), Some(&2));
    }

    #[test]
    fn what_was_removed_leaves_no_nodes_behind() {
        let mut trie = Trie::new();
        for round in 0..3 {
            for third in 0..=255u8 {
                trie.insert(net(&format!("10.{third}.0.0/16")), round);
            }
            for third in 0..=255u8 {
                assert_eq!(trie.remove(net(&format!("10.{third}.0.0/16"))), Some(round));
            }
        }
        assert!(trie.is_empty());
        assert_eq!(trie.nodes.len() - trie.free.len(), 2, "only the roots are left");
        assert!(trie.nodes.len() < 600, "free nodes are used again");
    }

    /// Networks close to each other, so that they nest and fork often.
    fn nets() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0u32..64, 0u8..=32).prop_map(|(low, len)| {
                let ip = 0x0a00_0000 | (low << 26) | low;
                IpNet::V4(Ipv4Net::new(ip.into(), len).expect("net")).trunc()
            }),
            (0u128..64, 0u8..=128).prop_map(|(low, len)| {
                IpNet::V6(Ipv6Net::new(((low << 122) | (low << 60) | low).into(), len).expect("net")).trunc()
            }),
        ]
    }

    proptest! {
        #[test]
        fn answers_as_a_plain_list_does(steps in prop::collection::vec((nets(), any::<bool>()), 0..120)) {
            let mut trie = Trie::new();
            let mut list: Vec<(IpNet, usize)> = Vec::new();
            for (number, (net, put)) in steps.iter().enumerate() {
                let before = list.iter().position(|(known, _)| known == net).map(|at| list.swap_remove(at).1);
                if *put {
                    list.push((*net, number));
                    prop_assert_eq!(trie.insert(*net, number), before);
                } else {
                    prop_assert_eq!(trie.remove(*net), before);
                }
                prop_assert_eq!(trie.len(), list.len());
            }
            for (net, _) in &steps {
                prop_assert_eq!(trie.get(*net).copied(), list.iter().find(|(known, _)| known == net).map(|(_, n)| *n));
                let mut expected: Vec<_> =
                    list.iter().filter(|(known, _)| known.contains(&net.addr())).collect();
                expected.sort_by_key(|(known, _)| known.prefix_len());
                let expected: Vec<_> = expected.into_iter().map(|(_, number)| *number).collect();
                prop_assert_eq!(trie.covering(net.addr()).copied().collect::<Vec<_>>(), expected);
            }
            let mut listed: Vec<_> = trie.iter().map(|(net, number)| (net, *number)).collect();
            listed.sort();
            list.sort();
            prop_assert_eq!(listed, list);
        }
    }
}
