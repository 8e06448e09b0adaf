//! What the fuzz targets of `runtime/fuzz` assert, each a function of any bytes.
//!
//! What a target needs to see of a room stands in that room's `fuzz.rs`; here is the list of them, and the
//! tests that feed each its seeds and some chance, so that no target rots between two runs of the fuzzer.
//! Compiled for tests and for cargo-fuzz (`cfg(fuzzing)`) only.
//!
//! Trust: none, these bytes are the enemy. Must not know: how the fuzzer came by them.

mod choices;

pub use choices::{Choices, pieces};

/// A body: it panics when a property does not hold.
pub type Body = fn(&[u8]);

/// Every target: the name of its file below `runtime/fuzz`, and its body.
pub const TARGETS: &[(&str, Body)] = &[
    ("addresses", crate::ftp::fuzz::addresses),
    ("ascii", crate::ftp::fuzz::ascii),
    ("client_hello", crate::tls::fuzz::client_hello),
    ("commands", crate::ftp::fuzz::commands),
    ("configuration", crate::config::fuzz::configuration),
    ("dates", crate::ftp::fuzz::dates),
    ("events", crate::replay::fuzz::events),
    ("globs", crate::ftp::fuzz::globs),
    ("ledger_records", crate::ledger::fuzz::records),
    ("lines", crate::ftp::fuzz::lines),
    ("listings", crate::ftp::fuzz::listings),
    ("machine", crate::ftp::fuzz::machine),
    ("paths", crate::vfs::fuzz::paths),
    ("proftpd_bans", crate::ledger::fuzz::proftpd_bans),
    ("proxy_header", crate::net::fuzz::proxy_header),
    ("store_answers", crate::store::fuzz::store_answers),
    ("users_file", crate::auth::fuzz::users_file),
];

/// Runs a target's body; unknown names are a mistake in `runtime/fuzz`.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    body(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    /// Short and tidy inputs of a target, as they are committed.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let Ok(entries) = std::fs::read_dir(folder().join("seeds").join(name)) else { return Vec::new() };
        entries.map(|entry| std::fs::read(entry.expect("entry").path()).expect("a seed")).collect()
    }

    #[test]
    fn every_target_has_its_file_and_its_place_in_the_manifest() {
        let files = std::fs::read_dir(folder().join("fuzz_targets")).expect("targets");
        let files: BTreeSet<String> = files
            .map(|entry| entry.expect("entry").path().file_stem().expect("name").to_string_lossy().into_owned())
            .collect();
        let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, names);
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).expect("manifest");
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            let text = std::fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).expect("target");
            assert!(text.contains(&format!("fuzzing::run(\"{name}\"")), "{name}");
        }
    }

    /// Each seed as it is, then with a few bytes changed, then chance alone.
    #[test]
    fn every_target_holds_for_its_seeds_and_for_chance() {
        for (name, body) in TARGETS {
            let seeds = seeds(name);
            seeds.iter().for_each(|seed| body(seed));
            let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
            let change = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
            let chance = proptest::collection::vec(any::<u8>(), 0..600);
            let held = runner.run(&(any::<prop::sample::Index>(), change, chance), |(which, changes, chance)| {
                body(&chance);
                if !seeds.is_empty() {
                    let mut seed = which.get(&seeds).clone();
                    for (at, byte) in changes.into_iter().filter(|_| !seed.is_empty()).collect::<Vec<_>>() {
                        let at = at.index(seed.len());
                        seed[at] = byte;
                    }
                    body(&seed);
                }
                Ok(())
            });
            held.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
    }
}
