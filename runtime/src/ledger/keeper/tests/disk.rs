//! What a node that was killed, or whose disk failed, still knows.

use super::*;

#[tokio::test]
async fn f_12_a_ban_that_was_acknowledged_survives_a_kill() {
    let store = memory();
    let one = node("a", &store);
    for (number, subject) in ["host:192.0.2.7", "network:203.0.113.0/24", "user:eve"].into_iter().enumerate() {
        one.ban(subject, Moment::now()).await;
        assert_eq!(fs::read_to_string(one.journal()).expect("journal").lines().count(), number + 1);
    }
    one.lift("user:eve").await;
    let again = one.restart(&memory());
    assert!(again.bans_host("192.0.2.7") && again.bans_host("203.0.113.9") && !again.bans_host("192.0.2.8"));
    assert!(again.bans.on_user("eve", ip("192.0.2.1"), Moment::now()).is_none());
}

#[tokio::test]
async fn f_15_a_torn_and_a_damaged_journal_give_back_what_is_whole() {
    let store = memory();
    let one = node("a", &store);
    for last in 1..=3 {
        one.ban(&format!("host:192.0.2.{last}"), Moment::now()).await;
    }
    let mut bytes = fs::read(one.journal()).expect("journal");
    let second = bytes.iter().position(|byte| *byte == b'\n').expect("line") + 20;
    bytes[second] ^= 1;
    bytes.extend(b"12345678 {\"ban\":{\"id\"");
    fs::write(one.journal(), bytes).expect("write");
    let again = one.restart(&store);
    assert!(again.bans_host("192.0.2.1") && !again.bans_host("192.0.2.2") && again.bans_host("192.0.2.3"));
    let names: Vec<_> = fs::read_dir(again.state.path())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
        .collect();
    assert!(names.iter().any(|name| name.starts_with("bans.journal.damaged-")), "{names:?}");
    let whole = fs::read(again.journal()).expect("journal");
    let reading = journal::read(&whole, drop);
    assert_eq!((reading.records, reading.damaged, reading.torn_bytes), (2, 0, 0));
}

#[tokio::test]
async fn a_torn_record_alone_is_cut_off_and_the_next_is_written_after_it() {
    let store = memory();
    let one = node("a", &store);
    one.ban("host:192.0.2.1", Moment::now()).await;
    let mut file = fs::OpenOptions::new().append(true).open(one.journal()).expect("open");
    file.write_all(b"deadbeef {\"ban").expect("write");
    let again = one.restart(&store);
    again.ban("host:192.0.2.2", Moment::now()).await;
    let third = again.restart(&store);
    assert!(third.bans_host("192.0.2.1") && third.bans_host("192.0.2.2"));
}

#[tokio::test]
async fn f_31_an_older_version_goes_on_with_a_newer_ledger_and_keeps_what_it_does_not_know() {
    let store = memory();
    let one = node("a", &store);
    one.ban("host:192.0.2.1", Moment::now()).await;
    one.ban("host:192.0.2.3", Moment::now()).await;
    let known = fs::read_to_string(one.journal()).expect("journal");
    let (known, other) = known.trim_end().split_once('\n').expect("two lines");
    let json = |line: &str| line.split_once(' ').expect("a sum").1.to_owned();
    let (known, json, other) = (format!("{known}\n"), json(known), json(other));
    let line = |json: &str| format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    // A kind of record, a kind of subject and a field that come later.
    let kind = line("{\"pardon\":{\"id\":1}}");
    let subject = line(&json.replacen("{\"host\":\"192.0.2.1\"}", "{\"telephone\":\"112\"}", 1));
    let field = line(&other.replacen("{\"ban\":{", "{\"ban\":{\"weight\":[7],", 1));
    assert!(subject.contains("telephone") && field.contains("weight") && field.contains("192.0.2.3"));
    fs::write(one.journal(), [&kind, known.as_str(), &subject, &field].map(String::from).concat()).expect("write");
    let again = one.restart(&store);
    assert!(again.bans_host("192.0.2.1") && again.bans_host("192.0.2.3"));
    let aside = |node: &Node| fs::read_dir(node.state.path()).expect("folder").count();
    assert_eq!(aside(&again), 2, "the journal and its lock: nothing was damaged");
    again.bans.0.journal.fail_for_test();
    again.upkeep().await;
    again.ban("host:192.0.2.2", Moment::now()).await;
    let rewritten = fs::read_to_string(again.journal()).expect("journal");
    assert!(rewritten.starts_with(&[kind, subject].concat()), "{rewritten}");
    let third = again.restart(&store);
    assert!(["192.0.2.1", "192.0.2.2", "192.0.2.3"].iter().all(|host| third.bans_host(host)));
}

#[tokio::test]
async fn two_servers_never_share_a_journal() {
    let one = node("a", &memory());
    let second = open(&settings("b", one.state.path()), memory(), Arc::new(PlainKeys));
    assert!(matches!(second, Err(LedgerError::InUse(_))));
}

#[tokio::test]
async fn f_16_when_the_disk_fails_the_ban_holds_and_is_written_later() {
    let store = memory();
    let one = node("a", &store);
    one.bans.0.journal.fail_for_test();
    one.ban("host:192.0.2.1", Moment::now()).await;
    assert!(one.bans_host("192.0.2.1") && one.bans.standing().unsaved);
    assert!(node("b", &store).pool_bans_host("192.0.2.1").await, "published all the same");
    one.upkeep().await;
    // The writer works in order: once this one is on disk, so is the other.
    one.ban("host:192.0.2.2", Moment::now()).await;
    assert!(!one.bans.standing().unsaved);
    let again = one.restart(&memory());
    assert!(again.bans_host("192.0.2.1") && again.bans_host("192.0.2.2"));
}

#[tokio::test]
async fn the_journal_is_rewritten_when_most_of_it_is_history() {
    let one = node("a", &memory());
    let slack = 50;
    for number in 0..slack {
        one.ban(&format!("host:192.0.2.{number}"), Moment::now()).await;
    }
    for number in 1..slack {
        one.lift(&format!("host:192.0.2.{number}")).await;
    }
    one.bans.0.table.write().sweep(Moment::now().plus(Duration::from_secs(3600)), 1000);
    one.bans.0.journal.tidy(1, 10);
    one.ban("host:203.0.113.1", Moment::now()).await;
    assert!(fs::read_to_string(one.journal()).expect("journal").lines().count() <= 2);
    assert!(!one.state.path().join("bans.journal.new").exists());
}
