//! JA4, the fingerprint of a ClientHello (FoxIO's published form): what is offered, sorted, so that a client
//! that shuffles its offers stays one client. `t13d1516h2_8daaf6152771_e5627efa2ab1`: transport, version,
//! whether a name is asked for, how many ciphers and extensions, the first ALPN name's ends; then the hash
//! of the ciphers; then that of the extensions and signature algorithms.

use aws_lc_rs::digest::{SHA256, digest};

use super::hello::{ALPN, Hello, SERVER_NAME};

/// Instead of the hash of an empty list.
const NOTHING: &str = "000000000000";
const HASH_BYTES: usize = 6;
/// Counts have two digits.
const COUNT_MAX: usize = 99;

pub(super) fn of(hello: &Hello) -> String {
    let ciphers = sorted(&hello.ciphers, |_| true);
    let extensions = hello.extensions.iter().filter(|kind| !is_grease(**kind)).count();
    let kinds = sorted(&hello.extensions, |kind| kind != SERVER_NAME && kind != ALPN);
    let signatures: Vec<u16> = hello.signatures.iter().copied().filter(|word| !is_grease(*word)).collect();
    let offers = match (kinds.as_slice(), signatures.as_slice()) {
        ([], []) => String::new(),
        (kinds, []) => listed(kinds),
        (kinds, signatures) => format!("{}_{}", listed(kinds), listed(signatures)),
    };
    format!(
        "t{}{}{:02}{:02}{}_{}_{}",
        version(hello),
        if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' },
        ciphers.len().min(COUNT_MAX),
        extensions.min(COUNT_MAX),
        ends(hello.alpn.first()),
        hash(&listed(&ciphers)),
        hash(&offers),
    )
}

fn version(hello: &Hello) -> &'static str {
    let offered = hello.versions.iter().copied().filter(|version| !is_grease(*version)).max();
    match offered.unwrap_or(hello.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the name; those of its hex form when they are no letters or digits.
fn ends(name: Option<&Vec<u8>>) -> String {
    let Some([first, .., last] | [first @ last]) = name.map(Vec::as_slice) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        format!("{}{}", char::from(*first), char::from(*last))
    } else {
        format!("{:x}{:x}", first >> 4, last & 15)
    }
}

/// Values that clients throw in so that servers get used to unknown ones (RFC 8701).
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn sorted(values: &[u16], wanted: impl Fn(u16) -> bool) -> Vec<u16> {
    let mut values: Vec<u16> = values.iter().copied().filter(|value| !is_grease(*value) && wanted(*value)).collect();
    values.sort_unstable();
    values
}

fn listed(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

fn hash(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref()[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A browser's offers in the order of the wire, GREASE among them.
    fn browser() -> Hello {
        Hello {
            legacy_version: 0x0303,
            ciphers: vec![
                0x8a8a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0xeaea, 0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023, 0x0010, 0x0005, 0x000d, 0x0012, 0x0033, 0x002d,
                0x002b, 0x001b, 0x0015, 0x4469, 0x2a2a,
            ],
            versions: vec![0x3a3a, 0x0304, 0x0303],
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            name: Some("example.com".to_owned()),
            ..Hello::default()
        }
    }

    #[test]
    fn a_browser_has_its_published_fingerprint_in_any_order() {
        assert_eq!(of(&browser()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let mut shuffled = browser();
        shuffled.ciphers.reverse();
        shuffled.extensions.reverse();
        assert_eq!(of(&shuffled), of(&browser()));
        let mut other = browser();
        other.signatures.reverse();
        assert_ne!(of(&other), of(&browser()), "the order of signature algorithms counts");
    }

    #[test]
    fn what_is_not_offered_is_zeros() {
        assert_eq!(of(&Hello { legacy_version: 0x0301, ..Hello::default() }), "t10i000000_000000000000_000000000000");
        let bare = Hello { legacy_version: 0x0303, ciphers: vec![0x002f], ..Hello::default() };
        assert!(of(&bare).starts_with("t12i010000_") && of(&bare).ends_with("_000000000000"), "{}", of(&bare));
    }

    #[test]
    fn the_ends_of_the_first_alpn_name_are_told() {
        for (name, told) in
            [(&b"ftp"[..], "fp"), (b"x-filezilla-ftp", "xp"), (b"h", "hh"), (b"\xab\x01", "a1"), (b"", "00")]
        {
            assert_eq!(ends(Some(&name.to_vec())), told, "{name:?}");
        }
        assert_eq!(ends(None), "00");
    }

    #[test]
    fn counts_have_two_digits() {
        let many = Hello { ciphers: (0..200).collect(), ..browser() };
        assert!(of(&many).starts_with("t13d9916h2_"), "{}", of(&many));
    }
}
