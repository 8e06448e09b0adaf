//! USER, PASS and what came of them.

use std::sync::Arc;

use crate::auth::Secret;
use crate::ftp::effect::{Effect, Effects, Ending, LoginAnswer, Question};
use crate::ftp::reply::Reply;
use crate::moment::Moment;
use crate::net::Asked;

use super::state::{Doing, Login, Options, Session};
use super::{Machine, MachineSettings};

/// RFC 7151: which virtual server is meant, before anybody has said who they are.
pub(in crate::ftp) fn host(machine: &mut Machine, argument: &str, _: Moment, out: &mut Effects) {
    if !matches!(machine.login, Login::Nobody) {
        return out.say(Reply::host_too_late());
    }
    match Asked::parse(argument) {
        Some(asked) => {
            machine.doing = Doing::Choosing;
            out.push(Effect::Ask(Question::Host(asked)));
        }
        None => out.say(Reply::bad_parameter()),
    }
}

pub(super) fn chosen(machine: &mut Machine, chosen: Option<Arc<MachineSettings>>, out: &mut Effects) {
    let Some(chosen) = chosen else { return out.say(Reply::host_unknown()) };
    out.say(Reply::greeting(&chosen.banner));
    let before = std::mem::replace(&mut machine.control.settings, chosen);
    machine.control.first.get_or_insert(before);
}

/// Answered alike whether the name exists or not. A second USER starts the login anew.
pub(in crate::ftp) fn user(machine: &mut Machine, name: &str, _: Moment, out: &mut Effects) {
    if machine.control.settings.tls_required && !machine.protected() {
        return out.say(Reply::tls_required());
    }
    if name.chars().any(char::is_control) {
        return out.say(Reply::bad_parameter());
    }
    forget(machine, out);
    machine.login = Login::Named(name.to_owned());
    if machine.control.settings.certificate_logins && machine.protected() {
        machine.doing = Doing::Checking;
        return out.push(Effect::Ask(Question::Certificate { user: name.to_owned() }));
    }
    out.say(Reply::need_password());
}

pub(in crate::ftp) fn pass(machine: &mut Machine, password: &str, _: Moment, out: &mut Effects) {
    match &machine.login {
        Login::Nobody => out.say(Reply::user_first()),
        Login::In(_) => out.say(Reply::already_logged_in()),
        Login::Named(_) if password.len() > machine.control.settings.password_bytes => {
            out.push(Effect::Limit("password-bytes"));
            failed(machine, Reply::password_too_long(), out);
        }
        Login::Named(user) => {
            let question = Question::Login { user: user.clone(), password: Secret::new(password.to_owned()) };
            machine.doing = Doing::Checking;
            out.push(Effect::Ask(question));
        }
    }
}

pub(in crate::ftp) fn acct(_: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    out.say(Reply::acct_superfluous());
}

/// A transfer under way goes on (RFC 959 section 4.1.1). So does TLS, where RFC 4217 section 13 would drop
/// it: the next user's password shall not travel in clear because somebody else has left.
pub(in crate::ftp) fn rein(machine: &mut Machine, _: &str, _: Moment, out: &mut Effects) {
    forget(machine, out);
    machine.control.options = Options::USUAL;
    if let Some(first) = machine.control.first.take() {
        machine.control.settings = first;
        out.push(Effect::LeaveHost);
    }
    out.say(Reply::ready_again());
}

pub(super) fn answered(machine: &mut Machine, answer: LoginAnswer, out: &mut Effects) {
    match answer {
        LoginAnswer::Granted { home } => {
            let Login::Named(user) = std::mem::replace(&mut machine.login, Login::Nobody) else {
                return out.say(Reply::local_error());
            };
            machine.login = Login::In(Session::new(user, home));
            out.say(Reply::logged_in());
        }
        LoginAnswer::TooMany => machine.say_and_end(Reply::too_many_sessions(), Ending::Refused, out),
        LoginAnswer::PasswordNeeded => out.say(Reply::need_password()),
        LoginAnswer::Denied => failed(machine, Reply::authentication_failed(), out),
        LoginAnswer::Refused { text, close: true } => {
            machine.login = Login::Nobody;
            machine.say_and_end(Reply::login_refused(text.as_ref()), Ending::Refused, out);
        }
        LoginAnswer::Refused { text, close: false } => failed(machine, Reply::login_refused(text.as_ref()), out),
    }
}

/// Forgets the user and all that hangs on one: the folder, the type, the marks, the data address. Failed
/// logins stay counted.
pub(super) fn forget(machine: &mut Machine, out: &mut Effects) {
    match std::mem::replace(&mut machine.login, Login::Nobody) {
        Login::Nobody => {}
        Login::Named(_) => out.push(Effect::Logout),
        Login::In(session) => {
            if session.has_address {
                out.push(Effect::DropData);
            }
            out.push(Effect::Logout);
        }
    }
}

/// One reply, the last one too.
fn failed(machine: &mut Machine, reply: Reply, out: &mut Effects) {
    machine.login = Login::Nobody;
    machine.failed_logins = machine.failed_logins.saturating_add(1);
    if machine.failed_logins < machine.control.settings.login_tries {
        return out.say(reply);
    }
    let last = if reply == Reply::authentication_failed() { Reply::too_many_tries() } else { reply };
    machine.say_and_end(last, Ending::TooManyTries, out);
}
