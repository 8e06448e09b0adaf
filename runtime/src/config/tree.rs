//! A TOML text as a tree in which every key and value knows its line.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

/// A table in key order.
pub type Table = BTreeMap<String, Node>;

/// A value and the line on which its key stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// The value.
    pub what: What,
}

/// A value of the kinds that a configuration has.
#[derive(Clone, Debug)]
pub enum What {
    Text(String),
    Number(i64),
    Fraction(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
    /// A date or time: no key takes one.
    Date(String),
}

/// A text that is no TOML.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    /// In the parser's words.
    pub why: String,
}

/// Reads a whole text; all its faults at once.
///
/// # Errors
/// Each place where it is no TOML.
pub fn read(text: &str) -> Result<Table, Vec<Unreadable>> {
    let lines = Lines::of(text);
    let (table, faults) = DeTable::parse_recoverable(text);
    if faults.is_empty() {
        return Ok(lines.table(table.get_ref()));
    }
    let place = |fault: &toml::de::Error| fault.span().map_or(1, |span| lines.at(span.start));
    let mut faults: Vec<Unreadable> =
        faults.iter().map(|fault| Unreadable { line: place(fault), why: fault.message().to_owned() }).collect();
    faults.sort_by_key(|fault| fault.line);
    Err(faults)
}

impl Node {
    /// As JSON, for tables that are handed to policies. Dates become texts.
    pub fn json(&self) -> serde_json::Value {
        match &self.what {
            What::Text(text) | What::Date(text) => text.clone().into(),
            What::Number(number) => (*number).into(),
            What::Fraction(number) => (*number).into(),
            What::Flag(flag) => (*flag).into(),
            What::List(items) => items.iter().map(Node::json).collect(),
            What::Table(table) => table.iter().map(|(key, node)| (key.clone(), node.json())).collect(),
        }
    }
}

impl fmt::Display for Node {
    /// As TOML, on one line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Text(text) => write!(out, "{}", toml::Value::String(text.clone())),
            What::Number(number) => number.fmt(out),
            What::Fraction(number) => write!(out, "{}", toml::Value::Float(*number)),
            What::Flag(flag) => flag.fmt(out),
            What::Date(text) => text.fmt(out),
            What::List(items) => {
                out.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                out.write_str("]")
            }
            What::Table(table) if table.is_empty() => out.write_str("{}"),
            What::Table(table) => {
                for (at, (key, node)) in table.iter().enumerate() {
                    write!(out, "{}{} = {node}", if at == 0 { "{ " } else { ", " }, Name(key))?;
                }
                out.write_str(" }")
            }
        }
    }
}

/// A key as TOML writes it.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !self.0.is_empty() && self.0.bytes().all(bare) {
            out.write_str(self.0)
        } else {
            write!(out, "{}", toml::Value::String(self.0.to_owned()))
        }
    }
}

/// Where lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(breaks).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
            (key.get_ref().to_string(), self.node(self.at(key.span().start), value.get_ref()))
        };
        table.iter().map(entry).collect()
    }

    fn node(&self, line: usize, value: &DeValue<'_>) -> Node {
        let what = match value {
            DeValue::String(text) => What::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => What::Number(number),
                Err(_) => What::Date(number.to_string()),
            },
            DeValue::Float(number) => number.as_str().parse().map_or(What::Date(number.to_string()), What::Fraction),
            DeValue::Boolean(flag) => What::Flag(*flag),
            DeValue::Datetime(date) => What::Date(date.to_string()),
            DeValue::Array(items) => {
                What::List(items.iter().map(|item| self.node(self.at(item.span().start), item.get_ref())).collect())
            }
            DeValue::Table(table) => What::Table(self.table(table)),
        };
        Node { line, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let table = read("a = 1\n\n[b]\nc = [\n  true,\n]\n[[d]]\ne = \"x\"\n").expect("toml");
        assert_eq!(table["a"].line, 1);
        let What::Table(b) = &table["b"].what else { panic!("a table") };
        assert_eq!(b["c"].line, 4);
        let What::List(d) = &table["d"].what else { panic!("a list") };
        assert_eq!(d[0].line, 7);
    }

    #[test]
    fn all_faults_are_told_with_their_lines() {
        let faults = read("a = \nb = 2\nc = tru\n").expect_err("not TOML");
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn values_print_as_toml() {
        let table = read("a = { b = [\"x y\", 2, 1.5], \"c d\" = {} }").expect("toml");
        assert_eq!(table["a"].to_string(), "{ b = [\"x y\", 2, 1.5], \"c d\" = {} }");
    }
}
