//! A node whose bans were forgotten, on an operator's word: whatever it made until then counts nowhere any more. Pure.
//!
//! Nobody can tell afterwards which of its bans a stolen key made, so all of them go. The word is remembered for as
//! long as there is room, as copies of its bans come back from memcached, from disks and from nodes that were away.

use serde::{Deserialize, Serialize};

use super::ban::{Ban, BanId, CLOCKS_DIFFER};
use super::makers::PerNode;
use crate::moment::Moment;

/// Nodes that are remembered as forgotten; the one forgotten longest ago makes room.
const FORGOTTEN_MAX: usize = 1000;
/// Bytes of a node's, a site's or an operator's name.
const NAME_BYTES_MAX: usize = 256;
/// Characters of an operator's name that are kept: so many fit for certain.
const BY_CHARS: usize = NAME_BYTES_MAX / 4;

/// What a node made until a moment counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Of this word: whoever hears it twice knows it.
    pub id: BanId,
    /// The node.
    pub node: String,
    /// Its site.
    pub site: String,
    /// Bans that it made until then.
    pub at: Moment,
    /// Who said so.
    pub by: String,
    /// The node that was told.
    pub from: String,
    /// By whose clock, where it is not that of `from` in the store, or not yet ours here. Whoever passes the word on
    /// does so by its own clock, which those who hear it there know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Box<str>>,
}

/// Whether somebody can be called so.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// As much of an operator's name as is kept.
pub(super) fn signature(operator: &str) -> String {
    operator.chars().take(BY_CHARS).map(|mark| if mark.is_control() { '?' } else { mark }).collect()
}

impl Forgotten {
    /// Whether it ends this ban. One that seems to come from the future is none of an honest clock, and ends too.
    /// While the ban's clock is not known, it ends unless it was made later by whatever clock: once it is known, what
    /// was made is read again.
    pub fn voids(&self, ban: &Ban, now: Moment) -> bool {
        let unsure = ban.clock.is_some() && ban.clock != self.clock;
        let until = if unsure { self.at.plus(CLOCKS_DIFFER) } else { self.at };
        self.node == ban.node
            && self.site == ban.site
            && (ban.created <= until || ban.created > now.plus(CLOCKS_DIFFER))
    }

    /// Whether it is one that somebody may have said.
    pub(super) fn is_sound(&self) -> bool {
        [&self.node, &self.site, &self.by, &self.from].into_iter().all(|name| is_name(name))
            && self.clock.as_deref().is_none_or(is_name)
    }

    /// Nobody says today what holds from next year on: a clock was set.
    pub(super) fn not_from_the_future(self, now: Moment) -> Forgotten {
        let at = if self.clock.is_none() && self.at > now.plus(CLOCKS_DIFFER) { now } else { self.at };
        Forgotten { at, ..self }
    }
}

/// What a word means to a node that hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// More is forgotten than before.
    New,
    /// It was known by a clock that nobody knew.
    PutRight,
    /// Nothing.
    Known,
}

/// The nodes that are forgotten, each with its latest word.
#[derive(Debug, Default)]
pub(super) struct Forgettings {
    nodes: PerNode<Forgotten>,
    count: usize,
}

impl Forgettings {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn of(&self, site: &str, node: &str) -> Option<&Forgotten> {
        // The usual case, once for each ban of a million.
        if self.count == 0 { None } else { self.nodes.get(site, node) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Forgotten> {
        self.nodes.values()
    }

    /// What a word would mean.
    pub(super) fn judge(&self, new: &Forgotten) -> Heard {
        match self.of(&new.site, &new.node) {
            Some(known) if known.id == new.id && known.clock.is_some() && new.clock.is_none() => Heard::PutRight,
            Some(known) if known.id == new.id || known.at >= new.at => Heard::Known,
            Some(_) => Heard::New,
            None if self.count >= FORGOTTEN_MAX && self.oldest().is_some_and(|oldest| new.at <= oldest.at) => {
                Heard::Known
            }
            None => Heard::New,
        }
    }

    pub(super) fn take(&mut self, new: Forgotten) -> Heard {
        let heard = self.judge(&new);
        if heard == Heard::Known {
            return heard;
        }
        if self.of(&new.site, &new.node).is_none() {
            if self.count >= FORGOTTEN_MAX
                && let Some((site, node)) = self.oldest().map(|oldest| (oldest.site.clone(), oldest.node.clone()))
            {
                self.nodes.remove(&site, &node);
                self.count -= 1;
            }
            self.count += 1;
        }
        let (site, node) = (new.site.clone(), new.node.clone());
        self.nodes.set(&site, &node, new);
        heard
    }

    fn oldest(&self) -> Option<&Forgotten> {
        self.iter().min_by_key(|known| known.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::fixtures::{ban, forgotten};

    const NOW: Moment = Moment::from_millis(1_700_000_000_000);

    fn at(seconds: u64) -> Moment {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn s_75_a_forgotten_node_loses_what_it_made_until_then_and_what_it_dates_into_the_future() {
        let word = forgotten("a", at(10));
        let voids = |created| word.voids(&ban("192.0.2.7", created, Some(60)), at(20));
        assert!(voids(NOW) && voids(at(10)) && !voids(at(11)) && !voids(at(20)));
        let unsure = |created| {
            let ban = Ban { clock: Some("a".into()), ..Ban::clone(&ban("192.0.2.7", created, Some(60))) };
            word.voids(&ban, at(20))
        };
        assert!(unsure(at(11)) && unsure(at(10).plus(CLOCKS_DIFFER)) && !unsure(at(15).plus(CLOCKS_DIFFER)));
        assert!(voids(at(21).plus(CLOCKS_DIFFER)) && !voids(at(20).plus(CLOCKS_DIFFER)));
        let of = |node: &str, site: &str| {
            let ban = Ban::clone(&ban("192.0.2.7", NOW, None));
            Ban { node: node.into(), site: site.into(), ..ban }
        };
        assert!(!word.voids(&of("b", "s"), NOW) && !word.voids(&of("a", "elsewhere"), NOW), "others keep theirs");
    }

    #[test]
    fn s_75_the_latest_word_counts_and_one_heard_again_changes_nothing() {
        let mut known = Forgettings::default();
        let (first, later) = (forgotten("a", at(1)), forgotten("a", at(2)));
        assert_eq!(known.take(first.clone()), Heard::New);
        assert_eq!(known.take(Forgotten { at: at(9), ..first.clone() }), Heard::Known, "it does not drift");
        assert_eq!((known.take(later.clone()), known.take(first)), (Heard::New, Heard::Known));
        assert_eq!((known.of("s", "a"), known.len()), (Some(&later), 1));
        let unsure = Forgotten { clock: Some("b".into()), ..forgotten("c", at(5)) };
        let right = Forgotten { clock: None, at: at(3), ..unsure.clone() };
        assert_eq!((known.take(unsure.clone()), known.take(right.clone())), (Heard::New, Heard::PutRight));
        assert_eq!((known.take(unsure), known.of("s", "c")), (Heard::Known, Some(&right)));
    }

    #[test]
    fn s_75_forgotten_nodes_are_bounded_and_the_oldest_gives_way_for_good() {
        let mut known = Forgettings::default();
        let word = |number: usize| forgotten(&format!("n{number}"), at(number as u64));
        for number in 0..FORGOTTEN_MAX + 5 {
            assert_eq!(known.take(word(number)), Heard::New);
        }
        assert_eq!((known.len(), known.iter().count()), (FORGOTTEN_MAX, FORGOTTEN_MAX));
        assert_eq!(known.of("s", "n4"), None);
        assert_eq!(known.take(word(4)), Heard::Known, "it pushes out no later one");
    }

    #[test]
    fn names_that_nobody_has_are_none() {
        assert!(is_name("node-1") && is_name("192.0.2.7#2121") && is_name(&"n".repeat(256)));
        assert!(!is_name("") && !is_name("a\nb") && !is_name(&"n".repeat(257)));
        let word = forgotten("a", NOW);
        assert!(word.is_sound() && !Forgotten { by: String::new(), ..word.clone() }.is_sound());
        assert!(is_name(&signature(&"\u{10348}\n".repeat(1000))));
        let ahead = Forgotten { at: at(86_400), ..word };
        assert_eq!(ahead.clone().not_from_the_future(NOW).at, NOW);
        assert_eq!(Forgotten { clock: Some("b".into()), ..ahead }.not_from_the_future(NOW).at, at(86_400));
    }
}
