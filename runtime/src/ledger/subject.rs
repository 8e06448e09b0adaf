//! Whom a ban names, and how far it reaches.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Whom a ban names. Text forms: `host:192.0.2.7`, `network:192.0.2.0/24`, `user:alice`,
/// `user-at-host:alice@192.0.2.7`, `class:NAME`, `client-certificate:HEX`, `tls-fingerprint:JA4`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// One address, IPv4-mapped ones folded.
    Host(IpAddr),
    /// A network in its canonical form (host bits zero).
    Network(IpNet),
    /// A user, from wherever.
    User(String),
    /// A user from one address.
    UserAtHost(String, IpAddr),
    /// A named set of networks from the configuration.
    Class(String),
    /// SHA-256 of a client certificate, lower-case hex.
    ClientCertificate(String),
    /// JA4 of a ClientHello.
    TlsFingerprint(String),
}

/// A subject that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no subject; try an address, a network such as 192.0.2.0/24, user:NAME or NAME@ADDRESS")]
pub struct NoSubject(pub String);

/// Bytes of a name in a subject: no user's name is longer.
const NAME_BYTES_MAX: usize = 255;
/// Characters of what could not be understood, as far as the error repeats it.
const REPEATED: usize = 80;

impl Subject {
    /// Reads a subject as a person types it: the text forms above, a bare address, a bare network, or
    /// `NAME@ADDRESS`. Names have 1 to 255 bytes and no control characters.
    /// A network of one address is that host.
    ///
    /// # Errors
    /// `NoSubject` with the text.
    pub fn parse(text: &str) -> Result<Subject, NoSubject> {
        let wrong = || NoSubject(text.chars().take(REPEATED).flat_map(char::escape_debug).collect());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Subject::host(ip));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Subject::network(net));
        }
        let at_host = |text: &str| {
            let (user, host) = text.rsplit_once('@')?;
            Some(Subject::UserAtHost(name(user)?, host.parse::<IpAddr>().ok()?.to_canonical()))
        };
        let (kind, rest) = match text.split_once(':') {
            Some(split) if KINDS.contains(&split.0) => split,
            // An IPv6 address has colons of its own.
            _ => return at_host(text).ok_or_else(wrong),
        };
        let name = || name(rest).ok_or_else(wrong);
        Ok(match kind {
            "host" => Subject::host(rest.parse().map_err(|_| wrong())?),
            "network" => Subject::network(rest.parse().map_err(|_| wrong())?),
            "user" => Subject::User(name()?),
            "user-at-host" => at_host(rest).ok_or_else(wrong)?,
            "class" => Subject::Class(name()?),
            "client-certificate" => Subject::ClientCertificate(name()?),
            "tls-fingerprint" => Subject::TlsFingerprint(name()?),
            _ => return Err(wrong()),
        })
    }

    /// A host, folded.
    pub fn host(ip: IpAddr) -> Subject {
        Subject::Host(ip.to_canonical())
    }

    /// A network in canonical form; one of a single address is that host.
    pub fn network(net: IpNet) -> Subject {
        if net.prefix_len() == net.max_prefix_len() { Subject::host(net.addr()) } else { Subject::Network(net.trunc()) }
    }

    /// The kind's name, as in the text form: one of [`KINDS`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Subject::Host(_) => "host",
            Subject::Network(_) => "network",
            Subject::User(_) => "user",
            Subject::UserAtHost(..) => "user-at-host",
            Subject::Class(_) => "class",
            Subject::ClientCertificate(_) => "client-certificate",
            Subject::TlsFingerprint(_) => "tls-fingerprint",
        }
    }
}

/// The kinds of subjects, as the text form spells them.
pub const KINDS: [&str; 7] =
    ["host", "network", "user", "user-at-host", "class", "client-certificate", "tls-fingerprint"];

fn name(text: &str) -> Option<String> {
    let good = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.kind())?;
        match self {
            Subject::Host(ip) => ip.fmt(out),
            Subject::Network(net) => net.fmt(out),
            Subject::User(name)
            | Subject::Class(name)
            | Subject::ClientCertificate(name)
            | Subject::TlsFingerprint(name) => out.write_str(name),
            Subject::UserAtHost(user, ip) => write!(out, "{user}@{ip}"),
        }
    }
}

/// How far a ban reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// This node alone; never published.
    Node,
    /// Every node of the site.
    Site,
    /// Every site that shares the store.
    Everywhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back() {
        for text in [
            "host:192.0.2.7",
            "network:192.0.2.0/24",
            "network:2001:db8::/48",
            "user:alice",
            "user-at-host:al@ice@2001:db8::1",
            "class:office",
        ] {
            assert_eq!(Subject::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn spellings_of_one_host_are_one_subject() {
        let plain = Subject::parse("192.0.2.7").expect("host");
        for spelled in ["::ffff:192.0.2.7", "192.0.2.7/32", "host:192.0.2.7", "network:192.0.2.7/32"] {
            assert_eq!(Subject::parse(spelled).expect(spelled), plain, "{spelled}");
        }
    }

    #[test]
    fn a_user_at_a_host_may_be_typed_short() {
        for (short, long) in [
            ("alice@192.0.2.7", "user-at-host:alice@192.0.2.7"),
            ("al:ice@2001:db8::1", "user-at-host:al:ice@2001:db8::1"),
        ] {
            assert_eq!(Subject::parse(short).expect(short).to_string(), long);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let endless = format!("user:{}", "x".repeat(10_000));
        for text in [
            "",
            "user:",
            "host:alice",
            "user-at-host:@192.0.2.7",
            "planet:mars",
            "alice",
            "@192.0.2.7",
            "alice@home",
            "user:a\nb",
            "class:\u{1b}[2J",
            "user-at-host:a\0b@192.0.2.7",
            &endless,
        ] {
            let refused = Subject::parse(text).expect_err(text).to_string();
            assert!(refused.len() < 700 && !refused.contains(char::is_control), "{refused}");
        }
    }
}
