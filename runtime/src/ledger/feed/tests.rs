use proptest::prelude::*;

use super::*;

const NOW: Moment = Moment::from_millis(1_700_000_000_000);
const BOUNDS: Bounds =
    Bounds { page: 10, gap_patience: Duration::from_secs(10), gaps_max: 4, rewind_pause: Duration::from_secs(60) };

fn feed() -> Feed {
    Feed::new(1, BOUNDS)
}

fn numbers(feed: &Feed) -> Vec<u64> {
    feed.wanted().iter().map(|place| place.number).collect()
}

/// Reads all that is wanted until nothing is; everything is there.
fn drain(feed: &mut Feed) -> Vec<u64> {
    let mut read = Vec::new();
    loop {
        let wanted = feed.wanted();
        assert!(wanted.len() <= BOUNDS.page);
        if wanted.is_empty() {
            return read;
        }
        for place in wanted {
            feed.entry(place, Entry::There, NOW);
            read.push(place.number);
        }
    }
}

#[test]
fn a_node_that_joins_reads_what_is_there_newest_first_and_then_what_comes() {
    let (mut feed, base) = (feed(), beginning(NOW));
    assert_eq!(feed.heads(&[Head::At(base + 25)], NOW), [0]);
    let old = drain(&mut feed);
    assert_eq!(old, (base + 1..=base + 25).rev().collect::<Vec<_>>());
    assert_eq!(feed.heads(&[Head::At(base + 27)], NOW), [0; 0]);
    assert_eq!(drain(&mut feed), [base + 26, base + 27]);
    assert!(!feed.is_behind());
}

#[test]
fn f_09_a_store_that_has_forgotten_is_noticed_whatever_its_new_head() {
    for new in [0, 1, 27, 1000] {
        let (mut feed, base) = (feed(), beginning(NOW));
        feed.heads(&[Head::At(base + 27)], NOW);
        let later = beginning(NOW.plus(Duration::from_millis(10)));
        assert_eq!(feed.heads(&[Head::At(later + new)], NOW), [0], "{new}");
        assert_eq!(feed.heads(&[Head::At(later + new)], NOW), [0; 0]);
    }
    let mut feed = feed();
    assert_eq!(feed.heads(&[Head::Gone], NOW), [0], "told once");
    assert_eq!(feed.heads(&[Head::Gone], NOW), [0; 0]);
    assert_eq!(feed.heads(&[Head::At(beginning(NOW) + 1)], NOW), [0]);
    assert_eq!(feed.heads(&[Head::Unknown], NOW), [0; 0], "a server that is away has forgotten nothing");
    assert_eq!(feed.heads(&[Head::Gone], NOW), [0]);
}

#[test]
fn all_of_a_journal_that_began_while_we_looked_is_fresh() {
    let (mut feed, base) = (feed(), beginning(NOW));
    let (second, span) = (Duration::from_secs(1), Duration::from_secs(3));
    feed.heads(&[Head::At(base + 5)], NOW);
    let soon = NOW.plus(second);
    feed.heads(&[Head::At(base + 6)], soon);
    let fresh =
        |feed: &Feed, now| feed.wanted().iter().map(|place| feed.is_fresh(*place, now, span)).collect::<Vec<_>>();
    assert_eq!(fresh(&feed, soon), [true, false, false, false, false, false], "the new one alone");
    let later = soon.plus(second);
    feed.heads(&[Head::At(beginning(later) + 2)], later);
    assert_eq!(fresh(&feed, later), [true, true]);
    drain(&mut feed);
    feed.rewind();
    feed.heads(&[Head::Unknown], later);
    assert_eq!(fresh(&feed, later), [false, false]);
    assert_eq!(drain(&mut feed).len(), 2);
}

#[test]
fn however_many_clocks_differ_everything_is_read_once_more_at_a_time_and_seldom() {
    let (mut feed, base) = (feed(), beginning(NOW));
    feed.heads(&[Head::At(base + 25)], NOW);
    for place in feed.wanted() {
        feed.entry(place, Entry::There, NOW);
        feed.rewind();
        feed.heads(&[Head::At(base + 25)], NOW);
    }
    assert_eq!(drain(&mut feed).last(), Some(&(base + 1)), "what is being read is read to its end first");
    let second = |second| NOW.plus(Duration::from_secs(second));
    let read = |feed: &mut Feed, at| {
        feed.heads(&[Head::At(base + 25)], at);
        drain(feed).len()
    };
    assert_eq!((read(&mut feed, second(1)), feed.rewinds), (25, 1));
    assert_eq!(read(&mut feed, second(2)), 0);
    for soon in 3..60 {
        feed.rewind();
        assert_eq!(read(&mut feed, second(soon)), 0);
    }
    assert_eq!((read(&mut feed, second(61)), read(&mut feed, second(122)), feed.rewinds), (25, 0, 2));
}

#[test]
fn a_gap_is_asked_for_once_and_closed_by_what_is_said_instead() {
    let (mut feed, base) = (feed(), beginning(NOW));
    feed.heads(&[Head::At(base)], NOW);
    feed.heads(&[Head::At(base + 3)], NOW);
    for place in feed.wanted() {
        feed.entry(place, Entry::Missing, NOW);
    }
    let place = |last| Place { stream: 0, number: base + last };
    let ask = |feed: &mut Feed, seconds, count| {
        let now = NOW.plus(Duration::from_secs(seconds));
        feed.ask_for(0..1, now, count, |age| age >= Duration::from_secs(2))
    };
    assert_eq!(ask(&mut feed, 1, 9), []);
    feed.asked(place(1));
    assert_eq!(ask(&mut feed, 2, 1), [place(2)]);
    assert_eq!(ask(&mut feed, 2, 9), [place(3)]);
    assert_eq!(ask(&mut feed, 9, 9), []);
    feed.close(place(2));
    assert_eq!((numbers(&feed), feed.lost), (vec![base + 1, base + 3], 0));
    feed.close(Place { stream: 7, number: 1 });
    feed.asked(Place { stream: 7, number: 1 });
}

#[test]
fn f_11_what_a_look_before_has_seen_is_not_fresh_however_late_it_is_read() {
    let (mut feed, base) = (feed(), beginning(NOW));
    let second = Duration::from_secs(1);
    feed.heads(&[Head::At(base)], NOW);
    feed.heads(&[Head::At(base + 1)], NOW.plus(second));
    let late = feed.wanted()[0];
    feed.entry(late, Entry::Unknown, NOW.plus(second));
    feed.heads(&[Head::At(base + 2)], NOW.plus(second * 2));
    let fresh = |place| feed.is_fresh(place, NOW.plus(second * 2), second * 3);
    assert_eq!((fresh(late), fresh(feed.wanted()[1])), (false, true));
}

#[test]
fn a_gap_is_waited_for_and_then_given_up() {
    let (mut feed, base) = (feed(), beginning(NOW));
    feed.heads(&[Head::At(base)], NOW);
    feed.heads(&[Head::At(base + 3)], NOW);
    for place in feed.wanted() {
        feed.entry(place, if place.number == base + 2 { Entry::Missing } else { Entry::There }, NOW);
    }
    assert_eq!(numbers(&feed), [base + 2]);
    let late = Place { stream: 0, number: base + 2 };
    feed.entry(late, Entry::Missing, NOW.plus(Duration::from_secs(9)));
    assert_eq!((feed.gaps(), feed.lost), (1, 0));
    feed.entry(late, Entry::Missing, NOW.plus(Duration::from_secs(10)));
    assert_eq!((feed.gaps(), feed.lost), (0, 1));
}

#[test]
fn s_70_gaps_are_bounded_and_so_is_a_page() {
    let (mut feed, base) = (feed(), beginning(NOW));
    feed.heads(&[Head::At(base)], NOW);
    feed.heads(&[Head::At(base + 1000)], NOW);
    for _ in 0..300 {
        for place in feed.wanted() {
            feed.entry(place, Entry::Missing, NOW);
        }
        assert!(feed.gaps() <= BOUNDS.gaps_max && feed.wanted().len() <= BOUNDS.page);
    }
    assert!(feed.lost >= 900, "{}", feed.lost);
}

#[test]
fn s_70_a_head_that_lies_costs_a_bounded_look_back() {
    let mut feed = feed();
    feed.heads(&[Head::At(u64::MAX)], NOW);
    assert_eq!((feed.strange, feed.wanted()), (1, Vec::new()));
    feed.heads(&[Head::At(LAST - 1)], NOW);
    let mut asked = 0;
    while feed.is_behind() {
        for place in feed.wanted() {
            feed.entry(place, Entry::Missing, NOW);
            asked += 1;
        }
    }
    assert_eq!(asked, EMPTY_MAX);
    feed.heads(&[Head::Strange], NOW);
    assert_eq!(feed.strange, 2);
}

#[test]
fn a_server_that_answers_nothing_loses_nothing() {
    let (mut feed, base) = (feed(), beginning(NOW));
    feed.heads(&[Head::At(base)], NOW);
    feed.heads(&[Head::At(base + 2)], NOW);
    for place in feed.wanted() {
        feed.entry(place, Entry::Unknown, NOW);
    }
    assert_eq!(numbers(&feed), [base + 1, base + 2]);
}

proptest! {
    #[test]
    fn s_70_no_answers_are_a_panic(
        heads in prop::collection::vec((0u8..5, any::<u64>()), 1..30),
        found in prop::collection::vec(0u8..3, 1..200),
    ) {
        let mut feed = feed();
        let mut found = found.iter().cycle();
        for (kind, number) in heads {
            let head = match kind {
                0 => Head::Gone,
                1 => Head::Strange,
                2 => Head::Unknown,
                3 => Head::At(number),
                _ => Head::At(beginning(NOW) + number % 100),
            };
            feed.heads(&[head], NOW);
            for place in feed.wanted() {
                let entry = [Entry::There, Entry::Missing, Entry::Unknown][usize::from(*found.next().expect("a cycle"))];
                feed.entry(place, entry, NOW);
            }
            prop_assert!(feed.wanted().len() <= BOUNDS.page && feed.gaps() <= BOUNDS.gaps_max);
        }
    }
}
