//! The one normaliser: what a client calls a path becomes a [`VirtualPath`] or an error, here and nowhere else.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::ftp::raw;

/// An absolute path as the client sees it: starts with `/`, has no empty part, no `.`, no `..`, no NUL,
/// no control characters, at most [`VirtualPath::BYTES_MAX`] bytes, each part at most 255. Bytes that are no
/// UTF-8 stand in it as [`raw`] has them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualPath(String);

/// Why something is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A NUL or another control character.
    #[error("control characters are not allowed in a path")]
    Control,
    /// Over the bound, whole or in one part.
    #[error("the path is too long")]
    TooLong,
}

impl VirtualPath {
    /// Linux's PATH_MAX.
    pub const BYTES_MAX: usize = 4096;
    /// Linux's NAME_MAX.
    pub const PART_BYTES_MAX: usize = 255;

    /// `/`
    pub fn root() -> VirtualPath {
        VirtualPath("/".to_owned())
    }

    /// Joins what the client typed: absolute, or relative to `self`; `..` at the root stays there.
    ///
    /// # Errors
    /// `PathError`; nothing is repaired.
    pub fn join(&self, typed: &str) -> Result<VirtualPath, PathError> {
        if typed.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        let base = if typed.starts_with('/') { "" } else { self.0.as_str() };
        let mut parts: Vec<&str> = Vec::new();
        for part in base.split('/').chain(typed.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part if raw::length(part) > Self::PART_BYTES_MAX => return Err(PathError::TooLong),
                part => parts.push(part),
            }
        }
        let joined = format!("/{}", parts.join("/"));
        if raw::length(&joined) > Self::BYTES_MAX { Err(PathError::TooLong) } else { Ok(VirtualPath(joined)) }
    }

    /// The folder above; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> VirtualPath {
        match self.0.rfind('/') {
            Some(0) | None => VirtualPath::root(),
            Some(at) => VirtualPath(self.0[..at].to_owned()),
        }
    }

    /// The same path as seen from a folder that it is in, or that it is.
    pub fn within(&self, folder: &VirtualPath) -> Option<VirtualPath> {
        match self.0.strip_prefix(&folder.0)? {
            "" => Some(VirtualPath::root()),
            rest if rest.starts_with('/') => Some(VirtualPath(rest.to_owned())),
            _ if folder.0 == "/" => Some(self.clone()),
            _ => None,
        }
    }

    /// The last part; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The text, starting with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs and events: a byte that is no UTF-8 is a replacement character.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&raw::to_bytes(&self.0)).into_owned()
    }

    /// Without the leading `/`; `.` for the root. What is opened beneath a root folder.
    pub(super) fn beneath(&self) -> Cow<'_, OsStr> {
        os_text(if self.0 == "/" { "." } else { &self.0[1..] })
    }

    /// The last part as the disk has it.
    pub(super) fn os_name(&self) -> Option<Cow<'_, OsStr>> {
        self.name().map(os_text)
    }
}

fn os_text(text: &str) -> Cow<'_, OsStr> {
    match raw::to_bytes(text) {
        Cow::Borrowed(bytes) => Cow::Borrowed(OsStr::from_bytes(bytes)),
        Cow::Owned(bytes) => Cow::Owned(OsString::from_vec(bytes)),
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_46_one_normaliser_keeps_everything_beneath_the_root() {
        let home = VirtualPath::root().join("a/b").expect("path");
        for (typed, expected) in [
            ("", "/a/b"),
            (".", "/a/b"),
            ("..", "/a"),
            ("../../../..", "/"),
            ("//x///y//", "/x/y"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("c\\d", "/a/b/c\\d"),
            ("./../b/./c", "/a/b/c"),
        ] {
            assert_eq!(home.join(typed).expect(typed).as_str(), expected, "{typed:?}");
        }
        assert_eq!(home.join("a\0b"), Err(PathError::Control));
        assert_eq!(home.join("a\nb"), Err(PathError::Control));
        assert_eq!(home.join(&"x".repeat(256)), Err(PathError::TooLong));
    }

    #[test]
    fn a_path_is_seen_from_the_folders_above_it_only() {
        let path = |text: &str| VirtualPath::root().join(text).expect("path");
        for (whole, folder, seen) in [
            ("/a/b", "/a", Some("/b")),
            ("/a/b", "/a/b", Some("/")),
            ("/a/b", "/", Some("/a/b")),
            ("/", "/", Some("/")),
            ("/ab/c", "/a", None),
            ("/a", "/a/b", None),
        ] {
            let within = path(whole).within(&path(folder));
            assert_eq!(within.as_ref().map(VirtualPath::as_str), seen, "{whole} from {folder}");
        }
    }

    #[test]
    fn parents_and_names() {
        let path = VirtualPath::root().join("a/b").expect("path");
        assert_eq!(path.name(), Some("b"));
        assert_eq!(path.parent().as_str(), "/a");
        assert_eq!(path.parent().parent().parent(), VirtualPath::root());
        assert_eq!(VirtualPath::root().name(), None);
        assert_eq!(VirtualPath::root().beneath(), OsStr::new("."));
    }
}
