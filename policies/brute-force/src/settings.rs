//! The settings, as `settings.json` describes them.

use portcullis_sdk::{LoginCause, Span};
use serde::Deserialize;

/// What an operator can set; each is described in `settings.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    pub limit: u64,
    pub window: Span,
    pub ban: Span,
    pub repeat_factor: u32,
    pub longest: Span,
    pub remember: Span,
    pub ipv6_prefix: u8,
    pub per_good_user: u32,
    pub highest_limit: u64,
    pub sources: u64,
    pub ignored_causes: Vec<Cause>,
    pub exempt: Vec<String>,
}

impl Settings {
    /// The limit for a client in whose network so many users are known.
    pub fn limit_among(&self, good_users: u32) -> u64 {
        let more = u64::from(good_users.saturating_sub(1)) * u64::from(self.per_good_user);
        self.limit.saturating_add(more).min(self.highest_limit.max(self.limit))
    }

    /// Whether a failure for this cause does not count.
    pub fn ignores(&self, cause: LoginCause) -> bool {
        self.ignored_causes.iter().any(|ignored| LoginCause::from(*ignored) == cause)
    }
}

/// The contract's causes, under the contract's names.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    UnknownUser,
    WrongPassword,
    EmptyPassword,
    ForbiddenUser,
    AnonymousRefused,
    DeniedByRule,
    CertificateRefused,
}

impl From<Cause> for LoginCause {
    fn from(cause: Cause) -> LoginCause {
        match cause {
            Cause::UnknownUser => LoginCause::UnknownUser,
            Cause::WrongPassword => LoginCause::WrongPassword,
            Cause::EmptyPassword => LoginCause::EmptyPassword,
            Cause::ForbiddenUser => LoginCause::ForbiddenUser,
            Cause::AnonymousRefused => LoginCause::AnonymousRefused,
            Cause::DeniedByRule => LoginCause::DeniedByRule,
            Cause::CertificateRefused => LoginCause::CertificateRefused,
        }
    }
}
