use std::time::Duration;

use super::*;
use crate::ledger::fixtures::ban;
use crate::ledger::journal::Line;

const START: Moment = Moment::from_millis(1_000_000);

fn lift(of: &Ban, at: Moment) -> Arc<Lift> {
    Arc::new(Lift::of(of, at, "root", "a"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

#[test]
fn each_kind_of_subject_is_found_by_what_it_names() {
    let mut table = Table::new(100);
    for subject in [
        "host:192.0.2.7",
        "network:198.51.100.0/24",
        "class:office",
        "user:eve",
        "user-at-host:bob@192.0.2.9",
        "client-certificate:ab12",
        "tls-fingerprint:t13d",
    ] {
        assert_eq!(table.insert(ban(subject, START, Some(60)), START), Inserted::Added);
    }
    let host = |text: &str, class: &str| table.on_host(ip(text), [class], START).map(|ban| ban.subject.to_string());
    assert_eq!(host("192.0.2.7", "").as_deref(), Some("host:192.0.2.7"));
    assert_eq!(host("198.51.100.200", "").as_deref(), Some("network:198.51.100.0/24"));
    assert_eq!(host("203.0.113.1", "office").as_deref(), Some("class:office"));
    assert_eq!(host("203.0.113.1", "home"), None);
    let user = |name: &str, text: &str| table.on_user(name, ip(text), START).is_some();
    assert!(user("eve", "203.0.113.1") && user("bob", "192.0.2.9"));
    assert!(!user("bob", "192.0.2.7") && !user("alice", "192.0.2.9"));
    let tls = |digest, ja4| table.on_tls(digest, ja4, START).map(|ban| ban.subject.to_string());
    assert_eq!(tls(Some("ab12"), Some("t12i")).as_deref(), Some("client-certificate:ab12"));
    assert_eq!(tls(None, Some("t13d")).as_deref(), Some("tls-fingerprint:t13d"));
    assert_eq!((tls(Some("t13d"), Some("ab12")), tls(None, None)), (None, None));
    assert!(table.find(&Subject::parse("network:198.51.100.0/28").expect("net"), START).is_some());
    assert!(table.find(&Subject::parse("network:198.51.0.0/16").expect("net"), START).is_none());
}

#[test]
fn a_ban_that_ends_now_no_longer_refuses_and_is_swept() {
    let mut table = Table::new(100);
    table.insert(ban("host:192.0.2.7", START, Some(60)), START);
    let end = START.plus(Duration::from_secs(60));
    let before = Moment::from_millis(end.millis() - 1);
    assert!(table.on_host(ip("192.0.2.7"), [], before).is_some());
    assert!(table.on_host(ip("192.0.2.7"), [], end).is_none());
    assert_eq!(table.sweep(before, 10), 0);
    assert_eq!(table.sweep(end, 10), 1);
    assert!(table.is_empty() && table.ends.is_empty() && table.places.iter().next().is_none());
}

#[test]
fn for_one_subject_the_ban_that_ends_later_stays() {
    let mut table = Table::new(100);
    let long = ban("host:192.0.2.7", START, Some(60));
    table.insert(Arc::clone(&long), START);
    assert_eq!(table.insert(ban("host:192.0.2.7", START, Some(30)), START), Inserted::Kept(Arc::clone(&long)));
    assert_eq!(table.insert(ban("host:192.0.2.7", START, None), START), Inserted::Replaced(long));
    assert_eq!(table.len(), 1);
}

#[test]
fn f_26_a_ban_behind_a_longer_one_holds_once_that_is_lifted_in_whatever_order_they_come() {
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    let first = ban("host:192.0.2.7", START, None);
    let again = ban("host:192.0.2.7", at(20), Some(600));
    let lifted = || lift(&first, at(10));
    for order in 0..3 {
        let mut table = Table::new(10);
        table.insert(Arc::clone(&first), START);
        if order == 0 {
            table.lift(lifted(), at(30));
        }
        let second = table.insert(Arc::clone(&again), at(30));
        if order > 0 {
            assert_eq!(second, Inserted::Second(Arc::clone(&first)));
            assert_eq!(table.insert(Arc::clone(&again), at(30)), Inserted::Kept(Arc::clone(&first)));
            assert_eq!(table.lift(lifted(), at(30)), Some(Arc::clone(&first)));
        }
        assert_eq!((table.on_host(ip("192.0.2.7"), [], at(31)), table.len()), (Some(&again), 1), "{order}");
        assert!(table.second.is_empty() && table.get(again.id).is_some());
        table.lift(lift(&again, at(40)), at(40));
        assert!(table.is_empty() && table.ends.is_empty());
    }
}

#[test]
fn s_68_a_ban_with_the_id_of_anothers_ban_takes_nothing_away_from_it() {
    let mut table = Table::new(10);
    let real = ban("host:192.0.2.7", START, Some(600));
    let copied =
        |subject: &str, seconds| Arc::new(Ban { id: real.id, ..Ban::clone(&ban(subject, START, Some(seconds))) });
    table.insert(Arc::clone(&real), START);
    assert_eq!(table.insert(copied("user:eve", 1), START), Inserted::IdTaken(Arc::clone(&real)));
    let later = START.plus(Duration::from_secs(2));
    table.sweep(later, 10);
    assert!(table.on_host(ip("192.0.2.7"), [], later).is_some() && table.get(real.id) == Some(&real));
    let over = START.plus(Duration::from_secs(600));
    assert_eq!(table.insert(copied("user:eve", 900), over), Inserted::Added, "the ended one does not count");
    assert_eq!((table.len(), table.iter(over).count()), (1, 1));

    let mut filled = Table::new(10);
    let filling = filled.fill(START, |take| {
        let bans = [Arc::clone(&real), copied("user:eve", 1), copied("user:bob", 900)];
        bans.into_iter().map(|ban| Record::Ban(ban).into()).for_each(take);
        Ok::<(), ()>(())
    });
    assert_eq!(filling, Ok(0));
    assert_eq!((filled.len(), filled.iter(START).count(), filled.places.iter().count()), (1, 1, 1));
    filled.sweep(over.plus(Duration::from_secs(600)), 10);
    assert!(filled.is_empty() && filled.ends.is_empty());
}

#[test]
fn s_12_a_full_table_says_so_and_keeps_what_is_in_force() {
    let mut table = Table::new(2);
    table.insert(ban("host:192.0.2.1", START, Some(60)), START);
    table.insert(ban("host:192.0.2.2", START, Some(60)), START);
    assert_eq!(table.insert(ban("host:192.0.2.3", START, None), START), Inserted::Full);
    assert!(matches!(table.insert(ban("host:192.0.2.2", START, None), START), Inserted::Replaced(_)));
    let later = START.plus(Duration::from_secs(61));
    table.sweep(later, 10);
    assert_eq!(table.insert(ban("host:192.0.2.3", later, None), later), Inserted::Added);
}

#[test]
fn f_08_a_lifted_ban_never_returns_but_a_new_one_holds() {
    let mut table = Table::new(10);
    let old = ban("host:192.0.2.7", START, Some(600));
    table.insert(Arc::clone(&old), START);
    let at = START.plus(Duration::from_secs(5));
    let lifted = lift(&old, at);
    assert_eq!(table.lift(Arc::clone(&lifted), at), Some(Arc::clone(&old)));
    assert_eq!(table.insert(old, at), Inserted::Lifted(lifted));
    let later = at.plus(Duration::from_millis(1));
    assert_eq!(table.insert(ban("host:192.0.2.7", later, Some(60)), later), Inserted::Added);
    let over = START.plus(Duration::from_secs(601 + 15 * 60));
    table.sweep(over, 10);
    assert!(table.lifts.is_empty() && table.lift_ends.is_empty());
}

#[test]
fn a_table_that_was_filled_at_once_is_the_same_as_one_that_was_filled_one_by_one() {
    let first = ban("host:192.0.2.1", START, Some(60));
    let again = ban("host:192.0.2.1", START.plus(Duration::from_secs(2)), Some(30));
    let records = [
        Record::Ban(Arc::clone(&first)),
        Record::Lift(lift(&first, START.plus(Duration::from_secs(1)))),
        Record::Ban(again),
        Record::Ban(ban("user:eve", START, None)),
        Record::Ban(ban("user:eve", START, Some(60))),
        Record::Ban(ban("network:192.0.2.0/24", START, Some(0))),
        Record::Ban(ban("class:office", START, Some(60))),
        Record::Ban(ban("class:home", START, Some(60))),
    ];
    let (mut filled, mut one_by_one) = (Table::new(3), Table::new(3));
    let left_out = filled.fill(START, |take| {
        records.iter().map(Line::from).for_each(take);
        Ok::<(), ()>(())
    });
    assert_eq!(left_out, Ok(1));
    for record in records {
        match record {
            Record::Ban(ban) => drop(one_by_one.insert(ban, START)),
            Record::Lift(lift) => drop(one_by_one.lift(lift, START)),
        }
    }
    assert_eq!((&filled.ids, &filled.ends, filled.len()), (&one_by_one.ids, &one_by_one.ends, 3));
}

#[test]
fn f_11_a_ban_by_a_clock_that_nobody_knew_is_put_right_once_here_and_on_disk() {
    let made = ban("host:192.0.2.7", START, Some(600));
    let unsure = Arc::new(Ban { clock: Some("b".into()), ..Ban::clone(&made) });
    let right = Arc::new(Ban { expires: Some(START.plus(Duration::from_secs(60))), ..Ban::clone(&made) });
    let mut table = Table::new(10);
    table.insert(Arc::clone(&unsure), START);
    assert_eq!(table.unsure("b"), [Record::Ban(Arc::clone(&unsure))]);
    assert!(table.put_right(&right, START) && !table.put_right(&right, START));
    let mut filled = Table::new(10);
    let written = [unsure, right].map(Record::Ban);
    let feed = |take: &mut dyn FnMut(Line)| {
        written.into_iter().map(Line::from).for_each(take);
        Ok::<(), ()>(())
    };
    filled.fill(START, feed).expect("memory");
    for table in [table, filled] {
        assert!(table.unsure("b").is_empty() && table.len() == 1);
        let held = |seconds| table.on_host(ip("192.0.2.7"), [], START.plus(Duration::from_secs(seconds))).is_some();
        assert_eq!((held(59), held(60)), (true, false));
    }
}

#[test]
fn f_11_moments_of_two_clocks_lift_nothing_but_the_ban_itself() {
    let (old, new) = (ban("host:192.0.2.7", START, None), ban("host:192.0.2.7", START, None));
    let unsure = Lift { clock: Some("b".into()), ..Lift::of(&old, START, "root", "b") };
    assert!(unsure.voids(&old) && !unsure.voids(&new));
    let right = Lift { clock: None, ..unsure.clone() };
    assert!(right.supersedes(&unsure) && !unsure.supersedes(&right) && right.voids(&new));
}

#[test]
fn rounds_over_the_table_meet_every_ban() {
    let mut table = Table::new(100);
    for last in 0..25 {
        table.insert(ban(&format!("host:192.0.2.{last}"), START, None), START);
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let batch: Vec<_> = table.after(cursor, 10).map(|ban| ban.id).collect();
        cursor = batch.last().copied();
        if batch.is_empty() {
            break;
        }
        seen.extend(batch);
    }
    assert_eq!(seen.len(), 25);
}
