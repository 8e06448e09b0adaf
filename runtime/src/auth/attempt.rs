//! Attempt tags: the same stale password tried a thousand times by a forgotten cron job is one attempt.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;

use super::secret::Secret;

/// The key's file in the state directory.
const FILE: &str = "attempt.key";
const KEY_BYTES: usize = 32;

/// Makes the tag of a login attempt: 12 bits of a keyed hash. So few that a policy, a log or another node
/// that sees the tag learns next to nothing about the password, yet enough that five different passwords
/// hardly ever look alike.
#[derive(Clone)]
pub struct AttemptTags(hmac::Key);

/// The key could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The file is there, but holds no key.
    #[error("`{}` holds no key of {KEY_BYTES} bytes; remove it, and a new one is made", .0.display())]
    Damaged(PathBuf),
    /// The system refused.
    #[error("cannot read or make `{}`: {}", .0.display(), .1)]
    Io(PathBuf, #[source] std::io::Error),
    /// No random bytes.
    #[error("the system gives no random bytes for `{}`", .0.display())]
    Random(PathBuf),
}

impl AttemptTags {
    /// Reads the key in the state directory, or makes one there, mode 0600, at the first start: attempts
    /// from before a restart still count as the same.
    ///
    /// # Errors
    /// `TagError`, with the file's name.
    pub fn open(state: &Path) -> Result<AttemptTags, TagError> {
        let path = state.join(FILE);
        match File::open(&path) {
            Ok(file) => read(file, path),
            Err(error) if error.kind() == ErrorKind::NotFound => make(state, path),
            Err(error) => Err(TagError::Io(path, error)),
        }
    }

    /// The tag: below 4096, equal for a repeated attempt.
    pub fn tag(&self, user: &str, password: &Secret) -> u16 {
        let mut context = hmac::Context::with_key(&self.0);
        // The length keeps `ab` + `c` and `a` + `bc` apart.
        context.update(&(user.len() as u64).to_be_bytes());
        context.update(user.as_bytes());
        context.update(password.reveal().as_bytes());
        let tag = context.sign();
        match *tag.as_ref() {
            [first, second, ..] => u16::from_be_bytes([first, second]) >> 4,
            _ => 0,
        }
    }

    fn new(key: &[u8; KEY_BYTES]) -> AttemptTags {
        AttemptTags(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
}

impl std::fmt::Debug for AttemptTags {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("AttemptTags(..)")
    }
}

fn read(file: File, path: PathBuf) -> Result<AttemptTags, TagError> {
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    match file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes) {
        Ok(_) => bytes.as_slice().try_into().map(AttemptTags::new).map_err(|_| TagError::Damaged(path)),
        Err(error) => Err(TagError::Io(path, error)),
    }
}

fn make(state: &Path, path: PathBuf) -> Result<AttemptTags, TagError> {
    let mut key = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| TagError::Random(path.clone()))?;
    // Whole or not at all: written beside it, then put in its place.
    let draft = state.join(format!("{FILE}.{}.new", std::process::id()));
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&key)?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)
    };
    written().map_err(|error| TagError::Io(path, error))?;
    Ok(AttemptTags::new(&key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[test]
    fn a_repeated_attempt_has_the_same_tag_after_a_restart_too() {
        let state = tempfile::tempdir().expect("dir");
        let first = AttemptTags::open(state.path()).expect("tags").tag("alice", &secret("stale"));
        let again = AttemptTags::open(state.path()).expect("tags").tag("alice", &secret("stale"));
        assert_eq!(first, again);
        assert!(first < 4096);
        let mode = state.path().join(FILE).metadata().expect("key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn different_attempts_hardly_ever_share_a_tag() {
        let tags = AttemptTags::new(&[7; KEY_BYTES]);
        let mut seen: Vec<u16> = (0..1000).map(|round| tags.tag("alice", &secret(&format!("guess {round}")))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 800, "{} of 1000 differ; 4096 places give about 886", seen.len());
        assert_ne!(tags.tag("ab", &secret("c")), tags.tag("a", &secret("bc")));
    }

    #[test]
    fn a_damaged_key_is_named() {
        let state = tempfile::tempdir().expect("dir");
        std::fs::write(state.path().join(FILE), b"short").expect("write");
        let complaint = AttemptTags::open(state.path()).expect_err("no key").to_string();
        assert!(complaint.contains(FILE) && complaint.contains("remove it"), "{complaint}");
    }
}
