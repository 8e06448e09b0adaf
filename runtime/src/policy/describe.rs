//! What a component says of itself, what the server says of itself, and whether the two fit.

use serde::Serialize;
use serde_json::Value;

use super::fault::{LoadFault, SETTING_FAULTS_MAX, SettingFault};
use super::text;
use crate::events::Occasion;

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The author's name for it.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// Names of the events that it wants.
    pub events: Vec<String>,
    /// Names of the facts that it wants.
    pub facts: Vec<String>,
    /// JSON Schema of its settings, as text.
    pub schema: String,
}

/// What this server knows.
pub(super) struct HostInfo {
    pub(super) version: &'static str,
    pub(super) events: &'static [&'static str],
    pub(super) facts: &'static [&'static str],
    pub(super) effects: &'static [&'static str],
}

/// What this server knows.
pub(super) const HOST: HostInfo =
    HostInfo { version: env!("CARGO_PKG_VERSION"), events: &Occasion::NAMES, facts: &FACTS, effects: &[] };

/// Facts that a policy asks for by name, and the bit of each in a set of them. `place` is none of them: there
/// is no database of places yet.
pub(super) const FACTS: [&str; 2] = ["history", "ja4"];
/// The bit of `history`.
pub(super) const HISTORY: u32 = 1;
/// The bit of `ja4`.
pub(super) const JA4: u32 = 2;

const NAME_BYTES_MAX: usize = 40;
const WORDS_BYTES_MAX: usize = 200;

impl Description {
    /// Checks form and names; what is checked is safe to print.
    ///
    /// # Errors
    /// What is wrong, named.
    pub(super) fn check(&self) -> Result<(), LoadFault> {
        let wrong = |what: &str| Err(LoadFault::Description(what.to_owned()));
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.bytes().all(named) {
            return wrong("`name` must be 1 to 40 lower-case letters, digits and hyphens");
        }
        let version = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
        if self.version.is_empty() || self.version.len() > NAME_BYTES_MAX || !self.version.bytes().all(version) {
            return wrong("`version` must be a semantic version such as 1.2.3");
        }
        if self.summary.len() > WORDS_BYTES_MAX || text::line(&self.summary) != self.summary {
            return wrong("`summary` must be one line of at most 200 bytes");
        }
        unknown(&self.events, HOST.events).map_or(Ok(()), |names| Err(LoadFault::UnknownEvents(names)))?;
        unknown(&self.facts, HOST.facts).map_or(Ok(()), |names| Err(LoadFault::UnknownFacts(names)))
    }

    /// One bit for each wanted kind.
    pub(super) fn wanted(&self) -> u32 {
        let wanted = self.events.iter().filter_map(|name| Occasion::named(name.trim_end_matches('?')));
        wanted.fold(0, |all, occasion| all | occasion.bit())
    }

    /// One bit for each fact that it asks for.
    pub(super) fn facts(&self) -> u32 {
        let asked = |name: &str| self.facts.iter().any(|wanted| wanted.trim_end_matches('?') == name);
        FACTS.iter().enumerate().filter(|(_, name)| asked(name)).fold(0, |all, (at, _)| all | 1 << at)
    }
}

fn unknown(wanted: &[String], known: &[&str]) -> Option<Vec<String>> {
    let strange = |name: &&String| !name.ends_with('?') && !known.contains(&name.as_str());
    let names: Vec<String> = wanted.iter().filter(strange).map(|name| text::cut(name, NAME_BYTES_MAX)).collect();
    (!names.is_empty()).then_some(names)
}

/// Checks the operator's settings against the schema of the component.
///
/// # Errors
/// Each place that does not fit, by its key path; or what is wrong with the schema.
pub(super) fn check_settings(schema: &str, settings: &Value) -> Result<(), LoadFault> {
    let broken = |why: &dyn std::fmt::Display| {
        LoadFault::Description(format!("`settings-schema` is no JSON Schema: {}", text::line(&why.to_string())))
    };
    let schema: Value = serde_json::from_str(schema).map_err(|error| broken(&error))?;
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&schema)
        .map_err(|error| broken(&error))?;
    let faults: Vec<SettingFault> = validator
        .iter_errors(settings)
        .take(SETTING_FAULTS_MAX)
        .map(|error| SettingFault {
            path: key_path(error.instance_path.as_str()),
            problem: text::line(&error.to_string()),
            line: None,
            column: None,
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(LoadFault::Settings(faults)) }
}

/// Largest whole number up to which every reader of JSON tells each from the next.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// The settings as every guest reads them. To JSON Schema `5.0` is an integer, and the same as `5`; to the
/// readers of some languages it is neither. So each value has one text.
pub(super) fn settings_text(settings: &Value) -> String {
    canonical(settings).to_string()
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(fraction) if number.is_f64() && fraction.fract() == 0.0 && fraction.abs() <= WHOLE_MAX => {
                Value::from(fraction as i64)
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), canonical(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// `/rules/2/limit` as an operator knows it: `rules[2].limit`.
fn key_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_fit_are_named_by_their_key_path() {
        let schema = r#"{"type":"object","additionalProperties":false,"properties":{
            "window":{"type":"integer"},"rules":{"type":"array","items":{"properties":{"limit":{"minimum":1}}}}}}"#;
        let settings = serde_json::json!({"window": "soon", "rules": [{"limit": 3}, {"limit": 0}], "windw": 1});
        let Err(LoadFault::Settings(faults)) = check_settings(schema, &settings) else { panic!("accepted") };
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert!(paths.contains(&"window") && paths.contains(&"rules[1].limit"), "{paths:?}");
        assert!(faults.iter().any(|fault| fault.problem.contains("windw")), "{faults:?}");
        assert!(check_settings("{", &settings).is_err());
        assert!(check_settings(r#"{"type":"elephant"}"#, &settings).is_err());
    }

    #[test]
    fn a_number_has_one_text_however_it_was_typed() {
        let typed = serde_json::json!({
            "b": [5.0, -0.0, 2.5, {"c": 1e3}], "a": -7.0, "huge": 1e300, "exact": 9_007_199_254_740_993_u64,
            "beyond": 9_007_199_254_740_992.0, "text": "5.0", "null": null
        });
        let wanted = concat!(
            r#"{"a":-7,"b":[5,0,2.5,{"c":1000}],"beyond":9007199254740992.0,"exact":9007199254740993,"#,
            r#""huge":1e+300,"null":null,"text":"5.0"}"#
        );
        assert_eq!(settings_text(&typed), wanted);
        let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#;
        assert_eq!(check_settings(schema, &typed), Ok(()), "to the schema it is an integer");
    }

    #[test]
    fn unknown_events_are_errors_unless_marked() {
        let mut description = Description {
            name: "x".into(),
            version: "1.0.0".into(),
            summary: "A test.".into(),
            events: vec!["connect".into(), "eclipse?".into()],
            facts: vec!["history?".into()],
            schema: "{}".into(),
        };
        assert_eq!(description.check(), Ok(()));
        assert_eq!(description.wanted(), Occasion::Connect.bit());
        assert_eq!(description.facts(), HISTORY);
        description.events.push("eclipse".into());
        assert_eq!(description.check(), Err(LoadFault::UnknownEvents(vec!["eclipse".into()])));
    }
}
