//! The log: one line for each fact, to stderr, for people or as JSON. Whatever a client sent stays on its
//! line: control characters are written as escapes.

use std::fmt::{self, Write};
use std::io;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::sink::{Out, Sink, Trouble};
use crate::config::settings::{Log, LogFormat};
use crate::moment::Moment;

/// The log of the process. Dropped, it waits a moment for its last lines.
#[derive(Debug)]
#[must_use]
pub struct Logging(Sink);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Something else in this process logs already.
    #[error(transparent)]
    Twice(#[from] TryInitError),
    /// No thread to write it.
    #[error("no thread for the log: {0}")]
    Thread(#[from] io::Error),
}

/// Starts logging for the process.
///
/// # Errors
/// `LogError`.
pub fn start(settings: &Log) -> Result<Logging, LogError> {
    let format = settings.format;
    let sink = Sink::start(Out::Stderr, settings.queue, move |trouble| match trouble {
        Trouble::Dropped(lines) => Some(dropped(format, lines)),
        Trouble::NotReopened(_) => None,
    })?;
    let writer = Lines(sink.clone());
    let level = settings.level.parse().unwrap_or(LevelFilter::INFO);
    // Libraries talk to their developers; operators hear of their warnings.
    let targets = Targets::new().with_target("portcullis", level).with_default(level.min(LevelFilter::WARN));
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match settings.format {
        LogFormat::Pretty => {
            let ansi = io::IsTerminal::is_terminal(&io::stderr());
            registry.with(layer.with_ansi(ansi).event_format(Pretty)).try_init()?;
        }
        LogFormat::Json => registry.with(layer.event_format(Json)).try_init()?,
    }
    Ok(Logging(sink))
}

/// The line in which a log tells that lines are missing.
fn dropped(format: LogFormat, lines: u64) -> Vec<u8> {
    let at = stamp(Moment::now());
    let line = match format {
        LogFormat::Pretty => format!("{at}  WARN log.dropped lines={lines}\n"),
        LogFormat::Json => {
            let line = serde_json::json!({ "at": at, "level": "warn", "message": "log.dropped", "lines": lines });
            format!("{line}\n")
        }
    };
    line.into_bytes()
}

/// Hands each event, once it is formatted, to the thread that writes.
struct Lines(Sink);

struct OneEvent<'a> {
    sink: &'a Sink,
    line: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OneEvent<'a>;

    fn make_writer(&'a self) -> OneEvent<'a> {
        OneEvent { sink: &self.0, line: Vec::new() }
    }
}

impl io::Write for OneEvent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for OneEvent<'_> {
    fn drop(&mut self) {
        self.sink.line(std::mem::take(&mut self.line));
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
        write!(out, "{} {colour}{level:>5}{plain} ", stamp(Moment::shown()))?;
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
        object.insert("at".to_owned(), stamp(Moment::shown()).into());
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
pub(super) fn is_control(mark: char) -> bool {
    mark.is_control() || matches!(mark, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of a stranger's for a terminal: on one line, without escapes.
pub fn one_line(text: &str) -> String {
    OneLine(text).unquoted()
}

#[cfg(test)]
mod tests {
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
