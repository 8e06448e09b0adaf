//! Password hashes, computed off the I/O threads, few at once: argon2id, and those that people bring.

use std::sync::Arc;

use argon2::password_hash::{PasswordHashString, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::crypt::{BcryptHash, Sha, ShaHash};
use super::secret::Secret;
use crate::threads;

/// 19 MiB and two passes, the first of OWASP's equivalent choices for argon2id: about 20 ms of one core.
/// The memory is what hurts a guesser's hardware; more of it would let a crowd of logins push out the page
/// cache that downloads live on.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Bytes of salt, as RFC 9106 section 3.1 advises.
const SALT_BYTES: usize = 16;

/// Why a text is no hash that we verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Of none of the forms.
    #[error("is not a password hash: $argon2id$v=19$..., $6$..., $5$... or $2b$...")]
    Form,
    /// A PHC string of another algorithm or version.
    #[error("is not an argon2id hash of version 19")]
    Algorithm,
    /// The parameters are out of the algorithm's range, or salt or output are missing.
    #[error("has parameters, salt or output that its algorithm does not allow")]
    Parameters,
    /// One check would take seconds or more than a GiB.
    #[error("costs too much to be checked at a login")]
    TooCostly,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a salt")]
    Random,
}

/// A checked hash.
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    Argon(PasswordHashString),
    Sha(ShaHash),
    Bcrypt(BcryptHash),
}

/// What a check costs. Two hashes of the same cost take the same time, whatever the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cost {
    /// argon2id.
    Argon { memory: u32, passes: u32, lanes: u32 },
    /// crypt's; a longer salt may make a block more.
    Sha { sha: Sha, rounds: u32, salt_bytes: usize },
    /// The logarithm of bcrypt's rounds.
    Bcrypt(u32),
}

impl Cost {
    /// A hash that no password matches and that costs this much to check.
    ///
    /// # Errors
    /// `HashError::Random`.
    pub(super) fn decoy(self) -> Result<Hash, HashError> {
        match self {
            Cost::Argon { memory, passes, lanes } => {
                let params = Params::new(memory, passes, lanes, None).map_err(|_| HashError::Parameters)?;
                let mut unknown = [0; 32];
                aws_lc_rs::rand::fill(&mut unknown).map_err(|_| HashError::Random)?;
                Hash::with(&unknown, params)
            }
            Cost::Sha { sha, rounds, salt_bytes } => Ok(Hash(Form::Sha(ShaHash::decoy(sha, rounds, salt_bytes)?))),
            Cost::Bcrypt(cost) => Ok(Hash(Form::Bcrypt(BcryptHash::decoy(cost)?))),
        }
    }
}

/// Over this one login would cost seconds, or push everything else out of memory.
const ARGON_MEMORY_KIB_MAX: u32 = 1024 * 1024;
const ARGON_PASSES_MAX: u32 = 64;

impl Hash {
    /// Reads a hash as an operator's file holds it: argon2id in PHC form, crypt's `$6$` and `$5$`, bcrypt's
    /// `$2b$`, `$2y$` and `$2a$`.
    ///
    /// # Errors
    /// `HashError`.
    pub fn parse(text: &str) -> Result<Hash, HashError> {
        if let Some(rest) = text.strip_prefix("$6$") {
            return Ok(Hash(Form::Sha(ShaHash::parse(Sha::Sha512, rest)?)));
        }
        if let Some(rest) = text.strip_prefix("$5$") {
            return Ok(Hash(Form::Sha(ShaHash::parse(Sha::Sha256, rest)?)));
        }
        if ["$2b$", "$2y$", "$2a$"].iter().any(|mark| text.starts_with(mark)) {
            return Ok(Hash(Form::Bcrypt(BcryptHash::parse(text)?)));
        }
        let hash = PasswordHash::new(text).map_err(|_| HashError::Form)?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.version != Some(Version::V0x13.into()) {
            return Err(HashError::Algorithm);
        }
        let params = Params::try_from(&hash).map_err(|_| HashError::Parameters)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(HashError::Parameters);
        }
        if params.m_cost() > ARGON_MEMORY_KIB_MAX || params.t_cost() > ARGON_PASSES_MAX {
            return Err(HashError::TooCostly);
        }
        Ok(Hash(Form::Argon(hash.serialize())))
    }

    /// A new argon2id hash of a password, with a new salt.
    ///
    /// # Errors
    /// `HashError::Random`; `HashError::Parameters` for a password over argon2's own bound of 4 GiB.
    pub fn of(password: &Secret) -> Result<Hash, HashError> {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).map_err(|_| HashError::Parameters)?;
        Hash::with(password.reveal().as_bytes(), params)
    }

    /// What checking it costs.
    pub(super) fn cost(&self) -> Cost {
        match &self.0 {
            Form::Argon(text) => match Params::try_from(&text.password_hash()) {
                Ok(params) => Cost::Argon { memory: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() },
                // Unheard of: the text was checked when it was read.
                Err(_) => Cost::Argon { memory: COST.0, passes: COST.1, lanes: COST.2 },
            },
            Form::Sha(hash) => Cost::Sha { sha: hash.sha, rounds: hash.rounds, salt_bytes: hash.salt_bytes() },
            Form::Bcrypt(hash) => Cost::Bcrypt(hash.cost),
        }
    }

    /// What `portcullis user hash` makes costs this much.
    pub(super) fn usual_cost() -> Cost {
        Cost::Argon { memory: COST.0, passes: COST.1, lanes: COST.2 }
    }

    /// A hash that costs next to nothing, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn cheap(password: &str) -> Hash {
        Hash::with(password.as_bytes(), Params::new(8, 1, 1, None).expect("params")).expect("hash")
    }

    /// As the file of users holds it.
    pub fn text(&self) -> String {
        match &self.0 {
            Form::Argon(text) => text.as_str().to_owned(),
            Form::Sha(hash) => hash.text(),
            Form::Bcrypt(hash) => hash.text(),
        }
    }

    fn with(password: &[u8], params: Params) -> Result<Hash, HashError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashError::Random)?;
        let salt = SaltString::encode_b64(&salt).map_err(|_| HashError::Parameters)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon.hash_password(password, &salt).map_err(|_| HashError::Parameters)?;
        Ok(Hash(Form::Argon(hash.serialize())))
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let password = password.reveal().as_bytes();
        match &self.0 {
            // The parameters come from the hash, not from this value.
            Form::Argon(text) => Argon2::default().verify_password(password, &text.password_hash()).is_ok(),
            Form::Sha(hash) => hash.matches(password),
            Form::Bcrypt(hash) => hash.matches(password),
        }
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

    /// Whether the password is the one hashed in `own`. Costs one check of each of the `decoys`, of which
    /// there is one for each cost: in place of the decoy of its own cost `own` is checked, if there is one.
    /// So a user with a cheap hash, one with a costly hash and one who does not exist take the same time.
    /// With `may_stop` a password that fits is told at once: that it was right is no secret.
    pub(super) async fn matches(&self, own: Option<&Hash>, decoys: Decoys, password: &Secret, may_stop: bool) -> bool {
        let (own, password) = (own.cloned(), password.copy());
        let work = move || {
            let fits = own.as_ref().is_some_and(|hash| hash.matches(&password));
            if !(fits && may_stop) {
                let cost = own.as_ref().map(Hash::cost);
                for decoy in decoys.0.iter().filter(|decoy| Some(decoy.cost()) != cost) {
                    std::hint::black_box(decoy.matches(&password));
                }
            }
            fits
        };
        threads::run(&self.places, work).await.unwrap_or(false)
    }
}

/// One hash that nothing fits for each cost among the users.
#[derive(Clone, Debug)]
pub(super) struct Decoys(Arc<[Hash]>);

impl Decoys {
    /// More would make every login slow.
    pub(super) const COSTS_MAX: usize = 8;

    /// For these costs; where there are none, for what new users will cost.
    ///
    /// # Errors
    /// `HashError::Random`; `HashError::TooCostly` for more than [`Decoys::COSTS_MAX`] different costs.
    pub(super) fn of(costs: impl Iterator<Item = Cost>) -> Result<Decoys, HashError> {
        let mut costs: Vec<Cost> = costs.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        if costs.is_empty() {
            costs.push(Hash::usual_cost());
        }
        if costs.len() > Decoys::COSTS_MAX {
            return Err(HashError::TooCostly);
        }
        Ok(Decoys(costs.into_iter().map(Cost::decoy).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_fits_its_password_only_and_differs_each_time() {
        let password = Secret::new("correct horse".into());
        let hash = Hash::of(&password).expect("hash");
        let text = hash.text();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert!(hash.matches(&password));
        assert!(!hash.matches(&Secret::new("correct horse ".into())));
        assert_ne!(text, Hash::of(&password).expect("hash").text());
        assert!(Hash::parse(&text).expect("own form").matches(&password));
    }

    #[test]
    fn other_hashes_are_refused_with_a_reason() {
        for (text, fault) in [
            ("", HashError::Form),
            ("secret", HashError::Form),
            ("$2y$10$abcdefghijklmnopqrstuv", HashError::Form),
            ("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", HashError::TooCostly),
            ("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", HashError::Form),
            ("$1$salt$abcdefghijklmnopqrstuv", HashError::Form),
            ("$6$salt$tooshort", HashError::Form),
            ("$5$rounds=10$salt$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", HashError::Parameters),
            ("$5$rounds=999999999$salt$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", HashError::TooCostly),
            ("$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::TooCostly),
            ("$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Algorithm),
            ("$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Algorithm),
            ("$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", HashError::Parameters),
            ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", HashError::Parameters),
        ] {
            assert_eq!(Hash::parse(text).err(), Some(fault), "{text:?}");
        }
    }

    #[test]
    fn s_20_there_is_one_decoy_for_each_cost_and_not_too_many() {
        let hash = Hash::cheap("x");
        let decoys = Decoys::of([hash.cost(), Cost::Bcrypt(4), hash.cost()].into_iter()).expect("decoys");
        let costs: Vec<Cost> = decoys.0.iter().map(Hash::cost).collect();
        assert_eq!(costs, [hash.cost(), Cost::Bcrypt(4)]);
        assert!(decoys.0.iter().all(|decoy| !decoy.matches(&Secret::new("x".into()))));
        let nobody = Decoys::of(std::iter::empty()).expect("decoys");
        assert_eq!(nobody.0[0].cost(), Hash::usual_cost());
        assert!(Decoys::of((4..13).map(Cost::Bcrypt)).is_err());
    }

    #[test]
    fn debug_shows_no_hash() {
        let hash = Hash::cheap("x");
        assert_eq!(format!("{hash:?}"), "Hash(..)");
    }
}
