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
use crate::moment::Moment;
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
    let mut text = format!("before: {}after:  {}", summary(before), summary(after));
    if changes.is_empty() {
        text.push_str("no ban differs\n");
        return text;
    }
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
    let moment = |at: Option<Moment>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let names: Vec<String> = report
        .policies
        .iter()
        .map(|who| format!("{} {} ({})", who.name, who.version, table::short(&who.digest)))
        .collect();
    let mut text = format!(
        "{}: {} events from {} to {}, asked about {}, {} bans, {} events refused, {} kept out by a ban\n",
        one_line(&names.join(", ")),
        report.events,
        moment(report.from),
        moment(report.to),
        report.asked,
        report.bans.len(),
        report.refused,
        report.spared
    );
    if report.unreadable > 0 {
        let _ = writeln!(text, "{} lines were no events and are left out", report.unreadable);
    }
    for (why, times) in &report.not_imposed {
        let _ = writeln!(text, "not imposed, {times} times: {}", one_line(why));
    }
    for (policy, times) in &report.failures {
        let _ = writeln!(text, "policy {} failed {times} times", one_line(policy));
    }
    text
}
