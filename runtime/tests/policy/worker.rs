//! Components of strangers are compiled in a process of its own, which is bounded and killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis::events::Kind;
use portcullis::policy::{COMPILE, Decision, Engine, LoadFault, Policies, check};

use super::fixture::{deps, event, hostile, load, refusing_meanwhile, settings};

/// The server's program.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// A component of so many functions that each take the compiler a while.
fn laborious(functions: usize, additions: usize) -> Vec<u8> {
    let function = format!("(func (result i32) i32.const 0 {})", "i32.const 7 i32.add ".repeat(additions));
    let module = function.repeat(functions);
    wat::parse_str(format!("(component (core module $m {module}) (core instance (instantiate $m)))")).expect("a text")
}

/// Why it is refused with these settings over the defaults, and after how long.
async fn refused(component: &[u8], policies: &str) -> (LoadFault, Duration) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("laborious.wasm");
    std::fs::write(&file, component).expect("written");
    let settings = settings(&format!("[policies]\n{policies}\n"));
    let engine = Engine::start_apart(&settings, program()).expect("engine");
    let mut policy = settings.chain[0].clone();
    policy.source = portcullis::config::settings::Source::File(file);
    let started = Instant::now();
    let fault = check(&engine, &policy, &settings.policies).await.expect_err("refused").fault;
    (fault, started.elapsed())
}

/// The ids of this process's children that compile, in so many MiB: each test has its own number.
fn compiling(mebibytes: u64) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("Linux tells its processes");
    let own = std::process::id().to_string();
    let compiles = |id: &str| {
        let told = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        let child = told("status").lines().any(|line| line.strip_prefix("PPid:\t") == Some(own.as_str()));
        let bound = format!("\0{COMPILE}\0--memory\0{}\0", mebibytes << 20);
        child && told("cmdline").contains(&bound)
    };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|id| compiles(id)).collect()
}

#[tokio::test]
async fn s_63_a_component_that_takes_the_compiler_too_long_or_too_much_is_stopped_and_decisions_go_on() {
    let policies = load(&hostile("refuse", "bounds = { cpu = '1s', wall = '5s' }")).await;
    for (name, component, mebibytes, words) in [
        ("long", laborious(60, 100_000), 1001, "`policies.load-deadline`"),
        ("large", laborious(1, 170_000), 129, "129 MiB of memory (`policies.compiler-memory`)"),
    ] {
        let bounds = format!("load-deadline = '3s'\ncompiler-memory = '{mebibytes} MiB'");
        let checked = tokio::spawn(async move { refused(&component, &bounds).await });
        let longest = refusing_meanwhile(&policies, &checked, name).await;
        let (fault, took) = checked.await.expect("the load has not crashed");
        assert!(fault.to_string().contains(words), "{name}: {fault}");
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
        assert!(longest < Duration::from_secs(1), "{name}: a decision took {longest:?}");
        assert_eq!(compiling(mebibytes), [""; 0], "{name}: none is left");
    }
}

#[tokio::test]
async fn s_63_what_was_compiled_apart_decides_as_ever_in_the_least_memory_too() {
    let policy = hostile("refuse", "bounds = { cpu = '1s', wall = '5s' }");
    for more in ["", "policies.compiler-memory = '128 MiB'\n"] {
        let settings = settings(&format!("{more}{policy}"));
        let engine = Engine::start_apart(&settings, program()).expect("engine");
        let policies = Policies::load(engine, &settings, deps()).await.expect("policies");
        let ruling = policies.decide(&event(Kind::Connect)).await;
        assert!(matches!(ruling.decision, Decision::Refuse { .. }), "{ruling:?}");
    }
}

#[tokio::test]
async fn s_63_a_compiler_that_is_killed_from_outside_is_told_as_that() {
    let load = tokio::spawn(async { refused(&laborious(60, 100_000), "compiler-memory = '1002 MiB'").await.0 });
    while !load.is_finished() {
        for id in compiling(1002) {
            std::process::Command::new("kill").args(["-KILL", &id]).status().expect("kill runs");
        }
        tokio::task::yield_now().await;
    }
    let fault = load.await.expect("the load has not crashed");
    assert!(matches!(&fault, LoadFault::CompilerGone(why) if why.contains("killed from outside")), "{fault}");
}

/// A program that does this in place of compiling. A shell writes it, so that no other test's child holds it open
/// for writing while it is started.
fn program_that(folder: &Path, does: &str) -> PathBuf {
    let file = folder.join("program");
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = std::process::Command::new("sh").arg("-c").arg(write).arg(&file).arg(does).status();
    assert!(written.is_ok_and(|status| status.success()), "{does}");
    file
}

#[tokio::test]
async fn s_63_however_the_compiler_ends_the_operator_is_told_what_to_do() {
    let settings = settings(&hostile("refuse", "bounds = { cpu = '1s', wall = '5s' }"));
    let folder = tempfile::tempdir().expect("folder");
    for (does, words) in [
        ("kill -KILL $$", ["killed from outside", "reload the policies"]),
        ("kill -XCPU $$", ["`policies.load-deadline`", "more time"]),
        ("echo memory allocation of 7 bytes failed >&2; kill -ABRT $$", ["`policies.compiler-memory`", "1024 MiB"]),
        ("echo its stack has overflowed >&2; kill -ABRT $$", ["crashed", "report"]),
        ("kill -SEGV $$", ["crashed", "report"]),
        ("exit 101", ["crashed", "report"]),
        ("cat > /dev/null; printf %s -", ["the engine refuses", ""]),
        ("cat > /dev/null; printf '%s' '-no\nsense'", ["no\\nsense", ""]),
        ("cat > /dev/null; printf +nonsense", ["its answer is none", "reload the policies"]),
        ("printf +nonsense; exit 3", ["gave no answer", "exit status: 3"]),
        ("echo an odd thing >&2; exit 1", ["an odd thing", "reload the policies"]),
        ("exit 0", ["gave no answer", "reload the policies"]),
    ] {
        let engine = Engine::start_apart(&settings, &program_that(folder.path(), does)).expect("engine");
        let faults = Policies::load(engine, &settings, deps()).await.expect_err(does);
        let told = faults[0].fault.to_string();
        assert!(words.iter().all(|words| told.contains(words)), "{does}: {told}");
    }
    let engine = Engine::start_apart(&settings, Path::new("/nowhere/exe")).expect("engine");
    let told = Policies::load(engine, &settings, deps()).await.expect_err("no program")[0].fault.to_string();
    assert!(
        ["cannot be started", "/nowhere/exe: No such file", "/proc must be"].iter().all(|it| told.contains(it)),
        "{told}"
    );
}
