//! What holds for any line of a recording: the body of a fuzz target (see [`crate::fuzzing`]).

use super::form::{self, Line};

/// Recorded lines: one that is read is written and read again as the same.
pub fn events(bytes: &[u8]) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let written = match form::parse(line) {
            Some(Line::Header(header)) => form::line(&header),
            Some(Line::Event(event)) => form::line(&event),
            None => continue,
        };
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        let again = form::parse(&written);
        assert_eq!(again, form::parse(line), "{}", written.escape_ascii());
        let rewritten = match again.expect("what we wrote") {
            Line::Header(header) => form::line(&header),
            Line::Event(event) => form::line(&event),
        };
        assert_eq!(rewritten, written);
    }
}
