//! The keys that seal tickets and stored sessions: one for each span of time, so that none seals for ever.
//!
//! With a cluster's key every node derives the same ones, and a ticket of one node opens on every other.
//! Without, each span has a random key of this process, and a key goes when nothing that it sealed can be
//! alive any more.
//!
//! What is sealed is `pct1`, the mark of the secret, the number of the span, a nonce, and what
//! AES-256-GCM-SIV makes of the content, bound to what it is for. Pure: the moment is an argument.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use parking_lot::Mutex;

use crate::moment::Moment;
use crate::store::Subkey;

const MAGIC: &[u8; 4] = b"pct1";
const MARK_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const SECRET_BYTES: usize = 32;
/// Clocks of nodes may differ by so much: a ticket from a span that begins so soon is opened.
const SKEW: Duration = Duration::from_secs(600);
/// Keys kept of a secret: the running span's, and those before it whose tickets still come. Others are derived
/// when asked for, so a client that names many spans costs a derivation each and no memory.
const KEPT: usize = 4;

type Mark = [u8; MARK_BYTES];

/// Seals and opens.
pub(super) struct Keys {
    roots: Roots,
    rotation: Duration,
    life: Duration,
}

enum Roots {
    /// The first seals, all of them open.
    Cluster(Vec<Root>),
    /// By span, made when first needed.
    Node(Mutex<BTreeMap<u64, Root>>),
}

struct Root {
    mark: Mark,
    secret: Prk,
    /// By span. Every data connection seals and opens, and HKDF would be most of what that costs.
    kept: Mutex<BTreeMap<u64, Arc<LessSafeKey>>>,
}

impl Root {
    fn new(secret: &[u8]) -> Root {
        let secret = Salt::new(HKDF_SHA256, b"portcullis tls sessions 1").extract(secret);
        let mut mark = [0; MARK_BYTES];
        let told = secret.expand(&[b"mark"], Length(MARK_BYTES)).and_then(|okm| okm.fill(&mut mark));
        told.expect("four bytes are far fewer than HKDF can give");
        Root { mark, secret, kept: Mutex::new(BTreeMap::new()) }
    }

    fn key(&self, span: u64) -> Arc<LessSafeKey> {
        let mut kept = self.kept.lock();
        if let Some(key) = kept.get(&span) {
            return Arc::clone(key);
        }
        let number = span.to_be_bytes();
        let info: [&[u8]; 2] = [b"span", &number];
        let key = self.secret.expand(&info, &AES_256_GCM_SIV).expect("a key is far shorter than HKDF can give");
        let key = Arc::new(LessSafeKey::new(UnboundKey::from(key)));
        kept.insert(span, Arc::clone(&key));
        if kept.len() > KEPT {
            kept.pop_first();
        }
        key
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The keys of one span, as an operator sees them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySpan {
    /// Its number: spans since 1970.
    pub span: u64,
    /// When it began.
    pub began: Moment,
    /// New tickets are sealed with it; else it only opens.
    pub seals: bool,
}

impl Keys {
    /// With the secrets of the cluster's key, or without: then they are this process's own.
    pub(super) fn new(cluster: Option<&[Subkey]>, rotation: Duration, life: Duration) -> Keys {
        let roots = match cluster {
            Some(secrets) => Roots::Cluster(secrets.iter().map(|secret| Root::new(secret.bytes())).collect()),
            None => Roots::Node(Mutex::new(BTreeMap::new())),
        };
        Keys { roots, rotation, life }
    }

    /// Seals `plain` for what `bound` says. `None` when the system has no randomness.
    pub(super) fn seal(&self, bound: &[u8], plain: Vec<u8>, now: Moment) -> Option<Vec<u8>> {
        let span = self.span_at(now);
        let (mark, key) = match &self.roots {
            Roots::Cluster(roots) => roots.first().map(|root| (root.mark, root.key(span)))?,
            Roots::Node(roots) => {
                let mut roots = roots.lock();
                let (oldest, _) = self.spans(now);
                roots.retain(|known, _| *known >= oldest);
                let root = match roots.entry(span) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let mut secret = [0; SECRET_BYTES];
                        aws_lc_rs::rand::fill(&mut secret).ok()?;
                        new.insert(Root::new(&secret))
                    }
                };
                (root.mark, root.key(span))
            }
        };
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut body = plain;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut body).ok()?;
        Some([&MAGIC[..], &mark, &span.to_be_bytes(), &nonce, &body].concat())
    }

    /// What was sealed for `bound`; `None` for anything else, and for what is older than anything alive.
    pub(super) fn open(&self, bound: &[u8], sealed: &[u8], now: Moment) -> Option<Vec<u8>> {
        let (mark, rest) = sealed.strip_prefix(MAGIC)?.split_first_chunk::<MARK_BYTES>()?;
        let (span, rest) = rest.split_first_chunk::<8>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let span = u64::from_be_bytes(*span);
        let (oldest, newest) = self.spans(now);
        if !(oldest..=newest).contains(&span) {
            return None;
        }
        let keys: Vec<Arc<LessSafeKey>> = match &self.roots {
            Roots::Cluster(roots) => {
                roots.iter().filter(|root| root.mark == *mark).map(|root| root.key(span)).collect()
            }
            Roots::Node(roots) => roots
                .lock()
                .get(&span)
                .filter(|root| root.mark == *mark)
                .map(|root| root.key(span))
                .into_iter()
                .collect(),
        };
        keys.into_iter().find_map(|key| {
            let mut body = body.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key.open_in_place(nonce, Aad::from(bound), &mut body).ok()?.len();
            body.truncate(length);
            Some(body)
        })
    }

    /// The spans whose keys open something now, the newest first.
    pub(super) fn list(&self, now: Moment) -> Vec<KeySpan> {
        let (oldest, current) = (self.spans(now).0, self.span_at(now));
        let told = |span: u64| {
            let began = Moment::from_millis(span.saturating_mul(self.rotation_millis()));
            KeySpan { span, began, seals: span == current }
        };
        match &self.roots {
            Roots::Cluster(_) => (oldest..=current).rev().map(told).collect(),
            Roots::Node(roots) => roots.lock().range(oldest..).rev().map(|(span, _)| told(*span)).collect(),
        }
    }

    /// Secrets of the cluster's key; 0 without one.
    pub(super) fn cluster_keys(&self) -> usize {
        match &self.roots {
            Roots::Cluster(roots) => roots.len(),
            Roots::Node(_) => 0,
        }
    }

    fn rotation_millis(&self) -> u64 {
        u64::try_from(self.rotation.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn span_at(&self, now: Moment) -> u64 {
        now.millis() / self.rotation_millis()
    }

    /// The oldest in which something alive can have been sealed, and the newest that a node may be in.
    fn spans(&self, now: Moment) -> (u64, u64) {
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let oldest = Moment::from_millis(now.millis().saturating_sub(life));
        (self.span_at(oldest), self.span_at(now.plus(SKEW)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::ClusterKey;

    const ROTATION: Duration = Duration::from_secs(6 * 3600);
    const LIFE: Duration = Duration::from_secs(12 * 3600);
    const START: u64 = 1_700_000_000_000;

    fn cluster(text: &str) -> Keys {
        let secrets = ClusterKey::parse(text).expect("a key").secrets("tls sessions");
        Keys::new(Some(&secrets), ROTATION, LIFE)
    }

    fn at(hours: u64) -> Moment {
        Moment::from_millis(START + hours * 3_600_000)
    }

    #[test]
    fn p_48_every_node_of_a_cluster_opens_what_one_sealed_until_it_is_old() {
        let text = ClusterKey::generate();
        let (one, other) = (cluster(&text), cluster(&text));
        let sealed = one.seal(b"t", b"session".to_vec(), at(0)).expect("sealed");
        for hours in [0, 6, 12] {
            assert_eq!(other.open(b"t", &sealed, at(hours)).as_deref(), Some(&b"session"[..]), "{hours}");
        }
        assert_eq!(other.open(b"t", &sealed, at(19)), None, "older than any that lives");
        let early = Moment::from_millis(START - 5 * 60_000);
        assert!(other.open(b"t", &sealed, early).is_some(), "a clock that is five minutes behind");
        assert_eq!(cluster(&ClusterKey::generate()).open(b"t", &sealed, at(0)), None, "another cluster's");
        assert_eq!(other.open(b"u", &sealed, at(0)), None, "for another use");
        assert_eq!(one.list(at(1)).iter().filter(|span| span.seals).count(), 1);
        assert_eq!(one.cluster_keys(), 1);
    }

    #[test]
    fn p_51_what_was_cut_or_bent_opens_nowhere() {
        let keys = cluster(&ClusterKey::generate());
        let sealed = keys.seal(b"t", b"session".to_vec(), at(0)).expect("sealed");
        assert!(!sealed.windows(7).any(|window| window == b"session"));
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert_eq!(keys.open(b"t", &bent, at(0)), None, "byte {place}");
            assert_eq!(keys.open(b"t", &sealed[..place], at(0)), None, "cut at {place}");
        }
    }

    #[test]
    fn a_cluster_key_is_changed_one_node_at_a_time() {
        let (old, more) = (ClusterKey::generate(), ClusterKey::one_more());
        let (both, new) = (cluster(&format!("{old}{more}")), {
            let (head, tail) = old.split_at(old.rfind("seal ").expect("a seal"));
            cluster(&format!("{head}{more}{tail}"))
        });
        for (writer, reader) in [(&both, &new), (&new, &both)] {
            let sealed = writer.seal(b"t", b"s".to_vec(), at(0)).expect("sealed");
            assert!(reader.open(b"t", &sealed, at(0)).is_some());
        }
    }

    #[test]
    fn the_keys_kept_are_the_latest_few_and_any_other_still_opens() {
        let keys = Keys::new(
            Some(&ClusterKey::parse(&ClusterKey::generate()).expect("a key").secrets("t")),
            ROTATION,
            40 * ROTATION,
        );
        let sealed: Vec<_> =
            (0..20).map(|span| keys.seal(b"t", b"s".to_vec(), at(6 * span)).expect("sealed")).collect();
        for old in &sealed {
            assert!(keys.open(b"t", old, at(6 * 20)).is_some());
            let Roots::Cluster(roots) = &keys.roots else { panic!("made with a cluster's key") };
            let kept: Vec<u64> = roots[0].kept.lock().keys().copied().collect();
            assert!(kept.len() == KEPT && kept.contains(&keys.span_at(at(6 * 19))), "{kept:?}");
        }
    }

    #[test]
    fn a_node_alone_forgets_keys_that_can_open_nothing() {
        let keys = Keys::new(None, ROTATION, LIFE);
        let sealed = keys.seal(b"t", b"s".to_vec(), at(0)).expect("sealed");
        for hours in (0..200).step_by(3) {
            keys.seal(b"t", b"s".to_vec(), at(hours)).expect("sealed");
            assert_eq!(keys.open(b"t", &sealed, at(hours)).is_some(), hours <= 13, "{hours}");
            assert!(keys.list(at(hours)).len() <= 4);
        }
        assert_eq!(Keys::new(None, ROTATION, LIFE).open(b"t", &sealed, at(0)), None, "another process's");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_ticket(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let keys = cluster(&ClusterKey::generate());
            let headed = [&MAGIC[..], &bytes].concat();
            prop_assert_eq!(keys.open(b"t", &bytes, at(0)), None);
            prop_assert_eq!(keys.open(b"t", &headed, at(0)), None);
        }
    }
}
