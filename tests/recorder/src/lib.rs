//! Writes every event as one line of JSON into the log, and answers with the verdicts that its settings name:
//! what a test provokes with a real client, it sees here.

mod told;

use portcullis_sdk::host::log;
use portcullis_sdk::{About, Ban, Event, HostInfo, Policy, Reach, SettingError, Subject, Verdict};
use serde::Deserialize;

/// The policy.
#[derive(Debug)]
pub struct Recorder {
    rules: Vec<Rule>,
}

/// Its settings.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// The first that fits an event answers it.
    pub rules: Vec<Rule>,
}

/// What to answer to which event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Kind of the event.
    pub on: String,
    /// Text that the event's line must hold.
    pub about: String,
    /// `pass`, `allow`, `refuse` or `close`.
    pub decision: String,
    /// Text of a refusal.
    pub text: Option<String>,
    /// Milliseconds.
    pub delay: u32,
    /// Whom to ban: kinds of subjects, filled from the event.
    pub ban: Vec<String>,
    /// How long; 0: until lifted.
    pub seconds: u32,
    /// Reach of the bans: `node`, `site` or `everywhere`.
    pub reach: String,
    /// What the banned are told.
    pub message: Option<String>,
    /// Whose bans to lift.
    pub lift: Vec<String>,
    /// A line for people.
    pub alert: Option<String>,
}

const EVENTS: &[&str] = &[
    "connect",
    "tls-established",
    "tls-failed",
    "login-attempt",
    "login-succeeded",
    "login-failed",
    "command",
    "command-unknown",
    "protocol-mismatch",
    "transfer-started",
    "transfer-ended",
    "timeout",
    "limit-reached",
    "disconnected",
    "custom",
];

const SCHEMA: &str = r#"{ "type": "object", "additionalProperties": false,
    "properties": { "rules": { "type": "array", "items": { "type": "object" }, "default": [] } } }"#;

portcullis_sdk::export_policy!(Recorder);

impl Policy for Recorder {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "recorder",
        version: "1.0.0",
        summary: "Writes down every event and answers as told.",
        events: EVENTS,
        facts: &["history", "ja4", "place?"],
        settings_schema: SCHEMA,
    };

    fn configure(settings: Settings, _: &HostInfo) -> Result<Recorder, Vec<SettingError>> {
        Ok(Recorder { rules: settings.rules })
    }

    fn evaluate(&self, event: &Event) -> Verdict {
        let (kind, line) = told::line(event);
        log::info(&line);
        let fits = |rule: &&Rule| rule.on == kind && line.contains(&rule.about);
        self.rules.iter().find(fits).map_or_else(Verdict::pass, |rule| rule.verdict(event))
    }
}

impl Rule {
    fn verdict(&self, event: &Event) -> Verdict {
        let text = self.text.clone().unwrap_or_default();
        let decided = match self.decision.as_str() {
            "allow" => Verdict::allow(),
            "refuse" => Verdict::refuse(text),
            "close" => Verdict::refuse_and_close(text),
            _ => Verdict::pass(),
        };
        let mut verdict = decided.delay_milliseconds(self.delay);
        for subject in self.ban.iter().filter_map(|kind| subject(kind, event)) {
            verdict = verdict.ban(Ban {
                seconds: (self.seconds > 0).then_some(self.seconds),
                message: self.message.clone(),
                reach: match self.reach.as_str() {
                    "node" => Reach::Node,
                    "everywhere" => Reach::Everywhere,
                    _ => Reach::Site,
                },
                ..Ban::of(subject, "as told")
            });
        }
        for subject in self.lift.iter().filter_map(|kind| subject(kind, event)) {
            verdict = verdict.lift(subject);
        }
        match &self.alert {
            Some(alert) => verdict.alert(alert.as_str()),
            None => verdict,
        }
    }
}

/// A subject of that kind, as the event names it; `class:NAME` and `network:CIDR` name it themselves.
fn subject(kind: &str, event: &Event) -> Option<Subject> {
    let (peer, user) = (event.peer.address.as_str(), event.user.as_deref());
    let tls = event.tls.as_ref();
    match kind.split_once(':') {
        Some(("class", name)) => return Some(Subject::Class(name.to_owned())),
        Some(("network", net)) => return Some(Subject::network(net)),
        _ => {}
    }
    match kind {
        "host" => Some(Subject::host(peer)),
        "user" => user.map(Subject::user),
        "user-at-host" => user.map(|user| Subject::user_at_host(user, peer)),
        "client-certificate" => tls?.client_certificate.clone().map(Subject::ClientCertificate),
        "tls-fingerprint" => tls?.ja4.clone().map(Subject::TlsFingerprint),
        _ => None,
    }
}
