//! What holds for any bytes that a client sends: bodies of fuzz targets (see [`crate::fuzzing`]).

mod machine;

use std::borrow::Cow;
use std::net::SocketAddr;

use super::address::{ExtendedFault, Family, parse_eprt, parse_family, parse_port};
use super::ascii::{FromWire, ToWire};
use super::command::{Parsed, parse, told};
use super::dates::Date;
use super::effect::{Entry, EntryKind, May};
use super::glob::{character_bytes, glob_matches};
use super::line::{Line, LineFault, LineReader};
use super::listing::{FactSet, append_facts, append_long, append_name};
use super::raw;
use crate::fuzzing::{Choices, pieces};
use crate::moment::Moment;

pub use machine::machine;
#[cfg(test)]
pub(super) use machine::{entry, path, settings};

/// A text as the line reader would make it of bytes.
fn line_text(bytes: &[u8]) -> String {
    // Before they are read: what stood around a byte that is left out may be one character together.
    let kept: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, 0 | b'\n')).collect();
    raw::from_bytes(&kept).into_owned()
}

type Read = Result<String, LineFault>;

fn read_lines(bytes: &[u8], sizes: &[u8], bound: usize) -> Vec<Read> {
    let mut reader = LineReader::new(bound);
    let mut read = Vec::new();
    for piece in pieces(bytes, sizes) {
        reader.push(piece);
        while let Some(line) = reader.next() {
            read.push(line.map(|line| line.text().to_owned()));
        }
        assert!(reader.leftover().len() <= bound + 1, "more is held than the bound");
    }
    read
}

/// The line reader: cuts change nothing; a line holds no NUL and no LF; what has no Telnet in it comes out as it
/// went in.
pub fn lines(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let bound = 8 + choices.below(64);
    let sizes = choices.bytes();
    let stream = choices.rest();
    let whole = read_lines(stream, &[255; 1], bound);
    assert_eq!(read_lines(stream, sizes, bound), whole, "cuts change nothing");
    for line in whole.iter().flatten() {
        assert!(!line.contains(['\0', '\n']));
        assert!(raw::length(line) < bound);
    }
    for line in stream.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let mut reader = LineReader::new(bound);
        reader.push(line);
        let read = reader.next().expect("a whole line").map(|line| line.text().to_owned());
        let plain = line[..line.len() - 1].strip_suffix(b"\r").unwrap_or(&line[..line.len() - 1]);
        let expected = match plain {
            _ if line.starts_with(&[0x16, 3]) => Some(Err(LineFault::TlsRecord)),
            _ if line.len() > bound => Some(Err(LineFault::TooLong)),
            // Telnet, and what is stripped before an urgent command.
            [first, ..] if !first.is_ascii() => None,
            plain if plain.contains(&0xff) || plain.contains(&0) => None,
            plain => Some(Ok(raw::from_bytes(plain).into_owned())),
        };
        if let Some(expected) = expected {
            assert_eq!(read, expected, "{}", line.escape_ascii());
        }
        assert!(reader.next().is_none() && reader.leftover().is_empty());
    }
}

/// The command parser: nothing of the line is lost, what events are told is clean, bounded and no password.
pub fn commands(bytes: &[u8]) {
    let text = line_text(bytes);
    let line = Line(&text);
    match parse(line) {
        Parsed::Known(command, argument) => {
            let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
            assert!(verb.eq_ignore_ascii_case(command.verb()));
            assert_eq!(argument, rest);
        }
        Parsed::Foreign(protocol) => assert!(!protocol.is_empty()),
        Parsed::Unknown { verb, argument } => {
            assert!(verb.len() <= 16 && verb.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(!verb.bytes().any(|byte| byte.is_ascii_lowercase()));
            let argument = argument.unwrap_or_default();
            assert!(argument.len() <= 256 && !argument.chars().any(|c| c.is_control() || raw::is_raw(c)));
        }
    }
    if let Some((verb, argument)) = told(line) {
        assert!(verb != "PASS" || argument.is_none(), "a password is told");
        let argument = argument.unwrap_or_default();
        assert!(argument.len() <= 256 && !argument.chars().any(|c| c.is_control() || raw::is_raw(c)));
    }
}

/// PORT, EPRT and EPSV: what is read is written the same, and nothing else is read.
pub fn addresses(bytes: &[u8]) {
    let text = line_text(bytes);
    let simple: Option<Vec<u8>> = text
        .split(',')
        .map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())))
        .collect();
    let simple = simple.and_then(|numbers| <[u8; 6]>::try_from(numbers).ok());
    let simple = simple.filter(|[.., high, low]| (*high, *low) != (0, 0));
    let expected =
        simple.map(|[a, b, c, d, high, low]| SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))));
    assert_eq!(parse_port(&text), expected);
    match parse_eprt(&text) {
        Ok(address) => {
            assert!(address.port() > 0);
            assert_eq!(address.ip(), address.ip().to_canonical());
            let family = match Family::of(address.ip()) {
                Family::V4 => 1,
                Family::V6 => 2,
            };
            assert_eq!(parse_eprt(&format!("|{family}|{}|{}|", address.ip(), address.port())), Ok(address));
        }
        Err(ExtendedFault::Format | ExtendedFault::Family) => {}
    }
    let family = match text.parse::<u32>() {
        Ok(number) if !text.starts_with('+') => match number {
            1 => Ok(Family::V4),
            2 => Ok(Family::V6),
            _ => Err(ExtendedFault::Family),
        },
        _ => Err(ExtendedFault::Format),
    };
    assert_eq!(parse_family(&text), family);
}

/// MFMT's stamps: one that is read names the same moment when it is written; any moment is written.
pub fn dates(bytes: &[u8]) {
    let stamp = |seconds: i64| {
        let mut out = Vec::new();
        Date::of(seconds).write_stamp(&mut out);
        String::from_utf8(out).expect("ASCII")
    };
    let text = line_text(bytes);
    if let Some(seconds) = Date::parse_stamp(&text) {
        // A leap second is told as the one before it.
        let same = if &text[12..14] == "60" { format!("{}59", &text[..12]) } else { text[..14].to_owned() };
        assert_eq!(stamp(seconds), same);
    }
    let seconds = Choices::new(bytes).number() as i64;
    for seconds in [seconds, seconds >> 16, seconds >> 28] {
        let written = stamp(seconds);
        assert!(written.len() == 14 && written.bytes().all(|byte| byte.is_ascii_digit()));
        let read = Date::parse_stamp(&written).expect("a moment");
        assert_eq!(stamp(read), written);
        assert!(read == seconds || !(-62_167_219_200..=253_402_300_799).contains(&seconds));
    }
}

fn to_wire(bytes: &[u8], sizes: &[u8]) -> Vec<u8> {
    let (mut convert, mut out) = (ToWire::default(), Vec::new());
    pieces(bytes, sizes).for_each(|piece| convert.convert(piece, &mut out));
    out
}

fn from_wire(bytes: &[u8], sizes: &[u8]) -> Vec<u8> {
    let (mut convert, mut out) = (FromWire::default(), Vec::new());
    pieces(bytes, sizes).for_each(|piece| convert.convert(piece, &mut out));
    convert.finish(&mut out);
    out
}

/// TYPE A both ways: cuts change nothing, and it is what a byte by byte reading of the rule gives.
pub fn ascii(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let sizes = choices.bytes();
    let file = choices.rest();
    let mut wire = Vec::new();
    let mut disk = Vec::new();
    for (at, byte) in file.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || file[at - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(*byte);
        if *byte != b'\r' || file.get(at + 1) != Some(&b'\n') {
            disk.push(*byte);
        }
    }
    assert_eq!(to_wire(file, sizes), wire);
    assert_eq!(to_wire(file, &[255]), wire);
    assert_eq!(from_wire(file, sizes), disk);
    assert_eq!(from_wire(file, &[255]), disk);
    assert_eq!(from_wire(&wire, sizes), disk, "what went out comes back");
}

/// Every way to match, tried: by bytes, or by whole characters.
fn tried(pattern: &[u8], name: &[u8], by_characters: bool) -> bool {
    let mut here = vec![false; name.len() + 1];
    here[0] = true;
    for &part in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            if !here[at] {
                continue;
            }
            match part {
                b'*' => {
                    let mut end = at;
                    next[end] = true;
                    while end < name.len() {
                        end += if by_characters { character_bytes(&name[end..]) } else { 1 };
                        next[end] = true;
                    }
                }
                b'?' if at < name.len() => next[at + character_bytes(&name[at..])] = true,
                byte if name.get(at) == Some(&byte) => next[at + 1] = true,
                _ => {}
            }
        }
        here = next;
    }
    here[name.len()]
}

/// Globs: never a match that trying every way does not find, and always one that whole characters give.
pub fn globs(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let pattern = choices.bytes();
    let name = &choices.rest()[..choices_max(bytes)];
    let matches = glob_matches(pattern, name);
    if matches {
        assert!(tried(pattern, name, false), "{} {}", pattern.escape_ascii(), name.escape_ascii());
    } else {
        assert!(!tried(pattern, name, true), "{} {}", pattern.escape_ascii(), name.escape_ascii());
    }
    assert!(glob_matches(b"*", name));
}

fn choices_max(bytes: &[u8]) -> usize {
    let mut choices = Choices::new(bytes);
    choices.bytes();
    choices.rest().len().min(256)
}

fn any_entry(choices: &mut Choices<'_>) -> Entry {
    let bits = choices.number();
    let flag = |bit: u32| bits >> bit & 1 == 1;
    let may = May {
        append: flag(0),
        create: flag(1),
        delete: flag(2),
        rename: flag(3),
        list: flag(4),
        make_folder: flag(5),
        purge: flag(6),
        read: flag(7),
        write: flag(8),
    };
    Entry {
        what: choices.one_of(&[EntryKind::File, EntryKind::Folder, EntryKind::Other]),
        size: choices.number(),
        modified: choices.number() as i64 >> choices.below(64),
        mode: choices.number() as u32,
        links: u64::from(choices.byte()),
        uid: u32::from(choices.byte()),
        gid: u32::from(choices.byte()),
        unique: choices.number(),
        may,
        name: choices.bytes().to_vec(),
    }
}

fn shown(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if byte.is_ascii_control() { b'?' } else { *byte }).collect()
}

/// Listing lines: one line each, which reads back as clients read it.
pub fn listings(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let now = Moment::from_millis(choices.number());
    let facts = FactSet::parse(&choices.text());
    let prefix = line_text(choices.bytes());
    let entry = any_entry(&mut choices);
    let name = shown(&entry.name);
    let one_line = |out: &[u8]| {
        assert!(out.ends_with(b"\r\n"));
        let line = &out[..out.len() - 2];
        assert!(!line.iter().any(u8::is_ascii_control), "{}", line.escape_ascii());
        line.to_vec()
    };

    let mut out = Vec::new();
    append_long(&entry, now, &mut out);
    let line = one_line(&out);
    let mut rest = line.as_slice();
    let mut fields = Vec::new();
    while fields.len() < 8 {
        rest = &rest[rest.iter().position(|byte| *byte != b' ').expect("a field")..];
        let end = rest.iter().position(|byte| *byte == b' ').expect("a field's end");
        fields.push(std::str::from_utf8(&rest[..end]).expect("ASCII"));
        rest = &rest[end..];
    }
    assert_eq!(rest, [b" ", name.as_slice()].concat());
    assert_eq!(fields[0].len(), 10);
    assert_eq!(fields[4].parse(), Ok(entry.size));
    assert_eq!(fields[5].len(), 3);
    assert!((1..=31).contains(&fields[6].parse::<u8>().expect("a day")));
    match fields[7].split_once(':') {
        Some((hour, minute)) => {
            assert!(hour.parse::<u8>().expect("an hour") < 24 && minute.parse::<u8>().expect("a minute") < 60);
            assert!(entry.modified <= i64::try_from(now.seconds()).unwrap_or(i64::MAX), "the future has a year");
        }
        None => assert!(fields[7].len() == 4 && fields[7].parse::<u16>().is_ok()),
    }

    let mut out = Vec::new();
    append_facts(&entry, facts, &mut out);
    let line = one_line(&out);
    let end = line.iter().position(|byte| *byte == b' ').expect("a space");
    assert_eq!(line[end + 1..], name);
    let told = std::str::from_utf8(&line[..end]).expect("ASCII");
    assert!(told.is_empty() || told.ends_with(';'));
    for fact in told.split_terminator(';') {
        match fact.split_once('=').expect("a fact") {
            ("size", size) => assert_eq!(size.parse(), Ok(entry.size)),
            ("modify", stamp) => assert!(Date::parse_stamp(stamp).is_some()),
            ("unique", unique) => assert_eq!(u64::from_str_radix(unique, 16), Ok(entry.unique)),
            (known, _) => assert!(["type", "perm", "unix.mode", "unix.uid", "unix.gid"].contains(&known)),
        }
    }
    assert_eq!(FactSet::parse(&facts.names()), facts);

    let mut out = Vec::new();
    append_name(&prefix, &entry.name, &mut out);
    assert_eq!(one_line(&out), [shown(&raw::to_bytes(&prefix)), name].concat());
    let kept: Cow<'_, str> = raw::from_bytes(&entry.name);
    assert_eq!(&*raw::to_bytes(&kept), entry.name.as_slice());
}
