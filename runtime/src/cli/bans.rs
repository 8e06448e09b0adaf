//! `portcullis bans list | add | lift`.

use super::arguments::{BansAdd, Reach};
use super::complain::Complaint;
use super::{Answer, table};
use crate::admin::{BanRow, Request};
use crate::ledger::Ban;
use crate::moment::Moment;

/// Every ban in force.
pub fn list(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let rows: Vec<BanRow> = reach.open()?.ask_all(&Request::BansList {})?;
    if json {
        return Answer::json(&rows);
    }
    if rows.is_empty() {
        return Ok(Answer::good("nobody is banned\n"));
    }
    let now = Moment::now();
    let cells = |row: &BanRow| {
        let left = table::left(row.expires, now);
        [row.subject.to_string(), left, table::by(&row.by), row.reason.clone(), row.id.to_string()]
    };
    Ok(Answer::good(table::table(["SUBJECT", "LEFT", "BY", "REASON", "ID"], rows.iter().map(cells))))
}

/// Bans somebody.
pub fn add(reach: &Reach, wanted: &BansAdd, json: bool) -> Result<Answer, Complaint> {
    let request = Request::BansAdd {
        subject: wanted.subject.clone(),
        seconds: wanted.span.map(|span| span.as_secs()),
        reason: wanted.reason.clone(),
        reach: wanted.reach.into(),
    };
    let ban: Ban = reach.open()?.ask(&request)?;
    if json {
        return Answer::json(&ban);
    }
    let left = ban.expires.map_or_else(|| "until lifted".to_owned(), |end| format!("until {end}"));
    Ok(Answer::good(format!("{} is banned {left}\n", ban.subject)))
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
