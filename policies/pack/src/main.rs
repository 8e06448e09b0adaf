//! `pack component CORE OUT` makes a component of a compiled guest; `pack record` writes down which sources
//! the built components came from. For `policies/build`; nobody else needs it.

mod guests;
mod sources;

use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["component", core, out] => component(Path::new(core), Path::new(out)),
        ["list"] => {
            guests::GUESTS.iter().for_each(|guest| println!("{} {}", guest.name, guest.built));
            Ok(())
        }
        ["record"] => {
            std::fs::write(sources::RECORD_FILE, sources::record()?).context("writing policies/built/SOURCES")
        }
        _ => bail!("usage: pack component CORE OUT | pack list | pack record"),
    }
}

/// The contract's types are in a section of the core module, where the SDK's bindings put them.
fn component(core: &Path, out: &Path) -> Result<()> {
    let module = std::fs::read(core).with_context(|| format!("reading {}", core.display()))?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .with_context(|| format!("{} does not carry the contract's types", core.display()))?
        .encode()
        .with_context(|| format!("{} does not fit the contract", core.display()))?;
    std::fs::write(out, component).with_context(|| format!("writing {}", out.display()))
}
