//! What a pool costs and how fast it is, each figure beside its target: `tests/pool-bench` starts it.
//!
//! Real servers, a real memcached, a real ProFTPD, on loopback. Figures are ratios within one run wherever two things
//! are compared, and CPU seconds are those of the process that is measured.

mod connects;
mod figure;
mod lookups;
mod outage;
mod travel;

use std::process::ExitCode;

use figure::{Figure, Scale};

fn main() -> ExitCode {
    let smoke = std::env::args().any(|word| word == "--smoke");
    let connects_only = std::env::args().any(|word| word == "--connects");
    let scale = if smoke { Scale::smoke() } else { Scale::whole() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut figures = runtime.block_on(async {
        let mut figures = connects::measure(&scale).await;
        if connects_only {
            return figures;
        }
        figures.extend(travel::measure(&scale).await);
        figures.extend(outage::measure(&scale).await);
        figures
    });
    if !connects_only {
        // Of one thread alone.
        figures.extend(lookups::measure(&scale));
    }
    for figure in &figures {
        println!("{figure}");
    }
    // A smoke run measures nothing in earnest: it shows that everything can be measured.
    let all_well = smoke || figures.iter().all(Figure::reached);
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
