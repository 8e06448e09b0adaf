//! Checked keys. Nothing else reaches the store's wire.

use std::fmt;

use async_trait::async_trait;

use crate::ledger::Subject;

/// A key on the wire: 1 to 250 bytes of visible ASCII, whatever anybody asked for.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// Why something is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing.
    #[error("a key must not be empty")]
    Empty,
    /// More than a key can hold.
    #[error("a key of {0} bytes is too long")]
    TooLong(usize),
    /// A blank, a control byte or a byte above 126.
    #[error("byte {0:#04x} is not allowed in a key")]
    Byte(u8),
}

impl Key {
    /// memcached's own limit.
    pub const BYTES_MAX: usize = 250;

    /// Checks, changes nothing.
    ///
    /// # Errors
    /// `KeyError` for what memcached could misread.
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        visible(text.as_bytes(), Key::BYTES_MAX)?;
        Ok(Key(text.to_owned()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that all bytes are visible ASCII and that there are 1 to `max` of them.
///
/// # Errors
/// `KeyError` for the first fault.
pub fn visible(bytes: &[u8], max: usize) -> Result<(), KeyError> {
    match bytes.iter().find(|byte| !byte.is_ascii_graphic()) {
        _ if bytes.is_empty() => Err(KeyError::Empty),
        _ if bytes.len() > max => Err(KeyError::TooLong(bytes.len())),
        Some(byte) => Err(KeyError::Byte(*byte)),
        None => Ok(()),
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.0)
    }
}

/// What a key is for: the host puts it before what a key policy derived, so that a counter can never be
/// read as a ban. The form on the wire is `pc1.b.DERIVED` for bans and `pc1.c.LEN.POLICY.DERIVED` for the
/// counters of a policy, where LEN is the length of the policy's name: `a` + `b:c` differs from `a:b` + `c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Ban records.
    Bans,
    /// A policy's own entries, by the operator's name for it.
    Policy(String),
}

impl Namespace {
    /// Bytes that are left for a derived key, whatever the namespace: names of policies are bounded.
    pub const DERIVED_BYTES_MAX: usize = 180;
    /// Longest name of a policy.
    pub const POLICY_NAME_BYTES_MAX: usize = 40;

    /// The key for what a key policy derived.
    ///
    /// # Errors
    /// `KeyError` if it is empty, over [`Self::DERIVED_BYTES_MAX`], or not visible ASCII.
    pub fn key(&self, derived: &[u8]) -> Result<Key, KeyError> {
        visible(derived, Self::DERIVED_BYTES_MAX)?;
        let derived = String::from_utf8_lossy(derived);
        Key::parse(&match self {
            Namespace::Bans => format!("pc1.b.{derived}"),
            Namespace::Policy(name) => format!("pc1.c.{}.{name}.{derived}", name.len()),
        })
    }
}

/// What keys are derived for. What a key policy is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Find bans of a subject (a host: those of its networks too).
    LookUpBan(Subject),
    /// Write a ban of a subject.
    StoreBan(Subject, crate::ledger::Reach),
    /// An entry of a policy: the operator's name for the policy, and the policy's own key, already made
    /// of visible ASCII by the host.
    Entry {
        /// The operator's name for the policy.
        policy: String,
        /// The policy's own key.
        key: String,
    },
}

/// Whoever derives keys: the key policy; in tests a plain function.
#[async_trait]
pub trait Derive: Send + Sync {
    /// The keys for a purpose, checked. An empty list means "none": nothing is looked up or written.
    /// A key policy that fails or returns nonsense yields an empty list, is counted and told.
    async fn derive(&self, purpose: &Purpose) -> Vec<Key>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_39_only_visible_ascii_is_a_key() {
        for bad in ["", "a b", "a\r\nflush_all", "a\0", "é", &"x".repeat(251)] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Key::parse(&"x".repeat(250)).is_ok());
    }

    #[test]
    fn w_18_names_cannot_slide_into_keys() {
        let one = Namespace::Policy("a".into()).key(b"b.c").expect("key");
        let other = Namespace::Policy("a.b".into()).key(b"c").expect("key");
        assert_ne!(one, other);
    }

    #[test]
    fn the_longest_name_and_key_fit() {
        let name = "p".repeat(Namespace::POLICY_NAME_BYTES_MAX);
        let derived = vec![b'k'; Namespace::DERIVED_BYTES_MAX];
        assert!(Namespace::Policy(name).key(&derived).is_ok());
    }
}
