//! Components that no compiler would make: written by hand, to break in before there is a policy.

use std::time::{Duration, Instant};

use portcullis::policy::{Engine, LoadFault, check};

use super::fixture::{hostile, load, refusing_meanwhile, settings};

/// The fault that a component in text form ends with.
async fn fault_of(wat: &str) -> LoadFault {
    fault_of_bytes(&wat::parse_str(wat).expect("the text is good")).await
}

async fn fault_of_bytes(bytes: &[u8]) -> LoadFault {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("crafted.wasm");
    std::fs::write(&file, bytes).expect("written");
    let settings = settings("[policies]\nload-deadline = '60s'\n[policies.bounds]\nmemory = '16 MiB'\n");
    let engine = Engine::start(&settings).expect("engine");
    let mut policy = settings.chain[0].clone();
    policy.source = portcullis::config::settings::Source::File(file);
    let fault = check(&engine, &policy, &settings.policies).await.expect_err("refused").fault;
    assert!(!matches!(fault, LoadFault::Crashed) && fault.to_string().len() < 3000, "{fault}");
    fault
}

/// A component that would be a policy if its module did no harm at its start.
fn with_module(module: &str) -> String {
    format!(
        "(component (core module $m {module}) (core instance $i (instantiate $m)) \
         (instance $guest) (export \"portcullis:policy/ban-guest@0.1.0\" (instance $guest)))"
    )
}

#[tokio::test]
async fn w_01_a_start_function_that_never_ends_is_stopped() {
    let started = Instant::now();
    let fault = fault_of(&with_module("(func $s (loop br 0)) (start $s)")).await;
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    assert!(matches!(fault, LoadFault::Failed { .. } | LoadFault::Snapshot(_)), "{fault}");
}

#[tokio::test]
async fn w_02_memory_and_tables_that_are_too_large_at_the_start_are_refused() {
    for module in ["(memory 4096)", "(table 10000000 funcref)", "(memory 257 65536)"] {
        let fault = fault_of(&with_module(module)).await;
        assert!(
            matches!(fault, LoadFault::Failed { .. } | LoadFault::Refused(_) | LoadFault::Snapshot(_)),
            "{module}: {fault}"
        );
    }
}

#[tokio::test]
async fn w_03_recursion_without_end_in_a_start_function_is_stopped() {
    let fault = fault_of(&with_module("(func $s (call $s)) (start $s)")).await;
    assert!(matches!(fault, LoadFault::Failed { .. } | LoadFault::Snapshot(_)), "{fault}");
}

#[tokio::test]
async fn w_14_an_export_of_the_right_name_and_another_type_is_refused() {
    let fault = fault_of(&with_module("(memory 1)")).await;
    assert!(!fault.to_string().is_empty(), "{fault}");
}

fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

#[tokio::test]
async fn w_15_what_would_keep_the_compiler_busy_is_refused_or_done_in_time_and_decisions_go_on() {
    let policies = load(&hostile("refuse", "bounds = { cpu = '1s', wall = '5s' }")).await;
    let chained = |depth: usize| format!("(func {}{})", "(block ".repeat(depth), ")".repeat(depth));
    let table =
        |targets: usize| format!("(func (param i32) (block (br_table {} (local.get 0))))", "0 ".repeat(targets));
    let huge = |adds: usize| format!("(func (result i32) i32.const 0 {})", "i32.const 7 i32.add ".repeat(adds));
    for (name, module) in [
        ("one huge function", huge(400_000)),
        ("many functions", repeated(150_000, |number| format!("(func (result i32) i32.const {number})"))),
        ("chained blocks", repeated(4, |_| chained(900))),
        ("a wide br_table", table(100_000)),
        ("many data segments", format!("(memory 1) {}", repeated(120_000, |_| "(data (i32.const 0) \"\")".into()))),
    ] {
        let bytes = wat::parse_str(with_module(&module)).expect(name);
        let (started, checked) = (Instant::now(), tokio::spawn(async move { fault_of_bytes(&bytes).await }));
        let longest = refusing_meanwhile(&policies, &checked, name).await;
        let fault = checked.await.expect("the load has not crashed");
        assert!(started.elapsed() < Duration::from_secs(60), "{name}: {:?}", started.elapsed());
        assert!(longest < Duration::from_secs(1), "{name}: a decision took {longest:?}; {fault}");
    }
}

#[tokio::test]
async fn w_15_more_parts_than_any_toolchain_makes_are_refused_by_number() {
    let parts = repeated(300, |_| "(component)".to_owned());
    let fault = fault_of(&format!("(component {parts})")).await;
    assert!(matches!(fault, LoadFault::TooComplex { found, .. } if found > 200), "{fault}");
    let functions = repeated(100_001, |_| "(func)".to_owned());
    let fault = fault_of(&with_module(&functions)).await;
    assert!(matches!(fault, LoadFault::TooComplex { what: "functions", .. }), "{fault}");
    let body = "nop ".repeat(600_000);
    let fault = fault_of(&with_module(&format!("(func {body})"))).await;
    assert!(matches!(fault, LoadFault::TooComplex { what: "bytes in one function", .. }), "{fault}");
}

#[tokio::test]
async fn s_65_features_that_the_contract_does_not_need_are_off() {
    for (feature, module) in [
        ("shared memory", "(memory 1 1 shared)"),
        ("atomics", "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
        ("64-bit memory", "(memory i64 1)"),
        ("64-bit tables", "(table i64 1 funcref)"),
        ("garbage collection", "(type (struct (field i32))) (func (param (ref null 0)))"),
        ("exceptions", "(tag (param i32)) (func (throw 0 (i32.const 1)))"),
        ("stack switching", "(type $f (func)) (type $c (cont $f)) (func (param (ref null $c)))"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        ("wide arithmetic", "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))"),
    ] {
        let fault = fault_of(&with_module(module)).await;
        assert!(matches!(fault, LoadFault::Refused(_)), "{feature}: {fault}");
    }
    // The component model's own streams.
    for feature in ["(component (type (stream u8)))", "(component (type (future u8)))"] {
        let fault = fault_of(feature).await;
        assert!(matches!(fault, LoadFault::Refused(_)), "{feature}: {fault}");
    }
}

#[test]
fn s_65_the_engine_is_built_without_what_the_contract_does_not_need() {
    let manifest = include_str!("../../../Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("wasmtime = ")).expect("the engine's line");
    assert!(line.contains("default-features = false"), "{line}");
    for feature in ["winch", "threads", "gc", "stack-switching", "component-model-async", "all-arch", "parallel"] {
        assert!(!line.contains(&format!("\"{feature}")), "{feature} is on");
    }
}

#[tokio::test]
async fn w_15_a_file_over_the_bound_is_not_read_to_its_end() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.resize(100 << 20, 0);
    let started = Instant::now();
    assert!(matches!(fault_of_bytes(&bytes).await, LoadFault::TooLarge { .. }));
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// A module that calls one function of WASI in a loop, from its start function.
fn leaking() -> &'static str {
    r#"(component
        (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stdout@0.2.0" (instance $stdout
            (alias outer 1 $stream (type $outer))
            (export "output-stream" (type $own (eq $outer)))
            (export "get-stdout" (func (result (own $own))))))
        (alias export $stdout "get-stdout" (func $get))
        (core func $get-core (canon lower (func $get)))
        (core module $m
            (import "wasi" "get" (func $get (result i32)))
            (func $s (loop (drop (call $get)) (br 0)))
            (start $s))
        (core instance $wasi (export "get" (func $get-core)))
        (core instance (instantiate $m (with "wasi" (instance $wasi))))
        (instance $guest)
        (export "portcullis:policy/ban-guest@0.1.0" (instance $guest)))"#
}

#[tokio::test]
async fn w_08_handles_that_are_never_given_back_run_out() {
    let fault = fault_of(leaking()).await;
    assert!(matches!(fault, LoadFault::Failed { .. } | LoadFault::Snapshot(_)), "{fault}");
}

/// A module that traps unless WASI says nothing: no variable, no time, the first number of a known sequence.
const SURROUNDED: &str = r#"(component
    (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
    (import "wasi:cli/environment@0.2.0" (instance $env
        (export "get-environment" (func (result (list (tuple string string)))))))
    (alias export $random "get-random-u64" (func $chance))
    (alias export $clock "now" (func $now))
    (alias export $env "get-environment" (func $variables))
    (core module $memory
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
    (core instance $memory (instantiate $memory))
    (core func $chance-core (canon lower (func $chance)))
    (core func $now-core (canon lower (func $now)))
    (core func $variables-core (canon lower (func $variables)
        (memory $memory "memory") (realloc (func $memory "realloc"))))
    (core module $m
        (import "wasi" "chance" (func $chance (result i64)))
        (import "wasi" "now" (func $now (result i64)))
        (import "wasi" "variables" (func $variables (param i32)))
        (import "memory" "memory" (memory 1))
        (func $s
            (if (i64.ne (call $chance) (i64.const 0xE220A8397B1DCDAF)) (then unreachable))
            (if (i64.ne (call $now) (i64.const 0)) (then unreachable))
            (i32.store (i32.const 4) (i32.const 99))
            (call $variables (i32.const 0))
            (if (i32.load (i32.const 4)) (then unreachable)))
        (start $s))
    (core instance $wasi
        (export "chance" (func $chance-core))
        (export "now" (func $now-core))
        (export "variables" (func $variables-core)))
    (core instance (instantiate $m (with "wasi" (instance $wasi)) (with "memory" (instance $memory))))
    (instance $guest)
    (export "portcullis:policy/ban-guest@0.1.0" (instance $guest)))"#;

#[tokio::test]
async fn wasi_is_there_and_holds_nothing_real() {
    let fault = fault_of(SURROUNDED).await;
    assert!(!fault.to_string().contains("unreachable"), "{fault}");
    // Another number, and it traps: so it was asked.
    let other = fault_of(&SURROUNDED.replace("0xE220A8397B1DCDAF", "7")).await;
    assert!(other.to_string().contains("unreachable"), "{other}");
}
