//! `portcullis policy replay`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::arguments::Replay;
use super::complain::Complaint;
use super::table::{Paint, Painted};
use super::{Answer, table};
use crate::admin::log::one_line;
use crate::config::settings::{Settings, Source};
use crate::config::{self, plain};
use crate::net::Networks;
use crate::policy::{Engine, Worker};
use crate::replay::{Change, PlayedBan, ReadError, Recording, Report, Stage, difference, play};

/// Two replays and what they have not in common.
#[derive(Debug, Serialize)]
struct Compared {
    before: Report,
    after: Report,
    changes: Vec<Change>,
}

/// Plays what was recorded. The same files and the same policies print the same bytes; how long it took goes
/// to stderr.
pub fn run(wanted: &Replay, json: bool) -> Result<Answer, Complaint> {
    let first = settings(wanted.policy.as_deref(), wanted.config.as_deref(), wanted.settings.as_deref())?;
    let other = match wanted.against.as_deref() {
        None => None,
        Some(file) if Path::new(file).extension().is_some_and(|end| end == "toml") => {
            Some(settings(None, Some(Path::new(file)), None)?)
        }
        Some(file) => {
            let typed = wanted.against_settings.as_deref().or(wanted.settings.as_deref());
            Some(settings(Some(file), None, typed)?)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Complaint::failed(plain(&error)))?;
    let before = runtime.block_on(one(&first, &wanted.events, wanted.config.is_some()))?;
    let Some(other) = other else {
        return if json { Answer::json(&before) } else { Ok(Answer::good(story(&before))) };
    };
    let after = runtime.block_on(one(&other, &wanted.events, wanted.config.is_some()))?;
    let changes = difference(&before.bans, &after.bans);
    if json {
        return Answer::json(&Compared { before, after, changes });
    }
    Ok(Answer::good(comparison(&before, &after, &changes)))
}

/// The defaults with one policy, or a whole configuration.
fn settings(policy: Option<&str>, config: Option<&Path>, typed: Option<&str>) -> Result<Settings, Complaint> {
    if let Some(config) = config {
        let loaded =
            config::load(config).map_err(|mistakes| Complaint::Wrong { mistakes, so: "nothing was played" })?;
        return Ok(loaded.settings);
    }
    let mut settings = config::defaults();
    let mut only = settings.chain.first().cloned().unwrap_or_else(|| settings.keys.clone());
    let file = policy.unwrap_or_default();
    (only.name, only.source) = match file.strip_prefix("builtin:") {
        Some(name) => (name.to_owned(), Source::Builtin(name.to_owned())),
        None => {
            let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let here = std::env::current_dir().unwrap_or_default();
            (stem.unwrap_or_else(|| "replayed".to_owned()), Source::File(here.join(file)))
        }
    };
    only.settings = super::policy::typed_settings(typed)?;
    settings.chain = vec![only];
    Ok(settings)
}

async fn one(settings: &Settings, files: &[PathBuf], own_networks: bool) -> Result<Report, Complaint> {
    let unreadable = |error: ReadError| Complaint::failed(error.to_string());
    let began = (Instant::now(), cpu());
    let mut recording = Recording::open(files).map_err(unreadable)?;
    // Pseudonyms are in no network of a configuration; what was seen then answers for them.
    let networks = if own_networks && !recording.header().pseudonyms {
        settings.networks.clone()
    } else {
        Recording::sets(files).map_err(unreadable)?
    };
    let failed = |why: String| Complaint::failed(why);
    let engine = Engine::start_apart(settings, &Worker::own_program()).map_err(|error| failed(error.to_string()))?;
    let stage = Stage::open(engine, settings, Arc::new(Networks::new(&networks))).await.map_err(|errors| {
        let told: Vec<String> =
            errors.iter().map(|error| format!("policy {}: {}", error.policy, error.fault)).collect();
        failed(told.join("\n"))
    })?;
    let loaded = cpu();
    let report = play(stage, &mut recording).await.map_err(unreadable)?;
    let (wall, work) = (began.0.elapsed(), cpu().saturating_sub(loaded));
    let rate = report.events as f64 / work.as_secs_f64().max(0.001);
    eprintln!(
        "{} events in {:.1} s, {:.1} s of CPU time of it for loading; {rate:.0} events for each second of CPU time",
        report.events,
        wall.as_secs_f64(),
        loaded.saturating_sub(began.1).as_secs_f64()
    );
    Ok(report)
}

/// CPU time of this process.
fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or_default(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

fn story(report: &Report) -> String {
    let mut text = summary(report);
    if report.bans.is_empty() {
        text.push_str("nobody would have been banned\n");
        return text;
    }
    let rows = report.bans.iter().map(|ban| {
        [
            Painted(ban.at.to_string(), Paint::Plain),
            Painted(ban.subject.to_string(), Paint::Strong),
            Painted(span(ban), Paint::Warm),
            Painted(ban.policy.clone(), Paint::Plain),
            Painted(format!("{} (event {})", ban.event, ban.number), Paint::Faint),
            Painted(ban.reason.clone(), Paint::Plain),
        ]
    });
    text.push_str(&table::painted(["WHEN", "SUBJECT", "FOR", "POLICY", "AT", "WHY"], rows));
    text
}

fn comparison(before: &Report, after: &Report, changes: &[Change]) -> String {
    let (old, new) = (figures(before), figures(after));
    let both = old.into_iter().zip(new).map(|((name, before), (_, after))| [name.to_owned(), before, after]);
    let mut text = table::table(["", "BEFORE", "AFTER"], both);
    text.push('\n');
    if changes.is_empty() {
        text.push_str("no ban differs\n");
        return text;
    }
    let count = |wanted: fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
    let _ = writeln!(
        text,
        "{} bans only before (-), {} only after (+), {} at another time, for longer or shorter, or with another \
         reason (< before, > after)\n",
        count(|change| matches!(change, Change::Gone { .. })),
        count(|change| matches!(change, Change::New { .. })),
        count(|change| matches!(change, Change::Other { .. })),
    );
    let row = |sign: &str, ban: &PlayedBan, paint: Paint| {
        [
            Painted(sign.to_owned(), paint),
            Painted(ban.at.to_string(), Paint::Plain),
            Painted(ban.subject.to_string(), Paint::Strong),
            Painted(span(ban), Paint::Warm),
            Painted(ban.reason.clone(), Paint::Plain),
        ]
    };
    let rows = changes.iter().flat_map(|change| match change {
        Change::Gone { before } => vec![row("-", before, Paint::Loud)],
        Change::New { after } => vec![row("+", after, Paint::Warm)],
        Change::Other { before, after } => vec![row("<", before, Paint::Faint), row(">", after, Paint::Faint)],
    });
    text.push_str(&table::painted(["", "WHEN", "SUBJECT", "FOR", "WHY"], rows));
    text
}

/// What was asked for: the end itself is spread by chance on a server.
fn span(ban: &PlayedBan) -> String {
    ban.asked_ms.map_or_else(|| "until lifted".to_owned(), |millis| table::span(Duration::from_millis(millis)))
}

fn summary(report: &Report) -> String {
    let mut text = String::new();
    for (name, what) in figures(report) {
        let _ = writeln!(text, "{name:<10} {}", one_line(&what));
    }
    text.push('\n');
    text
}

/// What came of it in a few lines: names, and what there is to say. The same names for every report.
fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let when = match (report.from, report.to) {
        (Some(from), Some(to)) => format!(" within {}, from {from} to {to}", table::span(from.until(to))),
        _ => String::new(),
    };
    let names: Vec<String> = report
        .policies
        .iter()
        .map(|who| format!("{} {} ({})", who.name, who.version, table::short(&who.digest)))
        .collect();
    let times = |all: &std::collections::BTreeMap<String, u64>| {
        let told: Vec<String> = all.iter().map(|(what, times)| format!("{times} times: {what}")).collect();
        if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
    };
    vec![
        ("recording", format!("{} events{when}", report.events)),
        ("unread", format!("{} lines that are no events", report.unreadable)),
        ("policy", names.join(", ")),
        ("asked", format!("about {} events", report.asked)),
        ("banned", banned(&report.bans)),
        ("kept out", format!("{} events of who was banned by then", report.spared)),
        ("refused", format!("{} events without a ban", report.refused)),
        ("forbidden", times(&report.not_imposed)),
        ("failed", times(&report.failures)),
    ]
}

/// How often, and whom: `7 times: 5 host, 1 network`, where one was banned twice.
fn banned(bans: &[PlayedBan]) -> String {
    let mut kinds = std::collections::BTreeMap::<&str, std::collections::BTreeSet<&crate::ledger::Subject>>::new();
    for ban in bans {
        kinds.entry(ban.subject.kind()).or_default().insert(&ban.subject);
    }
    let told: Vec<String> = kinds.iter().map(|(kind, whom)| format!("{} {kind}", whom.len())).collect();
    if told.is_empty() { "nobody".to_owned() } else { format!("{} times: {}", bans.len(), told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Reach, Subject};
    use crate::moment::Moment;

    fn report(subjects: &[&str]) -> Report {
        let ban = |(at, text): (usize, &&str)| PlayedBan {
            at: Moment::from_millis(1_700_000_000_000 + at as u64 * 1000),
            subject: Subject::parse(text).expect(text),
            expires: None,
            asked_ms: Some(600_000),
            reach: Reach::Site,
            reason: "5 different failed logins".into(),
            policy: "p".into(),
            number: 1,
            event: "login-failed".into(),
            peer: ([192, 0, 2, 7], 40_000).into(),
            user: None,
            lifted: None,
        };
        Report {
            events: 20,
            from: Some(Moment::from_millis(1_700_000_000_000)),
            to: Some(Moment::from_millis(1_700_003_660_000)),
            asked: 9,
            spared: 3,
            bans: subjects.iter().enumerate().map(ban).collect(),
            failures: [("p".to_owned(), 2)].into(),
            ..Report::default()
        }
    }

    #[test]
    fn a_replay_reads_as_a_short_story() {
        let told = story(&report(&["192.0.2.7", "192.0.2.0/24", "192.0.2.7"]));
        let wanted = "\
recording  20 events within 1h 1m, from 2023-11-14T22:13:20Z to 2023-11-14T23:14:20Z
unread     0 lines that are no events
policy \n\
asked      about 9 events
banned     3 times: 1 host, 1 network
kept out   3 events of who was banned by then
refused    0 events without a ban
forbidden  nothing
failed     2 times: p

WHEN                  SUBJECT               FOR  POLICY  AT                      WHY
";
        assert!(told.replace("policy     \n", "policy \n").starts_with(wanted), "{told}");
    }

    #[test]
    fn a_difference_stands_side_by_side_and_says_what_its_signs_mean() {
        let (before, after) = (report(&["192.0.2.7", "192.0.2.8"]), report(&["192.0.2.9", "192.0.2.8"]));
        let told = comparison(&before, &after, &difference(&before.bans, &after.bans));
        assert!(told.contains("banned     2 times: 2 host"), "{told}");
        assert!(told.contains("1 bans only before (-), 1 only after (+), 0 at another time"), "{told}");
        assert!(told.contains("\n-  ") && told.contains("\n+  "), "{told}");
        assert!(comparison(&before, &before, &[]).ends_with("no ban differs\n"));
    }
}
