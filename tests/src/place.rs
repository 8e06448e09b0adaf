//! Where things are: the server's binary, the repository's files.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the package is a folder of the repository").to_owned()
}

/// The server's binary: `PORTCULLIS_BIN`, or the one beside this test's own.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("PORTCULLIS_BIN") {
        return PathBuf::from(named);
    }
    let test = std::env::current_exe().expect("a process knows its own file");
    let profile = test.ancestors().nth(2).expect("test binaries live in target/PROFILE/deps");
    let beside = profile.join("portcullis");
    assert!(
        beside.is_file(),
        "there is no {}; build it first: cargo build --release, or set PORTCULLIS_BIN",
        beside.display()
    );
    beside
}

/// The server's binary with a cargo feature that is off by default, as `tests/run` builds it.
pub fn built_with(feature: &str) -> PathBuf {
    let place = repository().join("target").join(feature).join("portcullis");
    assert!(place.exists(), "there is no {}; tests/run makes it", place.display());
    place
}

/// A built guest of this repository, by its package's name: the one that is committed, or the one that
/// `policies/build --check` has just built into the folder `PORTCULLIS_GUESTS`.
pub fn guest(name: &str) -> PathBuf {
    let file = match std::env::var_os("PORTCULLIS_GUESTS") {
        Some(folder) => PathBuf::from(folder).join(format!("{name}.wasm")),
        None => repository().join(match name {
            "hostile" | "recorder" => format!("tests/{name}/{name}.wasm"),
            "first-policy" => "examples/policies/rust/first-policy.wasm".to_owned(),
            "failed-logins" => "examples/policies/failed-logins/rust/failed-logins.wasm".to_owned(),
            built_in => format!("policies/built/{built_in}.wasm"),
        }),
    };
    assert!(file.is_file(), "there is no {}; policies/build makes it", file.display());
    file
}

/// The example `failed-logins` in a language: the component that is committed, or the one that
/// `examples/policies/failed-logins/build` has just made; that of Python always is.
pub fn failed_logins(language: &str) -> PathBuf {
    let built = std::env::var_os("PORTCULLIS_LANGUAGES").map(PathBuf::from);
    let file = match language {
        "rust" => return guest("failed-logins"),
        "python" => repository().join("target/languages/python.wasm"),
        _ => match built {
            Some(folder) => folder.join(format!("{language}.wasm")),
            None => repository().join(format!("examples/policies/failed-logins/{language}/failed-logins.wasm")),
        },
    };
    assert!(file.is_file(), "there is no {}; examples/policies/failed-logins/build makes it", file.display());
    file
}

/// A program of this repository that drives a client.
pub fn client(name: &str) -> PathBuf {
    repository().join("tests/clients").join(name)
}

/// Something that `tests/run` fetched or built for the clients.
pub fn fetched(name: &str) -> PathBuf {
    let place = repository().join("target/clients").join(name);
    assert!(place.exists(), "there is no {}; tests/run makes it", place.display());
    place
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    probe.local_addr().expect("a bound socket has an address").port()
}
