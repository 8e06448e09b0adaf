//! PASV, EPSV, PORT, EPRT: where the next data connection comes from or goes to.

use std::net::SocketAddr;

use crate::ftp::address::{ExtendedFault, Family, parse_eprt, parse_family, parse_port};
use crate::ftp::effect::{Effect, Question};
use crate::ftp::reply::Reply;

use super::state::{Desk, Doing, Wanted};

/// Ports below are those of services; a client that names one aims at somebody else.
const UNPRIVILEGED_FROM: u16 = 1024;

pub(in crate::ftp) fn pasv(desk: &mut Desk<'_>, _: &str) {
    if !refused_by_epsv_all(desk) {
        listen(desk, Wanted::Passive);
    }
}

pub(in crate::ftp) fn epsv(desk: &mut Desk<'_>, argument: &str) {
    if argument.eq_ignore_ascii_case("ALL") {
        desk.session.extended_only = true;
        return desk.say(Reply::epsv_all());
    }
    if argument.is_empty() {
        return listen(desk, Wanted::Extended(None));
    }
    match parse_family(argument) {
        Ok(family) => listen(desk, Wanted::Extended(Some(family))),
        Err(ExtendedFault::Family) => desk.say(Reply::unknown_family()),
        Err(ExtendedFault::Format) => desk.say(Reply::bad_parameter()),
    }
}

pub(in crate::ftp) fn port(desk: &mut Desk<'_>, argument: &str) {
    if refused_by_epsv_all(desk) || refused_by_settings(desk) {
        return;
    }
    match parse_port(argument) {
        Some(address) => note(desk, address),
        None => desk.say(Reply::port_format()),
    }
}

pub(in crate::ftp) fn eprt(desk: &mut Desk<'_>, argument: &str) {
    if refused_by_epsv_all(desk) || refused_by_settings(desk) {
        return;
    }
    match parse_eprt(argument) {
        Ok(address) => note(desk, address),
        Err(ExtendedFault::Family) => desk.say(Reply::unknown_family()),
        Err(ExtendedFault::Format) => desk.say(Reply::eprt_format()),
    }
}

/// The driver listens, or cannot.
pub(super) fn listening(desk: &mut Desk<'_>, wanted: Wanted, address: Option<SocketAddr>) {
    let Some(address) = address else {
        desk.session.has_address = false;
        return desk.say(Reply::no_port());
    };
    desk.session.has_address = true;
    let reply = match wanted {
        Wanted::Passive => Reply::passive_if_v4(address).ok_or(Reply::pasv_needs_ipv4()),
        Wanted::Extended(family) => match (family, Family::of(address.ip())) {
            (Some(Family::V6), Family::V4) => Err(Reply::family_is_1()),
            (Some(Family::V4), Family::V6) => Err(Reply::family_is_2()),
            _ => Ok(Reply::extended_passive(address.port())),
        },
    };
    if reply.is_err() {
        desk.drop_data();
    }
    desk.say(reply.unwrap_or_else(|refusal| refusal));
}

/// The driver took the active address, or it is not the client's own.
pub(super) fn noted(desk: &mut Desk<'_>, accepted: bool) {
    if accepted {
        desk.session.has_address = true;
    }
    desk.say(if accepted { Reply::active_noted() } else { Reply::foreign_address() });
}

fn listen(desk: &mut Desk<'_>, wanted: Wanted) {
    *desk.doing = Doing::Listening(wanted);
    let extended = matches!(wanted, Wanted::Extended(_));
    desk.out.push(Effect::Ask(Question::Listen { extended }));
}

fn note(desk: &mut Desk<'_>, address: SocketAddr) {
    if address.port() < UNPRIVILEGED_FROM {
        return desk.say(Reply::privileged_port());
    }
    *desk.doing = Doing::Noting;
    desk.out.push(Effect::Ask(Question::Active(address)));
}

fn refused_by_epsv_all(desk: &mut Desk<'_>) -> bool {
    if desk.session.extended_only {
        desk.say(Reply::after_epsv_all());
    }
    desk.session.extended_only
}

fn refused_by_settings(desk: &mut Desk<'_>) -> bool {
    let off = !desk.control.settings.active_mode;
    if off {
        desk.say(Reply::active_off());
    }
    off
}
