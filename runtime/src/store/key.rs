//! Checked keys. Nothing else reaches the store's wire.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::ledger::Subject;

/// A key on the wire: 1 to 250 bytes of visible ASCII, whatever anybody asked for.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    text: String,
    /// The key whose server this one shares.
    beside: Option<Arc<str>>,
    /// The text is base64 of any bytes, and these of them decide which server holds it.
    placed: Option<Arc<[u8]>>,
    /// It has no place in the shared store.
    here: bool,
}

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
        Ok(Key { text: text.to_owned(), beside: None, placed: None, here: false })
    }

    /// A key of any bytes, such as ProFTPD's that end in NUL: it travels in base64 in memcached's meta commands.
    /// What stands before `rest` does not decide which server holds it. `None` if it is too long.
    pub fn encoded(prefix: &[u8], rest: &[u8]) -> Option<Key> {
        let text = base64(&[prefix, rest].concat());
        (text.len() <= Key::BYTES_MAX).then(|| Key { text, beside: None, placed: Some(Arc::from(rest)), here: false })
    }

    /// Whether it travels in base64.
    pub const fn is_encoded(&self) -> bool {
        self.placed.is_some()
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same key, kept on the server that holds another one.
    #[must_use]
    pub fn beside(mut self, other: &Arc<str>) -> Key {
        self.beside = Some(Arc::clone(other));
        self
    }

    /// The same key, for this node's own memory alone.
    #[must_use]
    pub const fn here(mut self) -> Key {
        self.here = true;
        self
    }

    /// Whether it has no place in the shared store.
    pub const fn is_here(&self) -> bool {
        self.here
    }

    /// The key whose server this one shares, if it is not its own.
    pub fn neighbour(&self) -> Option<&Arc<str>> {
        self.beside.as_ref()
    }

    /// What decides which server holds it.
    pub fn placed_by(&self) -> &[u8] {
        match &self.placed {
            Some(placed) => placed,
            None => self.beside.as_deref().unwrap_or(&self.text).as_bytes(),
        }
    }
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() { char::from(sign) } else { '=' });
        }
    }
    text
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
        self.text.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.text)
    }
}

/// What a key is for: the host puts it before what a key policy derived, so that a counter can never be
/// read as a ban. The form on the wire is `pc1.b.DERIVED` for bans, `pc1.s.DERIVED` for TLS sessions and
/// `pc1.c.LEN.POLICY.DERIVED` for the counters of a policy, where LEN is the length of the policy's name: `a` + `b:c` differs from `a:b` + `c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Ban records.
    Bans,
    /// TLS sessions.
    Sessions,
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
            Namespace::Sessions => format!("pc1.s.{derived}"),
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
    /// A TLS session, by its id.
    TlsSession(Vec<u8>),
}

/// Whoever derives keys: the key policy; in tests a plain function.
#[async_trait]
pub trait Derive: Send + Sync {
    /// The keys for a purpose, checked. An empty list means "none": nothing is looked up or written.
    /// A key policy that fails or returns nonsense yields an empty list, is counted and told.
    async fn derive(&self, purpose: &Purpose) -> Vec<Key>;
    /// The keys in ProFTPD's form for a purpose, checked; of the key policy where it is granted to say them.
    async fn derive_foreign(&self, _purpose: &Purpose) -> Vec<Key> {
        Vec::new()
    }
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
    fn p_40_a_key_of_any_bytes_travels_in_base64() {
        for (bytes, text) in
            [(&b"f"[..], "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg=="), (b"\0\xff \n", "AP8gCg==")]
        {
            let key = Key::encoded(b"", bytes).expect("a key");
            assert_eq!((key.as_str(), key.placed_by()), (text, bytes));
        }
        assert_eq!(Key::encoded(b"mod_ban.", b"x").expect("a key").placed_by(), b"x");
        assert!(Key::encoded(b"", &[0; 188]).is_none());
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
