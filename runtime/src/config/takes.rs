//! The kinds of values that keys take, each with the words that describe its range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sheet::Section;
use super::tree::{Node, What};

const KIB: u64 = 1024;
const UNITS: [(&str, u64); 4] = [("GiB", KIB * KIB * KIB), ("MiB", KIB * KIB), ("KiB", KIB), ("B", 1)];

impl Section<'_, '_> {
    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.read(key, "true or false", |node| match node.what {
            What::Flag(flag) => Some(flag),
            _ => None,
        })
    }

    /// A whole number.
    pub(super) fn count<N>(&mut self, key: &str, range: RangeInclusive<N>) -> N
    where
        N: TryFrom<i64> + PartialOrd + Display,
    {
        self.read(key, &format!("{} to {}", range.start(), range.end()), |node| number(node, &range))
    }

    /// A whole number, or `"auto"`, which is `None`.
    pub(super) fn auto_count<N>(&mut self, key: &str, range: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<i64> + PartialOrd + Display,
    {
        let takes = format!("\"auto\" or {} to {}", range.start(), range.end());
        self.read(key, &takes, |node| match &node.what {
            What::Text(text) if text == "auto" => Some(None),
            _ => number(node, &range).map(Some),
        })
    }

    /// A span of time such as `"1h30m"`.
    pub(super) fn span(&mut self, key: &str, range: RangeInclusive<Duration>) -> Duration {
        self.read(key, &format!("{} to {}", span_text(*range.start()), span_text(*range.end())), |node| {
            let span = humantime::parse_duration(text(node)?).ok()?;
            range.contains(&span).then_some(span)
        })
    }

    /// A size: bytes, or a text such as `"64 KiB"`.
    pub(super) fn size<N: TryFrom<u64>>(&mut self, key: &str, range: RangeInclusive<u64>) -> N {
        self.read(key, &format!("{} to {}", size_text(*range.start()), size_text(*range.end())), |node| {
            let bytes = match &node.what {
                What::Number(bytes) => u64::try_from(*bytes).ok()?,
                What::Text(text) => size(text)?,
                _ => return None,
            };
            N::try_from(bytes).ok().filter(|_| range.contains(&bytes))
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let takes = match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        self.read(key, &takes, |node| {
            let typed = text(node)?;
            words.iter().find(|(word, _)| *word == typed).map(|(_, value)| *value)
        })
    }

    /// A text that fits.
    pub(super) fn text(&mut self, key: &str, takes: &str, fits: impl Fn(&str) -> bool) -> String {
        self.read(key, takes, |node| text(node).filter(|text| fits(text)).map(str::to_owned))
    }

    /// A text on one line.
    pub(super) fn line(&mut self, key: &str) -> String {
        let fits = |text: &str| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        self.text(key, "1 to 200 characters on one line", fits)
    }

    /// A path; relative ones are beneath `base`.
    pub(super) fn path(&mut self, key: &str, base: &Path) -> PathBuf {
        base.join(self.text(key, "a path", |text| !text.is_empty() && !text.contains('\0')))
    }

    /// A path, or nothing.
    pub(super) fn optional_path(&mut self, key: &str, base: &Path) -> Option<PathBuf> {
        let typed = self.text(key, "a path", |text| !text.contains('\0'));
        (!typed.is_empty()).then(|| base.join(typed))
    }

    /// A list of texts that each become something.
    pub(super) fn list<T>(&mut self, key: &str, takes: &str, most: usize, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.read(key, takes, |node| match &node.what {
            What::List(items) if items.len() <= most => items.iter().map(|item| parse(text(item)?)).collect(),
            _ => None,
        })
    }
}

/// The text of a value that is one.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.what {
        What::Text(text) => Some(text),
        _ => None,
    }
}

/// A number within its range.
pub(super) fn number<N: TryFrom<i64> + PartialOrd>(node: &Node, range: &RangeInclusive<N>) -> Option<N> {
    match &node.what {
        What::Number(number) => N::try_from(*number).ok().filter(|number| range.contains(number)),
        _ => None,
    }
}

/// Letters, digits and what `more` allows.
pub(super) fn is_name(text: &str, longest: usize, allowed: impl Fn(char) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.chars().all(allowed)
}

/// Bytes, from a text such as `64 KiB`.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|mark: char| !mark.is_ascii_digit());
    let unit = text[digits.len()..].trim();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)?;
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn size_text(bytes: u64) -> String {
    let (name, factor) =
        UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{} {name}", bytes / factor)
}

/// A span in its largest unit that leaves no rest.
pub(super) fn span_text(span: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let millis = span.as_millis();
    let exact = |(_, length): &&(&str, u128)| millis >= *length && millis.is_multiple_of(*length);
    let (unit, length) = UNITS.iter().find(exact).unwrap_or(&("s", 1000));
    format!("{}{unit}", millis / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [("64 KiB", 65_536), ("1MiB", 1_048_576), ("12 B", 12)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "64 KB", "64", "-1 KiB", "99999999999999999999 GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
        assert_eq!(size_text(65_536), "64 KiB");
        assert_eq!(size_text(512), "512 B");
    }

    #[test]
    fn spans_are_written_in_one_unit() {
        assert_eq!(span_text(Duration::from_secs(90)), "90s");
        assert_eq!(span_text(Duration::from_secs(7200)), "2h");
        assert_eq!(span_text(Duration::ZERO), "0s");
    }
}
