//! Password hashes: argon2id in PHC form, computed off the I/O threads, few at once.

use std::sync::Arc;

use argon2::password_hash::{PasswordHashString, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::secret::Secret;

/// 19 MiB and two passes, the first of OWASP's equivalent choices for argon2id: about 20 ms of one core.
/// The memory is what hurts a guesser's hardware; more of it would let a crowd of logins push out the page
/// cache that downloads live on.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Bytes of salt, as RFC 9106 section 3.1 advises.
const SALT_BYTES: usize = 16;

/// Why a text is no hash that we verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not a PHC string.
    #[error("is not a password hash in PHC form ($argon2id$v=19$...)")]
    Form,
    /// A PHC string of another algorithm or version.
    #[error("is not an argon2id hash of version 19")]
    Algorithm,
    /// The parameters are out of argon2's range, or salt or output are missing.
    #[error("has parameters, salt or output that argon2 does not allow")]
    Parameters,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a salt")]
    Random,
}

/// A checked argon2id hash.
#[derive(Clone)]
pub struct Hash(PasswordHashString);

impl Hash {
    /// Reads a PHC string as an operator's file holds it.
    ///
    /// # Errors
    /// `HashError`.
    pub fn parse(text: &str) -> Result<Hash, HashError> {
        let hash = PasswordHash::new(text).map_err(|_| HashError::Form)?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.version != Some(Version::V0x13.into()) {
            return Err(HashError::Algorithm);
        }
        if hash.salt.is_none() || hash.hash.is_none() || Params::try_from(&hash).is_err() {
            return Err(HashError::Parameters);
        }
        Ok(Hash(hash.serialize()))
    }

    /// A new hash of a password, with a new salt.
    ///
    /// # Errors
    /// `HashError::Random`; `HashError::Parameters` for a password over argon2's own bound of 4 GiB.
    pub fn of(password: &Secret) -> Result<Hash, HashError> {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).map_err(|_| HashError::Parameters)?;
        Hash::with(password.reveal().as_bytes(), params)
    }

    /// A hash that no password matches and that costs as much as `self` to check.
    ///
    /// # Errors
    /// `HashError::Random`.
    pub fn decoy(&self) -> Result<Hash, HashError> {
        let params = Params::try_from(&self.0.password_hash()).map_err(|_| HashError::Parameters)?;
        let mut unknown = [0; 32];
        aws_lc_rs::rand::fill(&mut unknown).map_err(|_| HashError::Random)?;
        Hash::with(&unknown, params)
    }

    /// What checking it costs, for comparison: blocks of memory written.
    pub fn cost(&self) -> u64 {
        Params::try_from(&self.0.password_hash())
            .map(|params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
            .unwrap_or_default()
    }

    /// A hash that costs next to nothing, for tests.
    #[cfg(test)]
    pub(super) fn cheap(password: &str) -> Hash {
        Hash::with(password.as_bytes(), Params::new(8, 1, 1, None).expect("params")).expect("hash")
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn with(password: &[u8], params: Params) -> Result<Hash, HashError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashError::Random)?;
        let salt = SaltString::encode_b64(&salt).map_err(|_| HashError::Parameters)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon.hash_password(password, &salt).map_err(|_| HashError::Parameters)?;
        Ok(Hash(hash.serialize()))
    }

    fn matches(&self, password: &Secret) -> bool {
        // The parameters come from the hash, not from this value.
        Argon2::default().verify_password(password.reveal().as_bytes(), &self.0.password_hash()).is_ok()
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Hash(..)")
    }
}

/// Checks passwords on threads of their own, a bounded number at once; whoever comes later waits, under the
/// caller's login deadline.
#[derive(Clone, Debug)]
pub struct Pool {
    places: Arc<Semaphore>,
}

impl Pool {
    /// A pool that computes this many hashes at once.
    pub fn new(at_once: usize) -> Pool {
        Pool { places: Arc::new(Semaphore::new(at_once)) }
    }

    /// Whether the password is the hashed one.
    pub async fn matches(&self, hash: &Hash, password: &Secret) -> bool {
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return false;
        };
        let (hash, password) = (hash.clone(), password.copy());
        let work = move || {
            // Held by the work itself: a caller that gives up does not free the place before its time.
            let _place = place;
            hash.matches(&password)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_fits_its_password_only_and_differs_each_time() {
        let password = Secret::new("correct horse".into());
        let hash = Hash::of(&password).expect("hash");
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(hash.matches(&password));
        assert!(!hash.matches(&Secret::new("correct horse ".into())));
        assert_ne!(hash.as_str(), Hash::of(&password).expect("hash").as_str());
        assert!(Hash::parse(hash.as_str()).expect("own form").matches(&password));
    }

    #[test]
    fn other_hashes_are_refused_with_a_reason() {
        for (text, fault) in [
            ("", HashError::Form),
            ("secret", HashError::Form),
            ("$2y$10$abcdefghijklmnopqrstuv", HashError::Form),
            ("$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Algorithm),
            ("$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Algorithm),
            ("$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Parameters),
            ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", HashError::Parameters),
        ] {
            assert_eq!(Hash::parse(text).err(), Some(fault), "{text:?}");
        }
    }

    #[test]
    fn s_20_a_decoy_costs_the_same_and_fits_nothing() {
        let hash = Hash::cheap("x");
        let decoy = hash.decoy().expect("decoy");
        assert_eq!(decoy.cost(), hash.cost());
        assert!(!decoy.matches(&Secret::new("x".into())));
    }

    #[test]
    fn debug_shows_no_hash() {
        let hash = Hash::cheap("x");
        assert_eq!(format!("{hash:?}"), "Hash(..)");
    }
}
