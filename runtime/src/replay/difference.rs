//! What two replays of one recording have not in common, ban by ban. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::PlayedBan;
use crate::ledger::Subject;

/// A ban that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Only the first would have imposed it.
    Gone {
        /// The ban.
        before: Box<PlayedBan>,
    },
    /// Only the second would have imposed it.
    New {
        /// The ban.
        after: Box<PlayedBan>,
    },
    /// Both would have, at another moment, for another time or another reason.
    Other {
        /// As the first would have.
        before: Box<PlayedBan>,
        /// As the second would have.
        after: Box<PlayedBan>,
    },
}

/// The n-th ban of a subject here is compared with the n-th there. In order of the earlier moment.
pub fn difference(before: &[PlayedBan], after: &[PlayedBan]) -> Vec<Change> {
    let mut subjects: BTreeMap<&Subject, (Vec<&PlayedBan>, Vec<&PlayedBan>)> = BTreeMap::new();
    for ban in before {
        subjects.entry(&ban.subject).or_default().0.push(ban);
    }
    for ban in after {
        subjects.entry(&ban.subject).or_default().1.push(ban);
    }
    let mut changes = Vec::new();
    for (before, after) in subjects.into_values() {
        for at in 0..before.len().max(after.len()) {
            match (before.get(at), after.get(at)) {
                (Some(before), Some(after)) if alike(before, after) => {}
                (Some(before), Some(after)) => {
                    changes.push(Change::Other { before: boxed(before), after: boxed(after) });
                }
                (Some(before), None) => changes.push(Change::Gone { before: boxed(before) }),
                (None, Some(after)) => changes.push(Change::New { after: boxed(after) }),
                (None, None) => {}
            }
        }
    }
    changes.sort_by_key(|change| match change {
        Change::Gone { before } => (before.at, before.number),
        Change::New { after } => (after.at, after.number),
        Change::Other { before, after } => (before.at, before.number).min((after.at, after.number)),
    });
    changes
}

fn boxed(ban: &PlayedBan) -> Box<PlayedBan> {
    Box::new(ban.clone())
}

/// Whoever decided.
fn alike(one: &PlayedBan, other: &PlayedBan) -> bool {
    let what = |ban: &PlayedBan| (ban.at, ban.asked_ms, ban.reach, ban.reason.clone(), ban.lifted);
    what(one) == what(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Reach;
    use crate::moment::Moment;

    fn ban(subject: &str, at: u64) -> PlayedBan {
        PlayedBan {
            at: Moment::from_millis(at),
            subject: Subject::parse(subject).expect(subject),
            expires: None,
            asked_ms: None,
            reach: Reach::Site,
            reason: "x".into(),
            policy: "p".into(),
            number: at,
            event: "connect".into(),
            peer: "192.0.2.1:1".parse().expect("address"),
            user: None,
            lifted: None,
        }
    }

    #[test]
    fn only_what_differs_is_told_in_order_of_time() {
        let before = [ban("192.0.2.1", 1), ban("192.0.2.2", 2), ban("192.0.2.3", 7), ban("192.0.2.1", 9)];
        let after = [ban("192.0.2.1", 1), ban("192.0.2.2", 5), ban("192.0.2.4", 3)];
        assert_eq!(
            difference(&before, &after),
            [
                Change::Other { before: Box::new(ban("192.0.2.2", 2)), after: Box::new(ban("192.0.2.2", 5)) },
                Change::New { after: Box::new(ban("192.0.2.4", 3)) },
                Change::Gone { before: Box::new(ban("192.0.2.3", 7)) },
                Change::Gone { before: Box::new(ban("192.0.2.1", 9)) },
            ]
        );
        assert_eq!(difference(&before, &before), []);
    }
}
