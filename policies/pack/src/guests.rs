//! Every guest that is built from this repository.

/// One guest crate and the component that is committed.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Name of its package; also that of its `.wasm` with hyphens made underscores.
    pub name: &'static str,
    /// Folder of its sources.
    pub sources: &'static str,
    /// The built component.
    pub built: &'static str,
}

/// All but the component of each published contract in `tests/contracts`: that is built once and for all.
pub const GUESTS: [Guest; 6] = [
    Guest { name: "brute-force", sources: "policies/brute-force", built: "policies/built/brute-force.wasm" },
    Guest { name: "default-keys", sources: "policies/default-keys", built: "policies/built/default-keys.wasm" },
    Guest { name: "hostile", sources: "tests/hostile", built: "tests/hostile/hostile.wasm" },
    Guest { name: "recorder", sources: "tests/recorder", built: "tests/recorder/recorder.wasm" },
    Guest {
        name: "first-policy",
        sources: "examples/policies/rust",
        built: "examples/policies/rust/first-policy.wasm",
    },
    Guest {
        name: "failed-logins",
        sources: "examples/policies/failed-logins/rust",
        built: "examples/policies/failed-logins/rust/failed-logins.wasm",
    },
];
