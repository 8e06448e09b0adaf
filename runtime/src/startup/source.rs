//! Where the configuration comes from, so that it can be read again.

use std::path::PathBuf;

use crate::config::{self, Loaded, Mistake};

/// A file, or a text that the command line made.
#[derive(Clone, Debug)]
pub enum Source {
    /// The operator's file.
    File(PathBuf),
    /// A text, read as if it were a file.
    Text {
        /// TOML.
        text: String,
        /// What mistakes call it.
        name: String,
        /// Where relative paths start.
        base: PathBuf,
    },
}

impl Source {
    /// Reads it.
    ///
    /// # Errors
    /// All mistakes.
    pub fn load(&self) -> Result<Loaded, Vec<Mistake>> {
        match self {
            Source::File(file) => config::load(file),
            Source::Text { text, name, base } => config::parse(text, name, base),
        }
    }

    /// The file to watch.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Source::File(file) => Some(std::path::absolute(file).unwrap_or_else(|_| file.clone())),
            Source::Text { .. } => None,
        }
    }
}
