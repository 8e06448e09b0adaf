//! A line to a command: the verb is looked up, the argument kept as typed.

use super::line::Line;
use super::raw::is_raw;
use super::table::{self, Command};

/// Bytes of a verb and of an argument that an event tells about an unknown command.
const VERB_BYTES_MAX: usize = 16;
const ARGUMENT_BYTES_MAX: usize = 256;

/// What a line says.
#[derive(Clone, Debug)]
pub enum Parsed<'a> {
    /// A command of the table; an absent argument is empty.
    Known(&'static Command, &'a str),
    /// Another protocol: `http`, `ssh`, `smtp`, `proxy-protocol`.
    Foreign(&'static str),
    /// Nobody knows it. For events; never told to a client.
    Unknown {
        /// Upper case, bounded, `?` for what is no graphic ASCII.
        verb: String,
        /// Bounded, `?` for control characters.
        argument: Option<String>,
    },
}

/// A command of the table as events tell it: its verb, and its argument where that is no secret.
pub fn told(line: Line<'_>) -> Option<(&'static str, Option<String>)> {
    match parse(line) {
        Parsed::Known(command, argument) => {
            let secret = argument.is_empty() || matches!(command.verb(), "PASS" | "ACCT");
            Some((command.verb(), (!secret).then(|| shown(argument))))
        }
        Parsed::Foreign(_) | Parsed::Unknown { .. } => None,
    }
}

/// Verb, one space, argument: further spaces belong to the argument, since names may start or end with one.
pub fn parse(line: Line<'_>) -> Parsed<'_> {
    let (verb, argument) = line.text().split_once(' ').unwrap_or((line.text(), ""));
    if let Some(command) = table::find(verb) {
        return Parsed::Known(command, argument);
    }
    match foreign(verb) {
        Some(protocol) => Parsed::Foreign(protocol),
        None => Parsed::Unknown {
            verb: verb.chars().take(VERB_BYTES_MAX).map(graphic).collect(),
            argument: (!argument.is_empty()).then(|| shown(argument)),
        },
    }
}

fn graphic(c: char) -> char {
    if c.is_ascii_graphic() { c.to_ascii_uppercase() } else { '?' }
}

fn shown(argument: &str) -> String {
    let mut shown = String::new();
    for c in argument.chars().map(|c| if c.is_control() || is_raw(c) { '?' } else { c }) {
        if shown.len() + c.len_utf8() > ARGUMENT_BYTES_MAX {
            break;
        }
        shown.push(c);
    }
    shown
}

/// Browsers, scanners and ALPACA (2021) speak these to an FTP port.
fn foreign(verb: &str) -> Option<&'static str> {
    const HTTP: [&str; 14] = [
        "GET",
        "POST",
        "HEAD",
        "PUT",
        "OPTIONS",
        "CONNECT",
        "DELETE",
        "PATCH",
        "TRACE",
        "PRI",
        "HOST:",
        "USER-AGENT:",
        "ACCEPT:",
        "CONTENT-LENGTH:",
    ];
    const SMTP: [&str; 3] = ["HELO", "EHLO", "LHLO"];
    let is_one_of = |verbs: &[&str]| verbs.iter().any(|known| known.eq_ignore_ascii_case(verb));
    if verb.eq_ignore_ascii_case("PROXY") {
        // A balancer that is not listed, or somebody who plays one.
        Some("proxy-protocol")
    } else if is_one_of(&HTTP) {
        Some("http")
    } else if is_one_of(&SMTP) {
        Some("smtp")
    } else {
        verb.get(..4).filter(|start| start.eq_ignore_ascii_case("SSH-")).map(|_| "ssh")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(text: &str) -> Option<(&'static str, &str)> {
        match parse(Line(text)) {
            Parsed::Known(command, argument) => Some((command.verb(), argument)),
            _ => None,
        }
    }

    #[test]
    fn verbs_are_found_in_any_case_and_arguments_keep_their_spaces() {
        assert_eq!(known("noop"), Some(("NOOP", "")));
        assert_eq!(known("PASS  a b "), Some(("PASS", " a b ")));
        assert_eq!(known("Cwd /x"), Some(("CWD", "/x")));
        assert_eq!(known("NOOP\rQUIT"), None);
        assert_eq!(known(""), None);
    }

    #[test]
    fn t_70_other_protocols_are_recognised() {
        for (line, protocol) in [
            ("GET / HTTP/1.1", "http"),
            ("post /x", "http"),
            ("Host: example.org", "http"),
            ("SSH-2.0-OpenSSH_9.9", "ssh"),
            ("EHLO me", "smtp"),
        ] {
            assert!(matches!(parse(Line(line)), Parsed::Foreign(found) if found == protocol), "{line}");
        }
    }

    #[test]
    fn s_06_what_is_told_of_an_unknown_verb_is_bounded_and_clean() {
        let line = format!("b\u{e4}\u{1b}{} {}\r", "x".repeat(100), "y".repeat(1000));
        let Parsed::Unknown { verb, argument } = parse(Line(&line)) else { panic!("known?") };
        assert_eq!(verb, "B??XXXXXXXXXXXXX");
        assert_eq!(argument.map(|text| text.len()), Some(ARGUMENT_BYTES_MAX));
    }

    proptest! {
        #[test]
        fn s_07_any_line_is_parsed(text in "(\\PC|[\r\t ]){0,60}") {
            if let Parsed::Unknown { verb, .. } = parse(Line(&text)) {
                prop_assert!(verb.len() <= VERB_BYTES_MAX);
            }
        }
    }
}
