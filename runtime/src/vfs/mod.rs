//! Virtual paths to files, confined.
//!
//! Trust: none in names; a path is normalised once, by [`VirtualPath`], and opened beneath the user's root
//! by cap-std, whatever symlinks and renames do meanwhile. No client path leaves this room as a
//! `std::path::Path`. Rights are enforced here. Must not know: sockets, replies, commands; it speaks the
//! questions and answers of `ftp::effect`.
//!
//! Threads: what only looks (find, stat, open for reading, read) is done where it is asked if the kernel has it
//! in its caches, since a hop to another thread costs more than the work. What changes the disk, waits for it, or
//! has no bound on its length goes to a blocking thread, of which each disk may hold a few, and never holds one
//! while a client is slow. What is mounted from the network is never asked anything but there.

mod disk;
pub mod download;
mod entry;
mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hash;
mod inner;
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

#[cfg(test)]
mod tests;
