//! `[policies]`, `[[policy]]` and `[keys]`: what may be loaded, what it may do, and within which bounds.

use std::path::Path;
use std::time::Duration;

use super::super::settings::*;
use super::super::sheet::Section;
use super::super::takes::{number, text};
use super::super::tree::{Node, What};
use super::{DAY, HOUR, KIB, MIB, is_policy_name, millis, seconds};

pub(super) fn policies(at: &mut Section<'_, '_>, whose: &Whose, timeouts: &mut Timeouts) -> Policies {
    // Read here too, so that a mistake in what holds for all is told once, and at its own place.
    mode(at);
    on_error(at);
    instance(at);
    grants(at);
    random_seed(at);
    concerns(at, whose);
    at.section("bounds", bounds);
    timeouts.ruling = at.span("deadline", millis(1)..=seconds(30));
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Policies {
        at_once: at.count("at-once", 1..=10_000),
        threads: at.auto_count("threads", 1..=256).unwrap_or_else(cores),
        component_bytes: at.size("component-bytes", KIB..=256 * MIB),
        load_deadline: at.span("load-deadline", millis(100)..=seconds(600)),
        compiler_memory: at.size("compiler-memory", 128 * MIB..=64 * 1024 * MIB),
        reload_quiet: at.span("reload-quiet", millis(10)..=seconds(60)),
        longest_delay: at.span("longest-delay", Duration::ZERO..=seconds(60)),
        bans_per_verdict: at.count("bans-per-verdict", 1..=100),
        history: at.span("history", seconds(DAY)..=seconds(365 * DAY)),
        compiled_cache: at.size("compiled-cache", 0..=16 * 1024 * MIB),
        probation: at.count("probation", 0..=1_000_000),
        probation_failures: at.count("probation-failures", 1..=1000),
        failure_log_interval: at.span("failure-log-interval", seconds(1)..=seconds(DAY)),
        reload_poll: at.span("reload-poll", millis(100)..=seconds(HOUR)),
        remembered_keys: at.count("remembered-keys", 0..=10_000_000),
    }
}

pub(super) fn chain(top: &mut Section<'_, '_>, base: &Path, whose: &Whose) -> Vec<PolicySettings> {
    let mut names = std::collections::BTreeSet::new();
    let chain = top.list_over("policy", "policies", "name", |at| {
        let takes = "1 to 40 lower-case letters, digits or \"-\"";
        let name = at.required("name", takes, |node| text(node).filter(|name| is_policy_name(name)).map(str::to_owned));
        let name = name.unwrap_or_default();
        if !name.is_empty() && !names.insert(name.clone()) {
            at.mistake("name", "is there twice", "give each [[policy]] a name of its own");
        }
        let source = source(at, base);
        let (mode, on_error) = (mode(at), on_error(at));
        let (instance, grants) = (instance(at), grants(at));
        let random_seed = random_seed(at);
        let (servers, classes) = concerns(at, whose);
        let settings = free_table(at, "settings");
        let bounds = at.section("bounds", bounds);
        PolicySettings {
            name,
            source,
            mode,
            settings,
            on_error,
            instance,
            grants,
            random_seed,
            servers,
            classes,
            bounds,
        }
    });
    chain.into_iter().filter(|policy| policy.mode != Mode::Off).collect()
}

fn random_seed(at: &mut Section<'_, '_>) -> u64 {
    at.count("random-seed", 0..=i64::MAX.unsigned_abs())
}

/// Whose clients a policy can be asked about.
pub(super) struct Whose {
    pub(super) servers: Vec<String>,
    pub(super) classes: Vec<String>,
}

fn concerns(at: &mut Section<'_, '_>, whose: &Whose) -> (Vec<String>, Vec<String>) {
    let one_of = |known: &[String], text: &str| known.iter().find(|name| *name == text).cloned();
    let servers =
        at.list("servers", "a list of names of virtual servers", usize::MAX, |name| one_of(&whose.servers, name));
    let classes =
        at.list("classes", "a list of names of `[networks]`", usize::MAX, |name| one_of(&whose.classes, name));
    (servers, classes)
}

pub(super) fn keys(at: &mut Section<'_, '_>, base: &Path) -> PolicySettings {
    PolicySettings {
        name: "keys".to_owned(),
        source: source(at, base),
        mode: Mode::Enforce,
        settings: free_table(at, "settings"),
        on_error: OnError::Pass,
        instance: instance(at),
        // A key policy imports nothing: it is a pure function of its settings and arguments.
        grants: Vec::new(),
        random_seed: 0,
        servers: Vec::new(),
        classes: Vec::new(),
        bounds: at.section("bounds", bounds),
    }
}

fn source(at: &mut Section<'_, '_>, base: &Path) -> Source {
    let source =
        at.required("source", "\"builtin:NAME\" or \"file:PATH\"", |node| match text(node)?.split_once(':')? {
            (_, "") => None,
            ("builtin", name) => Some(Source::Builtin(name.to_owned())),
            ("file", path) => Some(Source::File(base.join(path))),
            _ => None,
        });
    source.unwrap_or(Source::Builtin(String::new()))
}

fn mode(at: &mut Section<'_, '_>) -> Mode {
    at.choice("mode", &[("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)])
}

fn on_error(at: &mut Section<'_, '_>) -> OnError {
    at.choice("on-error", &[("pass", OnError::Pass), ("refuse", OnError::Refuse)])
}

fn instance(at: &mut Section<'_, '_>) -> Instance {
    at.read("instance", "\"fresh\" or { warm = 1 to 1000000 }", |node| match &node.what {
        What::Text(text) if text == "fresh" => Some(Instance::Fresh),
        What::Table(table) if table.len() == 1 => number(table.get("warm")?, &(1..=1_000_000)).map(Instance::Warm),
        _ => None,
    })
}

fn grants(at: &mut Section<'_, '_>) -> Vec<Grant> {
    let takes = "a list of \"store\", \"bans\", \"networks\", \"clock\", \"log\", \"metrics\", \"user-bans\"";
    at.list("grants", takes, usize::MAX, |grant| match grant {
        "store" => Some(Grant::Store),
        "bans" => Some(Grant::Bans),
        "networks" => Some(Grant::Networks),
        "clock" => Some(Grant::Clock),
        "log" => Some(Grant::Log),
        "metrics" => Some(Grant::Metrics),
        "user-bans" => Some(Grant::UserBans),
        _ => None,
    })
}

fn bounds(at: &mut Section<'_, '_>) -> Bounds {
    Bounds {
        cpu: at.span("cpu", millis(1)..=seconds(10)),
        wall: at.span("wall", millis(1)..=seconds(30)),
        memory: at.size("memory", MIB..=1024 * MIB),
        table_elements: at.count("table-elements", 100..=1_000_000),
        host_calls: at.count("host-calls", 0..=10_000),
        transfer_bytes: at.size("transfer-bytes", KIB..=16 * MIB),
        key_bytes: at.size("key-bytes", 1..=1024),
        value_bytes: at.size("value-bytes", 1..=MIB),
        store_operations: at.count("store-operations", 1..=10_000_000),
        store_bytes: at.size("store-bytes", KIB..=1024 * 1024 * MIB),
        log_lines: at.count("log-lines", 0..=10_000),
        metric_series: at.count("metric-series", 0..=10_000),
        suspend_after: at.count("suspend-after", 1..=1000),
        suspend_for: at.span("suspend-for", millis(100)..=seconds(HOUR)),
        at_once: at.count("at-once", 1..=1000),
    }
}

/// A table that is handed on as it is.
fn free_table(at: &mut Section<'_, '_>, key: &str) -> serde_json::Value {
    let table = |node: &Node| matches!(node.what, What::Table(_)).then(|| node.json());
    at.optional(key, "a table", table).unwrap_or_else(|| serde_json::json!({}))
}
