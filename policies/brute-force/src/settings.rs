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
    pub ignored_causes: Vec<Cause>,
    pub exempt: Vec<String>,
}

impl Settings {
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
