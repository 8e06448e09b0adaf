//! The few facts of a certificate that rustls does not tell: until when it holds, and whose it is.
//!
//! Pure, and for any bytes. Nothing is verified here; rustls does that.

use time::{Date, Month, PrimitiveDateTime, Time};

/// Facts of a certificate (RFC 5280 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Last second in which it holds, in seconds of Unix time.
    pub(super) not_after: i64,
    /// The common name of its subject.
    pub(super) common_name: Option<String>,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`
const VERSION: u8 = 0xa0;
const OBJECT: u8 = 0x06;
/// id-at-commonName, 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

impl Certificate {
    /// From DER; `None` when it is malformed.
    pub(super) fn parse(der: &[u8]) -> Option<Certificate> {
        let mut tbs = Der(Der(Der(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
        if tbs.peek() == Some(VERSION) {
            tbs.next()?;
        }
        tbs.expect(INTEGER)?;
        tbs.expect(SEQUENCE)?;
        tbs.expect(SEQUENCE)?;
        let mut validity = Der(tbs.expect(SEQUENCE)?);
        validity.next()?;
        let (kind, text) = validity.next()?;
        let subject = Der(tbs.expect(SEQUENCE)?);
        Some(Certificate { not_after: moment(kind, text)?, common_name: common_name(subject) })
    }
}

/// The last common name: the most specific one.
fn common_name(mut subject: Der<'_>) -> Option<String> {
    let mut found = None;
    while let Some(set) = subject.expect(SET) {
        let mut set = Der(set);
        while let Some(pair) = set.expect(SEQUENCE) {
            let mut pair = Der(pair);
            let (Some(object), Some((kind, text))) = (pair.expect(OBJECT), pair.next()) else { break };
            if object == COMMON_NAME && TEXTS.contains(&kind) {
                found = String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    found
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on (RFC 5280 section 4.1.2.5).
fn moment(kind: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.is_ascii())?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(2)?).ok()?;
    let time = Time::from_hms(part(4)?, part(6)?, part(8)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

/// Elements of DER that are still to be read.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element if it has this tag; else nothing is read.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn made(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::OrganizationName, "Somebody");
        params.distinguished_name.push(DnType::CommonName, "älice");
        params.not_after = rcgen::date_time_ymd(year, 3, 4);
        params.self_signed(&KeyPair::generate().expect("key")).expect("certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_tells_its_end_and_its_subject() {
        for (year, end) in [(2030, 1_898_812_800), (2060, 2_845_584_000)] {
            let certificate = Certificate::parse(&made(year)).expect("a certificate");
            assert_eq!(certificate.common_name.as_deref(), Some("älice"));
            assert_eq!(certificate.not_after, end, "{year}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Certificate::parse(&bytes);
        }

        #[test]
        fn a_changed_byte_is_no_panic(at in 0usize..400, byte in any::<u8>()) {
            let mut der = made(2030);
            let at = at % der.len();
            der[at] = byte;
            let _ = Certificate::parse(&der);
        }
    }
}
