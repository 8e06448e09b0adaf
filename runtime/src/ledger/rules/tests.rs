use super::*;
use crate::policy::PolicyStamp;

fn rules() -> Rules {
    let protected: Vec<IpNet> = vec!["192.0.2.0/28".parse().expect("net"), "2001:db8::1/128".parse().expect("net")];
    let mut protected_trie = Trie::new();
    for net in &protected {
        protected_trie.insert(*net, ());
    }
    Rules {
        protected,
        protected_trie,
        longest: Duration::from_secs(3600),
        spread_percent: 10,
        shortest_v4: 16,
        shortest_v6: 32,
        classes: BTreeSet::from(["office".to_owned()]),
        evidence: 2,
        per_node: 2,
        node: "a".into(),
        site: "s".into(),
    }
}

fn order(span: Option<Duration>) -> BanOrder {
    BanOrder {
        subject: Subject::parse("203.0.113.7").expect("host"),
        span,
        reason: "test".into(),
        message: None,
        reach: Reach::Site,
        by: Arc::new(PolicyStamp { name: "p".into(), version: "1".into(), digest: "d".into(), settings: "s".into() }),
        accesses: Arc::default(),
    }
}

#[test]
fn only_what_the_operator_allows_can_be_banned() {
    let rules = rules();
    for (text, allowed) in [
        ("host:192.0.2.7", "protected"),
        ("host:192.0.2.77", "yes"),
        ("user-at-host:eve@192.0.2.7", "protected"),
        ("user:eve", "yes"),
        ("network:192.0.2.0/24", "protected"),
        ("network:192.0.2.0/30", "protected"),
        ("network:192.0.3.0/24", "yes"),
        ("network:10.0.0.0/8", "wide"),
        ("network:0.0.0.0/0", "wide"),
        ("host:127.0.0.2", "yes"),
        ("network:127.0.0.0/8", "wide"),
        ("network:2001:db8::/48", "protected"),
        ("network:2001:db9::/48", "yes"),
        ("network:2000::/16", "wide"),
        ("network:::/64", "wide"),
        ("class:office", "yes"),
        ("class:nowhere", "class"),
        ("tls-fingerprint:t13d", "yes"),
        ("client-certificate:ab", "yes"),
    ] {
        let answer = match rules.permit(&Subject::parse(text).expect(text)) {
            Ok(()) => "yes",
            Err(NotImposed::Protected(_)) => "protected",
            Err(NotImposed::TooWide(_)) => "wide",
            Err(NotImposed::NoSuchClass(_)) => "class",
            Err(other) => panic!("{text}: {other}"),
        };
        assert_eq!(answer, allowed, "{text}");
    }
}

#[test]
fn s_22_a_nat64_prefix_is_never_banned_as_one_client() {
    let rules = rules();
    let permit = |text: &str| rules.permit(&Subject::parse(text).expect(text)).is_ok();
    assert!(!permit("64:ff9b::/64"));
    assert!(!permit("64:ff9b::/96"));
    assert!(!permit("64:ff9b::/104"));
    assert!(permit("64:ff9b::c000:300/120"));
}

#[test]
fn a_policys_ban_is_no_longer_than_the_longest_and_its_end_is_spread() {
    let rules = rules();
    let span = |asked, bits| {
        let (draft, clamped) = rules.of_policy(order(asked), Grounds::default(), BanId::from_bits(bits));
        (draft.span.expect("an end").as_secs(), clamped.map(|clamped| clamped.to_string()))
    };
    assert_eq!(span(Some(Duration::from_secs(100)), 0), (100, None));
    assert_eq!(span(Some(Duration::from_secs(3600)), 0), (3600, None));
    assert_eq!(span(Some(Duration::from_secs(100)), u128::MAX), (110, None));
    let told = |text: &str| Some(text.to_owned());
    assert_eq!(span(Some(Duration::from_secs(7200)), 0), (3600, told("from 2h to 1h by `bans.longest`")));
    assert_eq!(span(None, u128::MAX), (3960, told("from until lifted to 1h by `bans.longest`")));
}

#[test]
fn the_last_events_are_the_evidence() {
    let evidence = (0..5)
        .map(|number| Evidence { at: Moment::from_millis(number), event: "connect".into(), facts: ().into() })
        .collect();
    let (draft, _) = rules().of_policy(order(None), Grounds { evidence, ..Grounds::default() }, BanId::from_bits(0));
    let kept: Vec<_> = draft.evidence.iter().map(|fact| fact.at.millis()).collect();
    assert_eq!(kept, [3, 4]);
}

#[test]
fn s_75_a_ban_of_another_nodes_policy_lasts_no_longer_than_one_made_here() {
    let (rules, now) = (rules(), Moment::from_millis(1_700_000_000_000));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let made = |created: Moment, span: Option<Duration>, by: By| {
        let ban = Ban::clone(&crate::ledger::fixtures::ban("192.0.2.7", created, None));
        Arc::new(Ban { by, expires: span.map(|span| created.plus(span)), node: "b".into(), ..ban })
    };
    let policy = By::from(&*order(None).by);
    let longest = hours(1).mul_f64(1.1);
    for (asked, counts) in [
        (Some(hours(9)), longest),
        (None, longest),
        (Some(longest), longest),
        (Some(longest + Duration::from_millis(1)), longest),
        (Some(hours(1)), hours(1)),
    ] {
        let cut = rules.as_it_counts(made(now, asked, policy.clone()), now);
        assert_eq!(cut.expires, Some(now.plus(counts)), "{asked:?}");
        let later = now.plus(hours(5));
        assert_eq!(rules.as_it_counts(Arc::clone(&cut), later), cut, "learnt again it ends at the same moment");
        assert_eq!(rules.as_it_counts(made(now, asked, policy.clone()), later).expires, cut.expires);
    }
    let ahead = rules.as_it_counts(made(now.plus(hours(1000)), Some(hours(1)), policy), now);
    assert_eq!(ahead.expires, Some(now.plus(CLOCKS_DIFFER).plus(longest)), "made in the future");
    let operators = made(now, None, By::Operator { name: "root".into() });
    assert!(Arc::ptr_eq(&rules.as_it_counts(Arc::clone(&operators), now), &operators));
}

#[test]
fn s_75_what_was_cut_of_a_learnt_ban_stands_in_its_course() {
    let event = Evidence { at: Moment::from_millis(0), event: "connect".into(), facts: ().into() };
    let course = Box::new(Course { event, store: Vec::new(), clamped: None, ended: 0 });
    let ban = Ban::clone(&crate::ledger::fixtures::ban("192.0.2.7", Moment::from_millis(0), Some(7200)));
    let ban = Ban { by: By::from(&*order(None).by), course: Some(course), ..ban };
    let cut = rules().as_it_counts(Arc::new(ban), Moment::from_millis(0));
    let clamped = cut.course.as_ref().and_then(|course| course.clamped.clone()).expect("cut");
    assert_eq!((clamped.asked_seconds, clamped.given_seconds), (Some(7200), 3600));
}

#[test]
fn s_75_a_node_has_a_quota_and_this_one_none() {
    let rules = rules();
    let by = |node: &str, site: &str| {
        let ban = Ban::clone(&crate::ledger::fixtures::ban("192.0.2.7", Moment::from_millis(0), None));
        Ban { node: node.into(), site: site.into(), ..ban }
    };
    assert!(!rules.is_over_quota(&by("b", "s"), 1) && rules.is_over_quota(&by("b", "s"), 2));
    assert!(!rules.is_over_quota(&by("a", "s"), 2) && rules.is_over_quota(&by("a", "t"), 2), "its namesake");
}

#[test]
fn s_36_a_ban_covers_only_whom_it_names() {
    let ip = "192.0.2.7".parse().expect("ip");
    let covers = |text: &str| covers(&Subject::parse(text).expect(text), ip, Some("eve"), ["office"]);
    assert!(covers("192.0.2.7") && covers("192.0.2.0/24") && covers("user:eve") && covers("class:office"));
    assert!(covers("user-at-host:eve@192.0.2.7"));
    assert!(!covers("192.0.2.8") && !covers("192.0.3.0/24") && !covers("user:bob") && !covers("class:home"));
    assert!(!covers("user-at-host:eve@192.0.2.8") && !covers("tls-fingerprint:t13d"));
}
