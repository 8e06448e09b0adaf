//! `portcullis policy list | reload | inspect | check`.

use std::fmt::Write;
use std::path::Path;

use super::arguments::Reach;
use super::complain::Complaint;
use super::{Answer, table};
use crate::admin::Request;
use crate::admin::log::one_line;
use crate::config::settings::{PolicySettings, Source};
use crate::config::{self, plain};
use crate::moment::Moment;
use crate::policy::{self, Engine, Inspection, PolicyStatus, Worker};

/// The policies of a running server.
pub fn list(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let policies: Vec<PolicyStatus> = reach.open()?.ask(&Request::PolicyList {})?;
    if json { Answer::json(&policies) } else { Ok(Answer::good(rows(&policies))) }
}

/// Reads everything again and tells what is in force then.
pub fn reload(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let policies: Vec<PolicyStatus> = reach.open()?.ask(&Request::PolicyReload {})?;
    if json { Answer::json(&policies) } else { Ok(Answer::good(format!("in force now:\n{}", rows(&policies)))) }
}

/// Policies as a table.
pub fn rows(policies: &[PolicyStatus]) -> String {
    let cells = |row: &PolicyStatus| {
        let mode = match row.mode {
            config::settings::Mode::Enforce => "enforce",
            config::settings::Mode::Observe => "observe",
            config::settings::Mode::Off => "off",
        };
        let health = match (row.suspended, &row.rolled_back, row.probation) {
            (true, ..) => "suspended",
            (_, Some(_), _) => "rolled back",
            (_, None, 1..) => "probation",
            _ => "ready",
        };
        [
            row.name.clone(),
            row.version.clone(),
            mode.to_owned(),
            health.to_owned(),
            table::span(row.since.until(Moment::now())),
            row.calls.to_string(),
            row.failures.to_string(),
            format!("{:.0}/{:.0}", row.p50_micros, row.p99_micros),
            table::short(&row.digest).to_owned(),
            one_line(&row.source),
        ]
    };
    let head = ["POLICY", "VERSION", "MODE", "HEALTH", "AGE", "CALLS", "FAILURES", "P50/P99 US", "DIGEST", "SOURCE"];
    let mut text = table::table(head, policies.iter().map(cells));
    for row in policies {
        let reload = row.last_reload.as_ref().and_then(|last| last.error.as_ref());
        let refused = (row.used.store_refused > 0).then(|| {
            let quota = "`bounds.store-operations` or `bounds.store-bytes`";
            format!("{} calls of the store refused, over {quota}", row.used.store_refused)
        });
        let told = [
            ("last error", &row.last_error),
            ("quota", &refused),
            ("kept", &row.rolled_back),
            ("not reloaded", &reload.cloned()),
        ];
        for (what, why) in told.map(|(what, why)| (what, why.clone())) {
            if let Some(why) = why {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}: {what}: {}", row.name, one_line(&why));
            }
        }
    }
    text
}

/// What a component says of itself.
pub fn inspect(file: &str, json: bool) -> Result<Answer, Complaint> {
    let bench = Bench::new(file)?;
    let inspection = bench.inspect()?;
    if json { Answer::json(&inspection) } else { Ok(Answer::good(portrait(&inspection))) }
}

/// Loads a component as the server would.
pub fn check(file: &str, settings: Option<&str>, json: bool) -> Result<Answer, Complaint> {
    let mut bench = Bench::new(file)?;
    bench.policy.settings = typed_settings(settings)?;
    let description = bench.check()?;
    if json {
        return Answer::json(&description);
    }
    Ok(Answer::good(format!("{file} is good: {} {}\n", description.name, description.version)))
}

/// `--settings`; nothing typed is no settings.
pub fn typed_settings(typed: Option<&str>) -> Result<serde_json::Value, Complaint> {
    let wrong = |why: &str| Complaint::usage(format!("--settings is no JSON object: {why}"), None);
    let Some(typed) = typed else { return Ok(serde_json::json!({})) };
    let settings: serde_json::Value = serde_json::from_str(typed).map_err(|error| wrong(&error.to_string()))?;
    if settings.is_object() { Ok(settings) } else { Err(wrong("it is another value")) }
}

fn portrait(told: &Inspection) -> String {
    let about = &told.description;
    let mut text = format!("{} {}: {}\n", about.name, about.version, one_line(&about.summary));
    let mut line = |name: &str, what: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<9} {}", one_line(what));
    };
    line("contract", &told.contract);
    line("exports", &told.exports.join(", "));
    line("imports", &told.imports.join(", "));
    line("events", &about.events.join(", "));
    line("facts", &about.facts.join(", "));
    line("digest", &format!("sha256:{}", told.digest));
    line("size", &format!("{} bytes", told.size));
    let schema = serde_json::from_str::<serde_json::Value>(&about.schema)
        .and_then(|schema| serde_json::to_string_pretty(&schema))
        .unwrap_or_else(|_| about.schema.clone());
    text.push_str("  settings\n");
    for line in schema.lines() {
        let _ = writeln!(text, "    {}", one_line(line));
    }
    text
}

/// An engine for one component, with the bounds that the defaults give.
struct Bench {
    settings: config::Settings,
    policy: PolicySettings,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(file: &str) -> Result<Bench, Complaint> {
        let settings = config::defaults();
        let here = std::env::current_dir().unwrap_or_default();
        let source = match file.strip_prefix("builtin:") {
            Some(name) => Source::Builtin(name.to_owned()),
            None => Source::File(here.join(file)),
        };
        let mut policy = settings.chain.first().cloned().unwrap_or_else(|| settings.keys.clone());
        policy.source = source;
        policy.name = "checked".to_owned();
        policy.settings = serde_json::json!({});
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Complaint::failed(plain(&error)))?;
        Ok(Bench { settings, policy, runtime })
    }

    fn engine(&self) -> Result<std::sync::Arc<Engine>, String> {
        Engine::start_apart(&self.settings, &Worker::own_program()).map_err(|error| error.to_string())
    }

    fn inspect(&self) -> Result<Inspection, Complaint> {
        let failed = |why: String| Complaint::failed(format!("{}: {why}", self.shown()));
        self.runtime.block_on(async {
            let engine = self.engine().map_err(failed)?;
            let told = policy::inspect(&engine, &self.policy, &self.settings.policies).await;
            told.map_err(|error| failed(error.fault.to_string()))
        })
    }

    fn check(&self) -> Result<policy::Description, Complaint> {
        let failed = |why: String| Complaint::failed(format!("{}: {why}", self.shown()));
        self.runtime.block_on(async {
            let engine = self.engine().map_err(failed)?;
            let checked = policy::check(&engine, &self.policy, &self.settings.policies).await;
            checked.map_err(|error| failed(error.fault.to_string()))
        })
    }

    fn shown(&self) -> String {
        match &self.policy.source {
            Source::Builtin(name) => format!("builtin:{name}"),
            Source::File(path) => shown(path),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
