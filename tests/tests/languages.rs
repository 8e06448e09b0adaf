//! The same policy in every language that we build: same verdicts, same bans, same bytes in the store.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use portcullis::config;
use portcullis::policy::{self, Engine};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tests::place;
use tests::scenario::Scenario;

/// The first is what the others are compared with.
const LANGUAGES: [&str; 5] = ["rust", "c", "javascript", "python", "zig"];

/// One engine for all tests here: what it has compiled it keeps in its folder, and Python's is large.
fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<(TempDir, Arc<Engine>)> = OnceLock::new();
    let (_, engine) = ENGINE.get_or_init(|| {
        let folder = TempDir::new().expect("a scratch folder");
        let text = format!("tls.self-signed = true\n[server]\nstate = '{}'\n", folder.path().join("state").display());
        std::fs::create_dir(folder.path().join("state")).expect("a folder");
        let settings = config::parse(&text, "languages", Path::new("/")).expect("good settings").settings;
        (folder, Engine::start(&settings).expect("the engine starts"))
    });
    engine.clone()
}

#[tokio::test]
async fn every_language_does_the_same_to_the_byte() {
    let scenarios = Scenario::read_all(&place::repository().join("examples/policies/failed-logins/conformance.toml"));
    let mut failures = Vec::new();
    for scenario in &scenarios {
        let mut wanted = None;
        for language in LANGUAGES {
            // A warm instance must not remember anything that a fresh one does not know.
            let instances: &[&str] = if scenario.refuses() { &["fresh"] } else { &["fresh", "1000000"] };
            for instance in instances {
                let component = place::failed_logins(language);
                match scenario.told(&engine(), "failed-logins", &component, instance).await {
                    Err(what) => failures.push(format!("{language}, {instance}: {what}")),
                    Ok(told) => match &wanted {
                        None => wanted = Some(told),
                        Some(wanted) if *wanted == told => {}
                        Some(wanted) => {
                            failures.push(format!("{language}, {instance}:\n{}", difference(wanted, &told)))
                        }
                    },
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn difference(wanted: &str, told: &str) -> String {
    let lines = wanted.lines().zip(told.lines()).find(|(wanted, told)| wanted != told);
    let (wanted, told) = lines.unwrap_or(("", "one is longer"));
    format!("  wanted {wanted}\n  told   {told}")
}

#[tokio::test]
async fn every_language_describes_the_same_policy_and_asks_for_no_more_than_it_uses() {
    let mut wanted = None;
    for language in LANGUAGES {
        let text = format!(
            "tls.self-signed = true\npolicies.load-deadline = '5m'\n[[policy]]\nname = 'p'\nsource = 'file:{}'\n",
            place::failed_logins(language).display()
        );
        let settings = config::parse(&text, "languages", Path::new("/")).expect("good settings").settings;
        let told = policy::inspect(&engine(), &settings.chain[0], &settings.policies).await.expect(language);
        let mut description = serde_json::to_value(&told.description).expect("plain data");
        // How a schema is spaced is a matter of taste.
        let schema = description["schema"].as_str().expect("text").to_owned();
        description["schema"] = serde_json::from_str(&schema).expect("JSON");
        assert_eq!(wanted.get_or_insert_with(|| description.clone()), &description, "{language}");
        let own = |name: &&String| name.starts_with("portcullis:policy/");
        let mut imports: Vec<&String> = told.imports.iter().filter(own).collect();
        imports.sort();
        assert_eq!(
            imports,
            ["portcullis:policy/log@0.1.0", "portcullis:policy/store@0.1.0", "portcullis:policy/types@0.1.0"],
            "{language}"
        );
        let others = told.imports.iter().filter(|name| !own(name)).collect::<Vec<_>>();
        match language {
            // A whole language comes with its ways to the system; here they lead nowhere.
            "javascript" => assert!(others.iter().all(|name| name.starts_with("wasi:")), "{others:?}"),
            _ => assert!(others.is_empty(), "{language}: {others:?}"),
        }
    }
}

/// What `build` counts among the sources of a language; the two must agree.
fn sources(language: &str) -> String {
    let example = place::repository().join("examples/policies/failed-logins");
    let mut files = vec!["build".to_owned()];
    let shared = if language == "zig" { Some("c/bindings") } else { None };
    for folder in [Some(language), Some("wit"), Some("../../../wit/0.1.0"), shared].into_iter().flatten() {
        collect(&example, folder, &mut files);
    }
    files.sort();
    let list: String = files
        .iter()
        .map(|file| format!("{}  {file}\n", sha256(&std::fs::read(example.join(file)).expect(file))))
        .collect();
    sha256(list.as_bytes())
}

fn collect(example: &Path, folder: &str, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(example.join(folder)).expect(folder) {
        let entry = entry.expect("an entry");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() && !name.ends_with("__pycache__") {
            collect(example, &name, files);
        } else if kind.is_file() && !name.ends_with(".wasm") && !name.ends_with(".md") {
            files.push(name);
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn committed_components_come_from_the_sources_beside_them() {
    let example = place::repository().join("examples/policies/failed-logins");
    let record = std::fs::read_to_string(example.join("SOURCES")).expect("SOURCES");
    for language in ["c", "javascript", "zig"] {
        let built = std::fs::read(example.join(language).join("failed-logins.wasm")).expect(language);
        let wanted = format!("{language} {} {}", sources(language), sha256(&built));
        assert!(
            record.lines().any(|line| line == wanted),
            "{language} was built from other sources: run examples/policies/failed-logins/build and commit what it writes"
        );
        let folder = place::repository().display().to_string();
        assert!(!String::from_utf8_lossy(&built).contains(&folder), "{language}'s component names the folder {folder}");
    }
}
