//! Scenarios of policies as data; `policies/README.md` describes their form.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use portcullis::config::{self, Settings};
use portcullis::events::Event;
use portcullis::ledger::{Reach, Subject};
use portcullis::net::Networks;
use portcullis::policy::{BanOrder, Decision, Deps, Engine, KeyPolicy, Policies, Ruling};
use portcullis::store::{Derive, Key, Purpose, Store};
use serde::Deserialize;

use crate::clockwork::Clockwork;
use crate::happening::{Happening, SITE};
use crate::place;

pub use crate::happening::event;

/// A policy's scenario, or a key policy's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    about: String,
    #[serde(default)]
    networks: toml::Table,
    #[serde(default)]
    settings: toml::Table,
    /// The form that a key policy may say ProFTPD's keys in.
    proftpd: Option<String>,
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    step: Vec<Step>,
    #[serde(default)]
    ask: Vec<Ask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Step {
    about: Option<String>,
    after: Option<String>,
    store_is: Option<StoreIs>,
    event: Happening,
    decision: Option<String>,
    #[serde(default)]
    bans: Vec<WantedBan>,
    #[serde(default)]
    store: BTreeMap<String, String>,
    #[serde(default)]
    whole_store: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoreIs {
    Up,
    Down,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedBan {
    subject: String,
    span: Option<String>,
    reach: Option<Reach>,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ask {
    look_up: Option<String>,
    store: Option<String>,
    reach: Option<Reach>,
    entry: Option<String>,
    keys: Vec<String>,
    #[serde(default)]
    proftpd: Vec<String>,
}

/// The name of whoever asks for an entry's key.
const ASKER: &str = "asker";

/// The files of a policy's scenarios, in order of name.
pub fn files(policy: &str) -> Vec<PathBuf> {
    let folder = place::repository().join("policies").join(policy).join("scenarios");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

impl Scenario {
    /// Reads one.
    pub fn read(file: &Path) -> Scenario {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Reads a file of several.
    pub fn read_all(file: &Path) -> Vec<Scenario> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct All {
            scenario: Vec<Scenario>,
        }
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        toml::from_str::<All>(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).scenario
    }

    /// Whether the settings are to be refused, so that nothing is asked.
    pub fn refuses(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Plays a policy's scenario over its built component.
    ///
    /// # Errors
    /// What was expected and did not happen.
    pub async fn play(&self, engine: &Arc<Engine>, policy: &str) -> Result<(), String> {
        self.told(engine, policy, &place::guest(policy), "fresh").await.map(drop)
    }

    /// Plays it over a component, and tells what was seen: two components that do the same are told alike, byte
    /// for byte. `instance`: `fresh`, or how many calls an instance stays warm for.
    ///
    /// # Errors
    /// What was expected and did not happen.
    pub async fn told(
        &self,
        engine: &Arc<Engine>,
        policy: &str,
        component: &Path,
        instance: &str,
    ) -> Result<String, String> {
        let settings = self.configuration(policy, component, Role::Policy(instance));
        let store = Arc::new(Clockwork::default());
        let deps = Deps {
            store: store.clone(),
            keys: Arc::new(PlainKeys),
            bans: Arc::new(|_, _| None),
            networks: Arc::new(Networks::new(&settings.networks)),
        };
        let loaded = Policies::load(engine.clone(), &settings, deps).await;
        let mut told = format!("# {}\n", self.about);
        let policies = match self.judge_load(loaded.map_err(|errors| format!("{errors:?}")))? {
            Ok(policies) => policies,
            Err(refusal) => return Ok(told + &refusal),
        };
        for (number, step) in self.step.iter().enumerate() {
            step.play(&policies, &store, &mut told).await.map_err(|what| {
                let about = step.about.as_deref().unwrap_or_default();
                format!("{}\nstep {} {about}: {what}", self.about, number + 1)
            })?;
        }
        Ok(told)
    }

    /// Asks a key policy what its scenario asks.
    ///
    /// # Errors
    /// What was expected and did not happen.
    pub async fn ask(&self, engine: &Arc<Engine>, policy: &str) -> Result<(), String> {
        let settings = self.configuration(policy, &place::guest(policy), Role::Keys);
        let loaded = KeyPolicy::load(engine.clone(), &settings).await;
        let Ok(keys) = self.judge_load(loaded.map_err(|error| format!("{error:?}")))? else { return Ok(()) };
        for ask in &self.ask {
            let purpose = ask.purpose();
            let derived: Vec<String> = keys.derive(&purpose).await.iter().map(without_purpose).collect();
            let foreign = keys.derive_foreign(&purpose).await;
            let foreign: Vec<String> = foreign.iter().map(as_mod_ban_has_it).collect();
            if foreign != ask.proftpd {
                return Err(format!("{}\n{purpose:?}\n  wanted {:?}\n  found  {foreign:?}", self.about, ask.proftpd));
            }
            if derived != ask.keys {
                return Err(format!("{}\n{purpose:?}\n  wanted {:?}\n  found  {derived:?}", self.about, ask.keys));
            }
        }
        Ok(())
    }

    /// Loaded; or refused in these words, as it should be.
    fn judge_load<T>(&self, loaded: Result<T, String>) -> Result<Result<T, String>, String> {
        match loaded {
            Ok(_) if !self.refused.is_empty() => Err(format!("{}\nthe settings were taken", self.about)),
            Ok(loaded) => Ok(Ok(loaded)),
            Err(why) if self.refused.is_empty() => Err(format!("{}\nit does not load: {why}", self.about)),
            Err(why) => match self.refused.iter().find(|word| !why.contains(*word)) {
                Some(word) => Err(format!("{}\nthe refusal does not say `{word}`: {why}", self.about)),
                None => Ok(Err(why)),
            },
        }
    }

    /// Bounds of time are wide: a scenario is about verdicts, and the machine may be busy.
    fn configuration(&self, policy: &str, component: &Path, role: Role<'_>) -> Settings {
        let table = |entries: Vec<(&str, toml::Value)>| {
            toml::Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let text = |text: &str| toml::Value::String(text.to_owned());
        let source = text(&format!("file:{}", component.display()));
        let settings = toml::Value::Table(self.settings.clone());
        let wide = table(vec![("cpu", text("5s")), ("wall", text("20s"))]);
        let mut whole = vec![
            ("server", table(vec![("site", text(SITE)), ("node", text("a"))])),
            ("tls", table(vec![("self-signed", toml::Value::Boolean(true))])),
            ("networks", toml::Value::Table(self.networks.clone())),
            ("policies", table(vec![("deadline", text("30s")), ("load-deadline", text("5m")), ("bounds", wide)])),
        ];
        match role {
            Role::Policy(instance) => {
                let instance = match instance.parse() {
                    Ok(calls) => table(vec![("warm", toml::Value::Integer(calls))]),
                    Err(_) => text(instance),
                };
                let entry = table(vec![
                    ("name", text(policy)),
                    ("source", source),
                    ("instance", instance),
                    ("settings", settings),
                ]);
                whole.push(("policy", toml::Value::Array(vec![entry])));
            }
            Role::Keys => whole.push(("keys", table(vec![("source", source), ("settings", settings)]))),
        }
        if let Some(form) = &self.proftpd {
            let share = table(vec![("proftpd", text(form)), ("proftpd-keys", text("policy"))]);
            whole.push(("bans", table(vec![("share", share)])));
        }
        let written = toml::to_string(&table(whole)).expect("a table can be written");
        config::parse(&written, "scenario", Path::new("/"))
            .unwrap_or_else(|mistakes| panic!("{written}\n{mistakes:?}"))
            .settings
    }
}

/// An engine for scenarios.
pub fn engine() -> Arc<Engine> {
    let settings =
        config::parse("tls.self-signed = true", "scenarios", Path::new("/")).expect("the defaults are good").settings;
    Engine::start(&settings).expect("the engine starts")
}

#[derive(Clone, Copy)]
enum Role<'a> {
    /// `fresh`, or a number of calls.
    Policy(&'a str),
    Keys,
}

impl Step {
    async fn play(&self, policies: &Policies, store: &Clockwork, told: &mut String) -> Result<(), String> {
        if let Some(span) = &self.after {
            store.turn(humantime::parse_duration(span).map_err(|error| format!("`{span}`: {error}"))?);
        }
        if let Some(state) = self.store_is {
            store.set_down(state == StoreIs::Down);
        }
        for kind_and_user in self.event.all()? {
            let event = self.event.at(store.now(), kind_and_user);
            let ruling = policies.decide(&event).await;
            tell(&ruling, &event, store, told);
            self.compare(&ruling).map_err(|what| format!("{:?}: {what}", event.kind))?;
        }
        for (key, wanted) in &self.store {
            // The server writes a policy's key down behind a `t`.
            let key = Key::parse(&format!("t{key}")).map_err(|error| error.to_string())?;
            let found = store.get_many(&[key]).await.map_err(|error| error.to_string())?.remove(0);
            let found = found.map(|value| String::from_utf8_lossy(&value).into_owned());
            if found.as_ref() != Some(wanted) {
                return Err(format!("the store should hold {wanted:?}, it holds {found:?}"));
            }
        }
        let held: Vec<String> = store.contents().into_iter().map(|(key, ..)| key).collect();
        if self.whole_store
            && !held.iter().all(|key| key.strip_prefix('t').is_some_and(|key| self.store.contains_key(key)))
        {
            return Err(format!("the store should hold nothing else: {held:?}"));
        }
        for policy in policies.list() {
            let row = serde_json::to_value(&policy).expect("a status is plain data");
            if row["failures"].as_u64().is_some_and(|failures| failures > 0) {
                return Err(format!("the policy failed: {row}"));
            }
        }
        Ok(())
    }

    fn compare(&self, ruling: &Ruling) -> Result<(), String> {
        let decision = match &ruling.decision {
            Decision::Pass => "pass",
            Decision::Allow => "allow",
            Decision::Refuse { .. } => "refuse",
        };
        let wanted = self.decision.as_deref().unwrap_or("pass");
        if decision != wanted {
            return Err(format!("wanted {wanted}, it said {decision}"));
        }
        let alike = ruling.bans.len() == self.bans.len()
            && ruling.bans.iter().zip(&self.bans).all(|(ban, wanted)| {
                let span = ban.span.map(|span| humantime::format_duration(span).to_string());
                let wanted_span = wanted.span.as_ref().map(|text| {
                    let span = humantime::parse_duration(text).expect("a scenario's span");
                    humantime::format_duration(span).to_string()
                });
                ban.subject.to_string() == wanted.subject
                    && (wanted_span.is_none() || span == wanted_span)
                    && wanted.reach.is_none_or(|reach| ban.reach == reach)
                    && wanted.reason.as_ref().is_none_or(|reason| ban.reason == *reason)
                    && (wanted.message.is_none() || ban.message == wanted.message)
            });
        if alike { Ok(()) } else { Err(format!("\n  wanted {:?}\n  found  {:?}", self.bans, ruling.bans)) }
    }
}

/// All that came of an event but the bytes of the policy, and all that the store then holds.
fn tell(ruling: &Ruling, event: &Event, store: &Clockwork, told: &mut String) {
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(told, "{text}").expect("a String takes all");
    line(format_args!("{} {:?}", event.at.millis(), event.kind));
    line(format_args!("  {:?} {:?} {} lifts", ruling.decision, ruling.delay, ruling.lifts.len()));
    for BanOrder { subject, span, reason, message, reach, by, accesses } in &ruling.bans {
        let by = (&by.name, &by.version);
        line(format_args!("  ban {subject} {span:?} {reason:?} {message:?} {reach:?} {by:?} {accesses:?}"));
    }
    for (key, value, end) in store.contents() {
        line(format_args!("  {key} = {:?} until {end:?}", value.escape_ascii().to_string()));
    }
}

impl Ask {
    fn purpose(&self) -> Purpose {
        let subject = |text: &str| Subject::parse(text).unwrap_or_else(|error| panic!("{error}"));
        match (&self.look_up, &self.store, &self.entry) {
            (Some(text), None, None) => Purpose::LookUpBan(subject(text)),
            (None, Some(text), None) => Purpose::StoreBan(subject(text), self.reach.unwrap_or(Reach::Site)),
            (None, None, Some(key)) => Purpose::Entry { policy: ASKER.to_owned(), key: key.clone() },
            _ => panic!("an ask has one of `look-up`, `store` and `entry`: {self:?}"),
        }
    }
}

/// A key in ProFTPD's form as text, what is no text escaped.
fn as_mod_ban_has_it(key: &Key) -> String {
    format!("mod_ban.{}", key.placed_by().escape_ascii()).replace("\\\"", "\"")
}

/// What the key policy said, without what the server put before it.
fn without_purpose(key: &Key) -> String {
    let text = key.as_str();
    let entry = format!("pc1.c.{}.{ASKER}.", ASKER.len());
    text.strip_prefix("pc1.b.").or_else(|| text.strip_prefix(&entry)).unwrap_or(text).to_owned()
}

/// Entries stand under their own names, so that a scenario can name them.
struct PlainKeys;

#[async_trait]
impl Derive for PlainKeys {
    async fn derive(&self, purpose: &Purpose) -> Vec<Key> {
        match purpose {
            Purpose::Entry { key, .. } => vec![Key::parse(key).expect("the server asks with visible characters")],
            Purpose::LookUpBan(_) | Purpose::StoreBan(..) | Purpose::TlsSession(_) => Vec::new(),
        }
    }
}
