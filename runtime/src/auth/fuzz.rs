//! What holds for any text in the place of the file of users: the body of a fuzz target (see [`crate::fuzzing`]).

use std::path::Path;

use super::book::Book;
use super::name::UserName;
use super::password::Hash;
use crate::fuzzing::Choices;

/// The file of users, password hashes and names: read or refused in words, and what was read is written the same.
pub fn users_file(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.below(3);
    let text = String::from_utf8_lossy(choices.rest()).into_owned();
    match kind {
        0 => {
            let mut book = Book::new(Path::new("/etc/portcullis/users.toml"), &text);
            book.read();
            for mistake in &book.mistakes {
                assert!(!mistake.what.is_empty() && mistake.place.is_some() && mistake.remedy.is_some());
                let told = mistake.to_string();
                assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
            }
        }
        1 => {
            if let Ok(hash) = Hash::parse(&text) {
                let again = Hash::parse(&hash.text()).expect("what we wrote");
                assert!(again.cost() == hash.cost() && again.text() == hash.text());
            }
        }
        _ => {
            if let Ok(name) = UserName::parse(&text) {
                assert_eq!(UserName::parse(name.as_str()).as_ref(), Ok(&name), "one form for each name");
                assert!(!name.as_str().chars().any(char::is_control));
            }
        }
    }
}
