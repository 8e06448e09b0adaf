//! `portcullis bans list | add | lift | export | import`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::arguments::{BansAdd, BansFilter, BansList, Reach};
use super::complain::Complaint;
use super::table::{Paint, Painted};
use super::{Answer, table};
use crate::admin::{AddedBan, BanRow, ImportRow, Request};
use crate::config::plain;
use crate::ledger::{Ban, Imported, Page};
use crate::moment::Moment;

/// Bytes of one request of an import: well below the shortest line that a server takes by default.
const IMPORT_BYTES: usize = 32 * 1024;
/// Bytes of one line of an export.
const LINE_BYTES: u64 = 1024 * 1024;

/// The bans in force that fit.
pub fn list(reach: &Reach, wanted: &BansList, json: bool) -> Result<Answer, Complaint> {
    // One more than is shown tells whether there are more.
    let limit = wanted.limit.map(|limit| limit.saturating_add(1));
    let page = Page { skip: wanted.skip, limit };
    let mut rows: Vec<BanRow> = reach.open()?.ask_all(&Request::BansList { filter: (&wanted.filter).into(), page })?;
    let more = wanted.limit.is_some_and(|limit| rows.len() > limit);
    rows.truncate(wanted.limit.unwrap_or(usize::MAX));
    if json {
        return Answer::json(&rows);
    }
    if rows.is_empty() {
        return Ok(Answer::good("no such ban is in force\n"));
    }
    let now = Moment::now();
    let cells = |row: &BanRow| {
        let left = table::left(row.expires, now);
        let paint = match row.expires {
            None => Paint::Loud,
            Some(_) => Paint::Warm,
        };
        [
            Painted(row.subject.to_string(), Paint::Strong),
            Painted(left, paint),
            Painted(table::by(&row.by), Paint::Plain),
            Painted(row.reason.clone(), Paint::Plain),
            Painted(row.id.to_string(), Paint::Faint),
        ]
    };
    let mut text = table::painted(["SUBJECT", "LEFT", "BY", "REASON", "ID"], rows.iter().map(cells));
    if more {
        text.push_str(&format!("there are more: go on with --skip {}\n", wanted.skip.saturating_add(rows.len())));
    }
    Ok(Answer::good(text))
}

/// Everything about the bans that fit, one a line.
pub fn export(reach: &Reach, filter: &BansFilter) -> Result<Answer, Complaint> {
    let bans: Vec<Ban> = reach.open()?.ask_all(&Request::BansExport { filter: filter.into() })?;
    let mut text = String::new();
    for ban in &bans {
        text.push_str(&serde_json::to_string(ban).map_err(|error| Complaint::failed(error.to_string()))?);
        text.push('\n');
    }
    Ok(Answer::good(text))
}

/// Takes in an export. Lines that are no bans stop it before anything is taken in.
pub fn import(reach: &Reach, file: Option<&Path>, json: bool) -> Result<Answer, Complaint> {
    let bans = match file.filter(|file| *file != Path::new("-")) {
        None => read(std::io::stdin().lock(), "stdin")?,
        Some(file) => {
            let name = file.display().to_string();
            let opened = std::fs::File::open(file)
                .map_err(|error| Complaint::failed(format!("cannot read {name}: {}", plain(&error))))?;
            read(BufReader::new(opened), &name)?
        }
    };
    let mut line = reach.open()?;
    let mut rows: Vec<ImportRow> = Vec::with_capacity(bans.len());
    let (mut some, mut bytes) = (Vec::new(), 0);
    let mut all = bans.into_iter().peekable();
    while let Some((ban, size)) = all.next() {
        some.push(ban);
        bytes += size;
        if all.peek().is_none_or(|(_, size)| bytes + size > IMPORT_BYTES) {
            rows.extend(line.ask::<Vec<ImportRow>>(&Request::BansImport { bans: std::mem::take(&mut some) })?);
            bytes = 0;
        }
    }
    let good = rows.iter().all(|row| row.refused.is_none());
    if json {
        return Ok(Answer { good, ..Answer::json(&rows)? });
    }
    Ok(Answer { text: summary(&rows), good })
}

fn read(input: impl BufRead, name: &str) -> Result<Vec<(Ban, usize)>, Complaint> {
    let mut bans = Vec::new();
    let (mut input, mut line) = (input, Vec::new());
    for number in 1.. {
        line.clear();
        let count = input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        let count = count.map_err(|error| Complaint::failed(format!("cannot read {name}: {}", plain(&error))))?;
        if count == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let ban = serde_json::from_slice(&line).map_err(|error| {
            let what = format!("{name}:{number} is no ban: {error}");
            Complaint::usage(what, Some("nothing was imported; make the file with `bans export`"))
        })?;
        bans.push((ban, count));
    }
    Ok(bans)
}

fn summary(rows: &[ImportRow]) -> String {
    let count = |wanted: Imported| rows.iter().filter(|row| row.outcome == Some(wanted)).count();
    let (added, kept) = (count(Imported::Added), count(Imported::Kept));
    let mut text = format!("{added} imported, {kept} in force already");
    for (wanted, words) in [(Imported::Lifted, "lifted since"), (Imported::Ended, "ended")] {
        match count(wanted) {
            0 => {}
            some => text.push_str(&format!(", {some} {words}")),
        }
    }
    text.push('\n');
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    for why in rows.iter().filter_map(|row| row.refused.as_deref()) {
        *refused.entry(why).or_default() += 1;
    }
    for (why, times) in refused {
        text.push_str(&format!(
            "refused{}: {why}\n",
            if times > 1 { format!(" {times} times") } else { String::new() }
        ));
    }
    text
}

/// Bans somebody.
pub fn add(reach: &Reach, wanted: &BansAdd, json: bool) -> Result<Answer, Complaint> {
    let request = Request::BansAdd {
        subject: wanted.subject.clone(),
        seconds: wanted.span.map(|span| span.as_secs()),
        reason: wanted.reason.clone(),
        reach: wanted.reach.into(),
    };
    let added: AddedBan = reach.open()?.ask(&request)?;
    if json {
        return Answer::json(&added);
    }
    let left = added.ban.expires.map_or_else(|| "until lifted".to_owned(), |end| format!("until {end}"));
    let already = if added.already { " already" } else { "" };
    Ok(Answer::good(format!("{} is banned{already} {left}\n", added.ban.subject)))
}

/// Lifts a ban.
pub fn lift(reach: &Reach, which: String, json: bool) -> Result<Answer, Complaint> {
    let gone: Vec<BanRow> = reach.open()?.ask(&Request::BansLift { which: which.clone() })?;
    let good = !gone.is_empty();
    if json {
        return Ok(Answer { good, ..Answer::json(&gone)? });
    }
    if gone.is_empty() {
        return Ok(Answer::no(format!("{which} is not banned\n")));
    }
    Ok(Answer::good(gone.iter().map(|row| format!("{} is no longer banned\n", row.subject)).collect::<String>()))
}
