//! Listing lines: `ls -l`, names, RFC 3659 facts. Each goes to the end of the caller's buffer, CRLF
//! included, without allocating.

use crate::moment::Moment;

use super::dates::Date;
use super::effect::{Entry, EntryKind, May};
use super::raw;

/// Which RFC 3659 facts MLSx shows; chosen by OPTS MLST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactSet(pub(super) u8);

/// The facts, in the order in which they are told.
const FACTS: [&str; 8] = ["type", "perm", "size", "modify", "unique", "unix.mode", "unix.uid", "unix.gid"];
const TYPE: u8 = 1;
const PERM: u8 = 1 << 1;
const SIZE: u8 = 1 << 2;
const MODIFY: u8 = 1 << 3;
const UNIQUE: u8 = 1 << 4;
const UNIX_MODE: u8 = 1 << 5;
const UNIX_UID: u8 = 1 << 6;
const UNIX_GID: u8 = 1 << 7;

/// The kind in a Unix mode, and kinds that are neither files nor folders.
const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const FIFO: u32 = 0o010_000;
const SOCKET: u32 = 0o140_000;
const BLOCKS: u32 = 0o060_000;

/// Half a Gregorian year: `ls` tells the time of day of what is younger.
const RECENT_SECONDS: i64 = 15_778_476;

impl FactSet {
    /// What is told until a client chooses.
    pub const USUAL: FactSet = FactSet(TYPE | PERM | SIZE | MODIFY | UNIQUE);

    /// The facts named in OPTS MLST, `;` behind each; unknown ones are left out (RFC 3659 section 7.9).
    pub fn parse(text: &str) -> FactSet {
        let wanted = text
            .split(';')
            .map(str::trim)
            .filter_map(|name| FACTS.iter().position(|fact| fact.eq_ignore_ascii_case(name)).map(|at| 1_u8 << at));
        FactSet(wanted.fold(0, |set, fact| set | fact))
    }

    /// As OPTS MLST answers: `type;size;`.
    pub fn names(self) -> String {
        self.tell(|name, chosen| chosen.then(|| format!("{name};")))
    }

    /// As FEAT tells: every fact, a star behind those that are chosen.
    pub fn features(self) -> String {
        self.tell(|name, chosen| Some(format!("{name}{};", if chosen { "*" } else { "" })))
    }

    fn tell(self, form: impl Fn(&str, bool) -> Option<String>) -> String {
        FACTS.iter().enumerate().filter_map(|(at, name)| form(name, self.has(1 << at))).collect()
    }

    const fn has(self, fact: u8) -> bool {
        self.0 & fact != 0
    }
}

/// One line as `ls -l` prints it. Owner and group are always `ftp`: who owns what is nobody's business.
pub fn append_long(entry: &Entry, now: Moment, out: &mut Vec<u8>) {
    append_mode(entry, out);
    out.push(b' ');
    append_number(entry.links, 3, out);
    out.extend_from_slice(b" ftp      ftp      ");
    append_number(entry.size, 12, out);
    out.push(b' ');
    let now = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
    let recent = entry.modified <= now && entry.modified > now.saturating_sub(RECENT_SECONDS);
    Date::of(entry.modified).write_ls(recent, out);
    out.push(b' ');
    append_clean(&entry.name, out);
    out.extend_from_slice(b"\r\n");
}

/// One line of NLST.
pub fn append_name(prefix: &str, name: &[u8], out: &mut Vec<u8>) {
    append_clean(&raw::to_bytes(prefix), out);
    append_clean(name, out);
    out.extend_from_slice(b"\r\n");
}

/// One line of MLSD: `type=file;size=1; name`.
pub fn append_facts(entry: &Entry, facts: FactSet, out: &mut Vec<u8>) {
    append_facts_of(entry, facts, &entry.name, out);
    out.extend_from_slice(b"\r\n");
}

/// Facts and a name without a line end; MLST tells the whole path.
pub(super) fn append_facts_of(entry: &Entry, facts: FactSet, name: &[u8], out: &mut Vec<u8>) {
    if facts.has(TYPE) {
        out.extend_from_slice(match entry.what {
            EntryKind::File => b"type=file;",
            EntryKind::Folder => b"type=dir;",
            EntryKind::Other => b"type=OS.unix=other;",
        });
    }
    if facts.has(PERM) {
        out.extend_from_slice(b"perm=");
        append_permissions(entry.what, entry.may, out);
        out.push(b';');
    }
    if facts.has(SIZE) {
        out.extend_from_slice(b"size=");
        append_number(entry.size, 0, out);
        out.push(b';');
    }
    if facts.has(MODIFY) {
        out.extend_from_slice(b"modify=");
        write_stamp(entry.modified, out);
        out.push(b';');
    }
    if facts.has(UNIQUE) {
        out.extend_from_slice(b"unique=");
        append_hex(entry.unique, out);
        out.push(b';');
    }
    if facts.has(UNIX_MODE) {
        out.extend_from_slice(b"unix.mode=0");
        out.extend([6, 3, 0].map(|shift| digit(entry.mode >> shift & 7)));
        out.push(b';');
    }
    for (fact, name, number) in [(UNIX_UID, "unix.uid=", entry.uid), (UNIX_GID, "unix.gid=", entry.gid)] {
        if facts.has(fact) {
            out.extend_from_slice(name.as_bytes());
            append_number(number.into(), 0, out);
            out.push(b';');
        }
    }
    out.push(b' ');
    append_clean(name, out);
}

/// `YYYYMMDDHHMMSS` in UTC.
pub fn write_stamp(seconds: i64, out: &mut Vec<u8>) {
    Date::of(seconds).write_stamp(out);
}

/// RFC 3659 section 7.5.5: in the alphabet's order, only what has a meaning for this kind.
fn append_permissions(what: EntryKind, may: May, out: &mut Vec<u8>) {
    let letters: &[(u8, bool)] = match what {
        EntryKind::File => {
            &[(b'a', may.append), (b'd', may.delete), (b'f', may.rename), (b'r', may.read), (b'w', may.write)]
        }
        EntryKind::Folder => &[
            (b'c', may.create),
            (b'd', may.delete),
            (b'e', true),
            (b'f', may.rename),
            (b'l', may.list),
            (b'm', may.make_folder),
            (b'p', may.purge),
        ],
        EntryKind::Other => &[],
    };
    out.extend(letters.iter().filter(|(_, may)| *may).map(|(letter, _)| *letter));
}

fn append_mode(entry: &Entry, out: &mut Vec<u8>) {
    const BITS: &[u8; 9] = b"rwxrwxrwx";
    let mode = entry.mode;
    out.push(match (entry.what, mode & KIND) {
        (EntryKind::File, _) => b'-',
        (EntryKind::Folder, _) => b'd',
        // FileZilla leaves out a line whose first letter it does not know.
        (EntryKind::Other, LINK) => b'l',
        (EntryKind::Other, FIFO) => b'p',
        (EntryKind::Other, SOCKET) => b's',
        (EntryKind::Other, BLOCKS) => b'b',
        (EntryKind::Other, _) => b'c',
    });
    out.extend(BITS.iter().enumerate().map(|(at, &letter)| if mode >> (8 - at) & 1 == 1 { letter } else { b'-' }));
}

/// Control characters would end the line or reach a terminal; each becomes a `?`.
fn append_clean(name: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(name);
    for byte in &mut out[from..] {
        if byte.is_ascii_control() {
            *byte = b'?';
        }
    }
}
fn digit(number: u32) -> u8 {
    b'0' + number as u8
}

/// Decimal, right-aligned to `width`.
fn append_number(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b' '; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width.min(digits.len()))..]);
}

fn append_hex(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        number.to_be_bytes().iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Moment = Moment::from_millis(1_700_000_000_000);

    fn entry(name: &[u8], modified: i64) -> Entry {
        Entry {
            name: name.to_vec(),
            what: EntryKind::File,
            size: 12,
            modified,
            mode: 0o100_640,
            links: 1,
            uid: 1000,
            gid: 100,
            unique: 0xab,
            may: May::ALL,
        }
    }

    fn long(entry: &Entry) -> String {
        let mut out = Vec::new();
        append_long(entry, NOW, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn t_55_lines_look_like_ls() {
        assert_eq!(
            long(&entry(b"a b", 1_699_999_999)),
            "-rw-r-----   1 ftp      ftp                12 Nov 14 22:13 a b\r\n"
        );
        let folder = Entry { what: EntryKind::Folder, mode: 0o40_755, size: 0, ..entry(b"d", 1_600_000_000) };
        assert_eq!(long(&folder), "drwxr-xr-x   1 ftp      ftp                 0 Sep 13  2020 d\r\n");
        assert!(long(&entry(b"x", 1_700_000_001)).contains("Nov 14  2023"), "the future has a year");
        assert!(long(&entry(b"x", 1_698_796_800)).contains("Nov  1 00:00"), "the day is padded");
    }

    #[test]
    fn t_55_every_kind_has_a_letter_that_clients_know() {
        for (mode, letter) in
            [(0o120_777, 'l'), (0o010_644, 'p'), (0o140_755, 's'), (0o060_660, 'b'), (0o020_620, 'c'), (0, 'c')]
        {
            let other = Entry { what: EntryKind::Other, mode, ..entry(b"x", 0) };
            assert!(long(&other).starts_with(letter), "{mode:o}");
        }
    }

    #[test]
    fn t_60_odd_times_and_sizes_are_printed() {
        assert!(long(&entry(b"x", i64::MIN)).contains("Jan  1  0000"));
        assert!(long(&entry(b"x", i64::MAX)).contains("Dec 31  9999"));
        let huge = Entry { size: u64::MAX, links: u64::MAX, ..entry(b"x", 0) };
        assert!(long(&huge).contains(" 18446744073709551615 Jan  1  1970 x"));
    }

    #[test]
    fn t_51_control_characters_in_names_are_shown_as_question_marks() {
        let mut out = Vec::new();
        append_name("d\n/", b"a\r\n226 x\x1b\x7f\xff", &mut out);
        assert_eq!(out, b"d?/a??226 x??\xff\r\n");
    }

    #[test]
    fn t_59_facts_end_in_semicolons_and_one_space() {
        let mut out = Vec::new();
        append_facts(
            &entry(b"n", 1_700_000_000),
            FactSet::parse("UNIX.mode;type;bogus;size;perm;modify;unique;"),
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "type=file;perm=adfrw;size=12;modify=20231114221320;unique=00000000000000ab;unix.mode=0640; n\r\n"
        );
        let mut none = Vec::new();
        append_facts(&entry(b"n", 0), FactSet::parse(""), &mut none);
        assert_eq!(none, b" n\r\n");
    }

    #[test]
    fn t_59_permissions_are_the_letters_that_fit_the_kind() {
        let perm = |what, may| {
            let mut out = Vec::new();
            append_facts(&Entry { what, may, ..entry(b"n", 0) }, FactSet::parse("perm"), &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(perm(EntryKind::Folder, May::ALL), "perm=cdeflmp; n\r\n");
        assert_eq!(perm(EntryKind::Folder, May::default()), "perm=e; n\r\n");
        assert_eq!(perm(EntryKind::File, May::default()), "perm=; n\r\n");
        let reader = May { read: true, list: true, ..May::default() };
        assert_eq!(perm(EntryKind::File, reader), "perm=r; n\r\n");
        assert_eq!(perm(EntryKind::Folder, reader), "perm=el; n\r\n");
        assert_eq!(perm(EntryKind::Other, May::ALL), "perm=; n\r\n");
    }

    #[test]
    fn fact_sets_keep_the_servers_order() {
        assert_eq!(FactSet::parse("size;TYPE;nope").names(), "type;size;");
        assert_eq!(FactSet::USUAL.features(), "type*;perm*;size*;modify*;unique*;unix.mode;unix.uid;unix.gid;");
    }

    proptest! {
        #[test]
        fn s_38_every_entry_is_exactly_one_line(
            name in proptest::collection::vec(any::<u8>(), 1..60),
            modified in any::<i64>(), now in any::<u64>(), size in any::<u64>(), mode in any::<u32>()
        ) {
            let entry = Entry { size, mode, ..entry(&name, modified) };
            let mut out = Vec::new();
            append_long(&entry, Moment::from_millis(now), &mut out);
            append_facts(&entry, FactSet(0xff), &mut out);
            append_name("", &entry.name, &mut out);
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 3);
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\r').count(), 3);
        }
    }
}
