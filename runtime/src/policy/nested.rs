//! Some toolchains wrap the component that they make into others, which answer a part of its imports with
//! stubs: WASI's, or those of a step of the build that is over. A snapshot knows no modules within modules,
//! so the wrapping is taken off. What the stubs answered is answered by this server: WASI as for everybody,
//! the rest by a trap, which is what a stub does as well.
//!
//! Trusts nothing: what comes out is checked and compiled as if it had come alone.

use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{Parser, Payload};

use super::fault::LoadFault;
use super::{text, wasi};

/// Interfaces of a step of the build; nothing calls them any more.
pub(super) const OF_THE_BUILD: &str = "local:init/";
/// What a policy exports, whatever the version.
const GUESTS: [&str; 2] = ["portcullis:policy/ban-guest@", "portcullis:policy/key-guest@"];

/// The policy itself, without what is wrapped around it.
///
/// # Errors
/// `Snapshot` for one that is composed of parts which need each other.
pub(super) fn unwrap(mut component: &[u8]) -> Result<&[u8], LoadFault> {
    loop {
        let parts = parts(component)?;
        // The usual case: the modules stand in the component itself, beside shims without any.
        if parts.has_modules || !parts.nested.iter().any(|part| part.has_modules) {
            return Ok(component);
        }
        let policy = parts.nested.iter().find(|part| part.is_guest).ok_or_else(|| {
            LoadFault::Snapshot("it is composed of components, and none of them is the policy".to_owned())
        })?;
        let harmless = |name: &String| name.starts_with(wasi::PREFIX) || name.starts_with(OF_THE_BUILD);
        if let Some(needed) = policy.imports.difference(&parts.imports).find(|name| !harmless(name)) {
            let needed = text::line(needed);
            return Err(LoadFault::Snapshot(format!(
                "it is composed of components, and another one gives `{needed}` to the policy; link them into one"
            )));
        }
        let cut = || LoadFault::Refused("a component within it is cut off".to_owned());
        component = component.get(policy.range.clone()).ok_or_else(cut)?;
    }
}

/// What a component has at its top.
#[derive(Default)]
struct Parts {
    imports: BTreeSet<String>,
    has_modules: bool,
    nested: Vec<Nested>,
}

/// A component in it.
struct Nested {
    range: Range<usize>,
    imports: BTreeSet<String>,
    is_guest: bool,
    /// Itself or deeper.
    has_modules: bool,
}

fn parts(component: &[u8]) -> Result<Parts, LoadFault> {
    let broken = |error: wasmparser::BinaryReaderError| LoadFault::Refused(text::line(&error.to_string()));
    let mut parts = Parts::default();
    // Modules and components that were entered and not left, outermost first.
    let mut within = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(broken)? {
            Payload::ModuleSection { .. } => {
                match parts.nested.last_mut().filter(|_| within > 0) {
                    None => parts.has_modules = true,
                    Some(nested) => nested.has_modules = true,
                }
                within += 1;
            }
            Payload::ComponentSection { unchecked_range: range, .. } => {
                if within == 0 {
                    let imports = BTreeSet::new();
                    parts.nested.push(Nested { range, imports, is_guest: false, has_modules: false });
                }
                within += 1;
            }
            Payload::End(_) => within = within.saturating_sub(1),
            Payload::ComponentImportSection(imports) if within <= 1 => {
                let names = match parts.nested.last_mut().filter(|_| within == 1) {
                    None => &mut parts.imports,
                    Some(nested) => &mut nested.imports,
                };
                for import in imports {
                    names.insert(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if within == 1 => {
                let Some(nested) = parts.nested.last_mut() else { continue };
                for export in exports {
                    let name = export.map_err(broken)?.name.name;
                    nested.is_guest |= GUESTS.iter().any(|guest| name.starts_with(guest));
                }
            }
            _ => {}
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        (import "wasi:cli/exit@0.2.0" (instance $wasi))
        (import "local:init/loader" (instance $loader))
        (import "portcullis:policy/log@0.1.0" (instance $log))
        (core module)
        (instance $guest)
        (export "portcullis:policy/ban-guest@0.1.0" (instance $guest))"#;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect(text)
    }

    fn wrapped(policy: &str, imports: &str) -> Vec<u8> {
        wasm(&format!("(component {imports} (component {policy}) (component (core module)))"))
    }

    #[test]
    fn a_component_with_its_own_modules_stays_as_it_is() {
        let alone = wasm(&format!("(component {POLICY})"));
        assert_eq!(unwrap(&alone).expect("fine"), alone);
        let shim = wasm("(component (core module) (component))");
        assert_eq!(unwrap(&shim).expect("fine"), shim);
    }

    #[test]
    fn wrappings_with_stubs_are_taken_off_one_by_one() {
        let alone = wasm(&format!("(component {POLICY})"));
        let log = r#"(import "portcullis:policy/log@0.1.0" (instance $log))"#;
        assert_eq!(unwrap(&wrapped(POLICY, log)).expect("once"), alone);
        let guest = r#"(instance $guest) (export "portcullis:policy/ban-guest@0.1.0" (instance $guest))"#;
        let twice = format!("{log} (component {POLICY}) (component (core module)) {guest}");
        assert_eq!(unwrap(&wrapped(&twice, log)).expect("twice"), alone);
    }

    #[test]
    fn what_another_component_answers_is_not_lost_in_silence() {
        let fault = unwrap(&wrapped(POLICY, "")).expect_err("the log is another component's");
        assert!(fault.to_string().contains("`portcullis:policy/log@0.1.0`"), "{fault}");
        let fault = unwrap(&wrapped("(core module)", "")).expect_err("no policy at all");
        assert!(fault.to_string().contains("none of them is the policy"), "{fault}");
    }

    #[test]
    fn w_13_garbage_is_an_error() {
        let whole = wrapped(POLICY, r#"(import "portcullis:policy/log@0.1.0" (instance))"#);
        for length in 0..whole.len() {
            let _judged = unwrap(&whole[..length]);
        }
    }
}
