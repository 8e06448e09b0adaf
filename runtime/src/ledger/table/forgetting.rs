//! Takes out what forgotten nodes made, a part of the table at a time.

use std::sync::Arc;

use super::Table;
use crate::ledger::ban::{Ban, BanId};
use crate::ledger::forgotten::{Forgotten, Heard};
use crate::ledger::subject::Subject;
use crate::moment::Moment;

/// What became of a part of the table.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Where the next part begins; `None`: there is none.
    pub cursor: Option<BanId>,
    /// Bans that were taken out.
    pub ended: Vec<Arc<Ban>>,
    /// Bans of their subjects that came into force instead.
    pub next: Vec<Arc<Ban>>,
}

impl Table {
    /// From now on nothing that a node made until then is taken in. What is there of it stays until
    /// [`Table::drop_forgotten`] comes to it.
    pub fn forget_node(&mut self, forgotten: Forgotten) -> Heard {
        self.forgotten.take(forgotten)
    }

    /// What a word would mean.
    pub fn would_forget(&self, forgotten: &Forgotten) -> Heard {
        self.forgotten.judge(forgotten)
    }

    /// The nodes that are forgotten, in no order.
    pub fn forgotten(&self) -> impl Iterator<Item = &Forgotten> {
        self.forgotten.iter()
    }

    /// How many they are.
    pub fn forgotten_len(&self) -> usize {
        self.forgotten.len()
    }

    /// Until when what a node made is forgotten.
    pub fn forgotten_until(&self, site: &str, node: &str) -> Option<Moment> {
        self.forgotten.of(site, node).map(|word| word.at)
    }

    /// Whether a ban counts no more, as its node was forgotten since.
    pub fn is_forgotten(&self, ban: &Ban, now: Moment) -> bool {
        self.forgotten.of(&ban.site, &ban.node).is_some_and(|word| word.voids(ban, now))
    }

    /// Takes out what forgotten nodes made among the next `count` bans after `cursor`.
    pub fn drop_forgotten(&mut self, cursor: Option<BanId>, count: usize, now: Moment) -> Dropped {
        let part: Vec<Arc<Ban>> = self.after(cursor, count).cloned().collect();
        let mut dropped = Dropped { cursor: part.last().map(|ban| ban.id), ..Dropped::default() };
        for ban in part {
            let next = self.purge(&ban.subject, now);
            if !self.ids.contains_key(&ban.id) {
                dropped.ended.push(ban);
                dropped.next.extend(next);
            }
        }
        dropped
    }

    /// Takes out what forgotten nodes made of one subject; the ban that holds instead from now on.
    pub(in crate::ledger) fn purge(&mut self, subject: &Subject, now: Moment) -> Option<Arc<Ban>> {
        if self.forgotten.len() == 0 {
            return None;
        }
        if self.second.get(subject).is_some_and(|second| self.is_forgotten(second, now)) {
            self.second.remove(subject);
        }
        let ban = self.places.entry(subject).filter(|ban| self.is_forgotten(ban, now)).cloned()?;
        self.end(&ban, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::fixtures::{ban, forgotten};
    use crate::ledger::journal::Line;
    use crate::ledger::record::Record;
    use crate::ledger::table::Inserted;

    const START: Moment = Moment::from_millis(1_000_000_000);

    fn at(seconds: u64) -> Moment {
        START.plus(Duration::from_secs(seconds))
    }

    fn of(node: &str, subject: &str, created: Moment, seconds: Option<u64>) -> Arc<Ban> {
        Arc::new(Ban { node: node.into(), ..Ban::clone(&ban(subject, created, seconds)) })
    }

    /// All that is left after every part was gone over, by subject.
    fn purged(table: &mut Table, now: Moment) -> (usize, Vec<String>) {
        let (mut cursor, mut ended) = (None, 0);
        loop {
            let dropped = table.drop_forgotten(cursor, 2, now);
            ended += dropped.ended.len();
            cursor = dropped.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut left: Vec<String> = table.iter(now).map(|ban| format!("{} {}", ban.node, ban.subject)).collect();
        left.sort();
        (ended, left)
    }

    #[test]
    fn s_75_what_a_forgotten_node_made_goes_part_by_part_and_never_returns() {
        let mut table = Table::new(100);
        let bad: Vec<Arc<Ban>> = (1..=5).map(|last| of("bad", &format!("host:192.0.2.{last}"), START, None)).collect();
        for ban in bad.iter().chain([&of("good", "user:eve", START, None)]) {
            table.insert(Arc::clone(ban), START);
        }
        assert_eq!(table.forget_node(forgotten("bad", at(1))), Heard::New);
        assert_eq!(table.len(), 6, "they are still there, until somebody comes to them");
        assert_eq!(purged(&mut table, at(2)), (5, vec!["good user:eve".to_owned()]));
        assert_eq!((table.made_by("s", "bad"), table.ends.len(), table.places.iter().count()), (0, 0, 1));
        for ban in bad {
            assert_eq!(table.insert(ban, at(3)), Inserted::Forgotten);
        }
        assert_eq!(table.insert(of("bad", "host:192.0.2.1", at(3), None), at(3)), Inserted::Added, "made afterwards");
        let dated = of("bad", "host:192.0.2.9", at(86_400), None);
        assert_eq!(table.insert(dated, at(3)), Inserted::Forgotten, "nobody bans from tomorrow on");
    }

    #[test]
    fn s_75_a_ban_of_another_node_that_stood_behind_a_forgotten_one_holds() {
        let mut table = Table::new(100);
        table.insert(of("bad", "host:192.0.2.1", START, None), START);
        let behind = of("good", "host:192.0.2.1", at(1), Some(600));
        assert!(matches!(table.insert(Arc::clone(&behind), at(1)), Inserted::Second(_)));
        table.insert(of("good", "host:192.0.2.2", START, None), START);
        table.insert(of("bad", "host:192.0.2.2", at(1), Some(600)), at(1));
        table.insert(of("bad", "host:192.0.2.3", START, None), START);
        table.forget_node(forgotten("bad", at(2)));
        // Nobody came to this one yet, and it holds up no other ban of its subject.
        let third = of("good", "host:192.0.2.3", at(3), Some(60));
        assert_eq!(table.insert(third, at(3)), Inserted::Added);
        let left = ["good host:192.0.2.1", "good host:192.0.2.2", "good host:192.0.2.3"].map(str::to_owned);
        assert_eq!(purged(&mut table, at(3)), (1, left.to_vec()));
        assert_eq!(table.second().count(), 0);
    }

    #[test]
    fn s_75_a_file_that_tells_of_both_gives_back_no_ban_of_a_forgotten_node() {
        let word = Line::from(forgotten("bad", at(2)));
        let line = |ban: Arc<Ban>| Line::from(Record::Ban(ban));
        let lines = [
            line(of("bad", "host:192.0.2.1", START, None)),
            line(of("bad", "host:192.0.2.2", START, None)),
            word.clone(),
            line(of("good", "host:192.0.2.2", at(3), Some(600))),
            line(of("bad", "host:192.0.2.3", at(4), None)),
        ];
        for lines in [lines.to_vec(), [vec![word], lines.to_vec()].concat()] {
            let mut table = Table::new(10);
            let filled = table.fill(at(5), |take| {
                lines.into_iter().for_each(take);
                Ok::<(), ()>(())
            });
            assert_eq!(filled, Ok(0));
            let left = ["bad host:192.0.2.3", "good host:192.0.2.2"].map(str::to_owned);
            assert_eq!(purged(&mut table, at(5)), (0, left.to_vec()));
            assert_eq!((table.forgotten_len(), table.ends.len(), table.ids.len()), (1, 1, 2));
        }
    }

    #[test]
    fn s_75_f_11_a_ban_by_a_clock_that_nobody_knows_is_void_if_it_may_be_and_judged_again_once_that_is_known() {
        let mut table = Table::new(10);
        let unsure = |ban: &Arc<Ban>| Arc::new(Ban { clock: Some("bad".into()), ..Ban::clone(ban) });
        let old = of("bad", "host:192.0.2.1", START, None);
        let new = of("bad", "host:192.0.2.2", at(2000), None);
        table.forget_node(forgotten("bad", at(10)));
        let soon = of("bad", "host:192.0.2.3", at(600), None);
        assert_eq!(table.insert(unsure(&soon), at(1500)), Inserted::Forgotten, "its clock may be minutes ahead");
        // Far ahead of what clocks may differ by.
        let ahead = Arc::new(Ban { created: at(2000), ..Ban::clone(&old) });
        assert_eq!(table.insert(unsure(&ahead), at(1500)), Inserted::Added);
        assert_eq!(table.insert(unsure(&new), at(1500)), Inserted::Added);
        assert!(table.put_right(&old, at(2000)) && table.put_right(&new, at(2000)));
        assert_eq!(table.insert(soon, at(2000)), Inserted::Added, "read again");
        let left = ["bad host:192.0.2.2", "bad host:192.0.2.3"].map(str::to_owned);
        assert_eq!(purged(&mut table, at(2000)), (0, left.to_vec()));
    }
}
