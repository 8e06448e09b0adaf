//! Fills a table from a file, many records at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Inserted, Table};
use crate::ledger::ban::Ban;
use crate::ledger::journal::Line;
use crate::ledger::record::Record;
use crate::moment::Moment;

impl Table {
    /// Takes in many records at once, in the order in which they were made; how many bans found no room.
    ///
    /// # Errors
    /// Those of `feed`, which hands each record to its argument. What was handed over by then is in.
    pub fn fill<E>(
        &mut self,
        now: Moment,
        feed: impl FnOnce(&mut dyn FnMut(Line)) -> Result<(), E>,
    ) -> Result<usize, E> {
        (self.filling, self.ids, self.ends) = (true, BTreeMap::new(), BTreeSet::new());
        let mut left_out = 0;
        let fed = feed(&mut |line| match line {
            Line::Record(Record::Ban(ban)) => {
                let ban = ban.after_restart(now);
                if !self.put_right(&ban, now) {
                    left_out += usize::from(self.insert(ban, now) == Inserted::Full);
                }
            }
            Line::Record(Record::Lift(lift)) => drop(self.lift(lift, now)),
            Line::Forgotten { forgotten } => drop(self.forget_node(forgotten.not_from_the_future(now))),
        });
        self.filling = false;
        self.ids = self.places.iter().map(|ban| (ban.id, Arc::clone(ban))).collect();
        if self.ids.len() < self.len {
            self.drop_shared_ids();
        }
        self.ends = self.places.iter().filter_map(|ban| Some((ban.held_until()?, ban.id))).collect();
        if self.forgotten.len() > 0 {
            self.drop_forgotten(None, usize::MAX, now);
        }
        fed.map(|()| left_out)
    }

    /// A file that somebody edited may hold one id for several subjects: one of them stays.
    fn drop_shared_ids(&mut self) {
        let is_other = |ban: &&Arc<Ban>| self.ids.get(&ban.id).is_some_and(|known| known.subject != ban.subject);
        let others: Vec<Arc<Ban>> = self.places.iter().filter(is_other).cloned().collect();
        for ban in others {
            self.places.remove(&ban.subject);
            self.made.less(&ban.site, &ban.node);
            self.len -= 1;
        }
    }
}
