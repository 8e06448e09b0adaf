//! What holds for any text in the place of a configuration: the body of a fuzz target (see [`crate::fuzzing`]).

use std::path::Path;

use super::parse;

/// The configuration: settings or mistakes, each of which is told in lines of text with its place.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count().max(1);
    match parse(&text, "portcullis.toml", Path::new("/etc/portcullis")) {
        Ok(loaded) => {
            assert!(!loaded.shown.is_empty());
            assert!(!loaded.settings.listeners.is_empty());
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                let told = mistake.to_string();
                assert!(!mistake.what.is_empty());
                assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
                if let Some(line) = mistake.place.as_deref().and_then(|place| place.rsplit_once(':')) {
                    let line: usize = line.1.parse().expect("a line");
                    assert!((1..=lines + 1).contains(&line), "line {line} of {lines}");
                }
            }
        }
    }
}
