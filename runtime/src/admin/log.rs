//! The log: one line for each fact, to stderr, for people or as JSON. Whatever a client sent stays on its
//! line: control characters are written as escapes.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::settings::{Log, LogFormat};
use crate::moment::Moment;

/// Starts logging for the process.
///
/// # Errors
/// When something else in this process already does.
pub fn start(settings: &Log) -> Result<(), TryInitError> {
    let level = settings.level.parse().unwrap_or(LevelFilter::INFO);
    // Libraries talk to their developers; operators hear of their warnings.
    let targets = Targets::new().with_target("portcullis", level).with_default(level.min(LevelFilter::WARN));
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Pretty => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(layer.with_ansi(ansi).event_format(Pretty)).try_init()
        }
        LogFormat::Json => registry.with(layer.event_format(Json)).try_init(),
    }
}

/// `2026-01-02T03:04:05.678Z  INFO ban.published subject=host:192.0.2.7 ...`
struct Pretty;

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let (colour, plain) = match level {
            _ if !out.has_ansi_escapes() => ("", ""),
            Level::ERROR => ("\x1b[31m", "\x1b[0m"),
            Level::WARN => ("\x1b[33m", "\x1b[0m"),
            Level::INFO => ("\x1b[32m", "\x1b[0m"),
            _ => ("\x1b[2m", "\x1b[0m"),
        };
        write!(out, "{} {colour}{level:>5}{plain} ", stamp(Moment::now()))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        out.write_str(&fields.message)?;
        for (name, value) in &fields.others {
            match value {
                serde_json::Value::String(text) => write!(out, " {name}={}", OneLine(text))?,
                other => write!(out, " {name}={other}")?,
            }
        }
        writeln!(out)
    }
}

/// One object a line: `at`, `level`, `target`, `message`, then the fields.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut object = serde_json::Map::new();
        object.insert("at".to_owned(), stamp(Moment::now()).into());
        object.insert("level".to_owned(), event.metadata().level().as_str().to_ascii_lowercase().into());
        object.insert("target".to_owned(), event.metadata().target().into());
        object.insert("message".to_owned(), fields.message.into());
        for (name, value) in fields.others {
            object.entry(name).or_insert(value);
        }
        writeln!(out, "{}", serde_json::Value::Object(object))
    }
}

/// RFC 3339 to the millisecond: what follows what matters in a log.
fn stamp(now: Moment) -> String {
    let seconds = now.to_string();
    match seconds.strip_suffix('Z') {
        Some(seconds) => format!("{seconds}.{:03}Z", now.millis() % 1000),
        None => seconds,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, serde_json::Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: serde_json::Value) {
        self.others.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = OneLine(&text).unquoted(),
            _ => self.put(field, text.into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = OneLine(value).unquoted(),
            _ => self.put(field, value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// A text that cannot leave its line nor steer a terminal; in quotes where it would not read as one word.
struct OneLine<'a>(&'a str);

impl OneLine<'_> {
    fn unquoted(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for mark in self.0.chars() {
            if is_control(mark) {
                text.extend(mark.escape_default());
            } else {
                text.push(mark);
            }
        }
        text
    }
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_word = |mark: char| !(mark.is_whitespace() || is_control(mark) || mark == '"' || mark == '=');
        if !self.0.is_empty() && self.0.chars().all(one_word) {
            return out.write_str(self.0);
        }
        out.write_char('"')?;
        for mark in self.0.chars() {
            match mark {
                '"' | '\\' => write!(out, "\\{mark}")?,
                mark if is_control(mark) => write!(out, "{}", mark.escape_default())?,
                mark => out.write_char(mark)?,
            }
        }
        out.write_char('"')
    }
}

/// Control characters, and those that turn the direction of writing or break lines.
fn is_control(mark: char) -> bool {
    mark.is_control() || matches!(mark, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of a stranger's for a terminal: on one line, without escapes.
pub fn one_line(text: &str) -> String {
    OneLine(text).unquoted()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, work: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
        if json {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.event_format(Json)), work);
        } else {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.event_format(Pretty)), work);
        }
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn what_a_client_sent_stays_on_its_line() {
        let evil = "bob\r\n2026 INFO ban.lifted \x1b[2J\u{202e}";
        let pretty = logged(false, || tracing::info!(user = %evil, tries = 3, "login.failed"));
        assert_eq!(pretty.lines().count(), 1);
        assert!(!pretty.contains('\x1b') && !pretty.contains('\u{202e}'), "{pretty}");
        assert!(pretty.contains(r#" INFO login.failed user="bob\r\n2026"#) && pretty.contains("tries=3"), "{pretty}");
        let json = logged(true, || tracing::info!(user = evil, tries = 3, "login.failed"));
        let line: serde_json::Value = serde_json::from_str(json.trim_end()).expect("one object");
        assert_eq!(line["message"], "login.failed");
        assert_eq!(line["user"], evil);
        assert_eq!(line["tries"], 3);
    }
}
