//! What holds for any bytes in the place of bans, on disk and in the store: bodies of fuzz targets (see
//! [`crate::fuzzing`]).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::clocks::Clocks;
use super::forgotten::Forgotten;
use super::journal::Line;
use super::proftpd::{self, Form, Writer};
use super::record::{self, Merge, Record};
use super::table::Table;
use super::{Ban, Subject, journal};
use crate::fuzzing::Choices;
use crate::moment::Moment;

const NOW: Moment = Moment::from_millis(1_700_000_000_000);
const VALUE_BYTES: usize = 4096;

fn file_of(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(journal::line).collect()
}

fn read_file(bytes: &[u8]) -> Vec<Line> {
    let mut records = Vec::new();
    let reading = journal::read(bytes, |record| records.push(record));
    assert_eq!(reading.good_bytes + reading.torn_bytes, bytes.len() as u64);
    assert_eq!(reading.records, records.len());
    records
}

/// The ledger's file, values of the store, lines of an export and words that forget nodes: what is read is written and
/// read again as the same; nothing of a forgotten node stays; a value never outgrows its bound, and taking a record in twice changes nothing; the table
/// keeps its bound.
pub fn records(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let as_file = choices.flag();
    let bytes = choices.rest();
    // As a file; or each line with the sum that it should have.
    let mut found: Vec<Line> =
        if as_file { read_file(bytes) } else { record::read_all(bytes).0.into_iter().map(Line::from).collect() };
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(ban) = serde_json::from_slice::<Ban>(line) {
            found.push(Record::Ban(ban.into()).into());
        }
        if let Ok(word) = serde_json::from_slice::<Forgotten>(line) {
            found.push(word.into());
        }
    }
    assert_eq!(read_file(&file_of(&found)), found);

    let mut table = Table::new(4);
    let mut value = Vec::new();
    let clocks = Clocks::new("a", Duration::from_secs(3));
    for line in &found {
        let record = match line {
            Line::Record(record) => record,
            Line::Forgotten { forgotten } => {
                table.forget_node(forgotten.clone().not_from_the_future(NOW));
                table.drop_forgotten(None, usize::MAX, NOW);
                assert!(table.iter(NOW).chain(table.second()).all(|ban| !table.is_forgotten(ban, NOW)));
                continue;
            }
        };
        if let Merge::Write(merged) = record::merge(&value, record, NOW, VALUE_BYTES, &clocks) {
            assert!(merged.value.len() <= VALUE_BYTES);
            let (kept, strange) = record::read_all(&merged.value);
            assert_eq!(strange, 0);
            assert!(kept.iter().any(|kept| kept.subject() == record.subject()));
            let again = record::merge(&merged.value, record, NOW, VALUE_BYTES, &clocks);
            assert!(!record.matters(NOW) || matches!(again, Merge::Stands), "a second time: {again:?}");
            value = merged.value;
        }
        match record {
            Record::Ban(ban) => {
                table.insert(ban.clone(), NOW);
                let text = ban.subject.to_string();
                if let Ok(subject) = Subject::parse(&text) {
                    assert_eq!(Subject::parse(&subject.to_string()).as_ref(), Ok(&subject));
                }
            }
            Record::Lift(lift) => drop(table.lift(lift.clone(), NOW)),
        }
        assert!(table.len() <= 4);
        assert_eq!(table.iter(NOW).count(), table.len());
    }
    table.sweep(NOW.plus(Duration::from_secs(60)), usize::MAX);
    assert!(table.len() <= 4);
}

/// ProFTPD's entries: read as a ban of the subject that was asked for, or not at all; what we write of it reads back.
pub fn proftpd_bans(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let form = choices.one_of(&[Form::Json, Form::Tpl]);
    let framed = choices.flag();
    let writer = Writer { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 2121 };
    let subject = Subject::Host(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let mut value = choices.rest().to_vec();
    if framed {
        match form {
            Form::Json => value.push(0),
            Form::Tpl => value = [b"tpl\x02", &(value.len() as u32 + 8).to_le_bytes()[..], &value].concat(),
        }
    }
    let Some(ban) = proftpd::read(form, &subject, &value, "site", None) else { return };
    assert_eq!(ban.subject, subject);
    assert_eq!(ban.site, "site");
    for form in [Form::Json, Form::Tpl] {
        let written = proftpd::write(form, &ban, writer, NOW).expect("a host");
        let again = proftpd::read(form, &subject, &written, "site", Some(writer)).expect("what we wrote");
        assert_eq!(again.expires, ban.expires);
        if !ban.reason.contains('\0') && ban.message.as_ref().is_none_or(|message| !message.contains('\0')) {
            assert_eq!((again.reason, again.message), (ban.reason.clone(), ban.message.clone()));
        }
    }
}
