//! A pool of nodes whose memcached servers, links, disks and clocks fail, in virtual time: thousands of seeds.
//!
//! `PORTCULLIS_SIMULATION_SEEDS=10000` runs so many of each kind, `PORTCULLIS_SIMULATION_SEED=7` that one alone.

use tests::simulation::{Failure, Faults, Figures, Scenario, play};

const SMALL: Scenario = Scenario {
    name: "small",
    nodes: (3, 5),
    servers: (1, 3),
    seconds: 60,
    bans: 30,
    faults: Faults { skew: false, ..Faults::ALL },
    rush: 0,
};

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    match setting("PORTCULLIS_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("PORTCULLIS_SIMULATION_SEEDS").unwrap_or(count),
    }
}

fn clean(scenario: &Scenario, count: u64) {
    let started = std::time::Instant::now();
    let mut total = Figures::default();
    let mut failures: Vec<Failure> = Vec::new();
    for seed in seeds(count) {
        match play(scenario, seed, None) {
            Ok(figures) => {
                total.requests += figures.requests;
                total.bans += figures.bans;
                total.looks += figures.looks;
            }
            Err(failure) => failures.push(failure),
        }
    }
    println!("{}: {total:?} in {:?}, {} failed", scenario.name, started.elapsed(), failures.len());
    for failure in failures.iter().skip(1) {
        println!("seed {}: {}", failure.seed, failure.what);
    }
    if let Some(first) = failures.first() {
        panic!("{first}");
    }
}

#[test]
fn small_pools_hold_what_they_promise_whatever_fails() {
    clean(&SMALL, 150);
}
