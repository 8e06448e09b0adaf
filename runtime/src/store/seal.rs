//! The cluster's key, and what is done with it: values are sealed, so that whoever can write to memcached can
//! neither make a ban nor lift or move one, and names are hidden, so that whoever can list it learns nobody's
//! address.
//!
//! A sealed value is `pcs1`, the key's mark, a nonce, and what AES-256-GCM-SIV makes of the value, bound to the
//! name under which it stands. That cipher forgives a nonce that comes twice, so that nodes need not agree on
//! any.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::Key;

const MAGIC: &[u8; 4] = b"pcs1";
const MARK_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const KEYS_MAX: usize = 8;
/// Bytes of a hidden name's digest: no two names meet.
const NAME_BYTES: usize = 20;

/// What sealing adds to a value.
pub const SEAL_BYTES: usize = MAGIC.len() + MARK_BYTES + NONCE_BYTES + TAG_BYTES;

/// The secrets that the nodes of a cluster share. Its `Debug` says nothing.
pub struct ClusterKey {
    names: [u8; KEY_BYTES],
    /// The first seals, all of them open.
    seals: Vec<[u8; KEY_BYTES]>,
}

/// Why a text is no cluster key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// A line that is none of a key file's.
    #[error("line {0} is no key: a line is `names` or `seal`, a blank and 64 hex digits")]
    Line(usize),
    /// No line of a kind that must be there.
    #[error("it has no line that begins with `{0}`")]
    Missing(&'static str),
    /// More keys than anybody rotates.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

/// A value that this cluster did not write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value that this cluster did not write there")]
pub struct Forged;

impl ClusterKey {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// What is wrong with it; never what it says.
    pub fn parse(text: &str) -> Result<ClusterKey, NoKey> {
        let (mut names, mut seals) = (None, Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (kind, digits) = line.split_once(' ').ok_or(NoKey::Line(at + 1))?;
            let key = unhex(digits.trim()).ok_or(NoKey::Line(at + 1))?;
            match kind {
                "names" if names.is_none() => names = Some(key),
                "seal" => seals.push(key),
                _ => return Err(NoKey::Line(at + 1)),
            }
        }
        if seals.is_empty() {
            return Err(NoKey::Missing("seal"));
        }
        if seals.len() > KEYS_MAX {
            return Err(NoKey::TooMany);
        }
        Ok(ClusterKey { names: names.ok_or(NoKey::Missing("names"))?, seals })
    }

    /// The text of a new key file.
    pub fn generate() -> String {
        format!(
            "# Portcullis: the secrets of a cluster. Every node has the same file, readable by its owner alone.\n\
             # `names` hides names in memcached. The first `seal` seals values, all of them open: to change it,\n\
             # put a new one last on every node, then first on every node, then take the old one out.\n\
             names {}\nseal {}\n",
            hex(&random()),
            hex(&random())
        )
    }

    /// A line for a key file: one more key that seals.
    pub fn one_more() -> String {
        format!("seal {}\n", hex(&random()))
    }
}

impl ClusterKey {
    /// One secret for another use for each key that seals, in their order.
    pub fn secrets(&self, purpose: &str) -> Vec<Subkey> {
        self.seals.iter().map(|secret| Subkey(derived(secret, purpose))).collect()
    }
}

/// A secret that was made from the cluster's, for one use. Can neither be shown nor copied.
pub struct Subkey([u8; KEY_BYTES]);

impl Subkey {
    /// For whoever makes keys of it.
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClusterKey(..)")
    }
}

/// Seals and opens values, hides names.
pub(super) struct Seal {
    names: hmac::Key,
    keys: Vec<([u8; MARK_BYTES], LessSafeKey)>,
}

impl Seal {
    pub(super) fn new(cluster: &ClusterKey) -> Seal {
        let names = hmac::Key::new(hmac::HMAC_SHA256, &derived(&cluster.names, "names"));
        let keys = cluster.seals.iter().map(|secret| {
            let mark = derived(secret, "mark");
            let key = UnboundKey::new(&AES_256_GCM_SIV, &derived(secret, "store values"));
            let key = key.expect("the cipher's keys have 32 bytes");
            ([mark[0], mark[1], mark[2], mark[3]], LessSafeKey::new(key))
        });
        Seal { names, keys: keys.collect() }
    }

    /// The name under which what belongs under `name` is kept.
    pub(super) fn hidden(&self, name: &str) -> String {
        let digest = hmac::sign(&self.names, name.as_bytes());
        format!("pcx1.{}", hex(&digest.as_ref()[..NAME_BYTES]))
    }

    /// The value, sealed for this key.
    pub(super) fn close(&self, key: &Key, value: &[u8]) -> Vec<u8> {
        let (mark, sealing) = &self.keys[0];
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source never fails once it has started");
        let mut sealed = Vec::with_capacity(value.len() + SEAL_BYTES);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(mark);
        sealed.extend_from_slice(&nonce);
        let mut body = value.to_vec();
        let bound = Aad::from(key.as_str().as_bytes());
        let closed = sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut body);
        closed.expect("values are far smaller than the cipher's limit");
        sealed.extend_from_slice(&body);
        sealed
    }

    /// What was sealed for this key.
    pub(super) fn open(&self, key: &Key, sealed: &[u8]) -> Result<Vec<u8>, Forged> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(Forged)?;
        let (mark, rest) = rest.split_first_chunk::<MARK_BYTES>().ok_or(Forged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Forged)?;
        for (_, opening) in self.keys.iter().filter(|(known, _)| known == mark) {
            let mut body = body.to_vec();
            let bound = Aad::from(key.as_str().as_bytes());
            if let Ok(value) = opening.open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut body) {
                let length = value.len();
                body.truncate(length);
                return Ok(body);
            }
        }
        Err(Forged)
    }
}

/// A secret for one use, from one that has several.
fn derived(secret: &[u8; KEY_BYTES], purpose: &str) -> [u8; KEY_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let digest = hmac::sign(&key, format!("portcullis cluster 1: {purpose}").as_bytes());
    let mut bytes = [0; KEY_BYTES];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

fn random() -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source never fails once it has started");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(text: &str) -> Seal {
        Seal::new(&ClusterKey::parse(text).expect("a key file"))
    }

    fn key(text: &str) -> Key {
        Key::parse(text).expect(text)
    }

    #[test]
    fn s_67_s_68_what_was_sealed_opens_under_its_own_key_alone() {
        let text = ClusterKey::generate();
        let (one, other) = (seal(&text), seal(&ClusterKey::generate()));
        let here = key("pc1.b.here");
        let sealed = one.close(&here, b"a ban");
        assert_eq!(sealed.len(), 5 + SEAL_BYTES);
        assert_eq!(seal(&text).open(&here, &sealed).as_deref(), Ok(&b"a ban"[..]));
        assert_eq!(one.open(&key("pc1.b.there"), &sealed), Err(Forged), "moved");
        assert_eq!(other.open(&here, &sealed), Err(Forged), "another cluster's");
        assert_eq!(one.open(&here, b"a ban"), Err(Forged), "never sealed");
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(one.open(&here, &bent), Err(Forged), "byte {at}");
            assert_eq!(one.open(&here, &sealed[..at]), Err(Forged), "cut at {at}");
        }
        assert!(!sealed.windows(5).any(|window| window == b"a ban"));
        assert_ne!(one.close(&here, b"a ban"), sealed, "two of one value look different");
    }

    #[test]
    fn a_key_is_changed_one_node_at_a_time() {
        let old = ClusterKey::generate();
        let more = ClusterKey::one_more();
        let (head, tail) =
            old.split_at(old.find("seal ").map(|_| old.rfind("seal ").expect("a seal")).expect("a seal"));
        let both = format!("{old}{more}");
        let new_first = format!("{head}{more}{tail}");
        let new = format!("{head}{more}");
        let here = key("pc1.b.here");
        for (writer, reader) in
            [(&old, &both), (&both, &old), (&both, &new_first), (&new_first, &both), (&new_first, &new)]
        {
            let sealed = seal(writer).close(&here, b"v");
            assert_eq!(seal(reader).open(&here, &sealed).as_deref(), Ok(&b"v"[..]));
            assert_eq!(seal(writer).hidden("x"), seal(reader).hidden("x"), "names stay where they are");
        }
        assert_eq!(seal(&new).open(&here, &seal(&old).close(&here, b"v")), Err(Forged));
    }

    #[test]
    fn s_74_a_hidden_name_tells_nothing_and_is_a_key() {
        let seal = seal(&ClusterKey::generate());
        let name = seal.hidden("pc1.b.default/host/192.0.2.7");
        assert!(!name.contains("192") && Key::parse(&name).is_ok(), "{name}");
        assert_ne!(name, seal.hidden("pc1.b.default/host/192.0.2.8"));
    }

    #[test]
    fn a_file_that_is_no_key_is_told_by_line_and_never_shown() {
        let good = "00".repeat(32);
        for (text, error) in [
            (String::new(), NoKey::Missing("seal")),
            (format!("seal {good}\n"), NoKey::Missing("names")),
            (format!("names {good}\n"), NoKey::Missing("seal")),
            (format!("names {good}\nseal {}\n", &good[1..]), NoKey::Line(2)),
            (format!("# comment\nnames{good}\n"), NoKey::Line(2)),
            (format!("names {good}\nnames {good}\nseal {good}\n"), NoKey::Line(2)),
            (format!("names {good}\n{}", format!("seal {good}\n").repeat(9)), NoKey::TooMany),
        ] {
            assert_eq!(ClusterKey::parse(&text).expect_err("refused"), error);
            assert!(!error.to_string().contains("0000"));
        }
        assert!(!format!("{:?}", ClusterKey::parse(&ClusterKey::generate()).expect("key")).contains("seal"));
    }
}
