//! Every requirement that has a number has a test whose name bears it: T of FTPS, S of attacks, F of faults, P of
//! what ProFTPD's bans and caches do.
//!
//! The numbers alone stand here. A name such as `s_43_t_72_the_server_...` holds two of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::place::repository;

/// Of FTPS, as clients and servers get it wrong.
const T: &[u8] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 37, 40, 41,
    42, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 70, 71, 72, 73, 74, 75, 76, 77, 78,
    79,
];

/// The last number of the attacks, and of the faults: there are no gaps.
const S_LAST: u8 = 87;
const F_LAST: u8 = 32;

/// Attacks that no test is named after yet, and what each waits for. One that has its test must leave the list.
const S_OPEN: &[(u8, &str)] = &[
    (80, "hardening of the process"),
    (81, "hardening: a start as root"),
    (82, "policies from registries"),
    (83, "policies from registries"),
    (84, "policies from registries"),
    (85, "policies from registries"),
];

/// As [`S_OPEN`], for faults.
const F_OPEN: &[(u8, &str)] = &[];

/// What is shared with other servers and other nodes: rows of mod_ban, mod_memcache and mod_tls_memcache.
const P_FIRST: u8 = 24;
const P_LAST: u8 = 53;

/// Of these, what cannot hold here, and why.
const P_NOT: &[(u8, &str)] = &[
    (25, "a ban holds at the door, before any virtual server is known; `servers` says of which a policy is asked"),
    (26, "the same: what ProFTPD does with MatchAnyServer is the only way here"),
    (52, "rustls staples an OCSP answer that it is given with the certificate, and this server is given none"),
];

/// Of those that have a test, what it leaves out, and why.
const P_IN_PART: &[(u8, &str)] = &[(
    47,
    "among nodes of this server only: ProFTPD's cache holds OpenSSL's own encoding of a session, in clear, from \
     which rustls can make no session",
)];

/// Names of test functions below a folder.
fn names(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            names(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test && !line.starts_with("//")) {
                    found.insert(name.split(['(', '<']).next().unwrap_or_default().to_owned());
                    is_test = false;
                }
            }
        }
    }
}

fn all_names() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in ["runtime/src", "runtime/tests", "tests/src", "tests/tests", "policies", "sdk"] {
        names(&repository().join(place), &mut found);
    }
    assert!(found.len() > 500, "these are not all tests");
    found
}

/// Whether a name bears a number: at its start or behind another number, with more behind it.
fn bears(name: &str, kind: char, number: u8) -> bool {
    let wanted = format!("{kind}_{number:02}");
    let mut words = name.split('_');
    while let (Some(letter), Some(digits)) = (words.next(), words.next()) {
        if letter.len() != 1 || digits.len() != 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        if format!("{letter}_{digits}") == wanted {
            return true;
        }
    }
    false
}

fn missing(kind: char, numbers: impl Iterator<Item = u8>, names: &BTreeSet<String>) -> Vec<u8> {
    numbers.filter(|number| !names.iter().any(|name| bears(name, kind, *number))).collect()
}

#[test]
fn every_row_has_a_test_of_its_name() {
    let names = all_names();
    assert_eq!(missing('t', T.iter().copied(), &names), [0; 0], "rows T without a test");
    let open = |list: &[(u8, &str)]| list.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(missing('s', 1..=S_LAST, &names), open(S_OPEN), "rows S without a test, and those known as open");
    assert_eq!(
        missing('p', P_FIRST..=P_LAST, &names),
        open(P_NOT),
        "rows P without a test, and those that cannot hold"
    );
    assert_eq!(missing('p', P_IN_PART.iter().map(|(number, _)| *number), &names), [0; 0], "rows P that hold in part");
    assert_eq!(missing('f', 1..=F_LAST, &names), open(F_OPEN), "rows F without a test, and those known as open");
}

#[test]
fn a_number_counts_at_the_start_of_a_name_only() {
    assert!(bears("s_43_t_72_the_server_connects", 't', 72) && bears("t_05_implicit", 't', 5));
    assert!(!bears("t_05_implicit", 't', 50) && !bears("the_t_05_row", 't', 5) && !bears("a_file_t_05", 't', 5));
}
