//! The walls between the rooms of `runtime/src`, as far as the sources show them.
//!
//! clippy holds those that are single functions; `deny.toml` repeats them for the dependency tree.

use std::fs;
use std::path::{Path, PathBuf};

use tests::place::repository;

/// A path that may be named in a few places only.
struct Wall {
    /// As it stands in code.
    path: &'static str,
    /// Rooms or files below `runtime/src` that may name it.
    only: &'static [&'static str],
    /// Rooms that may not, where `only` is empty.
    never: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const PURE: &[&str] = &["ftp/", "gate/", "events/"];

const WALLS: &[Wall] = &[
    Wall { path: "rustls", only: &["tls/"], never: &[], instead: "Take tls::Facts or a function of tls/" },
    Wall { path: "tokio_rustls", only: &["tls/"], never: &[], instead: "Take a stream that tls/ made" },
    Wall { path: "rcgen", only: &["tls/"], never: &[], instead: "tls/ makes certificates" },
    Wall { path: "wasmtime", only: &["policy/"], never: &[], instead: "Ask policy/ to load and to evaluate" },
    Wall { path: "wasmtime_wizer", only: &["policy/"], never: &[], instead: "Ask policy/ to load" },
    Wall { path: "memcache_async", only: &["store/"], never: &[], instead: "Add a method to Store" },
    Wall { path: "nonstick", only: &["auth/pam.rs"], never: &[], instead: "Ask auth::Login" },
    Wall { path: "cap_std", only: &["vfs/"], never: &[], instead: "Ask vfs/ with a VirtualPath" },
    Wall {
        path: "anyhow",
        only: &["cli/", "main.rs", "startup.rs", "startup/"],
        never: &[],
        instead: "Add a variant to the room's own error",
    },
    Wall { path: "clap", only: &["cli/"], never: &[], instead: "cli/ turns arguments into calls" },
    Wall {
        path: "std::path",
        only: &[],
        never: &["ftp/", "session/", "data/", "gate/", "events/", "net/", "store/"],
        instead: "A client's path is a vfs::VirtualPath",
    },
    Wall { path: "std::fs", only: &[], never: PURE, instead: "Pure rooms are told; the driver does the I/O" },
    Wall { path: "tokio", only: &[], never: PURE, instead: "Pure rooms are told; the driver does the I/O" },
    Wall { path: "std::time::Instant", only: &[], never: PURE, instead: "Time is an argument: moment::Moment" },
    Wall {
        path: "std::time::SystemTime",
        only: &["moment.rs"],
        never: &[],
        instead: "Time is an argument: moment::Moment",
    },
    Wall { path: "Moment::now", only: &[], never: PURE, instead: "Time is an argument" },
    Wall {
        path: "tokio::time::timeout",
        only: &["waits.rs"],
        never: &[],
        instead: "Every wait has a name: waits::within",
    },
    Wall { path: "tokio::time::sleep", only: &["waits.rs"], never: &[], instead: "Use waits::pause" },
];

/// One source file, without comments and without its tests.
struct Source {
    name: String,
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = repository().join("runtime/src");
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&root, &path));
            }
        }
    }
    assert!(found.len() > 20, "these are not all sources");
    found
}

fn read(root: &Path, path: &Path) -> Source {
    let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("a source");
    let whole_file_is_a_test = name.ends_with("tests.rs");
    let code = text.lines().take_while(|line| !whole_file_is_a_test && line.trim() != "#[cfg(test)]");
    let lines = code.enumerate().map(|(at, line)| (at + 1, strip_comment(line).to_owned())).collect();
    Source { name, lines }
}

/// The part of a line before a comment. A `//` inside a text counts as one too: it can only hide an address.
fn strip_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether `line` names `path` as a path: `use path`, `path::`, and not as the tail of a longer name.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + path.len()..];
        let own_word =
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"' && c != '`' && c != ':' && c != '.');
        let whole = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let used = line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
        own_word && whole && (after.starts_with("::") || used || path.contains("::"))
    })
}

#[test]
fn each_room_names_only_what_its_header_allows() {
    let mut complaints = Vec::new();
    for source in sources() {
        for wall in WALLS {
            let allowed = wall.only.is_empty() || wall.only.iter().any(|place| source.name.starts_with(place));
            let banned = wall.never.iter().any(|place| source.name.starts_with(place));
            if allowed && !banned {
                continue;
            }
            for (at, line) in &source.lines {
                if names(line, wall.path) {
                    let who = if wall.only.is_empty() {
                        format!("{} must not", wall.never.join(", "))
                    } else {
                        format!("only {} may", wall.only.join(", "))
                    };
                    complaints.push(format!("{}:{at} names {}; {who}. {}.", source.name, wall.path, wall.instead));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn reply_codes_stand_in_ftp_alone() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| !source.name.starts_with("ftp/")) {
        for (at, line) in &source.lines {
            if line.split('"').skip(1).step_by(2).any(starts_like_a_reply) {
                complaints.push(format!("{}:{at} spells a reply; add a named one to ftp/reply.rs:{line}", source.name));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// `530 Login incorrect`, `211-Features`.
fn starts_like_a_reply(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4
        && matches!(bytes[0], b'1'..=b'6')
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_digit()
        && matches!(bytes[3], b' ' | b'-')
        && bytes[4].is_ascii_alphabetic()
}

#[test]
fn s_13_every_table_hashes_with_a_key_of_its_own() {
    // What peers fill must not be made slow by chosen names: no hasher whose key everybody knows.
    const KNOWN: [&str; 6] = ["FixedState", "BuildHasherDefault", "FxHash", "fxhash", "nohash", "SeedableRandomState"];
    let mut complaints = Vec::new();
    for source in sources() {
        for (at, line) in &source.lines {
            if let Some(hasher) = KNOWN.iter().find(|hasher| line.contains(**hasher)) {
                complaints.push(format!("{}:{at} hashes with {hasher}; take a RandomState", source.name));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_policy_is_special_to_the_server() {
    let mut complaints = Vec::new();
    for source in sources() {
        // The table of embedded components has to name them; it decides nothing.
        if source.name == "policy/builtin.rs" {
            continue;
        }
        for (at, line) in &source.lines {
            if line.contains("\"brute-force\"") || line.contains("\"default-keys\"") {
                complaints.push(format!("{}:{at} knows a policy by name; widen the contract instead", source.name));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_room_says_its_purpose_its_trust_and_what_it_must_not_know() {
    let root = repository().join("runtime/src");
    let mut complaints = Vec::new();
    for entry in fs::read_dir(&root).expect("the rooms") {
        let room = entry.expect("an entry").path();
        // A folder without one holds the parts of the file beside it, such as `startup.rs`.
        let Ok(text) = fs::read_to_string(room.join("mod.rs")) else { continue };
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join(" ");
        let header = header.replace("//!", "").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["Trust:", "Must not know:"] {
            if !header.contains(part) {
                complaints.push(format!("{}/mod.rs: the header has no `{part}`", room.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_test_of_the_walls_sees_what_it_must() {
    assert!(names("use rustls::ServerConfig;", "rustls"));
    assert!(names("    let x = rustls::version::TLS12;", "rustls"));
    assert!(!names("use tokio_rustls::TlsAcceptor;", "rustls"));
    assert!(!names("    let text = \"rustls::\";", "rustls"));
    assert!(!names("mod rustls_like;", "rustls"));
    assert!(names("use std::path::{Path, PathBuf};", "std::path"));
    assert!(starts_like_a_reply("530 Login incorrect"));
    assert!(starts_like_a_reply("211-Features:"));
    assert!(!starts_like_a_reply("503"));
    assert!(!starts_like_a_reply("100 entries".trim_start_matches("100 ")));
}
