//! Where the pool's journals stand: one for each reach, on each of the store's lanes, so that a server that is
//! away takes no journal along. Beside each an archive, with what was published again after the store had
//! forgotten: only nodes that start read it.

use std::ops::Range;
use std::sync::Arc;

use super::subject::Reach;
use crate::store::{Key, Store};

/// Names that are tried to find one on each lane.
const TRIES: usize = 5000;

/// What a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What happens.
    Live,
    /// What was published again.
    Archive,
}

/// The heads of all journals: live ones first.
#[derive(Debug)]
pub struct Streams {
    heads: Vec<Key>,
    lanes: usize,
}

impl Streams {
    /// The journals that the nodes of a site read and write.
    pub fn new(store: &dyn Store, site: &str) -> Streams {
        let mut heads = Vec::new();
        let mut lanes = 0;
        for kind in ["l", "a"] {
            for scope in [site, "*"] {
                let found = on_each_lane(store, &format!("pc1.j.{kind}.{scope}"));
                lanes = found.len();
                heads.extend(found);
            }
        }
        Streams { heads, lanes }
    }

    /// The heads, in the order of the numbers of the journals.
    pub fn heads(&self) -> &[Key] {
        &self.heads
    }

    /// The live journals.
    pub const fn live(&self) -> Range<usize> {
        0..2 * self.lanes
    }

    /// The archives.
    pub const fn archives(&self) -> Range<usize> {
        2 * self.lanes..4 * self.lanes
    }

    /// Where a record of this reach is written; empty for those of one node.
    pub const fn of(&self, kind: Kind, reach: Reach) -> Range<usize> {
        let first = match kind {
            Kind::Live => 0,
            Kind::Archive => 2 * self.lanes,
        };
        match reach {
            Reach::Node => 0..0,
            Reach::Site => first..first + self.lanes,
            Reach::Everywhere => first + self.lanes..first + 2 * self.lanes,
        }
    }

    /// The key of an entry: on the server of its head.
    pub fn entry(&self, stream: usize, number: u64) -> Key {
        let head = self.heads[stream].as_str();
        let key = Key::parse(&format!("{head}.{number}")).expect("a head and a number are visible and short");
        key.beside(&Arc::from(head))
    }
}

/// A name for each lane, as far as there are any: each node finds the same.
fn on_each_lane(store: &dyn Store, name: &str) -> Vec<Key> {
    let mut found: Vec<Option<Key>> = vec![None; store.lanes()];
    for number in 0..TRIES {
        let text = format!("{name}.{number}");
        let key = Key::parse(&text).expect("a site's name is visible and short").beside(&Arc::from(text));
        if let Some(place) = found.get_mut(store.lane_of(&key))
            && place.is_none()
        {
            *place = Some(key);
            if found.iter().all(Option::is_some) {
                break;
            }
        }
    }
    found.into_iter().flatten().collect()
}
