//! A child process that is stopped by its own id, and whose words are kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::deadline;

const TAIL_LINES: usize = 60;

/// A running child. Dropping it kills and reaps it.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with no input, its output and its errors appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Process {
        Process::start_with(name, command, log, Stdio::null())
    }

    /// As [`Process::start`], with an input.
    pub fn start_with(name: &str, command: &mut Command, log: &Path, input: Stdio) -> Process {
        let words = File::options().create(true).append(true).open(log).expect("the log can be opened");
        let same = words.try_clone().expect("a file can be shared");
        let child = command
            .stdin(input)
            .stdout(words)
            .stderr(same)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { child, name: name.to_owned(), log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has an id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{} takes no signal: {error}", self.name));
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Waits for its end.
    pub async fn end(&mut self, span: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        deadline::until(span, &what, || self.child.try_wait().expect("a child can be asked")).await
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status_number("VmRSS:")
    }

    /// The largest resident memory so far in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status_number("VmHWM:")
    }

    /// Memory that it alone has written, in KiB. Of its code, which it shares, as much would count as others who run
    /// the same file leave to it.
    pub fn own_kib(&self) -> u64 {
        self.number("smaps_rollup", "Anonymous:")
    }

    /// Sockets that it holds open.
    pub fn sockets(&self) -> usize {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("the process runs");
        let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    fn status_number(&self, key: &str) -> u64 {
        self.number("status", key)
    }

    fn number(&self, file: &str, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).expect("the process runs");
        let line = text.lines().find(|line| line.starts_with(key)).expect("Linux tells it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// What it has said so far.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let words = self.words();
            let lines: Vec<&str> = words.lines().collect();
            let tail = lines.len().saturating_sub(TAIL_LINES);
            eprintln!("--- the last words of {} ---", self.name);
            for line in &lines[tail..] {
                eprintln!("{line}");
            }
        }
    }
}
