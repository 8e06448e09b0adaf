//! The two traits that a policy implements, and what it says of itself.

use serde::de::DeserializeOwned;

use crate::{DerivedKey, Event, HostInfo, Request, SettingError, Verdict};

/// What a policy says of itself; see `description` in `wit/`.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Lower-case letters, digits, hyphens; at most 40 characters.
    pub name: &'static str,
    /// Semantic version of the policy itself; `env!("CARGO_PKG_VERSION")` is a good one.
    pub version: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Names of the wanted event kinds; `name?`: only where the server knows it. Empty for a key policy.
    pub events: &'static [&'static str],
    /// Facts that are asked for by name.
    pub facts: &'static [&'static str],
    /// JSON Schema of the settings. The `default` of a property stands in where the operator said nothing:
    /// the schema is the one home of a policy's defaults.
    pub settings_schema: &'static str,
}

/// Decides about clients.
pub trait Policy: Sized + 'static {
    /// The form of the settings.
    type Settings: DeserializeOwned;
    /// What it says of itself.
    const ABOUT: About;

    /// Takes the settings, once. No host function may be called here.
    ///
    /// # Errors
    /// What is wrong with the settings, for the operator; see [`setting_error`].
    fn configure(settings: Self::Settings, host: &HostInfo) -> Result<Self, Vec<SettingError>>;

    /// Answers one event.
    fn evaluate(&self, event: &Event) -> Verdict;
}

/// Derives keys: a pure function of its settings and of what it is asked.
pub trait KeyPolicy: Sized + 'static {
    /// The form of the settings.
    type Settings: DeserializeOwned;
    /// What it says of itself.
    const ABOUT: About;

    /// Takes the settings, once.
    ///
    /// # Errors
    /// What is wrong with the settings, for the operator; see [`setting_error`].
    fn configure(settings: Self::Settings, host: &HostInfo) -> Result<Self, Vec<SettingError>>;

    /// The keys, most specific first; an empty list: not shared.
    fn derive(&self, request: &Request) -> Vec<DerivedKey>;
}

/// One complaint about the settings: where, such as `window` or `rules[2].limit`, and what.
pub fn setting_error(path: &str, problem: impl Into<String>) -> SettingError {
    SettingError { path: path.to_owned(), problem: problem.into(), line: None, column: None }
}
