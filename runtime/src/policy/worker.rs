//! Compiling in a process of its own: the compiler cannot be interrupted, and its time and memory are not
//! linear in what it compiles. The server starts its own program once more, bounds it, and kills it at the
//! deadline.
//!
//! Trust: none in the component. The process is this very program, reached over pipes that nobody else holds:
//! what it hands back is as good as what would have been compiled here.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::process::ExitStatusExt as _;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use wasmtime::component::Component;
use wasmtime::{Engine, InstanceAllocationStrategy};

use super::engine::config;
use super::fault::LoadFault;
use super::text;
use crate::waits::{self, Wait};

/// The hidden command of the program that compiles.
pub const COMMAND: &str = "compile-component";
/// The first byte of an answer: compiled code, or the engine's words.
const COMPILED: u8 = b'+';
const REFUSED: u8 = b'-';
/// Words of the engine, and what a process says as it dies, that are read.
const WORDS_BYTES_MAX: usize = 4096;
/// What a Rust program ends with that has panicked.
const PANICKED: i32 = 101;

/// What came out of a process.
struct Ended {
    answer: Vec<u8>,
    /// On its stderr.
    words: String,
    status: ExitStatus,
}

/// Starts processes that compile.
#[derive(Clone, Debug)]
pub struct Worker {
    program: PathBuf,
    memory: u64,
}

impl Worker {
    /// Processes of `program`, which knows [`COMMAND`], each of so many bytes of address space.
    pub(super) fn new(program: &Path, memory: u64) -> Worker {
        Worker { program: program.to_owned(), memory }
    }

    /// This program, even if its file was replaced meanwhile.
    pub fn own_program() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }

    /// Machine code of a component, for an engine that is configured as `engine` is.
    ///
    /// # Errors
    /// What the engine says of the component, or which bound it broke.
    pub(super) async fn compile(&self, engine: &Engine, wasm: &[u8], until: Instant) -> Result<Component, LoadFault> {
        let (began, span) = (Instant::now(), until.saturating_duration_since(Instant::now()));
        let late = || LoadFault::CompilerTooSlow(began.elapsed());
        let mut child = self.start(span)?;
        // Dropped at the deadline, the process is killed and reaped.
        let answered = waits::for_at_most(span, Wait::Ruling, converse(&mut child, wasm, self.memory)).await;
        let ended = match answered {
            Ok(ended) => ended.map_err(|error| LoadFault::CompilerGone(error.to_string()))?,
            Err(_timed_out) => {
                let _ = child.kill().await;
                return Err(late());
            }
        };
        match ended.answer.split_first() {
            Some((&COMPILED, code)) if ended.status.success() => trusted(engine, code)
                .map_err(|error| LoadFault::CompilerGone(text::line(&format!("its answer is none: {error:#}")))),
            Some((&REFUSED, words)) if out_of_memory(words) => Err(LoadFault::CompilerTooLarge(self.memory)),
            Some((&REFUSED, words)) => Err(LoadFault::Refused(text::line(&String::from_utf8_lossy(words)))),
            _ => Err(self.death(&ended).unwrap_or_else(late)),
        }
    }

    fn start(&self, span: Duration) -> Result<Child, LoadFault> {
        // The bound on CPU time is for a process whose parent was killed.
        let seconds = span.as_secs().saturating_add(1);
        Command::new(&self.program)
            .arg0("portcullis")
            .arg(COMMAND)
            .args(["--memory", &self.memory.to_string(), "--seconds", &seconds.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| LoadFault::NoCompiler {
                program: self.program.display().to_string(),
                why: error.to_string(),
            })
    }

    /// What a process that gave no answer died of; `None`: of its time.
    fn death(&self, ended: &Ended) -> Option<LoadFault> {
        let Ended { words, status, .. } = ended;
        let died_of = |signal: Signal| status.signal() == Some(signal.as_raw());
        let gone = |why: &str| LoadFault::CompilerGone(format!("{why} ({status})"));
        match () {
            () if died_of(Signal::XCPU) => None,
            // Its bound on CPU time is beyond the deadline, at which this server kills it: it was not this one.
            () if died_of(Signal::KILL) => {
                Some(gone("it was killed from outside, as by the system where memory runs out"))
            }
            () if words.contains("memory allocation of") => Some(LoadFault::CompilerTooLarge(self.memory)),
            () if status.signal().is_some() || status.code() == Some(PANICKED) => Some(LoadFault::Crashed),
            () if words.is_empty() => Some(gone("it gave no answer")),
            () => Some(gone(&text::cut(words.trim_end(), WORDS_BYTES_MAX))),
        }
    }
}

/// Gives it the component and takes its answer.
async fn converse(child: &mut Child, wasm: &[u8], most: u64) -> io::Result<Ended> {
    let missing = || io::Error::other("it has no pipes");
    let mut question = child.stdin.take().ok_or_else(missing)?;
    let mut told = child.stdout.take().ok_or_else(missing)?;
    let mut complained = child.stderr.take().ok_or_else(missing)?;
    let ask = async {
        // One that died of it has closed the pipe; how it died is told by its status.
        let _ = question.write_all(wasm).await;
        drop(question);
    };
    let (mut answer, mut words) = (Vec::new(), Vec::new());
    let listen = async { (&mut told).take(most).read_to_end(&mut answer).await };
    let overhear = async { (&mut complained).take(WORDS_BYTES_MAX as u64).read_to_end(&mut words).await };
    let ((), read, overheard) = tokio::join!(ask, listen, overhear);
    read.and(overheard)?;
    drop((told, complained));
    let status = child.wait().await?;
    Ok(Ended { answer, words: String::from_utf8_lossy(&words).into_owned(), status })
}

#[expect(unsafe_code, reason = "the compiler of this very program has made these bytes a moment ago")]
fn trusted(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: they came from `precompile_component` of the same program, over a pipe that it alone writes to.
    unsafe { Component::deserialize(engine, code) }
}

fn out_of_memory(words: &[u8]) -> bool {
    let words = String::from_utf8_lossy(words);
    words.contains("annot allocate memory") || words.contains("out of memory")
}

/// What the process does: bounds itself, compiles what comes in, and tells what came of it. Bytes of address
/// space, seconds of CPU time.
///
/// # Errors
/// The pipes', or the system's, which does not bound it.
pub fn work(memory: u64, seconds: u64) -> io::Result<()> {
    // Who is bounded more narrowly already cannot widen it.
    let bound = |what, most: u64| {
        let most = Some(getrlimit(what).maximum.map_or(most, |already| most.min(already)));
        setrlimit(what, Rlimit { current: most, maximum: most })
    };
    bound(Resource::Core, 0)?;
    bound(Resource::As, memory)?;
    bound(Resource::Cpu, seconds)?;
    let mut wasm = Vec::new();
    io::stdin().lock().take(memory).read_to_end(&mut wasm)?;
    let mut own = config();
    // A pool of instances is larger than this process may be, and nothing runs here.
    own.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    let compiled = Engine::new(&own).and_then(|engine| engine.precompile_component(&wasm));
    let mut out = io::stdout().lock();
    match compiled {
        Ok(code) => {
            out.write_all(&[COMPILED])?;
            out.write_all(&code)?;
        }
        Err(error) => {
            let words = text::cut(&format!("{error:#}"), WORDS_BYTES_MAX);
            out.write_all(&[REFUSED])?;
            out.write_all(words.as_bytes())?;
        }
    }
    out.flush()
}
