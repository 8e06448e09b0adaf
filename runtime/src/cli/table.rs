//! Tables for people: framed to the width of a terminal, plain and aligned in a pipe.

use std::io::IsTerminal;
use std::time::Duration;

use crate::admin::log::one_line;
use crate::ledger::By;
use crate::moment::Moment;

/// How a cell looks in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// What the row is about.
    Strong,
    /// What passes by itself.
    Warm,
    /// What does not.
    Loud,
    /// What few people need.
    Faint,
}

/// A cell and its look.
#[derive(Clone, Debug)]
pub struct Painted(pub String, pub Paint);

/// Rows under headings. Strangers' characters cannot steer the terminal.
pub fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    painted(headings, rows.into_iter().map(|row| row.map(|cell| Painted(cell, Paint::Plain))))
}

/// The same with colours, where a terminal shows them and nobody has set `NO_COLOR`.
pub fn painted<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [Painted; N]>) -> String {
    let rows: Vec<[Painted; N]> =
        rows.into_iter().map(|row| row.map(|Painted(cell, paint)| Painted(one_line(&cell), paint))).collect();
    if std::io::stdout().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        framed(headings, rows, colours)
    } else {
        aligned(headings, &rows.into_iter().map(|row| row.map(|Painted(cell, _)| cell)).collect::<Vec<_>>())
    }
}

fn framed<const N: usize>(headings: [&str; N], rows: Vec<[Painted; N]>, colours: bool) -> String {
    use comfy_table::{Attribute, Cell, Color};
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    if !colours {
        table.force_no_tty();
        table.set_width(width());
    }
    table.set_header(headings.map(|heading| Cell::new(heading).add_attribute(Attribute::Bold)));
    table.add_rows(rows.into_iter().map(|row| {
        row.map(|Painted(text, paint)| match paint {
            Paint::Plain => Cell::new(text),
            Paint::Strong => Cell::new(text).add_attribute(Attribute::Bold),
            Paint::Warm => Cell::new(text).fg(Color::Yellow),
            Paint::Loud => Cell::new(text).fg(Color::Red),
            Paint::Faint => Cell::new(text).add_attribute(Attribute::Dim),
        })
    }));
    format!("{table}\n")
}

/// Columns of the terminal.
fn width() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| size.ws_col)
}

fn aligned<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([headings[at].len()]).max();
    let widths: [usize; N] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let line = |cells: [&str; N]| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            text.push_str(&format!("{cell:<width$}  ", width = widths[at]));
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(headings);
    for row in rows {
        text.push_str(&line(std::array::from_fn(|at| row[at].as_str())));
    }
    text
}

/// A span in its two largest units.
pub fn span(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return "0s".to_owned();
    }
    let text = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// What is left of a ban.
pub fn left(expires: Option<Moment>, now: Moment) -> String {
    expires.map_or_else(|| "until lifted".to_owned(), |end| span(now.until(end)))
}

/// Who banned, in a few words.
pub fn by(by: &By) -> String {
    match by {
        By::Policy { name, version, .. } => format!("policy {name} {version}"),
        By::Operator { name } => format!("operator {name}"),
    }
}

/// The first digits of a digest: enough to compare by eye.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_plain_aligned_columns() {
        let rows = [["a".to_owned(), "x\u{1b}[2J".to_owned()], ["bbbb".to_owned(), "y".to_owned()]];
        assert_eq!(
            aligned(["ONE", "TWO"], &rows.map(|row| row.map(|cell| one_line(&cell)))),
            "\
ONE   TWO
a     x\\u{1b}[2J
bbbb  y
"
        );
    }

    #[test]
    fn a_terminal_gets_colours_unless_they_are_not_wanted() {
        let rows = || vec![[Painted("host:192.0.2.7".into(), Paint::Strong), Painted("1h".into(), Paint::Warm)]];
        assert!(!framed(["A", "B"], rows(), false).contains('\u{1b}'));
    }

    #[test]
    fn spans_have_two_units_at_most() {
        assert_eq!(span(Duration::from_secs(3661)), "1h 1m");
        assert_eq!(span(Duration::from_millis(900)), "0s");
    }
}
