//! What is known of each node that made bans. A name counts within its site: two sites may call their nodes alike.
//! Pure.

use super::places::Map;

/// One value for each node of each site.
#[derive(Debug)]
pub(super) struct PerNode<T>(Map<Box<str>, Map<Box<str>, T>>);

impl<T> Default for PerNode<T> {
    fn default() -> PerNode<T> {
        PerNode(Map::default())
    }
}

impl<T> PerNode<T> {
    pub(super) fn get(&self, site: &str, node: &str) -> Option<&T> {
        self.0.get(site)?.get(node)
    }

    fn get_mut(&mut self, site: &str, node: &str) -> Option<&mut T> {
        self.0.get_mut(site)?.get_mut(node)
    }

    pub(super) fn set(&mut self, site: &str, node: &str, value: T) {
        self.0.entry(site.into()).or_default().insert(node.into(), value);
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(Map::values)
    }

    pub(super) fn remove(&mut self, site: &str, node: &str) {
        if let Some(nodes) = self.0.get_mut(site) {
            nodes.remove(node);
            if nodes.is_empty() {
                self.0.remove(site);
            }
        }
    }
}

/// How many bans of each node a table holds. As many names as there are in the table, no more.
#[derive(Debug, Default)]
pub(super) struct Counts(PerNode<usize>);

impl Counts {
    pub(super) fn of(&self, site: &str, node: &str) -> usize {
        self.0.get(site, node).copied().unwrap_or(0)
    }

    pub(super) fn more(&mut self, site: &str, node: &str) {
        match self.0.get_mut(site, node) {
            Some(count) => *count += 1,
            None => self.0.set(site, node, 1),
        }
    }

    pub(super) fn less(&mut self, site: &str, node: &str) {
        match self.0.get_mut(site, node) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => self.0.remove(site, node),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_75_nodes_are_counted_within_their_sites_and_leave_nothing_behind() {
        let mut counts = Counts::default();
        for (site, node) in [("paris", "a"), ("paris", "a"), ("lyon", "a"), ("paris", "b")] {
            counts.more(site, node);
        }
        assert_eq!((counts.of("paris", "a"), counts.of("lyon", "a"), counts.of("lyon", "b")), (2, 1, 0));
        for (site, node) in [("paris", "a"), ("paris", "a"), ("lyon", "a"), ("paris", "b"), ("paris", "b")] {
            counts.less(site, node);
        }
        assert!(counts.0.0.is_empty());
    }
}
