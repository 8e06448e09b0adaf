//! A guest's text on its way into a log, a reply or an error: one line, bounded.

/// The longest line that a guest may put into the log.
pub const LINE_BYTES_MAX: usize = 1024;

/// Control characters escaped, cut at [`LINE_BYTES_MAX`].
pub fn line(guest: &str) -> String {
    let mut out = String::with_capacity(guest.len().min(LINE_BYTES_MAX));
    for character in guest.chars() {
        let escaped = character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
        let before = out.len();
        if escaped {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
        if out.len() > LINE_BYTES_MAX {
            out.truncate(before);
            break;
        }
    }
    out
}

/// As [`line`], at most `most` bytes, whole characters.
pub fn cut(guest: &str, most: usize) -> String {
    let mut out = line(guest);
    let end = (0..=most.min(out.len())).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
    out.truncate(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_16_terminal_escapes_and_line_ends_stay_on_one_line() {
        assert_eq!(line("a\r\nb\x1b[2J\u{202e}c"), "a\\r\\nb\\u{1b}[2J\\u{202e}c");
        assert_eq!(line(&"é".repeat(LINE_BYTES_MAX)).len(), LINE_BYTES_MAX);
        assert_eq!(cut("aéé", 4), "aé");
    }
}
