//! Events of a scenario: one line of it may stand for several.

use portcullis::events::{Cause, Event, History, Kind, LoginFailure};
use portcullis::moment::Moment;
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
    /// Users who succeeded from its network today.
    good_users: Option<u32>,
    /// Whether this user has succeeded from its network before.
    #[serde(default)]
    known: bool,
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

    /// Where one of the two is told, for the policies that ask for it.
    fn history(&self, now: Moment) -> Option<History> {
        let told = self.known || self.good_users.is_some();
        told.then(|| History {
            last_success: self.known.then_some(now),
            good_users: self.good_users.unwrap_or_default(),
            earlier_bans: 0,
        })
    }

    pub(crate) fn at(&self, now: Moment, (kind, user): (Kind, Option<String>)) -> Event {
        let mut event = Event::ordinary(kind, (self.peer, 40_000).into(), now);
        event.facts.site = SITE.into();
        event.facts.logged_in = matches!(event.kind, Kind::LoginSucceeded);
        event.facts.user = user;
        event.facts.history = self.history(now);
        event.facts.store_degraded = self.store_degraded;
        event
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
        good_users: None,
        known: false,
    };
    happening.at(Moment::from_millis(1_700_000_000_000), (kind, user.map(str::to_owned)))
}
