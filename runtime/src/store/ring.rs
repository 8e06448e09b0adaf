//! Which server holds a key: consistent hashing that places a key where libmemcached places it, so that its
//! tools and ProFTPD find what stands there.
//!
//! Each server has points on a ring of 2^32; a key belongs to the first point at or after its own hash. A
//! server that goes takes only its own keys along. The spelling of names and ports decides, their order does
//! not, but for points that coincide.

use md5::{Digest, Md5};

/// libmemcached leaves this port out of what it hashes.
const DEFAULT_PORT: u16 = 11211;
/// Points of a server, where the average weight is its own.
const KETAMA_POINTS: u32 = 160;
/// MD5 gives four points at a time.
const POINTS_PER_HASH: usize = 4;
const CONSISTENT_POINTS: u32 = 100;

/// How keys are spread over the servers. Every client of the servers must do alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// libmemcached's weighted ketama: MD5, 160 points for a server of average weight.
    Ketama,
    /// libmemcached's `consistent`, as ProFTPD's mod_memcache uses it: one-at-a-time, 100 points, no weights.
    Consistent,
}

/// A server, as far as the ring knows it.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// Host or path of a socket.
    pub(super) host: &'a str,
    /// 0 with a socket.
    pub(super) port: u16,
    /// Its share, relative to the others.
    pub(super) weight: u32,
}

/// The points of all servers.
#[derive(Debug)]
pub(super) struct Ring {
    distribution: Distribution,
    servers: usize,
    /// Point and index of its server, in order.
    points: Vec<(u32, usize)>,
}

impl Ring {
    pub(super) fn new(distribution: Distribution, places: &[Place<'_>]) -> Ring {
        let mut points = Vec::new();
        let total: u64 = places.iter().map(|place| u64::from(place.weight)).sum();
        for (index, place) in places.iter().enumerate() {
            let name = match place.port {
                DEFAULT_PORT => place.host.to_owned(),
                port => format!("{}:{port}", place.host),
            };
            match distribution {
                Distribution::Ketama => {
                    for number in 0..hashes_of(place.weight, total, places.len()) {
                        let digest = Md5::digest(format!("{name}-{number}"));
                        let (four, _) = digest.as_chunks::<POINTS_PER_HASH>();
                        points.extend(four.iter().map(|bytes| (u32::from_le_bytes(*bytes), index)));
                    }
                }
                Distribution::Consistent => points.extend(
                    (0..CONSISTENT_POINTS).map(|number| (one_at_a_time(format!("{name}-{number}").as_bytes()), index)),
                ),
            }
        }
        points.sort_by_key(|(point, _)| *point);
        Ring { distribution, servers: places.len(), points }
    }

    /// The index of the server that holds what is placed by these bytes; 0 where there is only one.
    pub(super) fn holder(&self, placed_by: &[u8]) -> usize {
        self.from(placed_by).next().unwrap_or(0)
    }

    /// The first `count` different servers at or after the point of these bytes: the holder, then those that
    /// keep copies.
    pub(super) fn holders(&self, placed_by: &[u8], count: usize) -> Vec<usize> {
        let mut found = Vec::with_capacity(count);
        for index in self.from(placed_by) {
            if found.len() >= count.min(self.servers) {
                break;
            }
            if !found.contains(&index) {
                found.push(index);
            }
        }
        if found.is_empty() { vec![0] } else { found }
    }

    fn from(&self, placed_by: &[u8]) -> impl Iterator<Item = usize> {
        let start = if self.servers < 2 {
            0
        } else {
            let hash = match self.distribution {
                Distribution::Ketama => {
                    let digest = Md5::digest(placed_by);
                    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
                }
                Distribution::Consistent => one_at_a_time(placed_by),
            };
            self.points.partition_point(|(point, _)| *point < hash)
        };
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, index)| *index)
    }
}

/// How many hashes, of four points each, a server of this weight has. libmemcached reckons in floats, so that
/// the same roundings are needed here.
fn hashes_of(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let hashes = share * KETAMA_POINTS as f32 / POINTS_PER_HASH as f32 * servers as f32;
    (f64::from(hashes) + 0.000_000_000_1).floor() as u32
}

/// Bob Jenkins' hash, bytes as signed numbers, as libhashkit has it.
fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mut value: u32 = 0;
    for byte in bytes {
        value = value.wrapping_add(i32::from(byte.cast_signed()).cast_unsigned());
        value = value.wrapping_add(value << 10);
        value ^= value >> 6;
    }
    value = value.wrapping_add(value << 3);
    value ^= value >> 11;
    value.wrapping_add(value << 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<'a>(hosts: &[&'a str]) -> Vec<Place<'a>> {
        hosts.iter().map(|host| Place { host, port: 1, weight: 1 }).collect()
    }

    fn key(number: usize) -> String {
        format!("pc1.b.{number}")
    }

    #[test]
    fn f_04_a_lost_server_moves_only_its_own_keys() {
        for distribution in [Distribution::Ketama, Distribution::Consistent] {
            let (three, two) = (["a", "b", "c"], ["b", "a"]);
            let whole = Ring::new(distribution, &places(&three));
            let rest = Ring::new(distribution, &places(&two));
            let mut held = [0; 3];
            for number in 0..3000 {
                let key = key(number);
                let before = whole.holder(key.as_bytes());
                held[before] += 1;
                let after = two[rest.holder(key.as_bytes())];
                assert!(three[before] == after || three[before] == "c", "{key} moved to {after}");
            }
            assert!(held.iter().all(|share| (600..1500).contains(share)), "{distribution:?} {held:?}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let mut servers = places(&["a", "b", "c"]);
        servers[0].weight = 6;
        let ring = Ring::new(Distribution::Ketama, &servers);
        let held = (0..3000).filter(|number| ring.holder(key(*number).as_bytes()) == 0).count();
        assert!((2000..2500).contains(&held), "{held} of 3000 for six eighths");
    }

    #[test]
    fn copies_stand_on_servers_of_their_own() {
        let ring = Ring::new(Distribution::Ketama, &places(&["a", "b", "c"]));
        for number in 0..100 {
            let key = key(number);
            let holders = ring.holders(key.as_bytes(), 2);
            assert_eq!(holders.len(), 2);
            assert!(holders[0] == ring.holder(key.as_bytes()) && holders[0] != holders[1]);
            assert_eq!(ring.holders(key.as_bytes(), 9).len(), 3);
        }
        assert_eq!(Ring::new(Distribution::Ketama, &places(&["a"])).holders(b"x", 2), [0]);
    }
}
