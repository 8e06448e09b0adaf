//! What logs and shared records say in place of a name that nobody has here: who is one field ahead types the
//! password where the user belongs, and that must not travel through the pool or stay in a log.

use aws_lc_rs::hmac;

/// Where a pool has no key of its own, nodes must agree all the same.
const NO_SECRET: &[u8] = b"portcullis: names that nobody has";

/// Makes pseudonyms. Equal names get equal ones on every node of a cluster, so that a ban under one holds
/// everywhere; several names share one, which harms nobody, as nobody has them.
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// With the cluster's secret, without which a pseudonym can be told from a guess at what it stands for: 12 bits
    /// of it, one guess in 4096 fits.
    pub fn new(secret: Option<&[u8]>) -> Pseudonyms {
        Pseudonyms(hmac::Key::new(hmac::HMAC_SHA256, secret.unwrap_or(NO_SECRET)))
    }

    /// The pseudonym of a name: `unknown~` and three hex digits.
    pub fn of(&self, name: &str) -> Box<str> {
        let tag = hmac::sign(&self.0, name.as_bytes());
        let bits = tag.as_ref().iter().take(2).fold(0_u16, |bits, byte| bits << 8 | u16::from(*byte));
        format!("unknown~{:03x}", bits >> 4).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_87_a_name_that_nobody_has_becomes_a_word_that_does_not_tell_it() {
        let (one, other) = (Pseudonyms::new(Some(&[7; 32])), Pseudonyms::new(Some(&[8; 32])));
        let shown = one.of("Tr0ub4dor&3");
        assert_eq!((shown.len(), &shown[..8]), (11, "unknown~"));
        assert_eq!(one.of("Tr0ub4dor&3"), shown);
        assert_ne!(one.of("correct horse"), shown);
        assert_ne!(other.of("Tr0ub4dor&3"), shown, "another cluster's");
        assert_eq!(Pseudonyms::new(None).of("x"), Pseudonyms::new(None).of("x"), "nodes without a key agree");
    }
}
