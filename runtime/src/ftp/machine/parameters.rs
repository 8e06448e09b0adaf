//! TYPE, MODE, STRU, REST, SITE IDLE.

use crate::ftp::reply::Reply;

use super::state::Desk;

/// Shorter, a client would end its own session between two commands.
const IDLE_SECONDS_MIN: u32 = 10;

pub(in crate::ftp) fn r#type(desk: &mut Desk<'_>, argument: &str) {
    let wanted: String = argument.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
    let ascii = match wanted.as_str() {
        "A" | "AN" | "L7" => true,
        "I" | "L8" => false,
        "E" | "EN" | "ET" | "EC" | "AT" | "AC" => return desk.say(Reply::type_unsupported()),
        _ => return desk.say(Reply::type_unknown()),
    };
    desk.session.ascii = ascii;
    desk.say(if ascii { Reply::type_ascii() } else { Reply::type_binary() });
}

pub(in crate::ftp) fn mode(desk: &mut Desk<'_>, argument: &str) {
    desk.say(match argument.to_ascii_uppercase().as_str() {
        "S" => Reply::mode_stream(),
        "B" | "C" | "Z" => Reply::mode_unimplemented(),
        _ => Reply::mode_unknown(),
    });
}

pub(in crate::ftp) fn stru(desk: &mut Desk<'_>, argument: &str) {
    desk.say(match argument.to_ascii_uppercase().as_str() {
        "F" => Reply::structure_file(),
        "R" | "P" => Reply::structure_unimplemented(),
        _ => Reply::structure_unknown(),
    });
}

/// SITE IDLE: tells, or sets within the server's bounds.
pub(in crate::ftp) fn idle(desk: &mut Desk<'_>, argument: &str) {
    let settings = &desk.control.settings;
    let (usual, most) = (settings.idle_seconds, settings.idle_seconds_max);
    if argument.is_empty() {
        return desk.say(Reply::idle_is(desk.session.idle.unwrap_or(usual), most));
    }
    let wanted = argument.parse::<u32>().ok().filter(|wanted| (IDLE_SECONDS_MIN..=most).contains(wanted));
    let Some(seconds) = wanted else { return desk.say(Reply::idle_range(IDLE_SECONDS_MIN, most)) };
    desk.session.idle = Some(seconds);
    desk.say(Reply::idle_is(seconds, most));
}

pub(in crate::ftp) fn rest(desk: &mut Desk<'_>, argument: &str) {
    let offset = argument.bytes().all(|byte| byte.is_ascii_digit()).then(|| argument.parse::<u64>().ok()).flatten();
    // A file's size is an i64 to every system that we run on.
    let Some(offset) = offset.filter(|offset| i64::try_from(*offset).is_ok()) else {
        return desk.say(Reply::bad_parameter());
    };
    if offset > 0 && desk.converts() {
        return desk.say(Reply::rest_in_ascii());
    }
    desk.session.marks.restart = offset;
    desk.say(Reply::restart_noted(offset));
}
