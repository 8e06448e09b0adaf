//! Bans whoever tries names that no honest client tries, or speaks HTTP to the FTP port.

use portcullis_sdk::{About, Ban, Event, EventKind, HostInfo, Policy, SettingError, Span, Subject, Verdict};
use serde::Deserialize;

/// The policy: what is left of the settings.
#[derive(Debug)]
pub struct FirstPolicy {
    settings: Settings,
}

/// What the operator writes under `[policy.settings]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Names that are bait.
    pub bait: Vec<String>,
    /// Length of a ban.
    pub ban: Span,
}

portcullis_sdk::export_policy!(FirstPolicy);

impl Policy for FirstPolicy {
    type Settings = Settings;

    const ABOUT: About = About {
        name: "first-policy",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Bans who tries a bait name, or speaks HTTP to the FTP port.",
        events: &["login-failed", "protocol-mismatch"],
        facts: &[],
        settings_schema: r#"{
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "bait": { "type": "array", "items": { "type": "string" }, "default": ["root", "admin"] },
                "ban": { "type": "string", "pattern": "^[1-9][0-9]{0,6}[smhd]$", "default": "1h" }
            }
        }"#,
    };

    fn configure(settings: Settings, _: &HostInfo) -> Result<FirstPolicy, Vec<SettingError>> {
        Ok(FirstPolicy { settings })
    }

    fn evaluate(&self, event: &Event) -> Verdict {
        let user = event.user.as_deref().unwrap_or_default();
        let reason = match &event.kind {
            EventKind::LoginFailed(_) if self.settings.bait.iter().any(|bait| bait == user) => {
                format!("tried `{user}`")
            }
            EventKind::ProtocolMismatch(protocol) if protocol == "http" => "spoke HTTP".to_owned(),
            _ => return Verdict::pass(),
        };
        let ban = Ban::of(Subject::host(&event.peer.address), reason).seconds(self.settings.ban.seconds());
        Verdict::pass().ban(ban)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::pretend;

    fn bans(kind: EventKind, user: Option<&str>) -> usize {
        let settings = Settings { bait: vec!["root".into()], ban: Span::of_seconds(60) };
        let event = Event { user: user.map(str::to_owned), ..pretend::event(kind) };
        FirstPolicy { settings }.evaluate(&event).bans.len()
    }

    #[test]
    fn http_on_the_ftp_port_is_banned_and_ssh_is_not() {
        assert_eq!(bans(EventKind::ProtocolMismatch("http".into()), None), 1);
        assert_eq!(bans(EventKind::ProtocolMismatch("ssh".into()), None), 0);
    }

    #[test]
    fn a_bait_name_is_banned_and_a_typing_error_is_not() {
        assert_eq!(bans(pretend::wrong_password(1), Some("root")), 1);
        assert_eq!(bans(pretend::wrong_password(1), Some("alice")), 0);
    }
}
