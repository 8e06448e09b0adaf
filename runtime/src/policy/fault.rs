//! What can be wrong with a policy: when it is loaded (the operator's move) and when it is asked.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::config::settings::Grant;

/// A policy could not be loaded; the one in force before stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}`: {fault}")]
pub struct LoadError {
    /// The operator's name for it.
    pub policy: String,
    /// Why.
    pub fault: LoadFault,
}

/// Why a component is no policy here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadFault {
    /// `builtin:NAME` of another name.
    #[error("there is no built-in policy `{name}`; there are: {}", known.join(", "))]
    NoSuchBuiltin {
        /// As configured.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file is missing or may not be read.
    #[error("cannot read {path}: {problem}")]
    Unreadable {
        /// As configured.
        path: String,
        /// The system's words.
        problem: String,
    },
    /// A folder, device or pipe.
    #[error("{0} is not a regular file")]
    NotAFile(String),
    /// Over `policies.component-bytes`.
    #[error("the component has {bytes} bytes, over the bound of {most} (`policies.component-bytes`)")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// So large in some way that compiling it would take minutes.
    #[error("the component has {found} {what}, over the bound of {most}")]
    TooComplex {
        /// Of what there is too much.
        what: &'static str,
        /// How much.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// No WebAssembly at all.
    #[error("this is no WebAssembly: it does not begin with the bytes `\\0asm`. Give a component (.wasm), built")]
    NotWasm,
    /// WebAssembly, but broken or of a kind that is off.
    #[error("the engine refuses the component: {0}")]
    Refused(String),
    /// A core module that says nothing of the contract.
    #[error("this core module carries no component type ({0}); build it with the SDK, or make it a component")]
    NoComponentType(String),
    /// A contract that this server does not speak.
    #[error(
        "built for a contract that this server does not know: it exports {}; this server knows {known}",
        list(exports)
    )]
    UnknownContract {
        /// Names of the exports.
        exports: Vec<String>,
        /// What is spoken here.
        known: &'static str,
    },
    /// A key policy in the chain, or the other way round.
    #[error("it exports no `{0}`: it is not this kind of policy")]
    WrongWorld(&'static str),
    /// Imports that nobody can satisfy.
    #[error("it imports what this server does not offer: {}", list(.0))]
    UnknownImports(Vec<String>),
    /// Imports that the configuration does not grant.
    #[error("it imports {} without a grant; set `grants = [{}]` if it may have them", grants(.0), quoted(.0))]
    MissingGrants(Vec<Grant>),
    /// A key policy with imports.
    #[error("a key policy is a pure function and imports nothing; this one imports {}", list(.0))]
    Impure(Vec<String>),
    /// Event kinds that this server does not emit.
    #[error("it wants events that this server does not emit: {}; a name that ends in `?` is wanted only where it exists", list(.0))]
    UnknownEvents(Vec<String>),
    /// Facts that this server does not supply.
    #[error("it wants facts that this server does not supply: {}; a name that ends in `?` is wanted only where it exists", list(.0))]
    UnknownFacts(Vec<String>),
    /// `describe` answered nonsense.
    #[error("its description is wrong: {0}")]
    Description(String),
    /// The settings do not fit, by its schema or by its own word.
    #[error("{}", settings(.0))]
    Settings(Vec<SettingFault>),
    /// It failed while it was loaded.
    #[error("it failed in `{during}`: {failure}")]
    Failed {
        /// Which function.
        during: &'static str,
        /// How.
        failure: Failure,
    },
    /// Configured, but its memory cannot be kept.
    #[error("its configured state cannot be kept: {0}")]
    Snapshot(String),
    /// Over `policies.load-deadline`.
    #[error("loading took longer than {0:?} (`policies.load-deadline`)")]
    TooSlow(Duration),
    /// Compiling it took the greater part of `policies.load-deadline`.
    #[error(
        "the compiler was stopped after {0:.0?}: it is too much to compile within `policies.load-deadline`; make the \
         component smaller, or give it more time"
    )]
    CompilerTooSlow(Duration),
    /// Compiling it took more than `policies.compiler-memory`.
    #[error(
        "compiling it takes more than {} MiB of memory (`policies.compiler-memory`); make the component smaller, or \
         give it more", .0 / (1024 * 1024)
    )]
    CompilerTooLarge(u64),
    /// The process that compiles could not be started.
    #[error(
        "the process that compiles it cannot be started ({program}: {why}); the server starts its own program once \
         more, for which /proc must be there, and room for one process more"
    )]
    NoCompiler {
        /// Which program.
        program: String,
        /// In the system's words.
        why: String,
    },
    /// The process that compiles ended without an answer, and not of what it compiled.
    #[error("the process that compiles it ended without an answer: {0}; once that is mended, reload the policies")]
    CompilerGone(String),
    /// The compiler failed; the server lives.
    #[error("the compiler crashed on it; please report this with the component")]
    Crashed,
}

impl LoadFault {
    /// In the engine's words.
    pub(super) fn refused(error: wasmtime::Error) -> LoadFault {
        LoadFault::Refused(super::text::line(&format!("{error:#}")))
    }

    /// With the name of the policy.
    pub(super) fn of(self, policy: &str) -> LoadError {
        LoadError { policy: policy.to_owned(), fault: self }
    }
}

/// One setting that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingFault {
    /// Key path beneath `settings`; empty: the settings as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// For settings that hold source code.
    pub line: Option<u32>,
    /// For settings that hold source code.
    pub column: Option<u32>,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("settings")?;
        match self.path.as_str() {
            "" => {}
            path if path.starts_with('[') => out.write_str(path)?,
            path => write!(out, ".{path}")?,
        }
        if let Some(line) = self.line {
            write!(out, ", line {line}")?;
        }
        if let Some(column) = self.column {
            write!(out, ", column {column}")?;
        }
        write!(out, ": {}", self.problem)
    }
}

/// How a policy failed when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which bound or rule.
    pub kind: FailureKind,
    /// In words; a guest's own are escaped and cut.
    pub detail: Cow<'static, str>,
}

/// Kinds of failures: the word in logs and `policy list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text says it")]
pub enum FailureKind {
    Cpu,
    Wall,
    Stack,
    HostCalls,
    Transfer,
    Trap,
    BadAnswer,
    Busy,
    Crash,
}

impl FailureKind {
    /// What ran out or went wrong.
    pub const fn text(self) -> &'static str {
        match self {
            FailureKind::Cpu => "over its CPU time (`bounds.cpu`)",
            FailureKind::Wall => "over its wall-clock time (`bounds.wall`)",
            FailureKind::Stack => "over its stack: it recurses too deeply",
            FailureKind::HostCalls => "over its host calls (`bounds.host-calls`)",
            FailureKind::Transfer => "over the bytes that one call may carry (`bounds.transfer-bytes`)",
            FailureKind::Trap => "it trapped",
            FailureKind::BadAnswer => "it answered nonsense",
            FailureKind::Busy => "not asked in time: all its instances are busy (`bounds.at-once`, `policies.at-once`)",
            FailureKind::Crash => "the host crashed on it; please report this with the component",
        }
    }
}

impl Failure {
    pub(super) fn new(kind: FailureKind, detail: impl Into<Cow<'static, str>>) -> Failure {
        Failure { kind, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.kind.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(out, ": {}", self.detail) }
    }
}

/// Why a host function ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.text())]
pub(super) struct Spent(pub FailureKind);

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Failure {
        if let Some(Spent(kind)) = error.downcast_ref::<Spent>() {
            return Failure::new(*kind, "");
        }
        let cause = error.root_cause().to_string();
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt) => Failure::new(FailureKind::Cpu, ""),
            Some(wasmtime::Trap::StackOverflow) => Failure::new(FailureKind::Stack, ""),
            // The engine has no type for this error; its words are held by a test.
            None if cause.contains("fuel allocated for hostcalls") => Failure::new(FailureKind::Transfer, ""),
            _ => Failure::new(FailureKind::Trap, super::text::line(&cause)),
        }
    }
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", super::text::line(name))).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

fn grants(grants: &[Grant]) -> String {
    list(&grants.iter().map(|grant| grant_name(*grant).to_owned()).collect::<Vec<_>>())
}

fn quoted(grants: &[Grant]) -> String {
    let names: Vec<String> = grants.iter().map(|grant| format!("\"{}\"", grant_name(*grant))).collect();
    names.join(", ")
}

pub(super) const fn grant_name(grant: Grant) -> &'static str {
    match grant {
        Grant::Store => "store",
        Grant::Bans => "bans",
        Grant::Networks => "networks",
        Grant::Clock => "clock",
        Grant::Log => "log",
        Grant::Metrics => "metrics",
        Grant::UserBans => "user-bans",
    }
}

/// Faults that are told of one policy's settings: whoever has more mends these first.
pub(super) const SETTING_FAULTS_MAX: usize = 20;

fn settings(faults: &[SettingFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
