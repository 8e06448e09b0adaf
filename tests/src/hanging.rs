//! A file system that can stop answering, as a server of NFS does that is gone: FUSE spoken by the test itself.
//!
//! Read-only: a folder with `file`, `big` and nothing else. Nothing of it is cached, so that every question is asked.
//! It is mounted with mount(8), which needs root, or a sudo that does not ask, and `/dev/fuse`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What `file` holds.
pub const CONTENT: &[u8] = b"an answer";
/// Bytes of `big`, all of them zero.
pub const BIG_BYTES: u64 = 64 << 20;

const ROOT: u64 = 1;
const FILE: u64 = 2;
const BIG: u64 = 3;

// Of linux/fuse.h.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const RELEASEDIR: u32 = 29;
const ACCESS: u32 = 34;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const IN_HEADER_BYTES: usize = 40;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;
const READ_MAX: u64 = 128 << 10;

/// The mounted file system. Dropping it ends everything that waits for it with an error: drop it before the server.
pub struct Hanging {
    at: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    device: File,
    /// While it hangs, what it was asked.
    unanswered: Mutex<Option<Vec<Vec<u8>>>>,
}

impl Hanging {
    /// Mounts it on a folder that is there, and answers.
    pub fn mount(at: &Path) -> Hanging {
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("/dev/fuse, and the right to it");
        let same = device.try_clone().expect("a file can be shared");
        // Nobody else than this user and group may look into it.
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let options = format!("fd=0,rootmode=40000,user_id={user},group_id={group}");
        let mounted = as_root("mount")
            .args(["-i", "-t", "fuse", "-o", &options, "hanging"])
            .arg(at)
            .stdin(Stdio::from(same))
            .status();
        assert!(mounted.expect("mount(8)").success(), "mounting needs root, or a sudo that does not ask");
        let shared = Arc::new(Shared { device, unanswered: Mutex::new(None) });
        let asked = shared.clone();
        std::thread::spawn(move || asked.serve());
        Hanging { at: at.to_owned(), shared }
    }

    /// Answers nothing from now on.
    pub fn freeze(&self) {
        self.shared.unanswered.lock().expect("no panic").get_or_insert_default();
    }

    /// Answers what was asked meanwhile, and goes on.
    pub fn thaw(&self) {
        for question in self.shared.unanswered.lock().expect("no panic").take().unwrap_or_default() {
            self.shared.answer(&question);
        }
    }

    /// How many wait for an answer.
    pub fn waiting(&self) -> usize {
        let unanswered = self.shared.unanswered.lock().expect("no panic");
        // Nobody waits for the answer to a RELEASE.
        let waits = |question: &&Vec<u8>| !matches!(number(question, 4), RELEASE | RELEASEDIR);
        unanswered.as_ref().map_or(0, |questions| questions.iter().filter(waits).count())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Forced: who waits has an error. Lazily: whoever has it open does not hold it.
        let _ = as_root("umount").args(["-f", "-l"]).arg(&self.at).status();
    }
}

fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Shared {
    fn serve(&self) {
        let mut room = vec![0; 1 << 20];
        // An error: it was unmounted.
        while let Ok(count) = (&self.device).read(&mut room) {
            let question = &room[..count];
            let mut unanswered = self.unanswered.lock().expect("no panic");
            match unanswered.as_mut() {
                // Nobody waits for an answer to these.
                _ if matches!(number(question, 4), FORGET | BATCH_FORGET | INTERRUPT) => {}
                Some(unanswered) => unanswered.push(question.to_owned()),
                None => self.answer(question),
            }
        }
    }

    fn answer(&self, question: &[u8]) {
        let (error, body) = match answer(number(question, 4), long(question, 16), &question[IN_HEADER_BYTES..]) {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let mut reply = u32::try_from(16 + body.len()).expect("small").to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(long(question, 8).to_ne_bytes());
        reply.extend(body);
        // Who asked may have been killed.
        let _ = (&self.device).write(&reply);
    }
}

fn answer(opcode: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
    let mut reply = Vec::new();
    match opcode {
        INIT => {
            for value in [7, 31, 0, 0, 0, 4096, 1] {
                reply.extend(u32::to_ne_bytes(value));
            }
            reply.resize(64, 0);
        }
        LOOKUP => {
            let found = match body {
                b"file\0" => FILE,
                b"big\0" => BIG,
                _ => return Err(ENOENT),
            };
            reply.extend(found.to_ne_bytes());
            // Generation, and nothing may be cached.
            reply.resize(40, 0);
            reply.extend(facts(found));
        }
        GETATTR => {
            reply.resize(16, 0);
            reply.extend(facts(node));
        }
        OPEN | OPENDIR => reply.resize(16, 0),
        READ => {
            let (offset, wanted) = (long(body, 8), u64::from(number(body, 16)));
            let end = size(node).min(offset.saturating_add(wanted.min(READ_MAX)));
            let part = |at: u64| if node == FILE { CONTENT[at as usize] } else { 0 };
            reply.extend((offset.min(end)..end).map(part));
        }
        READDIR => {
            let first = usize::try_from(long(body, 8)).expect("small");
            for (at, (node, name)) in [(FILE, "file"), (BIG, "big")].into_iter().enumerate().skip(first) {
                reply.extend(node.to_ne_bytes());
                reply.extend((at as u64 + 1).to_ne_bytes());
                reply.extend(u32::try_from(name.len()).expect("short").to_ne_bytes());
                // DT_REG
                reply.extend(8_u32.to_ne_bytes());
                reply.extend(name.as_bytes());
                reply.resize(reply.len().next_multiple_of(8), 0);
            }
        }
        STATFS => reply.resize(80, 0),
        ACCESS | FLUSH | RELEASE | RELEASEDIR => {}
        _ => return Err(ENOSYS),
    }
    Ok(reply)
}

fn size(node: u64) -> u64 {
    match node {
        FILE => CONTENT.len() as u64,
        BIG => BIG_BYTES,
        _ => 0,
    }
}

/// `struct fuse_attr`.
fn facts(node: u64) -> Vec<u8> {
    let mut facts = Vec::new();
    for value in [node, size(node), 0, 0, 0, 0] {
        facts.extend(value.to_ne_bytes());
    }
    let mode = if node == ROOT { 0o040_755 } else { 0o100_644 };
    for value in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
        facts.extend(u32::to_ne_bytes(value));
    }
    facts
}
