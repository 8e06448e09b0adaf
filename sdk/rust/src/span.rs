//! Spans of time as an operator writes them: `90s`, `10m`, `24h`, `7d`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A span in whole seconds. In a schema: `{ "type": "string", "pattern": "^[1-9][0-9]{0,6}[smhd]$" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    seconds: u32,
}

const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Span {
    /// From seconds.
    pub const fn of_seconds(seconds: u32) -> Span {
        Span { seconds }
    }

    /// In seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("`{text}` is no span of time; write a number and s, m, h or d, such as 10m");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let &(_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let digits = &text[..text.len() - 1];
        let count: u32 = digits.parse().map_err(|_| wrong())?;
        count.checked_mul(length).filter(|&seconds| seconds > 0).map(Span::of_seconds).ok_or_else(wrong)
    }
}

/// In the largest unit that leaves no rest.
impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, length)| self.seconds.is_multiple_of(*length));
        let (name, length) = whole.copied().unwrap_or(('s', 1));
        write!(out, "{}{name}", self.seconds / length)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Span, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("24h", 86_400), ("7d", 604_800)] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.seconds(), seconds);
        }
        assert_eq!(Span::of_seconds(600).to_string(), "10m");
        assert_eq!(Span::of_seconds(90).to_string(), "90s");
        assert_eq!(Span::of_seconds(86_400).to_string(), "1d");
    }

    #[test]
    fn s_62_nonsense_spans_are_refused() {
        for text in ["", "m", "10", "0s", "-1s", "10 m", "ten m", "99999999d", "10é", "+5s "] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
