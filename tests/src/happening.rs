//! Events of a scenario: one line of it may stand for several.

use portcullis::events::{Cause, Event, Facts, Kind, LoginFailure, SessionFacts};
use serde::Deserialize;

/// Where it all plays.
pub(crate) const SITE: &str = "home";

/// What happens in one step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Happening {
    pub(crate) kind: String,
    peer: std::net::IpAddr,
    user: Option<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    tags: Vec<u16>,
    cause: Option<Cause>,
    detail: Option<String>,
    times: Option<usize>,
    #[serde(default)]
    store_degraded: bool,
}

impl Happening {
    pub(crate) fn all(&self) -> Result<Vec<(Kind, Option<String>)>, String> {
        let users = match (&self.user, self.users.is_empty()) {
            (Some(user), true) => vec![Some(user.clone())],
            (None, true) => vec![None],
            (_, false) => self.users.iter().cloned().map(Some).collect(),
        };
        let tags = if self.tags.is_empty() { vec![0] } else { self.tags.clone() };
        let mut all = Vec::new();
        for user in users {
            for &tag in &tags {
                for _ in 0..self.times.unwrap_or(1) {
                    all.push((self.kind(tag)?, user.clone()));
                }
            }
        }
        Ok(all)
    }

    fn kind(&self, tag: u16) -> Result<Kind, String> {
        let detail = || self.detail.clone().ok_or_else(|| format!("`{}` needs `detail`", self.kind));
        Ok(match self.kind.as_str() {
            "connect" => Kind::Connect,
            "tls-established" => Kind::TlsEstablished,
            "login-attempt" => Kind::LoginAttempt(tag),
            "login-succeeded" => Kind::LoginSucceeded,
            "login-failed" => {
                let cause = self.cause.ok_or("`login-failed` needs `cause`")?;
                Kind::LoginFailed(LoginFailure { cause, attempt_tag: tag })
            }
            "protocol-mismatch" => Kind::ProtocolMismatch(detail()?),
            "timeout" => Kind::Timeout(detail()?),
            "limit-reached" => Kind::LimitReached(detail()?),
            "disconnected" => Kind::Disconnected(detail()?),
            other => return Err(format!("scenarios know no event `{other}`")),
        })
    }

    pub(crate) fn at(&self, now: portcullis::moment::Moment, (kind, user): (Kind, Option<String>)) -> Event {
        let session = SessionFacts {
            started: now,
            commands: 0,
            unknown_commands: 0,
            failed_logins: 0,
            transfers: 0,
            bytes_in: 0,
            bytes_out: 0,
        };
        let facts = Facts {
            site: SITE.into(),
            node: "a".into(),
            server: "main".into(),
            connection: 1,
            peer: (self.peer, 40_000).into(),
            local: ([198, 51, 100, 1], 21).into(),
            classes: Vec::new(),
            user,
            logged_in: matches!(kind, Kind::LoginSucceeded),
            session,
            tls: None,
            history: None,
            store_degraded: self.store_degraded,
        };
        Event { at: now, facts, kind }
    }
}

/// An event of an ordinary client.
pub fn event(kind: Kind, peer: std::net::IpAddr, user: Option<&str>) -> Event {
    let happening = Happening {
        kind: String::new(),
        peer,
        user: None,
        users: Vec::new(),
        tags: Vec::new(),
        cause: None,
        detail: None,
        times: None,
        store_degraded: false,
    };
    happening.at(portcullis::moment::Moment::from_millis(1_700_000_000_000), (kind, user.map(str::to_owned)))
}
