//! Bans as ProFTPD's mod_ban keeps them in memcached, byte by byte, so that a pool can be moved node by node.
//! Pure. Entries of ProFTPD are neither sealed nor signed: whoever can write to memcached can make one, which is
//! why this is a setting of its own.
//!
//! Two forms that do not see each other: JSON (`BanCacheOptions UseJSON`) and tpl, its default. Keys and JSON
//! values end in NUL.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;

use super::ban::{Ban, BanId, By};
use super::subject::{Reach, Subject};
use crate::config::settings::ProftpdForm;
use crate::moment::Moment;
use crate::store::Key;

const PREFIX: &[u8] = b"mod_ban.";
const TPL_KEY: &[u8] = b"vs\0";
const TPL_VALUE: &[u8] = b"S(iusiisssui)\0";
const TPL_MAGIC: &[u8] = b"tpl\x02";
const VERSION: u32 = 2;

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `BanCacheOptions UseJSON`
    Json,
    /// Without.
    Tpl,
}

impl Form {
    /// The one that bans are shared in, if they are.
    pub const fn of(setting: ProftpdForm) -> Option<Form> {
        match setting {
            ProftpdForm::Off => None,
            ProftpdForm::Json => Some(Form::Json),
            ProftpdForm::Tpl => Some(Form::Tpl),
        }
    }
}

/// Who writes, as mod_ban's `MatchServer` compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The local address.
    pub ip: IpAddr,
    /// The local port.
    pub port: u16,
}

/// An entry that could be read.
#[derive(Clone, Debug, PartialEq)]
struct Fields {
    update: u32,
    ip: String,
    /// As it stands there: bytes swapped.
    port: u32,
    reason: String,
    message: String,
    /// 0: no end.
    expires: u32,
}

/// Type and name of a subject that mod_ban knows.
fn named(subject: &Subject) -> Option<(u16, &'static str, String)> {
    Some(match subject {
        Subject::Class(name) => (1, "class ban", name.clone()),
        Subject::Host(ip) => (2, "host ban", ip.to_string()),
        Subject::User(name) => (3, "user ban", name.clone()),
        Subject::UserAtHost(name, ip) => (4, "user@host ban", format!("{name}@{ip}")),
        Subject::Network(_) | Subject::ClientCertificate(_) | Subject::TlsFingerprint(_) => return None,
    })
}

/// The key of a subject's ban; `None` for subjects that mod_ban does not know, and names that are too long.
pub fn key(form: Form, subject: &Subject) -> Option<Key> {
    let (number, _, name) = named(subject)?;
    let rest = match form {
        Form::Json => format!("{{\"ban_type_id\":{number},\"ban_name\":{}}}\0", json(&name)).into_bytes(),
        Form::Tpl => {
            let mut rest = Vec::new();
            rest.extend_from_slice(TPL_KEY);
            rest.extend_from_slice(&number.to_le_bytes());
            push(&mut rest, name.as_bytes());
            tpl(rest)
        }
    };
    Key::encoded(PREFIX, &rest)
}

/// A key that somebody else spelled, if it is one of mod_ban's for a ban of this subject's kind.
pub fn checked_key(form: Form, subject: &Subject, spelled: &[u8]) -> Option<Key> {
    let (number, ..) = named(subject)?;
    let rest = spelled.strip_prefix(PREFIX)?;
    let kind = match form {
        Form::Json => serde_json::from_slice::<JsonKey>(rest.strip_suffix(b"\0")?).ok()?.ban_type_id,
        Form::Tpl => tpl_kind(rest)?,
    };
    Key::encoded(PREFIX, rest).filter(|_| kind == number)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonKey {
    ban_type_id: u16,
    #[serde(rename = "ban_name")]
    _ban_name: String,
}

fn tpl_kind(key: &[u8]) -> Option<u16> {
    let (total, rest) = number(key.strip_prefix(TPL_MAGIC)?)?;
    let (kind, rest) = rest.strip_prefix(TPL_KEY)?.split_first_chunk::<2>()?;
    let (_name, rest) = text(rest)?;
    (total as usize == key.len() && rest.is_empty()).then(|| u16::from_le_bytes(*kind))
}

/// A ban as mod_ban reads it.
pub fn write(form: Form, ban: &Ban, writer: Writer, now: Moment) -> Option<Vec<u8>> {
    let (number, kind, name) = named(&ban.subject)?;
    let seconds = |moment: Moment| u32::try_from(moment.seconds()).unwrap_or(u32::MAX);
    // A ban without an end is 0; one that ends within this second must not look like one.
    let expires = ban.expires.map_or(0, |end| seconds(end).max(1));
    let port = u32::from(writer.port.swap_bytes());
    let message = ban.message.as_deref().unwrap_or_default();
    Some(match form {
        Form::Json => format!(
            "{{\"version\":{VERSION},\"update_ts\":{},\"ip_addr\":{},\"port\":{port},\"ban_type\":{},\"ban_name\":{},\
             \"ban_reason\":{},\"ban_message\":{},\"expires_ts\":{expires},\"server_id\":1}}\0",
            seconds(now),
            json(&writer.ip.to_string()),
            json(kind),
            json(&name),
            json(&ban.reason),
            json(message),
        )
        .into_bytes(),
        Form::Tpl => {
            let mut value = TPL_VALUE.to_vec();
            value.extend_from_slice(&VERSION.to_le_bytes());
            value.extend_from_slice(&seconds(now).to_le_bytes());
            push(&mut value, writer.ip.to_string().as_bytes());
            value.extend_from_slice(&port.to_le_bytes());
            value.extend_from_slice(&u32::from(number).to_le_bytes());
            for text in [&name, &ban.reason, message] {
                push(&mut value, text.as_bytes());
            }
            value.extend_from_slice(&expires.to_le_bytes());
            value.extend_from_slice(&1_u32.to_le_bytes());
            tpl(value)
        }
    })
}

/// What mod_ban wrote under the key of a subject, as a ban of `site`; `None` for what mod_ban itself would not
/// honour. `only`: bans of this writer alone.
pub fn read(form: Form, subject: &Subject, value: &[u8], site: &str, only: Option<Writer>) -> Option<Ban> {
    let fields = match form {
        Form::Json => read_json(value)?,
        Form::Tpl => read_tpl(value)?,
    };
    let matches =
        |writer: Writer| fields.ip == writer.ip.to_string() && fields.port == u32::from(writer.port.swap_bytes());
    if !only.is_none_or(matches) {
        return None;
    }
    let moment = |seconds: u32| Moment::from_millis(u64::from(seconds) * 1000);
    Some(Ban {
        id: id(subject, &fields),
        subject: subject.clone(),
        reach: Reach::Site,
        reason: fields.reason,
        message: Some(fields.message).filter(|message| !message.is_empty()),
        by: By::Operator { name: "mod_ban".into() },
        node: format!("{}#{}", fields.ip, u16::try_from(fields.port).unwrap_or_default().swap_bytes()),
        site: site.to_owned(),
        created: moment(fields.update),
        expires: (fields.expires > 0).then(|| moment(fields.expires)),
        clock: None,
        evidence: Vec::new(),
        course: None,
    })
}

/// The same for every node that reads the entry.
fn id(subject: &Subject, fields: &Fields) -> BanId {
    let mut digest = Context::new(&SHA256);
    digest.update(subject.to_string().as_bytes());
    for number in [fields.update, fields.expires] {
        digest.update(&number.to_le_bytes());
    }
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest.finish().as_ref()[..16]);
    BanId::from_bits(u128::from_le_bytes(bits))
}

#[derive(Deserialize)]
struct Json {
    version: f64,
    update_ts: f64,
    ip_addr: String,
    port: f64,
    ban_type: String,
    #[serde(rename = "ban_name")]
    _ban_name: String,
    ban_reason: String,
    ban_message: String,
    expires_ts: f64,
    server_id: f64,
}

fn read_json(value: &[u8]) -> Option<Fields> {
    let text = value.strip_suffix(b"\0")?;
    let json: Json = serde_json::from_slice(text).ok()?;
    let known = ["class ban", "host ban", "user ban", "user@host ban"].contains(&json.ban_type.as_str());
    // As C takes a double for an unsigned number; what does not fit is cut to what does.
    let whole = |number: f64| number as u32;
    let port = whole(json.port);
    let honoured = whole(json.version) == VERSION && known && (1..=65_535).contains(&port) && json.server_id >= 1.0;
    honoured.then_some(Fields {
        update: whole(json.update_ts),
        ip: json.ip_addr,
        port,
        reason: json.ban_reason,
        message: json.ban_message,
        expires: whole(json.expires_ts),
    })
}

fn read_tpl(value: &[u8]) -> Option<Fields> {
    let rest = value.strip_prefix(TPL_MAGIC)?;
    let (total, rest) = number(rest)?;
    if total as usize != value.len() {
        return None;
    }
    let rest = rest.strip_prefix(TPL_VALUE)?;
    let (_version, rest) = number(rest)?;
    let (update, rest) = number(rest)?;
    let (ip, rest) = text(rest)?;
    let (port, rest) = number(rest)?;
    let (_kind, rest) = number(rest)?;
    let (_name, rest) = text(rest)?;
    let (reason, rest) = text(rest)?;
    let (message, rest) = text(rest)?;
    let (expires, rest) = number(rest)?;
    let (_server, rest) = number(rest)?;
    rest.is_empty().then_some(Fields { update, ip, port, reason, message, expires })
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (four, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*four), rest))
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = number(bytes)?;
    let length = usize::try_from(length.saturating_sub(1)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}

/// Puts the frame around what tpl packs.
fn tpl(body: Vec<u8>) -> Vec<u8> {
    let total = TPL_MAGIC.len() + 4 + body.len();
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    [TPL_MAGIC, &total.to_le_bytes(), &body].concat()
}

fn push(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u32::try_from(text.len() + 1).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text);
}

/// A text as JSON: what mod_ban escapes is what everybody escapes.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::fixtures;

    const NOW: Moment = Moment::from_millis(1_795_450_177_000);
    const WRITER: Writer = Writer { ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port: 2121 };

    fn ban(subject: &str) -> Ban {
        let mut ban = Ban::clone(&fixtures::ban(subject, NOW, Some(300)));
        ban.reason = "MaxLoginAttempts autoban at Mon Nov 23 16:09:37 2026".into();
        ban
    }

    fn raw(form: Form, subject: &str) -> Vec<u8> {
        // Nobody types a tab into a subject; a client may put one into a name.
        let named = |name: &str| Subject::User(name.to_owned());
        let subject = subject.strip_prefix("user:").map(named).or_else(|| Subject::parse(subject).ok());
        let key = key(form, &subject.expect("a subject")).expect("a key");
        [PREFIX, key.placed_by()].concat()
    }

    #[test]
    fn p_33_key_and_value_are_mod_bans_byte_by_byte() {
        assert_eq!(raw(Form::Json, "127.0.0.1"), b"mod_ban.{\"ban_type_id\":2,\"ban_name\":\"127.0.0.1\"}\0");
        let value = write(Form::Json, &ban("host:127.0.0.1"), WRITER, NOW).expect("a value");
        assert_eq!(
            String::from_utf8(value).expect("text"),
            "{\"version\":2,\"update_ts\":1795450177,\"ip_addr\":\"127.0.0.1\",\"port\":18696,\"ban_type\":\"host ban\",\
             \"ban_name\":\"127.0.0.1\",\"ban_reason\":\"MaxLoginAttempts autoban at Mon Nov 23 16:09:37 2026\",\
             \"ban_message\":\"\",\"expires_ts\":1795450477,\"server_id\":1}\0"
        );
    }

    #[test]
    fn p_35_the_tpl_key_is_as_it_was_captured() {
        let captured = b"mod_ban.tpl\x02\x1b\0\0\0vs\0\x02\0\x0b\0\0\x00127.0.0.31";
        assert_eq!(raw(Form::Tpl, "127.0.0.31"), captured);
    }

    #[test]
    fn p_53_odd_names_have_the_keys_that_mod_ban_makes() {
        for (subject, name) in [
            ("user-at-host:u@::1", "u@::1"),
            ("user:a b", "a b"),
            ("user:a\"b", "a\\\"b"),
            ("user:a\\b", "a\\\\b"),
            ("user:a\tb", "a\\tb"),
            ("user:a/b", "a/b"),
            ("user:m\u{fc}ller", "m\u{fc}ller"),
        ] {
            let kind = if subject.starts_with("user:") { 3 } else { 4 };
            let expected = format!("mod_ban.{{\"ban_type_id\":{kind},\"ban_name\":\"{name}\"}}\0");
            assert_eq!(raw(Form::Json, subject), expected.as_bytes());
        }
        let long = Subject::User("n".repeat(200));
        assert!(key(Form::Json, &long).is_none(), "no key of memcached holds it; it is banned here all the same");
    }

    #[test]
    fn p_34_p_35_what_is_written_is_read_back() {
        for form in [Form::Json, Form::Tpl] {
            for subject in ["host:127.0.0.1", "user:eve", "user-at-host:eve@2001:db8::1", "class:office"] {
                let mut made = ban(subject);
                made.message = Some("no \"entry\" for %a".into());
                let value = write(form, &made, WRITER, NOW).expect("a value");
                let back = read(form, &made.subject, &value, "s", None).expect(subject);
                assert_eq!((&back.subject, &back.reason, &back.message), (&made.subject, &made.reason, &made.message));
                assert_eq!((back.created, back.expires), (NOW, made.expires));
                made.expires = None;
                let value = write(form, &made, WRITER, NOW).expect("a value");
                assert_eq!(read(form, &made.subject, &value, "s", None).expect(subject).expires, None);
            }
            assert!(key(form, &Subject::parse("192.0.2.0/24").expect("network")).is_none());
        }
    }

    #[test]
    fn p_36_what_mod_ban_does_not_honour_is_ignored() {
        let subject = Subject::parse("127.0.0.2").expect("host");
        let good = String::from_utf8(write(Form::Json, &ban("127.0.0.2"), WRITER, NOW).expect("value")).expect("text");
        let reads = |text: &str| read(Form::Json, &subject, text.as_bytes(), "s", None).is_some();
        for (from, to, honoured) in [
            ("{\"version\"", "{ \"more\": 1, \"version\"", true),
            (":1795450477,", ": 1795450477.25 ,", true),
            ("\"ban_name\":\"127.0.0.2\"", "\"ban_name\":\"other\"", true),
            ("host ban", "user ban", true),
            ("\"server_id\":1", "\"server_id\":99", true),
            ("\"server_id\":1", "\"server_id\":0", false),
            ("\"port\":18696", "\"port\":0", false),
            ("\"version\":2", "\"version\":1", false),
            ("\"ban_reason\"", "\"reason\"", false),
            ("host ban", "planet ban", false),
            ("{", "[", false),
            ("\0", "", false),
        ] {
            assert!(good.contains(from), "{from}");
            assert_eq!(reads(&good.replace(from, to)), honoured, "{from} -> {to}");
        }
    }

    #[test]
    fn p_40_p_53_only_a_key_of_mod_bans_for_the_kind_of_the_subject_is_taken() {
        let subjects = ["host:127.0.0.1", "user:eve", "user-at-host:eve@2001:db8::1", "class:office"];
        for form in [Form::Json, Form::Tpl] {
            for subject in subjects {
                let spelled = raw(form, subject);
                let subject = Subject::parse(subject).expect("a subject");
                assert_eq!(checked_key(form, &subject, &spelled), key(form, &subject));
                for other in subjects.iter().map(|other| Subject::parse(other).expect("a subject")) {
                    assert_eq!(checked_key(form, &other, &spelled).is_some(), other == subject);
                }
                let other_form = if form == Form::Json { Form::Tpl } else { Form::Json };
                assert!(checked_key(other_form, &subject, &spelled).is_none());
                for wrong in [&spelled[1..], &spelled[..spelled.len() - 1], &[&spelled[..], b"x"].concat(), b""] {
                    assert!(checked_key(form, &subject, wrong).is_none(), "{}", wrong.escape_ascii());
                }
            }
        }
        let network = Subject::parse("192.0.2.0/24").expect("network");
        assert!(checked_key(Form::Json, &network, &raw(Form::Json, "host:127.0.0.1")).is_none());
    }

    #[test]
    fn p_38_only_the_same_server_where_that_is_asked_for() {
        let made = ban("host:127.0.0.2");
        for form in [Form::Json, Form::Tpl] {
            let value = write(form, &made, WRITER, NOW).expect("value");
            let reads = |writer| read(form, &made.subject, &value, "s", Some(writer)).is_some();
            assert!(reads(WRITER));
            assert!(!reads(Writer { port: 2122, ..WRITER }));
            assert!(!reads(Writer { port: WRITER.port.swap_bytes(), ..WRITER }));
        }
    }

    proptest! {
        #[test]
        fn p_36_no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
            let subject = Subject::parse("127.0.0.2").expect("host");
            for form in [Form::Json, Form::Tpl] {
                let mut value = write(form, &ban("127.0.0.2"), WRITER, NOW).expect("value");
                let _ = read(form, &subject, &bytes, "s", None);
                value.truncate(cut);
                let _ = read(form, &subject, &value, "s", None);
                value.extend(&bytes);
                let _ = read(form, &subject, &value, "s", None);
            }
        }
    }
}
