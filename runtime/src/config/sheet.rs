//! What is read key by key: the operator's file laid over the defaults. Every key that is asked for is
//! known; what was not asked for is a mistake. Mistakes are collected, so that all are told at once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::nearest::nearest;
use super::tree::{Node, Table, What};

/// Something in the operator's file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// What is wrong, with the key path.
    pub what: String,
    /// `FILE:LINE`
    pub place: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", on_one_line(&self.what))?;
        if let Some(place) = &self.place {
            write!(out, "\n  at {place}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(out, "\n  {}", on_one_line(remedy))?;
        }
        Ok(())
    }
}

/// Keys and values are told as they stand in a file: what would move a terminal's cursor is escaped.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        text.chars().map(shown).collect()
    } else {
        text.into()
    }
}

/// A key as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// The whole key path.
    pub key: String,
    /// The value as TOML writes it.
    pub value: String,
    /// `default` or `FILE:LINE`.
    pub origin: String,
}

/// What was found while reading.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    file: String,
    takes: BTreeMap<String, String>,
    unknown: Vec<(String, String)>,
    pub(super) shown: Vec<Shown>,
    mistakes: Vec<Mistake>,
}

#[derive(Clone)]
struct Layer<'t> {
    table: &'t Table,
    /// Key path of the table.
    path: String,
    /// From the operator's file; else the defaults.
    typed: bool,
    /// Whether the section that holds this layer vouches for every key in it.
    own: bool,
}

/// One table as it is read: the operator's over the default one, perhaps over what holds for all such.
pub(super) struct Section<'s, 't> {
    sheet: &'s mut Sheet,
    path: String,
    layers: Vec<Layer<'t>>,
    asked: BTreeSet<String>,
}

impl Sheet {
    /// Reads `typed`, the content of `file`, over `defaults`.
    pub(super) fn read<T>(
        file: &str,
        typed: &Table,
        defaults: &Table,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> (T, Sheet) {
        let mut sheet = Sheet { file: file.to_owned(), ..Sheet::default() };
        let layer = |table, typed| Layer { table, path: String::new(), typed, own: true };
        let layers = vec![layer(typed, true), layer(defaults, false)];
        let read = Section { sheet: &mut sheet, path: String::new(), layers, asked: BTreeSet::new() }.run(read);
        (read, sheet)
    }

    /// All mistakes in the order of the file.
    pub(super) fn mistakes(mut self) -> Vec<Mistake> {
        for (key, place) in std::mem::take(&mut self.unknown) {
            let meant = nearest(&key, self.takes.keys().map(String::as_str));
            let remedy = match meant {
                Some(meant) if self.takes[meant].is_empty() => format!("did you mean `{meant}`?"),
                Some(meant) => format!("did you mean `{meant}`? It takes {}", self.takes[meant]),
                None => "`portcullis config defaults` lists every key".to_owned(),
            };
            let what = format!("unknown key `{key}`");
            self.mistakes.push(Mistake { what, place: Some(place), remedy: Some(remedy) });
        }
        let line = |mistake: &Mistake| {
            mistake.place.as_deref().and_then(|place| place.rsplit(':').next()).and_then(|line| line.parse().ok())
        };
        self.mistakes.sort_by_key(|mistake| line(mistake).unwrap_or(usize::MAX));
        self.mistakes
    }

    /// Every key that was asked for, and what it takes.
    #[cfg(test)]
    pub(super) fn takes(&self) -> &BTreeMap<String, String> {
        &self.takes
    }

    fn place(&self, typed: bool, line: usize) -> String {
        if typed { format!("{}:{line}", self.file) } else { format!("defaults.toml:{line}") }
    }
}

impl<'t> Section<'_, 't> {
    /// A table within this one.
    pub(super) fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        let path = join(&self.path, key);
        let layers = self.tables(key);
        self.nested(path, layers, read)
    }

    /// A table within this one; what it leaves open is read from the first of `others` that has it.
    pub(super) fn section_over<T>(
        &mut self,
        key: &str,
        others: &str,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> T {
        let path = join(&self.path, key);
        let mut layers = self.tables(key);
        layers.extend(self.tables(others).into_iter().map(|layer| Layer { own: false, ..layer }));
        self.nested(path, layers, read)
    }

    /// The tables of a list such as `[[policy]]`: the operator's list if there is one, else the default one.
    /// What a table leaves open is read from the table `others`, if one is named. `name` is the key that names each.
    pub(super) fn list_over<T>(
        &mut self,
        key: &str,
        others: &str,
        name: &str,
        mut read: impl FnMut(&mut Section<'_, 't>) -> T,
    ) -> Vec<T> {
        self.ask(key, "");
        let others = if others.is_empty() { Vec::new() } else { self.tables(others) };
        let fallback: Vec<Layer<'t>> = others.into_iter().map(|layer| Layer { own: false, ..layer }).collect();
        let Some((layer, node)) = self.layers.iter().find_map(|layer| Some((layer.clone(), layer.table.get(key)?)))
        else {
            return Vec::new();
        };
        let What::List(items) = &node.what else {
            self.wrong(&layer, key, node, &format!("one or more [[{key}]] tables"));
            return Vec::new();
        };
        let mut results = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let What::Table(table) = &item.what else {
                self.wrong(&layer, key, item, "a table");
                continue;
            };
            let title = match table.get(name).map(|node| &node.what) {
                Some(What::Text(title)) => title.clone(),
                _ => (at + 1).to_string(),
            };
            let path = join(&join(&self.path, key), &title);
            let mut layers = vec![Layer { table, path: path.clone(), ..layer.clone() }];
            layers.extend(fallback.iter().cloned());
            results.push(self.nested(path, layers, &mut read));
        }
        results
    }

    /// The value of a key that always has one.
    pub(super) fn read<T>(&mut self, key: &str, takes: &str, parse: impl Fn(&Node) -> Option<T>) -> T {
        self.optional(key, takes, parse)
            .expect("the embedded defaults hold a valid value for every key: a test reads them")
    }

    /// The value of a key that has no default; its absence is a mistake.
    pub(super) fn required<T>(&mut self, key: &str, takes: &str, parse: impl Fn(&Node) -> Option<T>) -> Option<T> {
        let present = self.layers.iter().any(|layer| layer.table.contains_key(key));
        if !present {
            let (what, remedy) = (format!("`{}` is missing", join(&self.path, key)), format!("it takes {takes}"));
            let line = self.layers.first().and_then(|layer| layer.table.values().map(|node| node.line).min());
            let place = line.map(|line| self.sheet.place(true, line));
            self.sheet.mistakes.push(Mistake { what, place, remedy: Some(remedy) });
        }
        self.optional(key, takes, parse)
    }

    /// The keys of this table as they were typed, for tables whose keys are names.
    pub(super) fn names(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.layers.iter().flat_map(|layer| layer.table.keys()).collect();
        all.into_iter().cloned().collect()
    }

    /// A mistake about a key that can be read but not be meant.
    pub(super) fn mistake(&mut self, key: &str, what: &str, remedy: &str) {
        let place = self.layers.iter().find_map(|layer| Some((layer.typed, layer.table.get(key)?.line)));
        let place = place.filter(|(typed, _)| *typed).map(|(typed, line)| self.sheet.place(typed, line));
        let what = format!("`{}` {what}", join(&self.path, key));
        self.sheet.mistakes.push(Mistake { what, place, remedy: Some(remedy.to_owned()) });
    }

    /// The value of a key that may be absent.
    pub(super) fn optional<T>(&mut self, key: &str, takes: &str, parse: impl Fn(&Node) -> Option<T>) -> Option<T> {
        self.ask(key, takes);
        for layer in self.layers.clone() {
            let Some(node) = layer.table.get(key) else { continue };
            if let Some(value) = parse(node) {
                let origin = if layer.typed { self.sheet.place(true, node.line) } else { "default".to_owned() };
                self.sheet.shown.push(Shown { key: join(&self.path, key), value: node.to_string(), origin });
                return Some(value);
            }
            if layer.own {
                self.wrong(&layer, key, node, takes);
            }
        }
        None
    }

    fn ask(&mut self, key: &str, takes: &str) {
        self.sheet.takes.insert(join(&self.path, key), takes.to_owned());
        self.asked.insert(key.to_owned());
    }

    fn wrong(&mut self, layer: &Layer<'_>, key: &str, node: &Node, takes: &str) {
        let what = format!("`{}` cannot be {}", join(&layer.path, key), Short(node));
        let place = Some(self.sheet.place(layer.typed, node.line));
        self.sheet.mistakes.push(Mistake { what, place, remedy: Some(format!("it takes {takes}")) });
    }

    fn tables(&mut self, key: &str) -> Vec<Layer<'t>> {
        self.asked.insert(key.to_owned());
        let mut tables = Vec::new();
        for layer in self.layers.clone() {
            match layer.table.get(key) {
                Some(Node { what: What::Table(table), .. }) => {
                    tables.push(Layer { table, path: join(&layer.path, key), ..layer });
                }
                Some(node) if layer.own => self.wrong(&layer, key, node, "a table"),
                _ => {}
            }
        }
        tables
    }

    fn nested<T>(&mut self, path: String, layers: Vec<Layer<'t>>, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        Section { sheet: self.sheet, path, layers, asked: BTreeSet::new() }.run(read)
    }

    fn run<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let result = read(&mut self);
        for layer in self.layers.iter().filter(|layer| layer.own) {
            for (key, node) in layer.table.iter().filter(|(key, _)| !self.asked.contains(*key)) {
                let place = self.sheet.place(layer.typed, node.line);
                self.sheet.unknown.push((join(&layer.path, key), place));
            }
        }
        result
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value as a complaint shows it: cut where it is long.
struct Short<'a>(&'a Node);

impl fmt::Display for Short<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(60) {
            Some((end, _)) => write!(out, "{}…", &text[..end]),
            None => out.write_str(&text),
        }
    }
}
