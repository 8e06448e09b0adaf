//! A digest of everything that a built component came from, so that a stale one is noticed without a
//! WebAssembly toolchain.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use toml::Value;

use crate::guests::{GUESTS, Guest};

/// Where the digests are committed.
pub const RECORD_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../built/SOURCES");

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What every guest is built from.
const SHARED: [&str; 2] = ["sdk/rust", "wit/0.1.0"];

/// The text of the record: for each guest the digest of its sources and that of the component.
pub fn record() -> Result<String> {
    let mut text =
        String::from("# Written by policies/build. Component, SHA-256 of its sources, SHA-256 of the component.\n");
    for guest in &GUESTS {
        let built = digest([std::fs::read(Path::new(ROOT).join(guest.built)).with_context(|| guest.built)?]);
        writeln!(text, "{} {} {built}", guest.built, of_sources(guest)?)?;
    }
    Ok(text)
}

/// Files in the order of their names, the versions of all crates that go in, and the profile.
fn of_sources(guest: &Guest) -> Result<String> {
    let mut files = BTreeSet::new();
    for folder in SHARED.iter().chain([&guest.sources]).chain(&guest.upon) {
        collect(Path::new(folder), &mut files)?;
    }
    let mut parts = Vec::new();
    for file in files {
        parts.push(file.display().to_string().into_bytes());
        parts.push(std::fs::read(Path::new(ROOT).join(&file))?);
    }
    parts.push(versions(guest.name)?.into_bytes());
    parts.push(profiles()?.into_bytes());
    Ok(digest(parts))
}

/// What the compiler reads of a guest's folder: manifests, code, schemas, WIT. Scenarios, notes and the
/// built component are none of it.
fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "scenarios" {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|end| ["rs", "toml", "json", "wit"].iter().any(|kind| end == *kind)) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Name and version of each crate that the guest is built from.
fn versions(name: &str) -> Result<String> {
    let lock: Value = toml::from_str(&std::fs::read_to_string(Path::new(ROOT).join("Cargo.lock"))?)?;
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?;
    let mut known = BTreeSet::new();
    let mut to_see = vec![name.to_owned()];
    while let Some(wanted) = to_see.pop() {
        // A dependency is `name`, or `name version` where there are several of that name.
        let (name, version) = wanted.split_once(' ').map_or((wanted.as_str(), None), |(name, rest)| (name, Some(rest)));
        let found = packages.iter().filter(|package| {
            package["name"].as_str() == Some(name)
                && version.is_none_or(|version| package["version"].as_str() == Some(version))
        });
        for package in found {
            let version = package["version"].as_str().context("a package without a version")?;
            if known.insert(format!("{name} {version}")) {
                let needs = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
                to_see.extend(needs.filter_map(Value::as_str).map(str::to_owned));
            }
        }
    }
    Ok(known.into_iter().collect::<Vec<_>>().join("\n"))
}

fn profiles() -> Result<String> {
    let manifest: Value = toml::from_str(&std::fs::read_to_string(Path::new(ROOT).join("Cargo.toml"))?)?;
    Ok(format!("{}\n{}", manifest["profile"]["release"], manifest["profile"]["guest"]))
}

/// Of the parts with their lengths, so that no byte can move from one to the next.
fn digest(parts: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(&part);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_components_come_from_the_sources_beside_them() {
        let recorded = std::fs::read_to_string(RECORD_FILE).unwrap_or_default();
        let found = record().expect("sources and components are readable");
        let stale: Vec<&str> = found
            .lines()
            .filter(|line| !recorded.lines().any(|known| known == *line))
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(stale.is_empty(), "built from other sources: {stale:?}. Run policies/build and commit what it writes");
    }

    #[test]
    fn built_components_name_no_folder_of_the_machine_that_built_them() {
        for guest in &GUESTS {
            let bytes = std::fs::read(Path::new(ROOT).join(guest.built)).expect(guest.built);
            let text = String::from_utf8_lossy(&bytes);
            for place in ["/home/", "/root/", "/usr/", "/tmp/", "/work/"] {
                assert!(!text.contains(place), "{} holds {place}", guest.built);
            }
        }
    }
}
