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
#[error("`{0}` names no subject; try an address, a network such as 192.0.2.0/24, or user:NAME")]
pub struct NoSubject(pub String);

impl Subject {
    /// Reads a subject as a person types it: the text forms above, a bare address or a bare network.
    /// A network of one address is that host.
    ///
    /// # Errors
    /// `NoSubject` with the text.
    pub fn parse(text: &str) -> Result<Subject, NoSubject> {
        let wrong = || NoSubject(text.to_owned());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Subject::host(ip));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Subject::network(net));
        }
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let name = || match rest {
            "" => Err(wrong()),
            rest => Ok(rest.to_owned()),
        };
        Ok(match kind {
            "host" => Subject::host(rest.parse().map_err(|_| wrong())?),
            "network" => Subject::network(rest.parse().map_err(|_| wrong())?),
            "user" => Subject::User(name()?),
            "user-at-host" => {
                let (user, host) = rest.rsplit_once('@').filter(|(user, _)| !user.is_empty()).ok_or_else(wrong)?;
                Subject::UserAtHost(user.to_owned(), host.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical())
            }
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

    /// The kind's name, as in the text form.
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
    fn nonsense_is_refused() {
        for text in ["", "user:", "host:alice", "user-at-host:@192.0.2.7", "planet:mars", "alice"] {
            assert!(Subject::parse(text).is_err(), "{text}");
        }
    }
}
