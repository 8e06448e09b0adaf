//! `portcullis bans explain`: the story of a ban.

use std::fmt::Write;

use super::arguments::Reach;
use super::complain::Complaint;
use super::{Answer, table};
use crate::admin::log::one_line;
use crate::admin::{Explained, Request};
use crate::ledger::{Ban, By};
use crate::moment::Moment;

/// Everything about what bans somebody.
pub fn run(reach: &Reach, which: String, json: bool) -> Result<Answer, Complaint> {
    let bans: Vec<Explained> = reach.open()?.ask(&Request::BansExplain { which: which.clone() })?;
    let good = !bans.is_empty();
    if json {
        return Ok(Answer { good, ..Answer::json(&bans)? });
    }
    if bans.is_empty() {
        return Ok(Answer::no(format!("{which} is not banned\n")));
    }
    let now = Moment::now();
    let stories: Vec<String> = bans.iter().map(|told| story(&told.ban, told.learnt, now)).collect();
    Ok(Answer::good(stories.join("\n")))
}

fn story(ban: &Ban, learnt: bool, now: Moment) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<10} {}", one_line(what));
    };
    line("why", &ban.reason);
    match &ban.by {
        By::Policy { name, version, digest, settings } => {
            line("by", &format!("policy {name}, version {version}"));
            line("component", &format!("sha256:{digest}"));
            line("settings", &format!("sha256:{settings}"));
        }
        By::Operator { name } => line("by", &format!("operator {name}")),
    }
    let shared = if learnt { ", which shared it" } else { "" };
    line("decided", &format!("on node {} of site {}{shared}", ban.node, ban.site));
    line(
        "reach",
        match ban.reach {
            crate::ledger::Reach::Node => "this node alone",
            crate::ledger::Reach::Site => "every node of the site",
            crate::ledger::Reach::Everywhere => "every site that shares the store",
        },
    );
    line("since", &format!("{} ({} ago)", ban.created, table::span(ban.created.until(now))));
    line(
        "until",
        &match ban.expires {
            Some(end) => match &ban.clock {
                Some(node) => format!("{end} by the clock of {}, which was not heard of yet", one_line(node)),
                None => format!("{end} ({} left)", table::span(now.until(end))),
            },
            None => "it is lifted".to_owned(),
        },
    );
    if let Some(clamped) = ban.course.as_ref().and_then(|course| course.clamped.as_ref()) {
        line("shortened", &clamped.to_string());
    }
    if let Some(ended) = ban.course.as_ref().map(|course| course.ended).filter(|ended| *ended > 0) {
        let plural = if ended == 1 { "" } else { "s" };
        line("ended", &format!("{ended} open session{plural} on that node"));
    }
    if let Some(message) = &ban.message {
        line("message", message);
    }
    line("id", &ban.id.to_string());
    let mut story = format!("{} is banned\n{text}", one_line(&ban.subject.to_string()));
    if let Some(course) = &ban.course {
        let event = &course.event;
        let (kind, told) = (one_line(&event.event), facts(&event.facts));
        let _ = writeln!(story, "  brought about by\n    {}  {kind}  {told}", event.at);
        if !course.store.is_empty() {
            story.push_str("  the decision asked the store\n");
        }
        for access in &course.store {
            let words = [&access.operation, &access.key, &access.answer].map(|word| one_line(word));
            let _ = writeln!(story, "    {} {}: {}", words[0], words[1], words[2]);
        }
    }
    if !ban.evidence.is_empty() {
        story.push_str("  evidence\n");
        for fact in &ban.evidence {
            let _ = writeln!(story, "    {}  {}  {}", fact.at, one_line(&fact.event), facts(&fact.facts));
        }
    }
    story
}

/// The facts that tell one event from the next, as `name=value`.
fn facts(facts: &serde_json::Value) -> String {
    const TOLD: [&str; 4] = ["peer", "user", "detail", "connection"];
    let mut words = Vec::new();
    for name in TOLD {
        match facts.get(name) {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::Object(inner)) => {
                words.extend(inner.iter().map(|(name, value)| format!("{name}={}", word(value))));
            }
            Some(value) => words.push(format!("{name}={}", word(value))),
        }
    }
    words.join(" ")
}

fn word(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => one_line(text),
        other => one_line(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Access, BanId, Clamped, Course, Evidence, Reach, Subject};

    #[test]
    fn a_ban_by_a_policy_tells_its_whole_story() {
        let ban = Ban {
            id: BanId::from_bits(0xab),
            subject: Subject::parse("192.0.2.7").expect("subject"),
            reach: Reach::Site,
            reason: "5 different failed logins".into(),
            message: None,
            by: By::Policy {
                name: "brute-force".into(),
                version: "0.1.0".into(),
                digest: "d1".into(),
                settings: "5e".into(),
            },
            node: "node-1".into(),
            site: "north".into(),
            created: Moment::from_millis(1_700_000_000_000),
            expires: Some(Moment::from_millis(1_700_000_600_000)),
            clock: None,
            evidence: vec![Evidence {
                at: Moment::from_millis(1_699_999_999_000),
                event: "login-failed".into(),
                facts: serde_json::json!({
                    "peer": "192.0.2.7:4000", "user": "bob\u{1b}[2J", "detail": { "cause": "wrong-password" }
                }),
            }],
            course: Some(Box::new(Course {
                event: Evidence {
                    at: Moment::from_millis(1_700_000_000_000),
                    event: "login-failed".into(),
                    facts: serde_json::json!({ "peer": "192.0.2.7:4001", "user": "eve" }),
                },
                store: vec![Access {
                    operation: "count-distinct".into(),
                    key: "failures/192.0.2.7/0".into(),
                    answer: "5".into(),
                }],
                clamped: Some(Clamped { asked_seconds: None, given_seconds: 600, rule: "bans.longest".into() }),
                ended: 3,
            })),
        };
        let told = story(&ban, true, Moment::from_millis(1_700_000_060_000));
        assert_eq!(
            told,
            "\
host:192.0.2.7 is banned
  why        5 different failed logins
  by         policy brute-force, version 0.1.0
  component  sha256:d1
  settings   sha256:5e
  decided    on node node-1 of site north, which shared it
  reach      every node of the site
  since      2023-11-14T22:13:20Z (1m ago)
  until      2023-11-14T22:23:20Z (9m left)
  shortened  from until lifted to 10m by `bans.longest`
  ended      3 open sessions on that node
  id         000000000000000000000000000000ab
  brought about by
    2023-11-14T22:13:20Z  login-failed  peer=192.0.2.7:4001 user=eve
  the decision asked the store
    count-distinct failures/192.0.2.7/0: 5
  evidence
    2023-11-14T22:13:19Z  login-failed  peer=192.0.2.7:4000 user=bob\\u{1b}[2J cause=wrong-password
"
        );
    }
}
