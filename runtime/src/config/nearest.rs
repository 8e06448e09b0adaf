//! The valid key that somebody may have meant.

/// The nearest of `known` to `typed`, if one is near enough to be worth a question. A key of the right name
/// in another section counts as near.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (section, name) = split(typed);
    let score = |candidate: &str| {
        let (other_section, other_name) = split(candidate);
        let names = strsim::normalized_damerau_levenshtein(&unified(name), &unified(other_name));
        let sections = strsim::normalized_damerau_levenshtein(section, other_section);
        // The name weighs most: a key under the wrong heading is commoner than two typing errors.
        (names, 0.75 * names + 0.25 * sections)
    };
    known
        .map(|candidate| (candidate, score(candidate)))
        .filter(|(_, (names, _))| *names >= 0.6)
        .max_by(|(_, (_, one)), (_, (_, other))| one.total_cmp(other))
        .map(|(candidate, _)| candidate)
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn unified(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["tls.data-resumption", "timeouts.login", "limits.login-tries", "server.listen"];

    #[test]
    fn typing_errors_and_wrong_headings_are_understood() {
        for (typed, meant) in [
            ("tls.data-resumtion", Some("tls.data-resumption")),
            ("tls.data_resumption", Some("tls.data-resumption")),
            ("server.login", Some("timeouts.login")),
            ("listen", Some("server.listen")),
            ("server.colour", None),
        ] {
            assert_eq!(nearest(typed, KNOWN.into_iter()), meant, "{typed}");
        }
    }
}
