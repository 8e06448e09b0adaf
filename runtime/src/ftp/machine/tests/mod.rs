//! Stories, told by a tiny driver: it feeds lines, answers questions, and collects what was said.

mod any;
mod files;
mod login;
mod transfers;

use std::sync::Arc;

use crate::ftp::effect::{
    Answer, Effect, Ending, EntryKind, FileAnswer, FileError, FileQuestion, Input, LoginAnswer, Question, Ruled,
    Transfer,
};
use crate::ftp::fuzz::{entry, path, settings};
use crate::ftp::line::Line;
use crate::moment::Moment;
use crate::net::Asked;
use crate::vfs::VirtualPath;

use super::{Machine, MachineSettings};

const NOW: Moment = Moment::from_millis(1_700_000_000_000);

/// Knows one user (`alice`, `secret`), a folder `/d` and a file `/f`; listens on port 50001.
struct World {
    machine: Machine,
    wire: String,
    asked: Vec<String>,
    transfers: Vec<Transfer>,
    others: Vec<&'static str>,
    ended: Option<Ending>,
}

impl World {
    fn with(settings: MachineSettings) -> World {
        let mut world = World {
            machine: Machine::new(settings),
            wire: String::new(),
            asked: Vec::new(),
            transfers: Vec::new(),
            others: Vec::new(),
            ended: None,
        };
        world.feed(Input::Admitted { protected: false });
        world.said();
        world
    }

    fn new() -> World {
        World::with(settings())
    }

    fn logged_in() -> World {
        let mut world = World::new();
        world.send("USER alice");
        world.send("PASS secret");
        assert!(world.machine.logged_in());
        world.asked.clear();
        world
    }

    fn feed(&mut self, input: Input<'_>) {
        let mut inputs = self.carry_out(input);
        while let Some(answer) = inputs.pop() {
            inputs.extend(self.carry_out(Input::Answer(answer)));
        }
    }

    fn carry_out(&mut self, input: Input<'_>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for effect in self.machine.on(input, NOW) {
            assert!(self.ended.is_none(), "an effect behind the end: {effect:?}");
            match effect {
                Effect::Reply(reply) => self.wire.push_str(std::str::from_utf8(reply.wire()).expect("UTF-8")),
                Effect::Ask(question) => {
                    self.asked.push(format!("{question:?}"));
                    answers.push(answer(&question));
                }
                Effect::Transfer(transfer) => self.transfers.push(transfer),
                Effect::StartTls => self.others.push("start-tls"),
                Effect::AbortTransfer => self.others.push("abort"),
                Effect::DropData => self.others.push("drop-data"),
                Effect::Logout => self.others.push("logout"),
                Effect::LeaveHost => self.others.push("leave-host"),
                Effect::ClientName(_) => self.others.push("client"),
                Effect::End(ending) => self.ended = Some(ending),
                Effect::Limit(_) => {}
            }
        }
        answers
    }

    /// Sends a line and takes what was said.
    fn send(&mut self, line: &str) -> String {
        self.feed(Input::Line(Line(line)));
        self.said()
    }

    fn said(&mut self) -> String {
        std::mem::take(&mut self.wire)
    }

    fn start_transfer(&mut self, line: &str) -> Transfer {
        self.send("TYPE I");
        self.send("PASV");
        assert_eq!(self.send(line), "");
        self.transfers.pop().expect("a transfer")
    }
}

fn answer(question: &Question) -> Answer {
    match question {
        Question::Login { user, password } if user == "alice" && password.reveal() == "secret" => {
            Answer::Login(LoginAnswer::Granted { home: path("home") })
        }
        Question::Login { .. } => Answer::Login(LoginAnswer::Denied),
        Question::Certificate { user } if user == "alice" => Answer::Login(LoginAnswer::Granted { home: path("home") }),
        Question::Certificate { .. } => Answer::Login(LoginAnswer::PasswordNeeded),
        Question::UnknownCommand { .. } | Question::Mismatch(_) => Answer::Ruled(Ruled::Proceed),
        Question::Listen { .. } => Answer::Listening(Some("192.0.2.7:50001".parse().expect("address"))),
        Question::Host(asked) => {
            let shop = || Arc::new(MachineSettings { banner: "Shop".to_owned(), ..settings() });
            Answer::Host((*asked == Asked::Name("shop.example".to_owned())).then(shop))
        }
        Question::Active(address) => Answer::Active(address.ip().to_string() == "192.0.2.9"),
        Question::File(question) => Answer::File(file_answer(question)),
    }
}

fn file_answer(question: &FileQuestion) -> Result<FileAnswer, FileError> {
    match question {
        FileQuestion::Facts(path) => match path.as_str() {
            "/f" | "/home/f" | "/home/-a" | "/home/20240102030405 x" => Ok(FileAnswer::Entry(entry(EntryKind::File))),
            "/" | "/d" | "/home" | "/home/d" => Ok(FileAnswer::Entry(entry(EntryKind::Folder))),
            _ => Err(FileError::NotFound),
        },
        FileQuestion::Entries(_) => {
            Ok(FileAnswer::Entries { entries: vec![entry(EntryKind::File), entry(EntryKind::Folder)], more: true })
        }
        FileQuestion::Enter(path) if path.as_str() == "/missing" => Err(FileError::NotFound),
        FileQuestion::RenameFrom(path) if path.as_str() == "/missing" => Err(FileError::NotFound),
        FileQuestion::FreeName(path) if path.as_str() == "/missing" => Err(FileError::Denied),
        FileQuestion::FreeName(path) => {
            Ok(FileAnswer::Free(VirtualPath::root().join(&format!("{path}.7")).expect("path")))
        }
        FileQuestion::Room(_) => Ok(FileAnswer::Bytes(1000)),
        FileQuestion::Hash(job) => {
            Ok(FileAnswer::Hash { from: job.from, to: job.to.unwrap_or(12), hex: "00ff".to_owned() })
        }
        FileQuestion::MakeFolder(path) if path.as_str() == "/d" => Err(FileError::Exists),
        _ => Ok(FileAnswer::Done),
    }
}
