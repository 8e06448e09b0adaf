//! What is changed about a file beside its content: MDTM and MFMT, MFF, SITE CHMOD, SITE UTIME.

use crate::ftp::dates::Date;
use crate::ftp::effect::{Change, FileQuestion};
use crate::ftp::reply::Reply;
use crate::moment::Moment;
use crate::vfs::VirtualPath;

use super::files::FileStep;
use super::state::Desk;

/// How a change is told once it is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// MFMT, MDTM, MFF: `213 Modify=...;UNIX.mode=...; /path`
    Facts { seconds: Option<i64>, mode: Option<u16> },
    /// SITE CHMOD
    Mode,
    /// SITE UTIME
    Time,
}

impl Told {
    pub(super) fn reply(self, path: &VirtualPath) -> Reply {
        match self {
            Told::Facts { seconds, mode } => Reply::facts_set(seconds, mode, path),
            Told::Mode => Reply::chmod_done(),
            Told::Time => Reply::utime_done(),
        }
    }
}

/// `MDTM time path` sets, unless there is a file of that whole name.
pub(in crate::ftp) fn mdtm(desk: &mut Desk<'_>, typed: &str) {
    let sets = typed
        .split_once(' ')
        .and_then(|(time, name)| Some((Date::parse_stamp(time)?, desk.session.folder.join(name).ok()?)));
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Facts(path), FileStep::Modified(sets));
    }
}

pub(in crate::ftp) fn mfmt(desk: &mut Desk<'_>, argument: &str) {
    let Some((time, typed)) = argument.split_once(' ') else { return desk.say(Reply::needs_two_arguments()) };
    let Some(seconds) = Date::parse_stamp(time) else { return desk.say(Reply::bad_time()) };
    if let Some(path) = desk.path(typed) {
        set_modified(desk, seconds, path);
    }
}

pub(super) fn set_modified(desk: &mut Desk<'_>, seconds: i64, path: VirtualPath) {
    set(desk, path, Told::Facts { seconds: Some(seconds), mode: None }, Some(seconds), None);
}

/// `MFF Modify=time;UNIX.mode=mode; path` (draft-somers-ftp-mfxx).
pub(in crate::ftp) fn mff(desk: &mut Desk<'_>, argument: &str) {
    let Some((facts, typed)) = argument.split_once("; ") else { return desk.say(Reply::needs_two_arguments()) };
    let (mut seconds, mut mode) = (None, None);
    for fact in facts.split(';') {
        let Some((name, value)) = fact.split_once('=') else { return desk.say(Reply::bad_parameter()) };
        if name.eq_ignore_ascii_case("Modify") {
            seconds = Date::parse_stamp(value);
            if seconds.is_none() {
                return desk.say(Reply::bad_time());
            }
        } else if name.eq_ignore_ascii_case("UNIX.mode") {
            mode = parse_mode(value);
            if mode.is_none() {
                return desk.say(Reply::bad_parameter());
            }
        } else {
            return desk.say(Reply::fact_unknown());
        }
    }
    if let Some(path) = desk.path(typed) {
        set(desk, path, Told::Facts { seconds, mode }, seconds, mode);
    }
}

/// `SITE CHMOD 644 path`
pub(in crate::ftp) fn chmod(desk: &mut Desk<'_>, argument: &str) {
    let Some((mode, typed)) = argument.split_once(' ') else { return desk.say(Reply::needs_two_arguments()) };
    let Some(mode) = parse_mode(mode) else { return desk.say(Reply::chmod_format()) };
    if let Some(path) = desk.path(typed) {
        set(desk, path, Told::Mode, None, Some(mode));
    }
}

/// `SITE UTIME YYYYMMDDhhmm[ss] path`, or `SITE UTIME path accessed modified created UTC`.
pub(in crate::ftp) fn utime(desk: &mut Desk<'_>, argument: &str) {
    let parsed = argument
        .split_once(' ')
        .and_then(|(time, typed)| Some((parse_short_stamp(time)?, typed)))
        .or_else(|| parse_long_utime(argument));
    let Some((seconds, typed)) = parsed else { return desk.say(Reply::bad_time()) };
    if let Some(path) = desk.path(typed) {
        set(desk, path, Told::Time, Some(seconds), None);
    }
}

/// The seconds may be left out.
fn parse_short_stamp(text: &str) -> Option<i64> {
    if text.len() == 12 { Date::parse_stamp(&format!("{text}00")) } else { Date::parse_stamp(text) }
}

/// What is set is the middle one of the three times.
fn parse_long_utime(argument: &str) -> Option<(i64, &str)> {
    let mut words = argument.rsplitn(5, ' ');
    let (zone, created, modified, accessed) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if !zone.eq_ignore_ascii_case("UTC") {
        return None;
    }
    Date::parse_stamp(created)?;
    Date::parse_stamp(accessed)?;
    Some((Date::parse_stamp(modified)?, words.next()?))
}

/// Three octal digits, or four of which the first, the special bits, is left out.
fn parse_mode(text: &str) -> Option<u16> {
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    octal.then(|| u16::from_str_radix(text, 8).ok()).flatten().map(|mode| mode & 0o777)
}

fn set(desk: &mut Desk<'_>, path: VirtualPath, told: Told, seconds: Option<i64>, mode: Option<u16>) {
    let modified = match seconds {
        None => None,
        // Moments start in 1970.
        Some(seconds) => match u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000)) {
            None => return desk.say(Reply::bad_time()),
            Some(millis) => Some(Moment::from_millis(millis)),
        },
    };
    desk.ask(FileQuestion::Change(path.clone(), Change { modified, mode }), FileStep::Change(path, told));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_52_modes_are_octal_and_never_special() {
        for (text, mode) in [("644", Some(0o644)), ("0755", Some(0o755)), ("4755", Some(0o755)), ("7777", Some(0o777))]
        {
            assert_eq!(parse_mode(text), mode, "{text}");
        }
        for wrong in ["", "64", "778", "-177", "+177", "00644", "foo", "\u{663}\u{663}"] {
            assert_eq!(parse_mode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_forms_of_utime_are_read() {
        assert_eq!(parse_short_stamp("197001010001"), Some(60));
        assert_eq!(parse_short_stamp("19700101000102"), Some(62));
        let long = "a b 19700101000001 19700101000002 19700101000003 UTC";
        assert_eq!(parse_long_utime(long), Some((2, "a b")));
        for wrong in ["a 1 2 3 UTC", "19700101000001 19700101000002 19700101000003 UTC", "UTC", ""] {
            assert_eq!(parse_long_utime(wrong), None, "{wrong}");
        }
    }
}
