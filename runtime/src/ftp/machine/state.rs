//! What the machine remembers, phase by phase: each holds only what that phase may use.

use std::sync::Arc;

use crate::ftp::address::Family;
use crate::ftp::effect::{Algorithm, Effect, Effects, FileQuestion, Question};
use crate::ftp::line::LineFault;
use crate::ftp::listing::FactSet;
use crate::ftp::reply::{Reply, ReplyText};
use crate::moment::Moment;
use crate::vfs::VirtualPath;

use super::MachineSettings;
use super::files::FileStep;

/// What every phase may look at.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) settings: Arc<MachineSettings>,
    /// Before HOST chose others.
    pub(super) first: Option<Arc<MachineSettings>>,
    pub(super) channel: Channel,
    pub(super) options: Options,
}

/// What OPTS chose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) facts: FactSet,
    pub(super) hash: Algorithm,
}

impl Options {
    pub(super) const USUAL: Options = Options { facts: FactSet::USUAL, hash: Algorithm::Sha256 };
}

/// The control connection's protection, and that of data connections, which needs it (RFC 4217 section 9).
#[derive(Debug)]
pub(super) enum Channel {
    Clear,
    Tls { private_data: bool },
}

impl Channel {
    pub(super) fn is_protected(&self) -> bool {
        matches!(self, Channel::Tls { .. })
    }

    pub(super) fn data_protected(&self) -> bool {
        matches!(self, Channel::Tls { private_data: true })
    }
}

/// How far the login is.
#[derive(Debug)]
pub(super) enum Login {
    Nobody,
    Named(String),
    In(Session),
}

/// Somebody is logged in.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) home: VirtualPath,
    pub(super) folder: VirtualPath,
    pub(super) ascii: bool,
    pub(super) marks: Marks,
    /// A listener or an active address waits for a transfer.
    pub(super) has_address: bool,
    pub(super) extended_only: bool,
    /// SITE IDLE, seconds.
    pub(super) idle: Option<u32>,
}

impl Session {
    /// The type is ASCII until TYPE says otherwise (RFC 959 section 5.1).
    pub(super) fn new(user: String, home: VirtualPath) -> Session {
        Session {
            user,
            folder: home.clone(),
            home,
            ascii: true,
            marks: Marks::default(),
            has_address: false,
            extended_only: false,
            idle: None,
        }
    }
}

/// What one command leaves for the very next one.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// REST
    pub(super) restart: u64,
    /// RNFR
    pub(super) rename_from: Option<VirtualPath>,
    /// Its transfer broke.
    pub(super) broken: bool,
}

/// What is awaited; a transfer may run besides.
#[derive(Debug)]
pub(super) enum Doing {
    Unadmitted,
    Idle,
    Upgrading { private_data: bool },
    Checking,
    Noticing(Notice),
    Choosing,
    Listening(Wanted),
    Noting,
    File(FileStep),
    Ended,
}

/// What the policies are told of before the client is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Unknown,
    Mismatch,
}

/// Which passive reply is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Passive,
    Extended(Option<Family>),
}

/// A transfer between `Effect::Transfer` and `Input::TransferDone`.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) offset: u64,
    pub(super) counted: bool,
    pub(super) facts: bool,
    pub(super) aborting: bool,
    /// STOU: what the file is called.
    pub(super) name: Option<String>,
}

/// What came while it could not be taken up.
#[derive(Debug)]
pub(super) enum Waiting {
    Line(String),
    Fault(LineFault),
    /// A line that a policy refused.
    Refused {
        text: Option<ReplyText>,
        close: bool,
    },
}

/// What a command of a session works with.
pub struct Desk<'m> {
    pub(super) control: &'m Control,
    pub(super) session: &'m mut Session,
    pub(super) doing: &'m mut Doing,
    pub(super) transfer: &'m mut Option<Running>,
    /// What the command before left.
    pub(super) marks: Marks,
    pub(super) now: Moment,
    pub(super) out: &'m mut Effects,
}

impl Desk<'_> {
    pub(super) fn say(&mut self, reply: Reply) {
        self.out.push(Effect::Reply(reply));
    }

    pub(super) fn ask(&mut self, question: FileQuestion, step: FileStep) {
        *self.doing = Doing::File(step);
        self.out.push(Effect::Ask(Question::File(question)));
    }

    /// The path that a client typed; tells the client when it is none.
    pub(super) fn path(&mut self, typed: &str) -> Option<VirtualPath> {
        let path = self.session.folder.join(typed);
        if path.is_err() {
            self.say(Reply::bad_name());
        }
        path.ok()
    }

    /// TYPE A that means something: line ends are converted.
    pub(super) fn converts(&self) -> bool {
        self.session.ascii && !self.control.settings.ascii_passthrough
    }

    /// Closes the listener or forgets the active address, if there is one.
    pub(super) fn drop_data(&mut self) -> bool {
        let had = std::mem::take(&mut self.session.has_address);
        if had {
            self.out.push(Effect::DropData);
        }
        had
    }
}
