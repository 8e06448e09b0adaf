//! The form of a recorded file: JSON, one object a line. A header, then events; files that were joined have
//! headers in between. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::events::Event;

/// Of the form. A file of another version is refused.
pub const VERSION: u32 = 1;

/// Where a file was recorded, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    #[serde(rename = "portcullis-events")]
    pub version: u32,
    /// The site.
    pub site: String,
    /// The node.
    pub node: String,
    /// The named sets of networks that existed there. Events tell which of them hold their peer: that is
    /// what policies are answered again.
    #[serde(default)]
    pub sets: BTreeSet<String>,
    /// Whether the addresses of peers are pseudonyms.
    #[serde(default)]
    pub pseudonyms: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Header(Header),
    Event(Box<Event>),
}

/// Reads a line. `None`: it is neither.
pub(super) fn parse(line: &[u8]) -> Option<Line> {
    if line.starts_with(br#"{"portcullis-events""#) {
        return serde_json::from_slice(line).ok().map(Line::Header);
    }
    serde_json::from_slice(line).ok().map(|event| Line::Event(Box::new(event)))
}

/// Writes a line, its end included.
pub(super) fn line<T: Serialize>(what: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(what).expect("events and headers have only names for keys");
    line.push(b'\n');
    line
}
