//! Every guest that is built from this repository.

/// One guest crate and the component that is committed.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Name of its package; also that of its `.wasm` with hyphens made underscores.
    pub name: &'static str,
    /// Folder of its sources.
    pub sources: &'static str,
    /// Folder of another guest that it builds on.
    pub upon: Option<&'static str>,
    /// The built component.
    pub built: &'static str,
}

/// All but the component of each published contract in `tests/contracts`: that is built once and for all.
pub const GUESTS: [Guest; 7] = [
    Guest {
        name: "brute-force",
        sources: "policies/brute-force",
        upon: None,
        built: "policies/built/brute-force.wasm",
    },
    Guest {
        name: "default-keys",
        sources: "policies/default-keys",
        upon: None,
        built: "policies/built/default-keys.wasm",
    },
    Guest {
        name: "proftpd-keys",
        sources: "policies/proftpd-keys",
        upon: Some("policies/default-keys"),
        built: "policies/built/proftpd-keys.wasm",
    },
    Guest { name: "hostile", sources: "tests/hostile", upon: None, built: "tests/hostile/hostile.wasm" },
    Guest { name: "recorder", sources: "tests/recorder", upon: None, built: "tests/recorder/recorder.wasm" },
    Guest {
        name: "first-policy",
        sources: "examples/policies/rust",
        upon: None,
        built: "examples/policies/rust/first-policy.wasm",
    },
    Guest {
        name: "failed-logins",
        sources: "examples/policies/failed-logins/rust",
        upon: None,
        built: "examples/policies/failed-logins/rust/failed-logins.wasm",
    },
];
