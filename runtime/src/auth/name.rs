//! The one canonical form of a user's name: logins, counters, bans and home folders all use this.

use std::fmt;

/// A name as it was typed, to the byte: upper and lower case differ, as do NFC and NFD. What another program
/// could take for the same name (blanks around it, control characters) is refused instead of repaired, so
/// that one user has one form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

/// Why something is no user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a user's name must not be empty")]
    Empty,
    /// Over [`UserName::BYTES_MAX`].
    #[error("a user's name has at most {} bytes", UserName::BYTES_MAX)]
    TooLong,
    /// A control character anywhere.
    #[error("a user's name has no control characters")]
    Control,
    /// White space before or behind.
    #[error("a user's name neither begins nor ends with a blank")]
    Blank,
}

impl UserName {
    /// As long as a file's name may be.
    pub const BYTES_MAX: usize = 255;

    /// Takes a name as typed. Whoever has no name cannot log in; a refusal may come at once, since it says
    /// nothing about which users exist.
    ///
    /// # Errors
    /// `NameError`; nothing is repaired.
    pub fn parse(typed: &str) -> Result<UserName, NameError> {
        if typed.is_empty() {
            return Err(NameError::Empty);
        }
        if typed.len() > Self::BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        if typed.trim() != typed {
            return Err(NameError::Blank);
        }
        Ok(UserName(typed.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_23_a_name_has_one_form_and_others_are_refused() {
        for (typed, fault) in [
            ("", NameError::Empty),
            ("bob ", NameError::Blank),
            (" bob", NameError::Blank),
            ("\u{3000}bob", NameError::Blank),
            ("bob\u{a0}", NameError::Blank),
            ("bo\0b", NameError::Control),
            ("bob\r", NameError::Control),
            ("bo\u{85}b", NameError::Control),
        ] {
            assert_eq!(UserName::parse(typed), Err(fault), "{typed:?}");
        }
        assert_eq!(UserName::parse(&"x".repeat(256)), Err(NameError::TooLong));
        let forms = ["bob", "Bob", "\u{ff42}ob", "zo\u{eb}", "zoe\u{308}", "bob smith"];
        let names: std::collections::HashSet<_> = forms.map(|form| UserName::parse(form).expect(form)).into();
        assert_eq!(names.len(), forms.len(), "different forms are different users");
    }
}
