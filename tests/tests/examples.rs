//! Each example is one that the server would start with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::place::repository;
use tests::server::portcullis;

/// A copy of the examples, so that nothing is written beside the originals. The modes are those of a clone
/// by somebody whose group may not write.
fn copied() -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new().expect("a scratch folder");
    let mut configurations = Vec::new();
    copy(&repository().join("examples"), &folder.path().join("examples"), &mut configurations);
    configurations.sort();
    (folder, configurations)
}

fn copy(from: &Path, to: &Path, configurations: &mut Vec<PathBuf>) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the examples") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if entry.file_name() != "target" {
                copy(&source, &target, configurations);
            }
            continue;
        }
        fs::copy(&source, &target).expect("a file can be copied");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).expect("a mode can be set");
        if target.to_string_lossy().ends_with("portcullis.toml") {
            configurations.push(target);
        }
    }
}

#[tokio::test]
async fn every_example_passes_the_check() {
    let (_folder, configurations) = copied();
    assert!(configurations.len() >= 4, "{configurations:?}");
    for configuration in configurations {
        portcullis(&["check", "--config", &configuration.to_string_lossy()]).run().await.good();
    }
}

#[tokio::test]
async fn the_two_servers_of_the_pool_differ_only_in_what_is_their_own() {
    let own = ["node", "listen", "state"];
    let read = |name: &str| {
        let text = fs::read_to_string(repository().join("examples/pool").join(name)).expect("the example");
        let mut table: toml::Table = toml::from_str(&text).expect("TOML");
        let server = table["server"].as_table_mut().expect("a table");
        own.iter().for_each(|key| drop(server.remove(*key).expect("set")));
        table
    };
    assert_eq!(read("a.portcullis.toml"), read("b.portcullis.toml"));
}

#[tokio::test]
async fn the_first_policy_passes_the_check_and_asks_for_nothing() {
    let component = tests::place::guest("first-policy").to_string_lossy().into_owned();
    portcullis(&["policy", "check", &component]).run().await.good();
    let told = portcullis(&["policy", "inspect", &component, "--json"]).run().await.good().out;
    for interface in ["store", "bans", "networks", "clock", "log", "wasi"] {
        assert!(!told.contains(&format!("{interface}@")), "it imports {interface}: {told}");
    }
}
