//! How large and how deep a component is, before the compiler sees it: compiling cannot be interrupted, and
//! its time is not linear in what it compiles.

use wasmparser::{Parser, Payload};

use super::fault::LoadFault;
use super::text;

/// Functions of all modules together. Interpreters of whole languages have some 30,000.
const FUNCTIONS_MAX: usize = 100_000;
/// Bytes of one function. The largest of known interpreters has a fifth of it.
const FUNCTION_BYTES_MAX: usize = 512 * 1024;
/// Modules and components within the component.
const PARTS_MAX: usize = 200;
/// Data segments of all modules together.
const SEGMENTS_MAX: usize = 100_000;

/// Refuses what would keep the compiler busy for minutes.
///
/// # Errors
/// What there is too much of, or where the bytes are no WebAssembly.
pub(super) fn check(wasm: &[u8]) -> Result<(), LoadFault> {
    let (mut functions, mut parts, mut segments) = (0_usize, 0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| LoadFault::Refused(text::line(&error.to_string())))? {
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                within("bytes in one function", body.range().len(), FUNCTION_BYTES_MAX)?;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => parts += 1,
            Payload::DataSection(data) => segments = segments.saturating_add(data.count() as usize),
            _ => continue,
        }
        within("functions", functions, FUNCTIONS_MAX)?;
        within("modules and components", parts, PARTS_MAX)?;
        within("data segments", segments, SEGMENTS_MAX)?;
    }
    Ok(())
}

const fn within(what: &'static str, found: usize, most: usize) -> Result<(), LoadFault> {
    if found > most { Err(LoadFault::TooComplex { what, found, most }) } else { Ok(()) }
}
