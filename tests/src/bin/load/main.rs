//! The load generator of `tests/compare/run`: one thread, the same work and the same TLS for every server.
//!
//! `load WORK key=value...` does one kind of work until `count` or `seconds` is reached, whichever comes
//! first, and prints one line of JSON. Whoever starts it stops it if it hangs.

mod bare;
mod clock;
mod control;
mod data;
mod plan;
mod work;

use anyhow::{Context, Result, bail};
use plan::Plan;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let work = words.next().context("usage: load WORK key=value...; see tests/compare/run")?;
    let plan = Plan::parse(words)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = match work.as_str() {
        "bare-blocking" => return bare::blocking(),
        "bare-tokio" => return runtime.block_on(bare::tokio()),
        "refused" | "greet" | "login" => runtime.block_on(work::sessions(&work, plan)),
        "download" | "upload" | "small" | "list" | "mlsd" => runtime.block_on(work::transfers(&work, plan)),
        other => bail!("`{other}` is no work"),
    }?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}
