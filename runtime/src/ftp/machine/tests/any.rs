//! Whatever a client sends and whatever the driver answers.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::ftp::effect::{
    Answer, Effect, Effects, EntryKind, FileAnswer, FileError, Input, LoginAnswer, Question, Ruled, TransferEnd,
};
use crate::ftp::line::{Line, LineFault};
use crate::ftp::reply::ReplyText;
use crate::ftp::table::COMMANDS;

use super::super::{Machine, MachineSettings};
use super::{NOW, entry, path, settings};

fn line() -> impl Strategy<Value = String> {
    let verb = (0..COMMANDS.len()).prop_map(|at| COMMANDS[at].verb().to_owned());
    let argument = prop_oneof![
        Just(String::new()),
        Just("ALL".to_owned()),
        Just("TLS".to_owned()),
        Just("I".to_owned()),
        Just("1".to_owned()),
        Just("P".to_owned()),
        Just("alice".to_owned()),
        Just("20240102030405 x".to_owned()),
        Just("192,0,2,9,195,81".to_owned()),
        Just("|1|192.0.2.9|50001|".to_owned()),
        "-[al] ?[a-z/*?]{0,6}",
        "\\PC{0,12}",
        "[a-z\r\t\"/.~]{0,8}",
    ];
    prop_oneof![
        2 => Just("PASV".to_owned()),
        2 => Just("RETR f".to_owned()),
        1 => Just("ABOR".to_owned()),
        8 => (verb, argument).prop_map(|(verb, argument)| {
            if argument.is_empty() { verb } else { format!("{verb} {argument}") }
        }),
        1 => "\\PC{0,20}",
        1 => "(RETR|CWD|MKD|USER|STAT|HASH) [a\u{10ff80}\u{10ffff}]{1,4}",
    ]
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Line(usize),
    Fault(u8),
    Answer(u8),
    Odd(u8),
    Ready(bool),
    Done(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => any::<usize>().prop_map(Move::Line),
        1 => (0u8..4).prop_map(Move::Fault),
        4 => any::<u8>().prop_map(Move::Answer),
        1 => any::<u8>().prop_map(Move::Odd),
        1 => any::<bool>().prop_map(Move::Ready),
        2 => any::<u8>().prop_map(Move::Done),
    ];
    proptest::collection::vec(one, 0..80)
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
fn fitting(question: &Question, choice: u8) -> Answer {
    let good = !choice.is_multiple_of(4);
    match question {
        Question::Login { .. } if good => Answer::Login(LoginAnswer::Granted { home: path("home") }),
        Question::Login { .. } => Answer::Login(LoginAnswer::Denied),
        Question::Certificate { .. } => Answer::Login(LoginAnswer::PasswordNeeded),
        Question::UnknownCommand { .. } | Question::Mismatch(_) => Answer::Ruled(Ruled::Proceed),
        Question::Listen { .. } => Answer::Listening(good.then(|| "192.0.2.7:50001".parse().expect("address"))),
        Question::Host(_) => Answer::Host(good.then(|| std::sync::Arc::new(settings()))),
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
    match choice % 12 {
        0 => Input::Answer(Answer::Login(LoginAnswer::Granted { home: path("x") })),
        1 => Input::Answer(Answer::Ruled(Ruled::Refuse { text: Some(ReplyText::clean("no")), close: choice > 100 })),
        2 => Input::Answer(Answer::Listening(None)),
        3 => Input::Answer(Answer::Active(true)),
        4 => Input::Answer(any_file_answer(choice)),
        5 => Input::TlsUp,
        6 => Input::TransferReady { bytes: Some(u64::MAX) },
        7 => Input::TransferDone(end(choice / 12)),
        8 => Input::Injected,
        9 => Input::Stopping,
        10 => Input::Admitted { protected: choice > 100 },
        _ => Input::Expired(crate::waits::Wait::Idle),
    }
}

/// What a correct driver knows.
struct Count {
    machine: Machine,
    asked: Option<Question>,
    upgrading: bool,
    fed: usize,
    finals: usize,
}

impl Count {
    fn new(settings: MachineSettings) -> Count {
        let mut machine = Machine::new(settings);
        machine.on(Input::Admitted { protected: false }, NOW);
        Count { machine, asked: None, upgrading: false, fed: 0, finals: 0 }
    }

    fn take(&mut self, effects: Effects) -> Result<(), TestCaseError> {
        let mut ended = false;
        for effect in effects {
            prop_assert!(!ended, "an effect behind the end");
            match effect {
                Effect::Reply(reply) => {
                    well_formed(reply.wire())?;
                    self.finals += usize::from(reply.is_final());
                }
                Effect::Ask(question) => {
                    prop_assert!(self.asked.is_none(), "two questions at once");
                    self.asked = Some(question);
                }
                Effect::StartTls => self.upgrading = true,
                Effect::End(_) => ended = true,
                Effect::Transfer(_) | Effect::AbortTransfer | Effect::DropData => {}
                Effect::Logout | Effect::LeaveHost | Effect::Limit(_) | Effect::ClientName(_) => {}
            }
        }
        prop_assert_eq!(ended, ended && self.machine.ended());
        Ok(())
    }

    fn feed(&mut self, input: Input<'_>) -> Result<(), TestCaseError> {
        let effects = self.machine.on(input, NOW);
        self.take(effects)
    }

    /// Answers and ends whatever is open.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..1000 {
            if let Some(question) = self.asked.take() {
                self.feed(Input::Answer(fitting(&question, 1)))?;
            } else if std::mem::take(&mut self.upgrading) {
                self.feed(Input::TlsUp)?;
            } else if self.machine.transfer_running() {
                self.feed(Input::TransferDone(TransferEnd::Complete))?;
            } else {
                return Ok(());
            }
        }
        Err(TestCaseError::fail("does not settle"))
    }
}

/// One reply: `123 text`, or `123-text`, lines behind a space, `123 text`.
fn well_formed(wire: &[u8]) -> Result<(), TestCaseError> {
    // Names that are no UTF-8 are told as they are.
    let text = &*crate::ftp::raw::from_bytes(wire);
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("CRLF at the end").split("\r\n").collect();
    let code = &lines[0][..3];
    prop_assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
    prop_assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{:?}", text);
    let (last, before) = lines.split_last().expect("a line");
    prop_assert!(last.starts_with(&format!("{code} ")), "{:?}", text);
    if let Some((first, inner)) = before.split_first() {
        prop_assert!(first.starts_with(&format!("{code}-")), "{:?}", text);
        prop_assert!(inner.iter().all(|line| line.starts_with(' ')), "{:?}", text);
    }
    Ok(())
}

fn generous() -> MachineSettings {
    MachineSettings { login_tries: u32::MAX, unknown_commands: u32::MAX, ..settings() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A correct driver, any client: every line has exactly one final reply, in the end.
    #[test]
    fn s_55_every_command_has_exactly_one_final_reply(
        lines in proptest::collection::vec(line(), 1..40), moves in moves(), logged_in in any::<bool>()
    ) {
        let mut count = Count::new(generous());
        let mut script: VecDeque<&str> = VecDeque::new();
        if logged_in {
            script.extend(["USER alice", "PASS secret", "TYPE I", "PASV", "RETR f"]);
        }
        script.extend(lines.iter().map(String::as_str));
        for step in moves {
            match step {
                Move::Line(_) if !count.machine.is_full() => {
                    if let Some(line) = script.pop_front() {
                        count.fed += 1;
                        count.feed(Input::Line(Line(line)))?;
                    }
                }
                Move::Fault(choice) if !count.machine.is_full() && choice < 2 => {
                    count.fed += 1;
                    let fault = [LineFault::TooLong, LineFault::Nul][usize::from(choice)];
                    count.feed(Input::Fault(fault))?;
                }
                Move::Answer(choice) => {
                    if let Some(question) = count.asked.take() {
                        count.feed(Input::Answer(fitting(&question, choice)))?;
                    } else if std::mem::take(&mut count.upgrading) {
                        count.feed(Input::TlsUp)?;
                    }
                }
                Move::Ready(known) if count.machine.transfer_running() => {
                    count.feed(Input::TransferReady { bytes: known.then_some(7) })?;
                }
                Move::Done(choice) if count.machine.transfer_running() => {
                    count.feed(Input::TransferDone(end(choice)))?;
                }
                _ => {}
            }
        }
        count.settle()?;
        if !count.machine.ended() {
            prop_assert_eq!(count.finals, count.fed);
            prop_assert!(!count.machine.is_full());
        }
    }

    /// Any client, any driver: no panic, well-formed replies, silence after the end.
    #[test]
    fn any_order_of_events_is_survived(
        lines in proptest::collection::vec(line(), 1..20), moves in moves(), required in any::<bool>()
    ) {
        let mut machine = Machine::new(MachineSettings { tls_required: required, ..settings() });
        if !required {
            machine.on(Input::Admitted { protected: false }, NOW);
        }
        for step in moves {
            let over = machine.ended();
            let effects = match step {
                Move::Line(at) => machine.on(Input::Line(Line(&lines[at % lines.len()])), NOW),
                Move::Fault(choice) => {
                    let faults = [LineFault::TooLong, LineFault::Nul, LineFault::TlsRecord];
                    machine.on(Input::Fault(faults[usize::from(choice % 3)]), NOW)
                }
                Move::Answer(choice) | Move::Odd(choice) => machine.on(odd(choice), NOW),
                Move::Ready(_) => machine.on(Input::TransferReady { bytes: None }, NOW),
                Move::Done(choice) => machine.on(Input::TransferDone(end(choice)), NOW),
            };
            prop_assert!(!over || effects.is_empty());
            for effect in effects {
                if let Effect::Reply(reply) = effect {
                    well_formed(reply.wire())?;
                }
            }
        }
    }
}
