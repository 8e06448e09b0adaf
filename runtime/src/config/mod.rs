//! Configuration: TOML to checked settings.
//!
//! Trust: a file that the operator wrote, so mistakes are expected and each is answered with its key
//! path and a remedy. `defaults.toml` is the single home of defaults. Must not know: sockets, policies.

mod check;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod nearest;
pub mod settings;
mod sheet;
mod takes;
mod tree;

use std::path::Path;

pub use check::network;
pub use nearest::nearest;
pub use settings::{Settings, Timeouts};
pub use sheet::{Mistake, Shown};
pub use takes::size;

/// The documented defaults, as `portcullis config defaults` prints them.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// A configuration that has been read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As meant.
    pub settings: Settings,
    /// Every key with its value and origin.
    pub shown: Vec<Shown>,
}

/// The defaults alone. They name no certificate, so nothing can be served with them.
pub fn defaults() -> Settings {
    let defaults = tree::read(DEFAULTS).expect("the embedded defaults are TOML: a test reads them");
    sheet::Sheet::read("", &tree::Table::new(), &defaults, |top| check::settings(top, Path::new("."))).0
}

/// Reads a configuration file over the defaults.
///
/// # Errors
/// All mistakes in the order of the file.
pub fn load(path: &Path) -> Result<Loaded, Vec<Mistake>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read {name}: {}", crate::config::plain(&error));
        let remedy = "name a file with --config; `portcullis config defaults` shows what can stand in it";
        vec![Mistake { what, place: None, remedy: Some(remedy.to_owned()) }]
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    parse(&text, &name, &base)
}

/// Reads a configuration text over the defaults. `name` is what mistakes call it, `base` the folder that
/// relative paths start from.
///
/// # Errors
/// All mistakes in the order of the text.
pub fn parse(text: &str, name: &str, base: &Path) -> Result<Loaded, Vec<Mistake>> {
    let typed = tree::read(text).map_err(|faults| {
        let mistake = |fault: &tree::Unreadable| Mistake {
            what: format!("not TOML: {}", fault.why.replace('\n', ", ")),
            place: Some(format!("{name}:{}", fault.line)),
            remedy: None,
        };
        faults.iter().map(mistake).collect::<Vec<_>>()
    })?;
    let defaults = tree::read(DEFAULTS).expect("the embedded defaults are TOML: a test reads them");
    let (settings, mut sheet) = sheet::Sheet::read(name, &typed, &defaults, |top| check::settings(top, base));
    let shown = std::mem::take(&mut sheet.shown);
    match sheet.mistakes() {
        mistakes if mistakes.is_empty() => Ok(Loaded { settings, shown }),
        mistakes => Err(mistakes),
    }
}

/// An error in words: without the numbers of the system's errors within it.
pub fn plain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" (os error ")
        && let Some(length) = text[start..].find(')')
    {
        text.replace_range(start..=start + length, "");
    }
    text
}

#[cfg(test)]
mod tests;
