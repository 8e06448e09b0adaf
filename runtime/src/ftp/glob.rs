//! `*` and `?` in LIST and NLST. Matching takes time in the length of pattern times name and no stack,
//! however many stars there are.

/// Whether a pattern stands in the text at all.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `name` matches: `*` is any run of bytes, `?` one character (or one byte of a name that is not
/// UTF-8).
pub fn glob_matches(pattern: impl AsRef<[u8]>, name: &[u8]) -> bool {
    let pattern = pattern.as_ref();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                from += character_bytes(&name[from..]);
            }
            Some(&byte) if byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                // Only the last star can take more: what stood before it has matched already.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

pub(super) fn character_bytes(rest: &[u8]) -> usize {
    let length = match rest.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    match rest.get(1..length) {
        Some(more) if more.iter().all(|byte| matches!(byte, 0x80..=0xbf)) => length,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_56_stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "\u{e4}", true),
            ("??", "\u{e4}", false),
            ("", "a", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(glob_matches("a?b", b"a\xffb"));
    }

    #[test]
    fn s_49_many_stars_cost_no_more_than_one_walk_for_each() {
        let pattern = "*a".repeat(2000);
        assert!(!glob_matches(&pattern, "a".repeat(255).as_bytes()));
        assert!(!glob_matches(format!("{}b", "*".repeat(4000)), "a".repeat(255).as_bytes()));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_any_cut_of_it_with_stars(name in "[a-z.]{0,12}", cut in 0usize..12) {
            let cut = cut.min(name.len());
            prop_assert!(glob_matches(&name, name.as_bytes()));
            let (head, tail) = (&name[..cut], &name[cut..]);
            let around = format!("{head}*{tail}");
            prop_assert!(glob_matches(&around, name.as_bytes()));
        }

        #[test]
        fn any_pattern_and_name_are_answered(
            pattern in "[a*?\u{e4}]{0,20}", name in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            let _ = glob_matches(&pattern, &name);
        }
    }
}
