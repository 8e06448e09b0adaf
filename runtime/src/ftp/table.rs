//! The one table of commands. Dispatch, FEAT, HELP and the labels of metrics read it, so a client can
//! neither mint a label nor reach a handler early.

use std::borrow::Cow;

use super::effect::Effects;
use super::listing::FactSet;
use super::machine::{Desk, Machine, MachineSettings};
use super::machine::{control, data, files, login, parameters, transfer};
use super::reply::Reply;
use crate::moment::Moment;

/// One row.
#[derive(Debug)]
pub struct Command {
    verb: &'static str,
    key: u64,
    pub(super) handler: Handler,
    argument: Shape,
    feature: Feature,
    help: &'static str,
    at_once: bool,
    keeps_restart: bool,
}

/// Who carries a command out; it says in which state the command is legal too, since a handler for those
/// who are logged in cannot be called without a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handler {
    /// In any state.
    Any(fn(&mut Machine, &str, Moment, &mut Effects)),
    /// After login; 530 before.
    LoggedIn(fn(&mut Desk<'_>, &str)),
    /// Known, and refused with this reply in any state.
    Refused(fn() -> Reply),
}

/// What may stand behind a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nothing,
    Optional,
    Needed,
}

/// A row's lines in FEAT.
#[derive(Clone, Copy, Debug)]
enum Feature {
    None,
    Always(&'static [&'static str]),
    WithTls(&'static [&'static str]),
    WithActiveMode(&'static [&'static str]),
    Facts,
}

impl Command {
    /// The verb, upper case: good as a metric's label.
    pub const fn verb(&self) -> &'static str {
        self.verb
    }

    /// For HELP; empty for commands that are known and never offered.
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// May be answered while a transfer runs.
    pub(super) const fn is_at_once(&self) -> bool {
        self.at_once
    }

    /// May stand between REST and the transfer that it is for.
    pub(super) const fn keeps_restart(&self) -> bool {
        self.keeps_restart
    }

    /// What is wrong with an argument's presence.
    pub(super) const fn argument_fault(&self, argument: &str) -> Option<Reply> {
        match self.argument {
            Shape::Nothing if !argument.is_empty() => Some(Reply::takes_no_argument()),
            Shape::Needed if argument.is_empty() => Some(Reply::needs_argument()),
            _ => None,
        }
    }

    const fn feature(mut self, feature: Feature) -> Command {
        self.feature = feature;
        self
    }

    const fn at_once(mut self) -> Command {
        self.at_once = true;
        self
    }

    const fn before_transfer(mut self) -> Command {
        self.keeps_restart = true;
        self
    }
}

const fn row(verb: &'static str, handler: Handler, argument: Shape, help: &'static str) -> Command {
    let key = match key(verb) {
        Some(key) => key,
        None => panic!("a verb of the table is too long"),
    };
    Command { verb, key, handler, argument, feature: Feature::None, help, at_once: false, keeps_restart: false }
}

const fn refused(verb: &'static str, reply: fn() -> Reply) -> Command {
    row(verb, Handler::Refused(reply), Shape::Optional, "")
}

/// A verb as a number, so that a look-up compares no text.
const fn key(verb: &str) -> Option<u64> {
    let bytes = verb.as_bytes();
    if bytes.len() > 8 {
        return None;
    }
    let mut key = 0;
    let mut at = 0;
    while at < bytes.len() {
        key = key << 8 | bytes[at].to_ascii_uppercase() as u64;
        at += 1;
    }
    Some(key)
}

use Feature::{Always, Facts, WithActiveMode, WithTls};
use Handler::{Any, LoggedIn};
use Shape::{Needed, Nothing, Optional};

/// Every verb that is known.
#[rustfmt::skip]
pub static COMMANDS: [Command; 79] = [
    row("AUTH", Any(control::auth),              Needed,   "protect the control connection: AUTH TLS").feature(WithTls(&["AUTH TLS", "AUTH SSL"])),
    row("PBSZ", Any(control::pbsz),              Needed,   "protection buffer size: PBSZ 0").feature(WithTls(&["PBSZ"])),
    row("PROT", Any(control::prot),              Needed,   "protect data connections: PROT P or C").feature(WithTls(&["PROT"])),
    row("HOST", Any(login::host),                Needed,   "choose a virtual server").feature(Always(&["HOST"])),
    row("USER", Any(login::user),                Needed,   "name the user"),
    row("PASS", Any(login::pass),                Optional, "give the password"),
    row("ACCT", Refused(Reply::acct_superfluous), Optional, "superfluous"),
    row("QUIT", Any(control::quit),              Nothing,  "end the connection"),
    row("REIN", Any(login::rein),                Nothing,  "start anew as another user"),
    row("FEAT", Any(control::feat),              Nothing,  "list what is offered"),
    row("OPTS", Any(control::opts),              Needed,   "set an option: OPTS UTF8 ON, OPTS MLST facts").feature(Always(&["UTF8"])),
    row("SYST", Any(control::syst),              Nothing,  "tell the system"),
    row("STAT", Any(control::stat),              Optional, "tell the state, or list a path").at_once(),
    row("HELP", Any(control::help),              Optional, "list the commands, or explain one"),
    row("NOOP", Any(control::noop),              Nothing,  "do nothing").at_once(),
    row("CLNT", Any(control::clnt),              Needed,   "name the client").feature(Always(&["CLNT"])),
    row("LANG", Any(control::lang),              Optional, "choose the language of replies").feature(Always(&["LANG EN*"])),
    row("CCC",  Any(control::ccc),               Nothing,  ""),
    row("SITE", Any(control::site),              Needed,   "commands of this server: SITE HELP"),

    row("TYPE", LoggedIn(parameters::r#type),    Needed,   "set the type: TYPE A or I").before_transfer(),
    row("MODE", LoggedIn(parameters::mode),      Needed,   "set the mode: MODE S"),
    row("STRU", LoggedIn(parameters::stru),      Needed,   "set the structure: STRU F"),
    row("ALLO", LoggedIn(parameters::allo),      Optional, "superfluous"),
    row("REST", LoggedIn(parameters::rest),      Needed,   "start the next transfer at an offset").feature(Always(&["REST STREAM"])),

    row("PASV", LoggedIn(data::pasv),            Nothing,  "open a data port").before_transfer(),
    row("EPSV", LoggedIn(data::epsv),            Optional, "open a data port, any network").feature(Always(&["EPSV"])).before_transfer(),
    row("PORT", LoggedIn(data::port),            Needed,   "name a data port").before_transfer(),
    row("EPRT", LoggedIn(data::eprt),            Needed,   "name a data port, any network").feature(WithActiveMode(&["EPRT"])).before_transfer(),
    row("ABOR", LoggedIn(transfer::abor),        Nothing,  "abort the transfer").at_once(),

    row("RETR", LoggedIn(transfer::retr),        Needed,   "download a file"),
    row("STOR", LoggedIn(transfer::stor),        Needed,   "upload a file"),
    row("APPE", LoggedIn(transfer::appe),        Needed,   "append to a file"),
    row("LIST", LoggedIn(transfer::list),        Optional, "list a folder"),
    row("NLST", LoggedIn(transfer::nlst),        Optional, "list the names in a folder"),
    row("MLSD", LoggedIn(transfer::mlsd),        Optional, "list the facts of a folder's entries"),

    row("MLST", LoggedIn(files::mlst),           Optional, "tell the facts of one entry").feature(Facts),
    row("SIZE", LoggedIn(files::size),           Needed,   "tell a file's size").feature(Always(&["SIZE"])),
    row("MDTM", LoggedIn(files::mdtm),           Needed,   "tell when a file changed").feature(Always(&["MDTM"])),
    row("MFMT", LoggedIn(files::mfmt),           Needed,   "set when a file changed").feature(Always(&["MFMT"])),
    row("PWD",  LoggedIn(files::pwd),            Nothing,  "tell the working folder").feature(Always(&["TVFS"])),
    row("XPWD", LoggedIn(files::pwd),            Nothing,  "same as PWD"),
    row("CWD",  LoggedIn(files::cwd),            Optional, "change the working folder"),
    row("XCWD", LoggedIn(files::cwd),            Optional, "same as CWD"),
    row("CDUP", LoggedIn(files::cdup),           Nothing,  "go to the folder above"),
    row("XCUP", LoggedIn(files::cdup),           Nothing,  "same as CDUP"),
    row("MKD",  LoggedIn(files::mkd),            Needed,   "make a folder"),
    row("XMKD", LoggedIn(files::mkd),            Needed,   "same as MKD"),
    row("RMD",  LoggedIn(files::rmd),            Needed,   "remove a folder"),
    row("XRMD", LoggedIn(files::rmd),            Needed,   "same as RMD"),
    row("DELE", LoggedIn(files::dele),           Needed,   "delete a file"),
    row("RNFR", LoggedIn(files::rnfr),           Needed,   "rename from"),
    row("RNTO", LoggedIn(files::rnto),           Needed,   "rename to"),

    refused("ADAT", Reply::no_adat),
    refused("MIC",  Reply::no_protected_command),
    refused("CONF", Reply::no_protected_command),
    refused("ENC",  Reply::no_protected_command),
    refused("STOU", Reply::not_offered),
    refused("SMNT", Reply::not_offered),
    refused("LPRT", Reply::not_offered),
    refused("LPSV", Reply::not_offered),
    refused("SPSV", Reply::not_offered),
    refused("CPSV", Reply::not_offered),
    refused("SSCN", Reply::not_offered),
    refused("PRET", Reply::not_offered),
    refused("DSIZ", Reply::not_offered),
    refused("THMB", Reply::not_offered),
    refused("COMB", Reply::not_offered),
    refused("XRSQ", Reply::not_offered),
    refused("XSEM", Reply::not_offered),
    refused("XSEN", Reply::not_offered),
    refused("XRCP", Reply::not_offered),
    refused("MFF",  Reply::not_offered),
    refused("MFCT", Reply::not_offered),
    refused("HASH", Reply::not_offered),
    refused("CSID", Reply::not_offered),
    refused("AVBL", Reply::not_offered),
    refused("RANG", Reply::not_offered),
    refused("RMDA", Reply::not_offered),
    refused("XCRC", Reply::not_offered),
];

use Handler::Refused;

/// The row of a verb, in any case.
pub fn find(verb: &str) -> Option<&'static Command> {
    let key = key(verb)?;
    COMMANDS.iter().find(|command| command.key == key)
}

/// The lines of FEAT, in the order of the table: the same before and after login, as clients keep them.
pub(super) fn features(settings: &MachineSettings, facts: FactSet) -> impl Iterator<Item = Cow<'static, str>> {
    let (tls, active_mode) = (settings.tls_available, settings.active_mode);
    COMMANDS.iter().flat_map(move |command| {
        let (fixed, own): (&[&str], _) = match command.feature {
            Always(lines) => (lines, None),
            WithTls(lines) if tls => (lines, None),
            WithActiveMode(lines) if active_mode => (lines, None),
            Facts => (&[], Some(Cow::Owned(format!("MLST {}", facts.features())))),
            Feature::None | WithTls(_) | WithActiveMode(_) => (&[], None),
        };
        fixed.iter().map(|line| Cow::Borrowed(*line)).chain(own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_stands_once_and_is_found_in_any_case() {
        for command in &COMMANDS {
            let found = find(&command.verb.to_ascii_lowercase()).expect(command.verb);
            assert!(std::ptr::eq(found, command), "{} stands twice", command.verb);
            assert!(command.verb.bytes().all(|byte| byte.is_ascii_uppercase()));
        }
        assert!(find("").is_none());
        assert!(find("NOOPNOOPNOOP").is_none());
    }
}
