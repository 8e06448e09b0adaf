//! From a trait to the exports of a component.

use std::cell::RefCell;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{About, Description, SettingError, setting_error};

/// Makes a [`crate::Policy`] the policy of this component. Once in a crate.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            std::thread_local! { static LOADED: $crate::Loaded<$policy> = const { $crate::Loaded::new() } }

            struct Component;

            impl $crate::bindings::ban::exports::portcullis::policy::ban_guest::Guest for Component {
                fn describe() -> $crate::Description {
                    <$policy as $crate::Policy>::ABOUT.into()
                }

                fn configure(host: $crate::HostInfo, settings: String) -> Result<(), Vec<$crate::SettingError>> {
                    let about = <$policy as $crate::Policy>::ABOUT;
                    LOADED.with(|loaded| {
                        loaded.load(&about, &settings, |read| <$policy as $crate::Policy>::configure(read, &host))
                    })
                }

                fn evaluate(event: $crate::Event) -> $crate::Verdict {
                    LOADED.with(|loaded| loaded.ask(|policy| $crate::Policy::evaluate(policy, &event)))
                }
            }

            use $crate::bindings::ban as bindings;
            #[allow(unsafe_code, reason = "the names under which the server finds the exports")]
            const _: () = {
        $crate::bindings::ban::export_ban_guest!(Component with_types_in bindings);
            };
        };
    };
}

/// Makes a [`crate::KeyPolicy`] the key policy of this component. Once in a crate.
#[macro_export]
macro_rules! export_key_policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            std::thread_local! { static LOADED: $crate::Loaded<$policy> = const { $crate::Loaded::new() } }

            struct Component;

            impl $crate::bindings::keys::exports::portcullis::policy::key_guest::Guest for Component {
                fn describe() -> $crate::Description {
                    <$policy as $crate::KeyPolicy>::ABOUT.into()
                }

                fn configure(host: $crate::HostInfo, settings: String) -> Result<(), Vec<$crate::SettingError>> {
                    let about = <$policy as $crate::KeyPolicy>::ABOUT;
                    LOADED.with(|loaded| {
                        loaded.load(&about, &settings, |read| <$policy as $crate::KeyPolicy>::configure(read, &host))
                    })
                }

                fn derive(request: $crate::Request) -> Vec<$crate::DerivedKey> {
                    LOADED.with(|loaded| loaded.ask(|policy| $crate::KeyPolicy::derive(policy, &request)))
                }
            }

            use $crate::bindings::keys as bindings;
            #[allow(unsafe_code, reason = "the names under which the server finds the exports")]
            const _: () = {
        $crate::bindings::keys::export_key_guest!(Component with_types_in bindings);
            };
        };
    };
}

/// The configured policy of a component: what the server's snapshot keeps.
#[derive(Debug)]
pub struct Loaded<P>(RefCell<Option<P>>);

impl<P> Loaded<P> {
    /// Not configured yet.
    #[expect(clippy::new_without_default, reason = "a `const fn` for a static")]
    pub const fn new() -> Loaded<P> {
        Loaded(RefCell::new(None))
    }

    /// Configures; a refusal leaves what was there.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn load<S: DeserializeOwned>(
        &self,
        about: &About,
        settings: &str,
        configure: impl FnOnce(S) -> Result<P, Vec<SettingError>>,
    ) -> Result<(), Vec<SettingError>> {
        let policy = configure(read(about, settings)?)?;
        *self.0.borrow_mut() = Some(policy);
        Ok(())
    }

    /// Asks the configured policy.
    ///
    /// # Panics
    /// If it was never configured, which the contract rules out; the server sees a trap.
    pub fn ask<A>(&self, question: impl FnOnce(&P) -> A) -> A {
        let policy = self.0.borrow();
        question(policy.as_ref().expect("configure comes before the first question"))
    }
}

/// The settings with the schema's defaults filled in.
fn read<S: DeserializeOwned>(about: &About, settings: &str) -> Result<S, Vec<SettingError>> {
    let wrong = |error: serde_json::Error| vec![setting_error("", error.to_string())];
    let mut given: Map<String, Value> = serde_json::from_str(settings).map_err(wrong)?;
    let schema: Value = serde_json::from_str(about.settings_schema).map_err(wrong)?;
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(default) = property.get("default") {
            given.entry(name).or_insert_with(|| default.clone());
        }
    }
    serde_json::from_value(Value::Object(given)).map_err(wrong)
}

impl From<About> for Description {
    fn from(about: About) -> Description {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Description {
            name: about.name.to_owned(),
            version: about.version.to_owned(),
            summary: about.summary.to_owned(),
            events: owned(about.events),
            facts: owned(about.facts),
            settings_schema: about.settings_schema.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Threshold {
        limit: u32,
    }

    const ABOUT: About = About {
        name: "test",
        version: "1.0.0",
        summary: "",
        events: &[],
        facts: &[],
        settings_schema: r#"{ "properties": { "limit": { "type": "integer", "default": 5 } } }"#,
    };

    #[test]
    fn the_schema_is_the_home_of_defaults() {
        assert_eq!(read::<Threshold>(&ABOUT, "{}"), Ok(Threshold { limit: 5 }));
        assert_eq!(read::<Threshold>(&ABOUT, r#"{"limit":3}"#), Ok(Threshold { limit: 3 }));
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let errors = read::<Threshold>(&ABOUT, r#"{"limmit":3}"#).expect_err("unknown");
        assert!(errors[0].problem.contains("limmit"), "{errors:?}");
    }

    #[test]
    fn a_refused_setting_leaves_the_policy_that_was_there() {
        let loaded = Loaded::new();
        loaded.load(&ABOUT, "{}", Ok).expect("good");
        loaded.load(&ABOUT, "[]", Ok::<Threshold, _>).expect_err("no object");
        assert_eq!(loaded.ask(|threshold| threshold.limit), 5);
    }
}
