//! Replies that tell something.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::ftp::effect::{Algorithm, FileError, TransferEnd};
use crate::ftp::listing::{FactSet, write_stamp};
use crate::vfs::VirtualPath;

use super::{Reply, ReplyText, raw};

/// What STAT tells about a session.
#[derive(Clone, Debug, Default)]
pub struct StatusFacts<'a> {
    /// The control connection is protected.
    pub protected: bool,
    /// Who is logged in.
    pub user: Option<&'a str>,
    /// TYPE A.
    pub ascii: bool,
    /// PROT P.
    pub data_protected: bool,
    /// A transfer is under way.
    pub transfer: bool,
}

impl Reply {
    /// The greeting; every line of the banner becomes one of the reply.
    pub fn greeting(banner: &str) -> Reply {
        let lines: Vec<&str> = banner.lines().collect();
        match lines.as_slice() {
            [] => Reply::line(220, ""),
            [only] => Reply::line(220, only),
            [first, inner @ .., last] => Reply::lines(220, first, inner.iter().map(|line| Cow::Borrowed(*line)), last),
        }
    }

    /// Refused before the greeting or at login, by a ban or a policy. FileZilla stops for good after a 5yz.
    pub fn banned(text: &ReplyText) -> Reply {
        Reply::line(530, text.as_str())
    }

    /// A login that was refused: with a text, or just as any wrong password.
    pub fn login_refused(text: Option<&ReplyText>) -> Reply {
        text.map_or(Reply::authentication_failed(), Reply::banned)
    }

    /// A command that a policy refused.
    pub fn refused(text: Option<&ReplyText>) -> Reply {
        text.map_or(Reply::not_understood(), |text| Reply::line(550, text.as_str()))
    }

    /// A command or a transfer that could have been done, had a policy not refused it.
    pub fn not_permitted(text: Option<&ReplyText>) -> Reply {
        text.map_or(Reply::file_error(FileError::Denied), |text| Reply::line(550, text.as_str()))
    }

    /// The connection ends because somebody decided so.
    pub fn closing(text: Option<&ReplyText>) -> Reply {
        text.map_or(Reply::line(421, "Connection closed."), |text| Reply::line(421, text.as_str()))
    }

    /// 227: an address as six numbers, in the form that every client parses.
    pub fn passive(address: SocketAddrV4) -> Reply {
        let [a, b, c, d] = address.ip().octets();
        let [high, low] = address.port().to_be_bytes();
        Reply::line(227, &format!("Entering passive mode ({a},{b},{c},{d},{high},{low})."))
    }

    /// 229: a port.
    pub fn extended_passive(port: u16) -> Reply {
        Reply::line(229, &format!("Entering extended passive mode (|||{port}|)."))
    }

    /// 227 if the address can be told so.
    pub fn passive_if_v4(address: SocketAddr) -> Option<Reply> {
        let ip: Option<Ipv4Addr> = match address.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => Some(ip),
            std::net::IpAddr::V6(_) => None,
        };
        ip.map(|ip| Reply::passive(SocketAddrV4::new(ip, address.port())))
    }

    /// 150, with the count that curl, lftp and wget read.
    pub fn opening_with(bytes: u64) -> Reply {
        Reply::line(150, &format!("Opening data connection ({bytes} bytes)."))
    }

    /// 257 for PWD.
    pub fn working_folder(path: &VirtualPath) -> Reply {
        Reply::line(257, &format!("{} is the current directory.", quoted(path)))
    }

    /// 250 for CWD and CDUP.
    pub fn entered(path: &VirtualPath) -> Reply {
        Reply::line(250, &format!("{} is the current directory.", quoted(path)))
    }

    /// 257 for MKD.
    pub fn folder_made(path: &VirtualPath) -> Reply {
        Reply::line(257, &format!("{} created.", quoted(path)))
    }

    /// 350 for REST.
    pub fn restart_noted(offset: u64) -> Reply {
        Reply::line(350, &format!("Restarting at position {offset}."))
    }

    /// 213 for SIZE.
    pub fn size(bytes: u64) -> Reply {
        Reply::line(213, &bytes.to_string())
    }

    /// 213 for MDTM.
    pub fn modified(seconds: i64) -> Reply {
        Reply::line(213, &stamp(seconds))
    }

    /// 213 for MFMT and MFF, and for MDTM that sets.
    pub fn facts_set(seconds: Option<i64>, mode: Option<u16>, path: &VirtualPath) -> Reply {
        let seconds = seconds.map_or(String::new(), |seconds| format!("Modify={};", stamp(seconds)));
        let mode = mode.map_or(String::new(), |mode| format!("UNIX.mode=0{mode:03o};"));
        Reply::line(213, &format!("{seconds}{mode} {path}"))
    }

    /// 200 for OPTS HASH.
    pub fn hash_chosen(algorithm: Algorithm) -> Reply {
        Reply::line(200, algorithm.name())
    }

    /// 213 for HASH.
    pub fn hashed(algorithm: Algorithm, from: u64, to: u64, hex: &str, path: &VirtualPath) -> Reply {
        Reply::line(213, &format!("{} {from}-{to} {hex} {path}", algorithm.name()))
    }

    /// 250 for XCRC and its like.
    pub fn hex(hex: &str) -> Reply {
        Reply::line(250, hex)
    }

    /// 251 for MD5.
    pub fn md5(path: &VirtualPath, hex: &str) -> Reply {
        Reply::line(251, &format!("{} {hex}", quoted(path)))
    }

    /// 200 for SITE IDLE.
    pub fn idle_is(seconds: u32, most: u32) -> Reply {
        Reply::line(200, &format!("Idle time is {seconds} seconds, at most {most}."))
    }

    /// 501 for SITE IDLE.
    pub fn idle_range(least: u32, most: u32) -> Reply {
        Reply::line(501, &format!("Idle time is {least} to {most} seconds."))
    }

    /// 150 for STOU, in the form of RFC 1123 section 4.1.2.9.
    pub fn opening_named(name: &str) -> Reply {
        Reply::line(150, &format!("FILE: {name}"))
    }

    /// 250 for MLST: one line of facts.
    pub fn facts(path: &VirtualPath, line: &[u8]) -> Reply {
        let inner = [raw::from_bytes(line)];
        Reply::lines(250, &format!("Listing {path}"), inner, "End")
    }

    /// 200 for OPTS MLST.
    pub fn facts_chosen(facts: FactSet) -> Reply {
        Reply::line(200, &format!("MLST OPTS {}", facts.names()))
    }

    /// 211 for FEAT.
    pub fn features<'a>(lines: impl IntoIterator<Item = Cow<'a, str>>) -> Reply {
        Reply::lines(211, "Features supported:", lines, "End FEAT.")
    }

    /// 214 for HELP: rows of verbs.
    pub fn help<'a>(title: &str, verbs: impl IntoIterator<Item = &'a str>) -> Reply {
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let rows: Vec<Cow<'_, str>> = verbs.chunks(8).map(|row| Cow::Owned(row.join(" "))).collect();
        Reply::lines(214, title, rows, "Help command successful.")
    }

    /// 214 for HELP with a verb.
    pub fn help_for(verb: &str, text: &str) -> Reply {
        Reply::line(214, &format!("{verb}: {text}"))
    }

    /// 211 for STAT.
    pub fn status(facts: &StatusFacts<'_>) -> Reply {
        let protection = |on: bool| if on { "protected" } else { "in clear" };
        let mut lines = vec![Cow::Owned(format!("Control connection {}", protection(facts.protected)))];
        match facts.user {
            Some(user) => lines.push(Cow::Owned(format!("Logged in as {user}"))),
            None => lines.push(Cow::Borrowed("Not logged in")),
        }
        lines.push(Cow::Borrowed(if facts.ascii {
            "TYPE: ASCII; STRUcture: File; MODE: Stream"
        } else {
            "TYPE: Binary; STRUcture: File; MODE: Stream"
        }));
        lines.push(Cow::Owned(format!("Data connections {}", protection(facts.data_protected))));
        lines.push(Cow::Borrowed(if facts.transfer { "A transfer is under way" } else { "No transfer" }));
        Reply::lines(211, "Status:", lines, "End of status.")
    }

    /// 213 for STAT with a path: listing lines, joined by CRLF.
    pub fn status_of(path: &VirtualPath, listing: &[u8], more: bool) -> Reply {
        let text = raw::from_bytes(listing);
        let last = if more { "End of status; there is more, use LIST." } else { "End of status." };
        Reply::lines(213, &format!("Status of {path}:"), text.split_terminator("\r\n").map(Cow::Borrowed), last)
    }

    /// Something about a file did not happen.
    pub fn file_error(error: FileError) -> Reply {
        match error {
            FileError::NotFound => Reply::not_found(),
            FileError::Exists => Reply::exists(),
            FileError::NotReplaceable => Reply::not_replaceable(),
            FileError::NotAFolder => Reply::not_a_folder(),
            FileError::IsAFolder => Reply::is_a_folder(),
            FileError::NotEmpty => Reply::not_empty(),
            FileError::Denied => Reply::denied(),
            FileError::NotRegular => Reply::not_regular(),
            FileError::BadName => Reply::bad_name(),
            FileError::BeyondEnd => Reply::line(554, "Restart position > file size."),
            FileError::NoSpace => Reply::no_space(),
            FileError::Quota => Reply::over_quota(),
            FileError::TooManyTransfers => Reply::too_many_transfers(),
            FileError::Busy => Reply::busy(),
            FileError::TooLarge => Reply::too_large(),
            FileError::TimedOut => Reply::timed_out(),
            FileError::Io => Reply::local_error(),
        }
    }

    /// The one final reply of a transfer that started at `offset`.
    pub fn transfer_end(end: TransferEnd, offset: u64) -> Reply {
        match end {
            TransferEnd::Complete => Reply::complete(),
            TransferEnd::File(FileError::BeyondEnd) => {
                Reply::line(554, &format!("Invalid restart: position {offset} > file size."))
            }
            TransferEnd::File(error) => Reply::file_error(error),
            TransferEnd::NoConnection => Reply::cannot_open_data(),
            TransferEnd::TlsFailed => Reply::data_tls_failed(),
            TransferEnd::NotResumed => Reply::not_resumed(),
            TransferEnd::Broken => Reply::broken(),
            TransferEnd::Stalled => Reply::stalled(),
            TransferEnd::Aborted => Reply::aborted(),
        }
    }
}

/// In quotes, inner ones doubled (RFC 959 appendix II).
fn quoted(path: &VirtualPath) -> String {
    format!("\"{}\"", path.as_str().replace('"', "\"\""))
}

fn stamp(seconds: i64) -> String {
    let mut text = Vec::with_capacity(14);
    write_stamp(seconds, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::root().join(text).expect("path")
    }

    #[test]
    fn t_54_257_doubles_quotes_and_has_none_before_the_path() {
        assert_eq!(Reply::working_folder(&path("a\"b")).wire(), b"257 \"/a\"\"b\" is the current directory.\r\n");
        assert_eq!(Reply::folder_made(&path("x")).wire(), b"257 \"/x\" created.\r\n");
    }

    #[test]
    fn t_67_a_banner_of_many_lines_cannot_forge_a_reply() {
        assert_eq!(Reply::greeting("Hello").wire(), b"220 Hello\r\n");
        assert_eq!(Reply::greeting("Hello\r\n221 Bye\nWelcome").wire(), b"220-Hello\r\n 221 Bye\r\n220 Welcome\r\n");
    }

    #[test]
    fn passive_addresses_are_told_in_the_one_form() {
        let v4: SocketAddr = "192.0.2.7:50001".parse().expect("address");
        assert_eq!(
            Reply::passive_if_v4(v4).expect("IPv4").wire(),
            b"227 Entering passive mode (192,0,2,7,195,81).\r\n"
        );
        assert_eq!(Reply::passive_if_v4("[2001:db8::1]:1".parse().expect("address")), None);
        assert!(Reply::passive_if_v4("[::ffff:192.0.2.7]:50001".parse().expect("address")).is_some());
        assert_eq!(Reply::extended_passive(50001).wire(), b"229 Entering extended passive mode (|||50001|).\r\n");
    }

    #[test]
    fn t_67_status_lines_start_with_a_space() {
        let reply = Reply::status_of(&path("d"), b"213 x\r\ny\r\n", false);
        assert_eq!(reply.wire(), b"213-Status of /d:\r\n 213 x\r\n y\r\n213 End of status.\r\n");
    }
}
