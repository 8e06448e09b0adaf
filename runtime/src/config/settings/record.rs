//! `[record]`

use std::path::PathBuf;

/// Whether and how events are written down.
#[derive(Clone, Debug)]
pub struct Record {
    /// The file that is written; `None`: nothing is.
    pub file: Option<PathBuf>,
    /// Bytes of a file before it is turned over.
    pub bytes: u64,
    /// Files that were turned over and are kept.
    pub keep: usize,
    /// Peers get pseudonyms that only the key in the state folder connects with their addresses.
    pub pseudonyms: bool,
    /// Events that may wait for the disk; more are dropped and counted.
    pub queue: usize,
}
