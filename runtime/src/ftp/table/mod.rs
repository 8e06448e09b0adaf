//! The one table of commands. Dispatch, FEAT, HELP, SITE HELP, the reference page and the labels of metrics
//! read it, so a client can neither mint a label nor reach a handler early.

pub mod reference;
mod rows;

use std::borrow::Cow;

use super::effect::{Algorithm, Effects};
use super::listing::FactSet;
use super::machine::{Desk, Machine, MachineSettings};
use super::reply::Reply;
use crate::moment::Moment;

pub use rows::{COMMANDS, SITE};

/// One row.
#[derive(Debug)]
pub struct Command {
    verb: &'static str,
    key: u64,
    pub(super) handler: Handler,
    argument: Shape,
    feature: Feature,
    help: &'static str,
    permissions: &'static [&'static str],
    pub(super) during: During,
    keeps_restart: bool,
    in_clear: Option<fn() -> Reply>,
    behind_user: bool,
    takes_path: bool,
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

/// When a command is carried out that comes while a transfer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum During {
    /// At the transfer's end.
    Waits,
    /// At once, whatever waits.
    AtOnce,
    /// At once, unless another command waits: it would change what that one meets.
    IfNoneWaits,
}

/// A row's lines in FEAT.
#[derive(Clone, Copy, Debug)]
enum Feature {
    None,
    Always(&'static [&'static str]),
    WithTls(&'static [&'static str]),
    WithActiveMode(&'static [&'static str]),
    Facts,
    Hashes,
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

    /// What the user must be permitted, in the words of [`crate::auth::Rights`]; one of them where there are
    /// several. The files that are meant decide which.
    pub const fn permissions(&self) -> &'static [&'static str] {
        self.permissions
    }

    /// May stand between REST and the transfer that it is for.
    pub(super) const fn keeps_restart(&self) -> bool {
        self.keeps_restart
    }

    /// Nobody can use it who is not logged in.
    pub(super) const fn needs_login(&self) -> bool {
        matches!(self.handler, Handler::LoggedIn(_))
    }

    /// A path may stand behind it, and so bytes that are no UTF-8.
    pub(super) const fn takes_path(&self) -> bool {
        self.takes_path
    }

    /// What is wrong with the state of the connection, apart from a missing login.
    pub(super) fn state_fault(&self, protected: bool, named: bool) -> Option<Reply> {
        match self.in_clear {
            Some(fault) if !protected => Some(fault()),
            _ if self.behind_user && !named => Some(Reply::log_in_first()),
            _ => None,
        }
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

    const fn needs(mut self, permissions: &'static [&'static str]) -> Command {
        self.permissions = permissions;
        self
    }

    const fn at_once(mut self) -> Command {
        self.during = During::AtOnce;
        self
    }

    const fn if_none_waits(mut self) -> Command {
        self.during = During::IfNoneWaits;
        self
    }

    const fn before_transfer(mut self) -> Command {
        self.keeps_restart = true;
        self
    }

    /// Not in clear, where it is answered so.
    const fn under_tls(mut self, in_clear: fn() -> Reply) -> Command {
        self.in_clear = Some(in_clear);
        self
    }

    const fn path(mut self) -> Command {
        self.takes_path = true;
        self
    }

    /// Not before a USER.
    const fn behind_user(mut self) -> Command {
        self.behind_user = true;
        self
    }
}

const fn row(verb: &'static str, handler: Handler, argument: Shape, help: &'static str) -> Command {
    let key = match key(verb) {
        Some(key) => key,
        None => panic!("a verb of the table is too long"),
    };
    Command {
        verb,
        key,
        handler,
        argument,
        feature: Feature::None,
        help,
        permissions: &[],
        during: During::Waits,
        keeps_restart: false,
        in_clear: None,
        behind_user: false,
        takes_path: false,
    }
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

/// The row of a verb, in any case.
pub fn find(verb: &str) -> Option<&'static Command> {
    find_in(&COMMANDS, verb)
}

/// The row of what stands behind SITE, in any case.
pub fn find_site(verb: &str) -> Option<&'static Command> {
    find_in(&SITE, verb)
}

fn find_in(rows: &'static [Command], verb: &str) -> Option<&'static Command> {
    let key = key(verb)?;
    rows.iter().find(|command| command.key == key)
}

/// The lines of FEAT, in the order of the table: the same before and after login, as clients keep them.
pub(super) fn features(
    settings: &MachineSettings,
    facts: FactSet,
    hash: Algorithm,
) -> impl Iterator<Item = Cow<'static, str>> {
    let (tls, active_mode) = (settings.tls_available, settings.active_mode);
    COMMANDS.iter().flat_map(move |command| {
        let (fixed, own): (&[&str], _) = match command.feature {
            Feature::Always(lines) => (lines, None),
            Feature::WithTls(lines) if tls => (lines, None),
            Feature::WithActiveMode(lines) if active_mode => (lines, None),
            Feature::Facts => (&[], Some(Cow::Owned(format!("MLST {}", facts.features())))),
            Feature::Hashes => (&[], Some(Cow::Owned(format!("HASH {}", hash.features())))),
            Feature::None | Feature::WithTls(_) | Feature::WithActiveMode(_) => (&[], None),
        };
        fixed.iter().map(|line| Cow::Borrowed(*line)).chain(own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rights;

    #[test]
    fn every_verb_stands_once_and_is_found_in_any_case() {
        for (rows, find) in [(&COMMANDS[..], find as fn(&str) -> _), (&SITE[..], find_site)] {
            for command in rows {
                let found: &Command = find(&command.verb.to_ascii_lowercase()).expect(command.verb);
                assert!(std::ptr::eq(found, command), "{} stands twice", command.verb);
                assert!(command.verb.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
            }
        }
        assert!(find("").is_none());
        assert!(find("NOOPNOOPNOOP").is_none());
    }

    #[test]
    fn permissions_are_named_in_the_words_of_the_file_of_users() {
        for command in COMMANDS.iter().chain(&SITE) {
            for word in command.permissions {
                assert!(Rights::WORDS.contains(word), "{}: {word}", command.verb);
                assert!(command.needs_login(), "{}", command.verb);
            }
        }
    }
}
