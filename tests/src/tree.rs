//! Trees of files: makes them, compares them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Names that have broken clients or servers: blanks, quotes, globs, options, other scripts.
pub const UNUSUAL_NAMES: [&str; 21] = [
    "with blank",
    " leading blank",
    "two  blanks",
    "-dash",
    "--help",
    "[brackets]",
    "star*and?mark",
    "quote\"quote",
    "apostrophe's",
    "semi;colon=equals",
    "dollar$HOME`tick`",
    "percent%20",
    "hash#tag&amp",
    "ünïcödé-日本語-🗝",
    ".hidden",
    "ends with dot.",
    "pipe|line",
    "back\\slash",
    "~tilde",
    "colon: and, comma",
    LONGEST_NAME,
];

/// As many bytes as a name may have.
const LONGEST_NAME: &str = concat!(
    "255-bytes-long-ääääääääääääääääääääääääääääääääääääääää",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxx",
);
const _: () = assert!(LONGEST_NAME.len() == 255);

/// Content that tells its place: no two blocks are alike, and every byte depends on the seed.
pub fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut made = Vec::with_capacity(bytes + 8);
    while made.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        made.extend_from_slice(&state.to_le_bytes());
    }
    made.truncate(bytes);
    made
}

/// Makes a tree of `files` files in nested folders, those with unusual names first, empty ones among them.
pub fn make(root: &Path, files: usize) {
    let folders = ["", "one", "one/two", "one/two/three", "folder with blank", "empty"];
    for folder in folders {
        fs::create_dir_all(root.join(folder)).expect("a folder can be made");
    }
    for number in 0..files {
        let folder = folders[number % (folders.len() - 1)];
        let name = match UNUSUAL_NAMES.get(number) {
            Some(name) => (*name).to_owned(),
            None => format!("file-{number}.dat"),
        };
        let bytes = content(number as u64, (number * 977) % 20_000);
        fs::write(root.join(folder).join(name), bytes).expect("a file can be written");
    }
}

/// Every file and folder below `root`, with the files' bytes.
pub fn read(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            if path.is_dir() {
                found.insert(name, None);
                open.push(path);
            } else {
                found.insert(name, Some(fs::read(&path).expect("a file can be read")));
            }
        }
    }
    found
}

/// Panics, naming each difference, unless the trees hold the same files, folders and bytes.
#[track_caller]
pub fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (read(left), read(right));
    let mut wrong: Vec<String> = Vec::new();
    for (name, bytes) in &left {
        match right.get(name) {
            None => wrong.push(format!("missing: {name:?}")),
            Some(other) if other != bytes => wrong.push(format!("differs: {name:?}")),
            Some(_) => {}
        }
    }
    wrong.extend(right.keys().filter(|name| !left.contains_key(*name)).map(|name| format!("too much: {name:?}")));
    assert!(wrong.is_empty(), "the trees differ:\n{}", wrong.join("\n"));
}
