//! Commands that are answered in any state: TLS, features, options, help.

use crate::ftp::effect::{Algorithm, Effect, Effects, Ending, FileQuestion};
use crate::ftp::glob::is_glob;
use crate::ftp::listing::FactSet;
use crate::ftp::reply::{Reply, ReplyText, StatusFacts};
use crate::ftp::table::{self, Command};
use crate::moment::Moment;

use super::Machine;
use super::files::FileStep;
use super::login::forget;
use super::state::{Channel, Desk, Doing, Login, Marks, Options};

pub(in crate::ftp) fn auth(machine: &mut Machine, mechanism: &str, _: Moment, out: &mut Effects) {
    let private_data = match mechanism.to_ascii_uppercase().as_str() {
        "TLS" | "TLS-C" => false,
        // Names from the drafts before RFC 4217, where they meant protected data as well.
        "SSL" | "TLS-P" => true,
        _ => return out.say(Reply::auth_unknown()),
    };
    if machine.protected() {
        return out.say(Reply::already_tls());
    }
    if !machine.control.settings.tls_available {
        return out.say(Reply::tls_not_offered());
    }
    if !machine.waiting.is_empty() {
        // Commands that came in clear behind this one.
        return machine.end(Ending::Injection, out);
    }
    forget(machine, out);
    machine.control.options = Options::USUAL;
    machine.doing = Doing::Upgrading { private_data };
    out.say(Reply::auth_tls());
    out.push(Effect::StartTls);
}

pub(in crate::ftp) fn pbsz(_: &mut Machine, size: &str, _: Moment, out: &mut Effects) {
    out.say(if size.bytes().all(|byte| byte.is_ascii_digit()) { Reply::pbsz() } else { Reply::bad_parameter() });
}

/// RFC 4217 wants PBSZ first; FileZilla Server never insisted, and clients rely on that.
pub(in crate::ftp) fn prot(machine: &mut Machine, level: &str, _: Moment, out: &mut Effects) {
    let clear_forbidden = machine.control.settings.tls_required;
    let Channel::Tls { private_data } = &mut machine.control.channel else {
        return out.say(Reply::prot_in_clear());
    };
    out.say(match level.to_ascii_uppercase().as_str() {
        "P" => {
            *private_data = true;
            Reply::prot_private()
        }
        "C" if clear_forbidden => Reply::prot_clear_forbidden(),
        "C" => {
            *private_data = false;
            Reply::prot_clear()
        }
        "S" | "E" => Reply::prot_level(),
        _ => Reply::prot_unknown(),
    });
}

pub(in crate::ftp) fn ccc(_: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    out.say(Reply::ccc_refused());
}

/// While a transfer runs, the connection stays open for its reply (RFC 959 section 4.1.1).
pub(in crate::ftp) fn quit(machine: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    if machine.transfer_running() {
        machine.quitting = true;
        return out.say(Reply::goodbye());
    }
    machine.say_and_end(Reply::goodbye(), Ending::Quit, out);
}

pub(in crate::ftp) fn feat(machine: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    let Options { facts, hash } = machine.control.options;
    out.say(Reply::features(table::features(&machine.control.settings, facts, hash)));
}

pub(in crate::ftp) fn opts(machine: &mut Machine, argument: &str, _: Moment, out: &mut Effects) {
    let (option, value) = argument.split_once(' ').unwrap_or((argument, ""));
    let options = &mut machine.control.options;
    out.say(match option.to_ascii_uppercase().as_str() {
        "UTF8" | "UTF-8" => match value.to_ascii_uppercase().as_str() {
            "" | "ON" => Reply::utf8_on(),
            "OFF" => Reply::utf8_off(),
            _ => Reply::bad_parameter(),
        },
        "MLST" if value.trim().contains(' ') => Reply::opts_arguments(),
        "MLST" if !value.is_empty() && !value.contains(';') => Reply::opts_argument(),
        "MLST" => {
            options.facts = FactSet::parse(value);
            Reply::facts_chosen(options.facts)
        }
        "HASH" if value.is_empty() => Reply::hash_chosen(options.hash),
        "HASH" => match Algorithm::parse(value) {
            Some(algorithm) => {
                options.hash = algorithm;
                Reply::hash_chosen(algorithm)
            }
            None => Reply::hash_unknown(),
        },
        _ if machine.logged_in() => Reply::opts_unknown(),
        _ => Reply::log_in_first(),
    });
}

pub(in crate::ftp) fn syst(_: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    out.say(Reply::system());
}

pub(in crate::ftp) fn noop(_: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    out.say(Reply::noop());
}

pub(in crate::ftp) fn clnt(_: &mut Machine, name: &str, _: Moment, out: &mut Effects) {
    out.push(Effect::ClientName(ReplyText::clean(name).as_str().to_owned()));
    out.say(Reply::client_noted());
}

pub(in crate::ftp) fn lang(_: &mut Machine, language: &str, _: Moment, out: &mut Effects) {
    let primary = language.split('-').next().unwrap_or_default();
    out.say(if primary.is_empty() || primary.eq_ignore_ascii_case("EN") {
        Reply::language_english()
    } else {
        Reply::language_unknown()
    });
}

pub(in crate::ftp) fn help(_: &mut Machine, topic: &str, _: Moment, out: &mut Effects) {
    let (verb, behind) = topic.split_once(' ').unwrap_or((topic, ""));
    out.say(if verb.eq_ignore_ascii_case("SITE") && !behind.is_empty() {
        help_about(table::find_site(behind), Reply::site_help_unknown())
    } else if topic.is_empty() {
        Reply::help("The following commands are recognized:", offered(&table::COMMANDS))
    } else {
        help_about(table::find(topic), Reply::help_unknown())
    });
}

pub(in crate::ftp) fn site_help(_: &mut Machine, topic: &str, _: Moment, out: &mut Effects) {
    out.say(if topic.is_empty() {
        Reply::help("The following SITE commands are recognized:", offered(&table::SITE))
    } else {
        help_about(table::find_site(topic), Reply::site_help_unknown())
    });
}

fn offered(rows: &'static [Command]) -> impl Iterator<Item = &'static str> {
    rows.iter().filter(|command| !command.help().is_empty()).map(Command::verb)
}

fn help_about(command: Option<&Command>, unknown: Reply) -> Reply {
    match command.filter(|command| !command.help().is_empty()) {
        Some(command) => Reply::help_for(command.verb(), command.help()),
        None => unknown,
    }
}

/// The table has rows for what stands behind SITE too.
pub(in crate::ftp) fn site(machine: &mut Machine, argument: &str, now: Moment, out: &mut Effects) {
    let (verb, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    match table::find_site(verb) {
        Some(command) => machine.run(command, rest, Marks::default(), now, out),
        None => out.say(Reply::site_unknown()),
    }
}

pub(in crate::ftp) fn stat(machine: &mut Machine, typed: &str, now: Moment, out: &mut Effects) {
    if typed.is_empty() {
        return out.say(Reply::status(&StatusFacts {
            protected: machine.protected(),
            user: machine.user().filter(|_| machine.logged_in()),
            ascii: matches!(&machine.login, Login::In(session) if session.ascii),
            data_protected: machine.data_protected(),
            transfer: machine.transfer_running(),
        }));
    }
    let Login::In(session) = &mut machine.login else { return out.say(Reply::log_in_first()) };
    if is_glob(typed) {
        return out.say(Reply::no_glob());
    }
    let (control, doing, transfer) = (&machine.control, &mut machine.doing, &mut machine.transfer);
    let mut desk = Desk { control, session, doing, transfer, marks: Marks::default(), now, out };
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Facts(path.clone()), FileStep::Status(path));
    }
}
