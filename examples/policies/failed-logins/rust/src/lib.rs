//! Bans a host after too many failed logins within a window of time.

use portcullis_sdk::host::{log, store};
use portcullis_sdk::{
    About, Ban, Event, EventKind, HostInfo, LoginCause, Policy, SettingError, Subject, Verdict, setting_error,
};
use serde::Deserialize;

/// The policy: what is left of the settings.
#[derive(Debug)]
pub struct FailedLogins {
    settings: Settings,
}

/// What the operator writes under `[policy.settings]`; the schema describes each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    attempts: u64,
    window: u32,
    ban: u32,
    message: String,
}

portcullis_sdk::export_policy!(FailedLogins);

impl Policy for FailedLogins {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "failed-logins",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Bans a host after too many failed logins.",
        events: &["login-failed"],
        facts: &[],
        settings_schema: r#"{
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "attempts": {
                    "description": "Failed logins of one host that are one too many.",
                    "type": "integer", "minimum": 1, "maximum": 100000, "default": 5
                },
                "window": {
                    "description": "Seconds in which they are counted, from the first one.",
                    "type": "integer", "minimum": 1, "maximum": 31536000, "default": 600
                },
                "ban": {
                    "description": "Length of a ban in seconds.",
                    "type": "integer", "minimum": 1, "maximum": 31536000, "default": 3600
                },
                "message": {
                    "description": "What a banned client reads; %t is the time left. At most 200 bytes.",
                    "type": "string", "default": "Too many failed logins. Try again in %t."
                }
            }
        }"#,
    };

    fn configure(settings: Settings, _: &HostInfo) -> Result<FailedLogins, Vec<SettingError>> {
        // A schema counts characters, the contract bytes.
        if settings.message.len() > 200 {
            return Err(vec![setting_error("message", "is longer than 200 bytes")]);
        }
        Ok(FailedLogins { settings })
    }

    fn evaluate(&self, event: &Event) -> Verdict {
        // A rule that said no says nothing about the password.
        match &event.kind {
            EventKind::LoginFailed(failure) if failure.cause != LoginCause::DeniedByRule => {}
            _ => return Verdict::pass(),
        }
        let Settings { attempts, window, ban, message } = &self.settings;
        let host = &event.peer.address;
        let Ok(failures) = store::increment(&format!("failures/{host}"), 1, *window) else {
            log::warn("a failed login was not counted: the store does not answer");
            return Verdict::pass();
        };
        if failures < *attempts {
            return Verdict::pass();
        }
        // Who comes back after the ban has all attempts again, unless the store fails just now.
        let _ = store::delete(&format!("failures/{host}"));
        let alone = if event.store_degraded { ", counted by this node alone" } else { "" };
        let user = event.user.as_deref().unwrap_or("nobody");
        let reason = format!("{failures} failed logins within {window} s, the last as {user}{alone}");
        Verdict::pass().ban(Ban::of(Subject::host(host), reason).seconds(*ban).message(message))
    }
}
