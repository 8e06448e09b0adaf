//! Sessions that this node keeps for clients that resume by id. Pure.

use std::collections::{HashMap, VecDeque};

use foldhash::quality::RandomState;

/// The oldest makes room.
pub(super) struct Cache {
    sessions: HashMap<Vec<u8>, Vec<u8>, RandomState>,
    order: VecDeque<Vec<u8>>,
    most: usize,
}

impl Cache {
    pub(super) fn new(most: usize) -> Cache {
        Cache { sessions: HashMap::default(), order: VecDeque::new(), most }
    }

    pub(super) fn put(&mut self, id: Vec<u8>, session: Vec<u8>) {
        if self.most == 0 || self.sessions.insert(id.clone(), session).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
    }

    pub(super) fn get(&self, id: &[u8]) -> Option<&Vec<u8>> {
        self.sessions.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Empties it; the ids that were there.
    pub(super) fn clear(&mut self) -> Vec<Vec<u8>> {
        self.sessions.clear();
        std::mem::take(&mut self.order).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_a_second_put_takes_none() {
        let mut cache = Cache::new(2);
        for (id, session) in [(1, 1), (2, 2), (2, 9), (3, 3)] {
            cache.put(vec![id], vec![session]);
        }
        assert_eq!((cache.get(&[1]), cache.get(&[2]), cache.get(&[3])), (None, Some(&vec![9]), Some(&vec![3])));
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.clear(), [vec![2], vec![3]]);
        assert_eq!(cache.len(), 0);
        let mut none = Cache::new(0);
        none.put(vec![1], vec![1]);
        assert_eq!(none.len(), 0);
    }
}
