//! Virtual paths to files, confined.
//!
//! Trust: none in names; a path is normalised once, by [`VirtualPath`], and opened beneath the user's root
//! by cap-std, whatever symlinks and renames do meanwhile. No client path leaves this room as a
//! `std::path::Path`. Must not know: FTP, sockets.

pub mod path;

pub use path::{PathError, VirtualPath};
