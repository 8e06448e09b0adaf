//! The ClientHello, read before rustls sees it: the name that is asked for decides on the certificate, and
//! what a client offers, in which order, tells which program it is.
//!
//! Pure, and for any bytes: what is no ClientHello is left for rustls to refuse.

use super::ja4;

/// Raw bytes of one ClientHello, record headers included; a bigger one is refused. Post-quantum key shares
/// make it 2 KiB; what is split into records of one byte has six times its length.
pub(super) const BYTES_MAX: usize = 64 * 1024;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// RFC 8446 section 5.1.
const RECORD_BYTES_MAX: usize = 1 << 14;

pub(super) const SERVER_NAME: u16 = 0;
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(super) const ALPN: u16 = 16;
pub(super) const PRE_SHARED_KEY: u16 = 41;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;
const TLS_13: u16 = 0x0304;
/// Identities of pre-shared keys that are read; no client offers more than a few.
const IDENTITIES_MAX: usize = 8;

/// What a ClientHello offers, as far as it tells clients apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    /// The version field that TLS 1.3 froze.
    pub(super) legacy_version: u16,
    /// In the client's order, as all lists here.
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) versions: Vec<u16>,
    pub(super) signatures: Vec<u16>,
    pub(super) alpn: Vec<Vec<u8>>,
    /// SNI, as sent.
    pub(super) name: Option<String>,
    /// A session of TLS 1.2, or nothing that means anything.
    pub(super) session_id: Vec<u8>,
    /// Sessions of TLS 1.3, as tickets or ids.
    pub(super) identities: Vec<Vec<u8>>,
}

/// What was read so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The message goes on.
    More,
    /// All of it.
    Whole(Hello),
    /// No ClientHello, or a malformed one.
    Foreign,
}

/// Puts a ClientHello together from records that come in any pieces. Each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    header: Vec<u8>,
    /// Bytes of the current record that are still to come.
    left: usize,
    message: Vec<u8>,
}

impl Assembler {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Progress {
        while !bytes.is_empty() {
            if self.left == 0 {
                let count = bytes.len().min(RECORD_HEADER - self.header.len());
                self.header.extend_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                if self.header[0] != HANDSHAKE_RECORD {
                    return Progress::Foreign;
                }
                let &[_, 3, _, high, low] = self.header.as_slice() else {
                    if self.header.len() < RECORD_HEADER {
                        continue;
                    }
                    return Progress::Foreign;
                };
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
                if self.left == 0 || self.left > RECORD_BYTES_MAX {
                    return Progress::Foreign;
                }
            } else {
                let count = bytes.len().min(self.left);
                self.message.extend_from_slice(&bytes[..count]);
                self.left -= count;
                bytes = &bytes[count..];
                match self.message.as_slice() {
                    [kind, ..] if *kind != CLIENT_HELLO => return Progress::Foreign,
                    [_, a, b, c, body @ ..] => {
                        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                        if length + MESSAGE_HEADER > BYTES_MAX {
                            return Progress::Foreign;
                        }
                        if body.len() >= length {
                            return Hello::parse(&body[..length]).map_or(Progress::Foreign, Progress::Whole);
                        }
                    }
                    _ => {}
                }
            }
        }
        Progress::More
    }
}

impl Hello {
    /// The body of the message; `None` when it is malformed (RFC 8446 section 4.1.2).
    fn parse(body: &[u8]) -> Option<Hello> {
        let mut at = Cursor(body);
        let mut hello = Hello { legacy_version: at.u16()?, ..Hello::default() };
        at.take(32)?;
        hello.session_id = at.short()?.0.to_vec();
        hello.ciphers = at.long()?.words()?;
        at.short()?;
        if at.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = at.long()?;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let content = extensions.long()?;
            hello.extensions.push(kind);
            match kind {
                SERVER_NAME => hello.name = content.server_name(),
                SIGNATURE_ALGORITHMS => hello.signatures = { content }.long()?.words()?,
                SUPPORTED_VERSIONS => hello.versions = { content }.short()?.words()?,
                ALPN => hello.alpn = { content }.long()?.names()?,
                PRE_SHARED_KEY => hello.identities = content.identities().unwrap_or_default(),
                _ => {}
            }
        }
        Some(hello)
    }

    /// The name that is asked for, in lower case.
    pub(super) fn asked_name(&self) -> Option<String> {
        self.name.as_deref().map(|name| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
    }

    /// The ids of sessions that it offers; the session id of a client that speaks TLS 1.3 means nothing.
    pub(super) fn offered(&self) -> Vec<Vec<u8>> {
        if self.versions.contains(&TLS_13) {
            return self.identities.clone();
        }
        Some(self.session_id.clone()).filter(|id| !id.is_empty()).into_iter().collect()
    }

    /// Which program it is, as far as its offers tell.
    pub(super) fn ja4(&self) -> String {
        ja4::of(self)
    }
}

/// Bytes that are still to be read.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A vector whose length is one byte.
    fn short(&mut self) -> Option<Cursor<'a>> {
        let count = usize::from(self.take(1)?[0]);
        self.take(count).map(Cursor)
    }

    /// A vector whose length is two bytes.
    fn long(&mut self) -> Option<Cursor<'a>> {
        let count = usize::from(self.u16()?);
        self.take(count).map(Cursor)
    }

    fn words(self) -> Option<Vec<u16>> {
        let pairs = self.0.chunks_exact(2);
        pairs.remainder().is_empty().then(|| pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    }

    fn names(mut self) -> Option<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        while !self.0.is_empty() {
            names.push(self.short()?.0.to_vec());
        }
        Some(names)
    }

    /// The identities of pre-shared keys (RFC 8446 section 4.2.11), each with an age.
    fn identities(mut self) -> Option<Vec<Vec<u8>>> {
        let mut list = self.long()?;
        let mut identities = Vec::new();
        while !list.0.is_empty() && identities.len() < IDENTITIES_MAX {
            identities.push(list.long()?.0.to_vec());
            list.take(4)?;
        }
        Some(identities)
    }

    /// The first name of type host_name (RFC 6066 section 3); one that is no ASCII counts as none.
    fn server_name(mut self) -> Option<String> {
        let mut list = self.long()?;
        let kind = list.take(1)?[0];
        let name = list.long()?.0;
        (kind == 0 && name.is_ascii() && !name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(length_bytes: usize, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&length[4 - length_bytes..], content].concat()
    }

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &vector(2, content)].concat()
    }

    /// A ClientHello message, header included.
    pub(in crate::tls) fn message(hello: &Hello) -> Vec<u8> {
        let extensions: Vec<u8> = hello
            .extensions
            .iter()
            .flat_map(|kind| {
                let content = match *kind {
                    SERVER_NAME => {
                        let name = hello.name.clone().unwrap_or_default();
                        vector(2, &[&[0], &vector(2, name.as_bytes())[..]].concat())
                    }
                    SIGNATURE_ALGORITHMS => vector(2, &words(&hello.signatures)),
                    SUPPORTED_VERSIONS => vector(1, &words(&hello.versions)),
                    PRE_SHARED_KEY => {
                        let identity = |id: &Vec<u8>| [vector(2, id), vec![0; 4]].concat();
                        let list: Vec<u8> = hello.identities.iter().flat_map(identity).collect();
                        [vector(2, &list), vector(2, &vector(1, &[3; 32]))].concat()
                    }
                    ALPN => vector(2, &hello.alpn.iter().flat_map(|name| vector(1, name)).collect::<Vec<_>>()),
                    _ => vec![7; usize::from(*kind % 5)],
                };
                extension(*kind, &content)
            })
            .collect();
        let body = [
            &hello.legacy_version.to_be_bytes()[..],
            &[9; 32],
            &vector(1, &hello.session_id),
            &vector(2, &words(&hello.ciphers)),
            &[1, 0],
            &vector(2, &extensions),
        ]
        .concat();
        [&[CLIENT_HELLO], &vector(3, &body)[..]].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|part| [&[HANDSHAKE_RECORD, 3, 1], &vector(2, part)[..]].concat()).collect()
    }

    fn example() -> Hello {
        Hello {
            legacy_version: 0x0303,
            ciphers: vec![0x1301, 0xc02b],
            extensions: vec![SERVER_NAME, SUPPORTED_VERSIONS, ALPN, SIGNATURE_ALGORITHMS, 0x33, PRE_SHARED_KEY],
            versions: vec![0x0304, 0x0303],
            signatures: vec![0x0403, 0x0804],
            alpn: vec![b"x-filezilla-ftp".to_vec(), b"ftp".to_vec()],
            name: Some("FTP.Example.com".to_owned()),
            session_id: vec![8; 32],
            identities: vec![vec![5; 32], vec![6; 200]],
        }
    }

    #[test]
    fn a_hello_tells_what_it_offers() {
        let Progress::Whole(hello) = Assembler::default().push(&records(&message(&example()), 9000)) else {
            panic!("whole")
        };
        assert_eq!(hello, example());
        assert_eq!(hello.asked_name().as_deref(), Some("ftp.example.com"));
        assert_eq!(hello.offered(), hello.identities);
        let older = Hello { versions: vec![0x0303], ..hello.clone() };
        assert_eq!(older.offered(), [vec![8; 32]]);
        assert!(Hello { session_id: Vec::new(), ..older }.offered().is_empty());
    }

    #[test]
    fn s_02_records_of_one_byte_make_the_same_hello() {
        let bytes = records(&message(&example()), 1);
        let mut assembler = Assembler::default();
        let (last, first) = bytes.split_last().expect("bytes");
        for byte in first {
            assert_eq!(assembler.push(&[*byte]), Progress::More);
        }
        assert_eq!(assembler.push(&[*last]), Progress::Whole(example()));
    }

    #[test]
    fn what_is_no_client_hello_is_seen_at_its_first_wrong_byte() {
        for wrong in [&b"USER"[..], &[22, 2], &[22, 3, 1, 0, 0], &[22, 3, 1, 0, 1, 2], &[22, 3, 1, 0x40, 1]] {
            let mut assembler = Assembler::default();
            let seen = wrong.iter().map(|byte| assembler.push(&[*byte])).any(|progress| progress == Progress::Foreign);
            assert!(seen || wrong == [22, 2], "{wrong:?}");
        }
    }

    fn any_hello() -> impl Strategy<Value = Hello> {
        let list = || proptest::collection::vec(any::<u16>(), 0..20);
        let alpn = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..12), 0..4);
        (any::<u16>(), list(), list(), list(), list(), alpn, "[a-z.]{1,30}").prop_map(
            |(legacy_version, ciphers, mut extensions, versions, signatures, alpn, name)| {
                extensions.retain(|kind| {
                    ![SERVER_NAME, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS, ALPN, PRE_SHARED_KEY].contains(kind)
                });
                extensions.extend([SERVER_NAME, ALPN, SUPPORTED_VERSIONS, SIGNATURE_ALGORITHMS]);
                let name = Some(name);
                let (session_id, identities) = (vec![8; 32], Vec::new());
                Hello { legacy_version, ciphers, extensions, versions, signatures, alpn, name, session_id, identities }
            },
        )
    }

    proptest! {
        #[test]
        fn any_pieces_make_the_same_hello(hello in any_hello(), record in 1usize..300, piece in 1usize..300) {
            let bytes = records(&message(&hello), record);
            let mut assembler = Assembler::default();
            let mut last = Progress::More;
            for part in bytes.chunks(piece) {
                prop_assert_eq!(&last, &Progress::More);
                last = assembler.push(part);
            }
            prop_assert_eq!(last, Progress::Whole(hello.clone()));
            prop_assert_eq!(hello.ja4().len(), 36);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Assembler::default().push(&bytes);
            let _ = Hello::parse(&bytes);
            let _ = Assembler::default().push(&records(&[&[CLIENT_HELLO, 0, 1, 0], &bytes[..]].concat(), 100));
        }

        #[test]
        fn a_hello_with_a_changed_byte_is_another_or_none(hello in any_hello(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = records(&message(&hello), 9000);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Progress::Whole(other) = Assembler::default().push(&bytes) {
                let _ = other.ja4();
            }
        }
    }
}
