//! The machine under any client and any driver.

use std::sync::Arc;

use super::line_text;
use crate::ftp::effect::{
    Answer, Effect, Effects, Entry, EntryKind, FileAnswer, FileError, Input, LoginAnswer, May, Question, Ruled,
    TransferEnd,
};
use crate::ftp::line::{Line, LineFault};
use crate::ftp::machine::{Machine, MachineSettings};
use crate::ftp::raw;
use crate::ftp::reply::ReplyText;
use crate::ftp::table::COMMANDS;
use crate::fuzzing::Choices;
use crate::moment::Moment;
use crate::vfs::VirtualPath;
use crate::waits::Wait;

const NOW: Moment = Moment::from_millis(1_700_000_000_000);
/// A password that no reply and no event may hold.
const CANARY: &str = "kanari-7";

const ARGUMENTS: [&str; 30] = [
    "",
    "ALL",
    "TLS",
    "I",
    "A",
    "1",
    "2",
    "P",
    "C",
    "0",
    "5",
    "alice",
    CANARY,
    "f",
    "/",
    "..",
    "-la d/*",
    "*?",
    "20240102030405 x",
    "192,0,2,9,195,81",
    "|1|192.0.2.9|50001|",
    "|2|2001:db8::1|50001|",
    "UTF8 ON",
    "MLST type;size;",
    "HASH MD5",
    "CHMOD 4755 f",
    "UTIME 202401020304 f",
    "IDLE 60",
    "shop.example",
    "18446744073709551615",
];

pub(in crate::ftp) fn settings() -> MachineSettings {
    MachineSettings {
        banner: "Hello".to_owned(),
        tls_required: false,
        tls_available: true,
        login_tries: 3,
        unknown_commands: 3,
        password_bytes: 64,
        queued_commands: 4,
        active_mode: true,
        ascii_passthrough: false,
        idle_seconds: 300,
        idle_seconds_max: 3600,
        certificate_logins: false,
    }
}

pub(in crate::ftp) fn path(text: &str) -> VirtualPath {
    VirtualPath::root().join(text).expect("path")
}

pub(in crate::ftp) fn entry(what: EntryKind) -> Entry {
    Entry {
        name: b"n".to_vec(),
        what,
        size: 12,
        modified: 1_600_000_000,
        mode: 0o644,
        links: 1,
        uid: 1000,
        gid: 100,
        unique: 7,
        may: May::ALL,
    }
}

fn any_settings(choices: &mut Choices<'_>) -> MachineSettings {
    let bits = choices.byte();
    MachineSettings {
        tls_required: bits & 1 > 0,
        tls_available: bits & 2 == 0 || bits & 1 > 0,
        active_mode: bits & 4 == 0,
        ascii_passthrough: bits & 8 > 0,
        certificate_logins: bits & 16 > 0,
        ..settings()
    }
}

/// A verb of the table with an argument that often fits, or any text.
fn any_line(choices: &mut Choices<'_>) -> String {
    let which = choices.below(COMMANDS.len() + 6);
    let argument = |choices: &mut Choices<'_>| match choices.below(ARGUMENTS.len() + 4) {
        fit if fit < ARGUMENTS.len() => ARGUMENTS[fit].to_owned(),
        _ => line_text(choices.bytes()),
    };
    match COMMANDS.get(which) {
        Some(command) => match argument(choices) {
            argument if argument.is_empty() => command.verb().to_owned(),
            argument => format!("{} {argument}", command.verb()),
        },
        None => line_text(choices.bytes()),
    }
}

fn file_error(choice: u8) -> FileError {
    [FileError::NotFound, FileError::Denied, FileError::NotAFolder, FileError::BeyondEnd][usize::from(choice % 4)]
}

fn end(choice: u8) -> TransferEnd {
    [
        TransferEnd::Complete,
        TransferEnd::Aborted,
        TransferEnd::NoConnection,
        TransferEnd::File(file_error(choice / 8)),
        TransferEnd::TlsFailed,
        TransferEnd::Broken,
        TransferEnd::Stalled,
        TransferEnd::NotResumed,
    ][usize::from(choice % 8)]
}

/// An answer that fits the question.
fn fitting(question: &Question, choice: u8, tls_required: bool) -> Answer {
    let good = !choice.is_multiple_of(4);
    match question {
        Question::Login { .. } if good => Answer::Login(LoginAnswer::Granted { home: path("home") }),
        Question::Login { .. } => Answer::Login(LoginAnswer::Denied),
        Question::Certificate { .. } if choice % 8 == 1 => Answer::Login(LoginAnswer::Granted { home: path("home") }),
        Question::Certificate { .. } => Answer::Login(LoginAnswer::PasswordNeeded),
        Question::UnknownCommand { .. } | Question::Mismatch(_) => Answer::Ruled(Ruled::Proceed),
        Question::Listen { .. } => Answer::Listening(good.then(|| "192.0.2.7:50001".parse().expect("address"))),
        Question::Host(_) => {
            // Whether TLS is required is the listener's business, whatever the name.
            let settings = || generous(MachineSettings { tls_required, banner: "Shop".to_owned(), ..settings() });
            Answer::Host(good.then(|| Arc::new(settings())))
        }
        Question::Active(_) => Answer::Active(good),
        Question::File(_) if !good => Answer::File(Err(file_error(choice / 4))),
        Question::File(_) => any_file_answer(choice),
    }
}

fn any_file_answer(choice: u8) -> Answer {
    Answer::File(Ok(match choice % 8 {
        5 => FileAnswer::Free(path("free")),
        6 => FileAnswer::Bytes(7),
        7 => FileAnswer::Hash { from: 0, to: 7, hex: "00".to_owned() },
        0 | 1 => FileAnswer::Done,
        2 => FileAnswer::Entry(entry(EntryKind::Folder)),
        3 => FileAnswer::Entry(entry(EntryKind::File)),
        _ => FileAnswer::Entries { entries: vec![entry(EntryKind::File); 3], more: choice > 100 },
    }))
}

/// An answer or event that nobody asked for.
fn odd(choice: u8) -> Input<'static> {
    match choice % 16 {
        0 => Input::Answer(Answer::Login(LoginAnswer::Granted { home: path("x") })),
        1 => Input::Answer(Answer::Ruled(Ruled::Refuse { text: Some(ReplyText::clean("no")), close: choice > 100 })),
        2 => Input::Answer(Answer::Listening(None)),
        3 => Input::Answer(Answer::Active(true)),
        4 => Input::Answer(any_file_answer(choice)),
        5 => Input::TlsUp,
        6 => Input::TransferReady { bytes: Some(u64::MAX) },
        7 => Input::TransferDone(end(choice / 16)),
        8 => Input::Injected,
        9 => Input::Stopping,
        10 => Input::Admitted { protected: choice > 100 },
        11 => Input::Banned(ReplyText::clean("go\r\n220 away")),
        12 => Input::Revoked,
        13 => Input::Refused { text: None, close: choice > 100 },
        14 => Input::TransferRefused { text: Some(ReplyText::clean("no")), close: choice > 100 },
        _ => Input::Expired([Wait::Login, Wait::Idle][usize::from(choice) / 128]),
    }
}

fn generous(settings: MachineSettings) -> MachineSettings {
    MachineSettings { login_tries: u32::MAX, unknown_commands: u32::MAX, ..settings }
}

/// What a correct driver knows.
struct Driver {
    machine: Machine,
    tls_required: bool,
    asked: Option<Question>,
    upgrading: bool,
    /// Effect::Transfer was given, and the transfer is not over; whether it is ready.
    moving: Option<bool>,
    fed: usize,
    finals: usize,
}

impl Driver {
    fn new(settings: MachineSettings) -> Driver {
        let tls_required = settings.tls_required;
        let mut machine = Machine::new(settings);
        machine.on(Input::Admitted { protected: false }, NOW);
        Driver { machine, tls_required, asked: None, upgrading: false, moving: None, fed: 0, finals: 0 }
    }

    fn take(&mut self, effects: Effects) {
        let mut ended = false;
        for effect in effects {
            assert!(!ended, "an effect behind the end: {effect:?}");
            match effect {
                Effect::Reply(reply) => {
                    well_formed(reply.wire());
                    assert!(reply.is_final() || self.moving == Some(true), "150 before the transfer is ready");
                    self.finals += usize::from(reply.is_final());
                }
                Effect::Ask(question) => {
                    assert!(self.asked.is_none(), "two questions at once");
                    let in_clear = self.tls_required && !self.machine.protected();
                    match &question {
                        Question::Login { .. } => assert!(!in_clear, "a password in clear where TLS is required"),
                        Question::File(_) | Question::Listen { .. } | Question::Active(_) => {
                            assert!(self.machine.logged_in(), "files before the login");
                        }
                        Question::UnknownCommand { verb, argument } => {
                            assert!(
                                !verb.chars().chain(argument.iter().flat_map(|it| it.chars())).any(char::is_control)
                            );
                        }
                        Question::Certificate { .. } | Question::Mismatch(_) | Question::Host(_) => {}
                    }
                    self.asked = Some(question);
                }
                Effect::StartTls => self.upgrading = true,
                Effect::Transfer(transfer) => {
                    assert!(self.machine.logged_in() && self.machine.transfer_running());
                    assert!(self.moving.is_none(), "two transfers at once");
                    assert!(!transfer.protected || self.machine.protected(), "PROT P without TLS");
                    self.moving = Some(false);
                }
                Effect::AbortTransfer => assert!(self.moving.is_some(), "nothing to abort"),
                Effect::End(_) => ended = true,
                Effect::ClientName(name) => assert!(!name.chars().any(char::is_control)),
                Effect::DropData | Effect::Logout | Effect::LeaveHost | Effect::Limit(_) => {}
            }
        }
        assert_eq!(ended, ended && self.machine.ended());
    }

    fn feed(&mut self, input: Input<'_>) {
        match &input {
            Input::TransferReady { .. } => self.moving = Some(true),
            Input::TransferDone(_) | Input::TransferRefused { .. } => self.moving = None,
            _ => {}
        }
        let effects = self.machine.on(input, NOW);
        self.take(effects);
    }

    fn line(&mut self, line: &str) {
        self.fed += 1;
        self.feed(Input::Line(Line(line)));
    }

    fn answer(&mut self, choice: u8) {
        if let Some(question) = self.asked.take() {
            self.feed(Input::Answer(fitting(&question, choice, self.tls_required)));
        } else if std::mem::take(&mut self.upgrading) {
            self.feed(Input::TlsUp);
        }
    }

    /// Answers and ends whatever is open.
    fn settle(&mut self) {
        for _ in 0..1000 {
            if self.asked.is_some() || self.upgrading {
                self.answer(1);
            } else if self.machine.transfer_running() {
                self.feed(Input::TransferDone(TransferEnd::Complete));
            } else {
                return;
            }
        }
        panic!("it does not settle");
    }
}

/// One reply: `123 text`, or `123-text`, lines behind a space, `123 text`.
fn well_formed(wire: &[u8]) {
    // Names that are no UTF-8 are told as they are.
    let text = &*raw::from_bytes(wire);
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("CRLF at the end").split("\r\n").collect();
    let code = &lines[0][..3];
    assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{text:?}");
    let (last, before) = lines.split_last().expect("a line");
    assert!(last.starts_with(&format!("{code} ")), "{text:?}");
    if let Some((first, inner)) = before.split_first() {
        assert!(first.starts_with(&format!("{code}-")), "{text:?}");
        assert!(inner.iter().all(|line| line.starts_with(' ')), "{text:?}");
    }
}

/// The state machine. Under a correct driver every line has exactly one final reply; under any driver there
/// is no panic, every reply is well-formed, and behind the end is silence.
pub fn machine(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    if choices.below(4) > 0 { correct_driver(&mut choices) } else { any_driver(&mut choices) }
}

fn correct_driver(choices: &mut Choices<'_>) {
    let mut driver = Driver::new(generous(any_settings(choices)));
    if choices.flag() {
        for line in ["AUTH TLS", "USER alice", "PASS secret", "TYPE I", "PBSZ 0", "PROT P", "PASV"] {
            driver.line(line);
            driver.settle();
        }
    }
    while !choices.is_empty() && !driver.machine.ended() {
        match choices.below(10) {
            0..=3 if !driver.machine.is_full() => driver.line(&any_line(choices)),
            4 if !driver.machine.is_full() => {
                driver.fed += 1;
                match choices.below(3) {
                    0 => driver.feed(Input::Fault(LineFault::TooLong)),
                    1 => driver.feed(Input::Fault(LineFault::Nul)),
                    _ => driver.feed(Input::Refused { text: Some(ReplyText::clean("no")), close: false }),
                }
            }
            5 if driver.moving == Some(false) => {
                let known = choices.flag();
                driver.feed(Input::TransferReady { bytes: known.then_some(7) });
            }
            6 if driver.moving == Some(false) && choices.flag() => {
                driver.feed(Input::TransferRefused { text: None, close: false });
            }
            7 if driver.moving.is_some() => driver.feed(Input::TransferDone(end(choices.byte()))),
            _ => driver.answer(choices.byte()),
        }
    }
    driver.settle();
    if !driver.machine.ended() {
        assert_eq!(driver.finals, driver.fed, "one final reply for each command");
        assert!(!driver.machine.is_full());
    }
}

fn any_driver(choices: &mut Choices<'_>) {
    let mut machine = Machine::new(any_settings(choices));
    if choices.flag() {
        machine.on(Input::Admitted { protected: choices.flag() }, NOW);
    }
    while !choices.is_empty() {
        let over = machine.ended();

        let effects = match choices.below(4) {
            0 | 1 => machine.on(Input::Line(Line(&any_line(choices))), NOW),
            2 => {
                let faults = [LineFault::TooLong, LineFault::Nul, LineFault::TlsRecord];
                machine.on(Input::Fault(choices.one_of(&faults)), NOW)
            }
            _ => machine.on(odd(choices.byte()), NOW),
        };
        assert!(!over || effects.is_empty(), "something behind the end");
        for effect in effects {
            if let Effect::Reply(reply) = effect {
                well_formed(reply.wire());
            }
        }
    }
}
