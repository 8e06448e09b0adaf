//! Virtual paths to files, confined.
//!
//! Trust: none in names; a path is normalised once, by [`VirtualPath`], and opened beneath the user's root
//! by cap-std, whatever symlinks and renames do meanwhile. No client path leaves this room as a
//! `std::path::Path`. Rights are enforced here. Must not know: sockets, replies, commands; it speaks the
//! questions and answers of `ftp::effect`.
//!
//! Threads: what only looks (find, stat, open for reading, read what the page cache holds) is done where it
//! is asked, since a hop to another thread costs more than the work. What changes the disk, waits for it, or
//! has no bound on its length goes to tokio's blocking threads, and never holds one while a client is slow.

pub mod download;
mod entry;
mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hash;
mod leftover;
pub mod listing;
pub mod path;
mod quota;
pub mod root;
pub mod upload;

pub use download::Download;
pub use listing::{Detail, Listing};
pub use path::{PathError, VirtualPath};
pub use root::{Files, Root};
pub use upload::Upload;

use fault::Fault;

/// Does work that may take long on a thread that may wait.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Fault::Io))
}

#[cfg(test)]
mod tests;
