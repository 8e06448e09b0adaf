//! The components that are embedded in this binary.

/// Name and bytes of each.
const BUILT: &[(&str, &[u8])] = &[
    ("brute-force", include_bytes!("../../../policies/built/brute-force.wasm")),
    ("default-keys", include_bytes!("../../../policies/built/default-keys.wasm")),
    ("proftpd-keys", include_bytes!("../../../policies/built/proftpd-keys.wasm")),
];

/// The bytes of `builtin:NAME`.
pub(super) fn component(name: &str) -> Option<&'static [u8]> {
    BUILT.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// What there is.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT.iter().map(|(name, _)| *name)
}
