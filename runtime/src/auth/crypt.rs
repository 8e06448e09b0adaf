//! Hashes that people bring with them: crypt's SHA-512 (`$6$`) and SHA-256 (`$5$`), and bcrypt. They are
//! checked, never made: `portcullis user hash` makes argon2id.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha_crypt::{Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64};

use super::password::HashError;

/// What crypt takes where a hash says nothing.
const ROUNDS_USUAL: u32 = 5_000;
/// Over this one login would cost seconds.
const ROUNDS_MAX: u32 = 2_000_000;
/// As crypt cuts it.
const SALT_BYTES_MAX: usize = 16;
/// 2^16 rounds of bcrypt are some seconds.
const BCRYPT_COST_MAX: u32 = 16;

/// Which of crypt's two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Sha {
    Sha512,
    Sha256,
}

impl Sha {
    const fn digest_length(self) -> usize {
        match self {
            Sha::Sha512 => 86,
            Sha::Sha256 => 43,
        }
    }
}

/// A hash of crypt's.
#[derive(Clone)]
pub(super) struct ShaHash {
    pub(super) sha: Sha,
    pub(super) rounds: u32,
    salt: Box<str>,
    digest: Box<str>,
}

impl ShaHash {
    /// `$6$SALT$DIGEST` or `$6$rounds=N$SALT$DIGEST`, without the mark in front.
    pub(super) fn parse(sha: Sha, rest: &str) -> Result<ShaHash, HashError> {
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            None => (ROUNDS_USUAL, rest),
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$').ok_or(HashError::Form)?;
                (rounds.parse().map_err(|_| HashError::Form)?, rest)
            }
        };
        let (salt, digest) = rest.split_once('$').ok_or(HashError::Form)?;
        if digest.len() != sha.digest_length() || !digest.bytes().all(is_crypt64) {
            return Err(HashError::Form);
        }
        if salt.len() > SALT_BYTES_MAX || salt.bytes().any(|byte| !byte.is_ascii_graphic()) || rounds < 1000 {
            return Err(HashError::Parameters);
        }
        if rounds > ROUNDS_MAX {
            return Err(HashError::TooCostly);
        }
        Ok(ShaHash { sha, rounds, salt: salt.into(), digest: digest.into() })
    }

    /// One that no password is known to fit.
    pub(super) fn decoy(sha: Sha, rounds: u32, salt_bytes: usize) -> Result<ShaHash, HashError> {
        let (salt, digest) = (random_text(salt_bytes)?, random_text(sha.digest_length())?);
        Ok(ShaHash { sha, rounds, salt: salt.into(), digest: digest.into() })
    }

    pub(super) fn text(&self) -> String {
        let mark = match self.sha {
            Sha::Sha512 => 6,
            Sha::Sha256 => 5,
        };
        format!("${mark}$rounds={}${}${}", self.rounds, self.salt, self.digest)
    }

    /// Salt and password together decide how many blocks are hashed in each round.
    pub(super) fn salt_bytes(&self) -> usize {
        self.salt.len()
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let (salt, rounds) = (self.salt.as_bytes(), self.rounds as usize);
        let digest = match self.sha {
            Sha::Sha512 => Sha512Params::new(rounds).and_then(|params| sha512_crypt_b64(password, salt, &params)),
            Sha::Sha256 => Sha256Params::new(rounds).and_then(|params| sha256_crypt_b64(password, salt, &params)),
        };
        digest.is_ok_and(|digest| verify_slices_are_equal(digest.as_bytes(), self.digest.as_bytes()).is_ok())
    }
}

/// A hash of bcrypt's. Passwords over 72 bytes are cut there, as bcrypt always did.
#[derive(Clone)]
pub(super) struct BcryptHash {
    pub(super) cost: u32,
    text: Box<str>,
}

impl BcryptHash {
    /// The whole text, such as `$2b$10$...`.
    pub(super) fn parse(text: &str) -> Result<BcryptHash, HashError> {
        let cost = text.get(4..6).and_then(|cost| cost.parse().ok()).ok_or(HashError::Form)?;
        if cost > BCRYPT_COST_MAX {
            return Err(HashError::TooCostly);
        }
        let parts = text.parse::<bcrypt::HashParts>().map_err(|_| HashError::Form)?;
        if cost < 4 || parts.get_cost() != cost {
            return Err(HashError::Parameters);
        }
        Ok(BcryptHash { cost, text: text.into() })
    }

    pub(super) fn text(&self) -> String {
        self.text.as_ref().to_owned()
    }

    /// One that no password is known to fit.
    pub(super) fn decoy(cost: u32) -> Result<BcryptHash, HashError> {
        // Of the last character of salt and digest not every bit counts: `.` is always good.
        let (salt, digest) = (random_text(21)?, random_text(30)?);
        BcryptHash::parse(&format!("$2b${cost:02}${salt}.{digest}."))
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

const CRYPT64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn is_crypt64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

fn random_text(characters: usize) -> Result<String, HashError> {
    let mut random = vec![0; characters];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| HashError::Random)?;
    Ok(random.iter().map(|byte| char::from(CRYPT64[usize::from(byte % 64)])).collect())
}

#[cfg(test)]
mod tests {
    use super::super::password::Hash;
    use super::super::secret::Secret;

    /// Known answers: of glibc's crypt (the specification's own vectors) and of bcrypt's authors.
    const KNOWN: [(&str, &str); 6] = [
        (
            "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "Hello world!",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
        ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ];

    #[test]
    fn hashes_of_other_programs_fit_their_password_and_no_other() {
        for (password, text) in KNOWN {
            let hash = Hash::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert!(hash.matches(&Secret::new(password.into())), "{text}");
            assert!(!hash.matches(&Secret::new(format!("{password} "))), "{text}");
            let again = Hash::parse(&hash.text()).expect("its own text");
            assert!(again.matches(&Secret::new(password.into())), "{text}");
        }
    }

    #[test]
    fn s_20_a_decoy_of_each_kind_costs_the_same_and_fits_nothing() {
        for (password, text) in KNOWN {
            let hash = Hash::parse(text).expect("hash");
            let decoy = hash.cost().decoy().expect("decoy");
            assert_eq!(decoy.cost(), hash.cost(), "{text}");
            assert!(!decoy.matches(&Secret::new(password.into())), "{text}");
        }
    }
}
