//! Runs a program to its end and keeps what it said.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::deadline;

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Answer {
    /// The command, for messages.
    pub command: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Answer {
    /// Itself, if the exit code is 0; a panic with everything that it said otherwise.
    #[track_caller]
    pub fn good(self) -> Answer {
        self.exits(0)
    }

    /// Itself, if the exit code is `code`; a panic with everything that it said otherwise.
    #[track_caller]
    pub fn exits(self, code: i32) -> Answer {
        assert_eq!(self.code, Some(code), "{}\n--- out\n{}\n--- err\n{}", self.command, self.out, self.err);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{} printed no JSON: {error}\n{}", self.command, self.out))
    }
}

/// A program to run.
pub struct Program {
    command: Command,
    shown: String,
    input: Vec<u8>,
    span: Duration,
}

impl Program {
    /// A program by name or path, in a clean environment: no proxies, no netrc, no user's lftp settings.
    pub fn new(name: impl AsRef<OsStr>) -> Program {
        let name = name.as_ref();
        let mut command = Command::new(name);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
        command.env("HOME", "/nonexistent").kill_on_drop(true);
        Program { command, shown: name.to_string_lossy().into_owned(), input: Vec::new(), span: deadline::LATE }
    }

    /// One argument more.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Program {
        args.into_iter().fold(self, Program::arg)
    }

    /// The folder to run in.
    pub fn within(mut self, folder: &Path) -> Program {
        self.command.current_dir(folder);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    /// What it reads.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.input = bytes.into();
        self
    }

    /// How long it may take.
    pub fn for_at_most(mut self, span: Duration) -> Program {
        self.span = span;
        self
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Answer {
        let shown = self.shown;
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown} does not start ({error}); tests/run installs what is missing"));
        let mut feed = child.stdin.take().expect("stdin is piped");
        let input = self.input;
        let work = async move {
            // A program that does not read its input is no fault of the input.
            let _ = feed.write_all(&input).await;
            drop(feed);
            child.wait_with_output().await.expect("a child's output can be read")
        };
        let output = deadline::within(self.span, &shown, work).await;
        Answer {
            command: shown,
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
