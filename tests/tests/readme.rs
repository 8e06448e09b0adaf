//! The README and the examples are run, not believed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tests::place::{self, repository};
use tests::program::Program;
use tests::server::portcullis;

/// One fenced block.
#[derive(Debug)]
struct Block {
    line: usize,
    language: String,
    text: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { line: at + 1, language: language.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    found
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).expect("there is a README")
}

/// A place that looks like a clone, where `cargo run` starts the binary that is built already, servers go to
/// the background, and the test command is not called from within itself.
struct Clone {
    folder: TempDir,
}

const CARGO: &str = r#"#!/bin/sh
case "$1" in
  run)
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
    [ $# -gt 0 ] && shift
    exec portcullis "$@" ;;
  build|test|bench|install|fmt|clippy|deny) exit 0 ;;
  *) echo "the README calls cargo $1, which this test does not know" >&2; exit 1 ;;
esac
"#;

const PORTCULLIS: &str = r#"#!/bin/sh
case "$1" in
  quickstart|serve)
    ready=$SCRATCH/ready.$$
    case " $* " in *" --help "*) exec "$BINARY" "$@" ;; esac
    "$BINARY" "$@" --ready-file "$ready" >"$SCRATCH/server.$$" 2>&1 &
    server=$!
    echo "$server" >>"$SCRATCH/servers"
    tries=0
    until [ -e "$ready" ]; do
      kill -0 "$server" 2>/dev/null && [ "$tries" -lt 400 ] || { cat "$SCRATCH/server.$$" >&2; exit 1; }
      tries=$((tries + 1))
      sleep 0.05
    done
    cat "$SCRATCH/server.$$" ;;
  *) exec "$BINARY" "$@" ;;
esac
"#;

impl Clone {
    fn new() -> Clone {
        let folder = TempDir::new().expect("a scratch folder");
        let clone = folder.path().join("clone");
        fs::create_dir_all(clone.join("tests")).expect("a folder");
        for entry in fs::read_dir(repository()).expect("the repository") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if !["tests", "target", ".git"].iter().any(|own| name == *own) {
                symlink(entry.path(), clone.join(name)).expect("a link");
            }
        }
        let shims = folder.path().join("bin");
        fs::create_dir(&shims).expect("a folder");
        script(&shims.join("cargo"), CARGO);
        script(&shims.join("portcullis"), PORTCULLIS);
        script(&clone.join("tests/run"), "#!/bin/sh\nexit 0\n");
        fs::create_dir(folder.path().join("home")).expect("a folder");
        Clone { folder }
    }

    fn program(&self, name: &str) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        Program::new(name)
            .within(&self.folder.path().join("clone"))
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("HOME", self.folder.path().join("home"))
            .env("SCRATCH", self.folder.path())
            .env("BINARY", place::binary())
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        let servers = fs::read_to_string(self.folder.path().join("servers")).unwrap_or_default();
        for server in servers.lines().filter_map(|id| id.parse().ok()).filter_map(Pid::from_raw) {
            let _ = kill_process(server, Signal::KILL);
        }
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("a script can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
}

#[tokio::test]
async fn every_shell_block_of_the_readme_runs_from_top_to_bottom() {
    let clone = Clone::new();
    let text = readme();
    let blocks = blocks(&text);
    let shell = |block: &&Block| matches!(block.language.as_str(), "sh" | "bash" | "shell");
    assert!(blocks.iter().filter(shell).count() >= 2, "the README has its two commands");
    for block in blocks.iter().filter(shell) {
        // Whoever installs packages by hand has done so before this test runs.
        if block.text.contains("apt-get install") {
            continue;
        }
        let answer = clone.program("bash").args(["-euo", "pipefail", "-c", &block.text]).run().await;
        assert_eq!(answer.code, Some(0), "README.md:{}\n{}\n{answer:?}", block.line, block.text);
    }
}

/// The blocks above are run with a stand-in for cargo: what the true one starts is asked of it here.
#[tokio::test]
async fn of_all_programs_of_the_workspace_cargo_run_starts_the_server() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = repository().join("Cargo.toml");
    let asked = Program::new(cargo).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let told = asked.args(["--manifest-path", &manifest.to_string_lossy()]).run().await.good().json();
    let packages = told["packages"].as_array().expect("packages");
    let started: Vec<_> = packages.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(started, ["portcullis"], "with none, or several, `cargo run` starts nothing");
}

#[test]
fn the_readme_names_the_two_commands_as_they_are() {
    let text = readme();
    assert!(text.contains("cargo run --release -- quickstart"));
    assert!(text.contains("tests/run"));
    let mode = fs::metadata(repository().join("tests/run")).expect("tests/run").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "tests/run can be run");
}

#[tokio::test]
async fn every_toml_block_of_the_readme_is_a_configuration_that_loads() {
    for block in blocks(&readme()).iter().filter(|block| block.language == "toml") {
        let clone = Clone::new();
        let file = clone.folder.path().join("readme.toml");
        let mut table: toml::Table = block.text.parse().expect("TOML");
        // A part of a configuration is shown without what every one needs.
        table.entry("tls").or_insert_with(|| toml::toml! { self-signed = true }.into());
        fs::write(&file, table.to_string()).expect("a file");
        let known = loads(&clone, &file).await;
        assert!(known.is_ok(), "README.md:{}\n{}\n{}", block.line, block.text, known.unwrap_err());
    }
}

/// Whether every key is known and every value in its range; files that only the operator has may be missing.
async fn loads(clone: &Clone, file: &Path) -> Result<(), String> {
    let file = file.to_string_lossy().into_owned();
    let answer = clone.program("portcullis").args(["config", "show", "--config", &file]).run().await;
    if answer.code == Some(0) { Ok(()) } else { Err(answer.err) }
}

#[tokio::test]
async fn every_example_configuration_loads() {
    let clone = Clone::new();
    for file in toml_files(&repository().join("examples")) {
        let loaded = loads(&clone, &file).await;
        assert!(loaded.is_ok(), "{}: {}", file.display(), loaded.unwrap_err());
    }
}

/// The configurations below a folder: `portcullis.toml` and names that end so.
fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("portcullis.toml")) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn the_licences_and_the_changelog_are_there() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md", "deny.toml", ".ci/run"] {
        assert!(repository().join(name).is_file(), "{name}");
    }
    portcullis(&["--version"]).run().await.good();
}
