//! The logs of transfers: one line for each file that moved or did not, as xferlog and as JSON.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;
use tracing::{error, warn};

use super::log::is_control;
use super::sink::{Out, Sink, Trouble};
use crate::config::settings;
use crate::moment::Moment;

/// What became of one file.
#[derive(Clone, Debug, Serialize)]
pub struct Transferred {
    /// When it was over.
    pub at: Moment,
    /// Of the session's connection, unique while the server runs.
    pub connection: u64,
    /// The client.
    pub peer: IpAddr,
    /// Who.
    pub user: String,
    /// Which way.
    pub direction: Direction,
    /// As the client sees it.
    pub path: String,
    /// Where it began.
    pub offset: u64,
    /// That moved.
    pub bytes: u64,
    /// How long it took.
    pub millis: u64,
    /// TYPE A.
    pub ascii: bool,
    /// Whether the data connection was under TLS.
    pub protected: bool,
    /// In one word.
    pub end: &'static str,
    /// Whether the file is whole.
    pub complete: bool,
    /// Whether the user came in without a password.
    pub anonymous: bool,
}

/// Which way a file moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the client.
    Download,
    /// From the client.
    Upload,
}

/// Where transfers are told; each of the two may be off, and with both off nothing is done.
#[derive(Clone, Debug, Default)]
pub struct TransferLog {
    xferlog: Option<Sink>,
    json: Option<Sink>,
}

impl TransferLog {
    /// Opens what `[log]` names.
    ///
    /// # Errors
    /// With the name of the file that cannot be opened.
    pub fn open(settings: &settings::Log) -> io::Result<TransferLog> {
        let open = |name: &'static str, path: &Path| {
            let named = |error| io::Error::other(format!("cannot open `log.{name}`, {}: {error}", path.display()));
            let tell = move |trouble| {
                match trouble {
                    Trouble::Dropped(lines) => warn!(log = name, lines, "log.dropped"),
                    Trouble::NotReopened(why) => error!(log = name, %why, "log.not-reopened: the old file goes on"),
                }
                None
            };
            Out::file(path.to_owned()).and_then(|out| Sink::start(out, settings.queue, tell)).map_err(named)
        };
        Ok(TransferLog {
            xferlog: settings.xferlog.as_deref().map(|path| open("xferlog", path)).transpose()?,
            json: settings.transfers.as_deref().map(|path| open("transfers", path)).transpose()?,
        })
    }

    /// Whether anybody reads it.
    pub const fn is_on(&self) -> bool {
        self.xferlog.is_some() || self.json.is_some()
    }

    /// Tells one.
    pub fn tell(&self, transferred: &Transferred) {
        if let Some(sink) = &self.xferlog {
            sink.line(transferred.xferlog().into_bytes());
        }
        if let Some(sink) = &self.json
            && let Ok(mut line) = serde_json::to_vec(transferred)
        {
            line.push(b'\n');
            sink.line(line);
        }
    }

    /// After a rotation.
    pub fn reopen(&self) {
        self.sinks().for_each(Sink::reopen);
    }

    /// At the end of the process.
    pub fn flush(&self) {
        self.sinks().for_each(Sink::flush);
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        self.xferlog.iter().chain(&self.json)
    }
}

impl Transferred {
    /// A line of xferlog(5), its end included; the time is UTC.
    fn xferlog(&self) -> String {
        const DAY: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        const MONTH: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = i64::try_from(self.at.seconds()).unwrap_or(0);
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let day = DAY[usize::from(at.weekday().number_days_from_monday())];
        let month = MONTH[usize::from(u8::from(at.month()) - 1)];
        format!(
            "{day} {month} {:>2} {:02}:{:02}:{:02} {} {} {} {} {} {} _ {} {} {} ftp 0 * {}\n",
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.year(),
            self.millis.saturating_add(500) / 1000,
            self.peer,
            self.bytes,
            one_word(&self.path),
            if self.ascii { 'a' } else { 'b' },
            if self.direction == Direction::Download { 'o' } else { 'i' },
            if self.anonymous { 'a' } else { 'r' },
            one_word(&self.user),
            if self.complete { 'c' } else { 'i' },
        )
    }
}

/// What would begin another field or line, or steer a terminal, becomes `_`.
fn one_word(text: &str) -> String {
    text.chars().map(|mark| if mark.is_whitespace() || is_control(mark) { '_' } else { mark }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transferred() -> Transferred {
        Transferred {
            at: Moment::from_millis(1_709_640_367_000),
            connection: 7,
            peer: "192.0.2.7".parse().expect("address"),
            user: "alice".into(),
            direction: Direction::Upload,
            path: "/in/report.pdf".into(),
            offset: 0,
            bytes: 1024,
            millis: 1700,
            ascii: false,
            protected: true,
            end: "complete",
            complete: true,
            anonymous: false,
        }
    }

    #[test]
    fn a_transfer_is_one_line_of_xferlog() {
        assert_eq!(
            transferred().xferlog(),
            "Tue Mar  5 12:06:07 2024 2 192.0.2.7 1024 /in/report.pdf b _ i r alice ftp 0 * c\n"
        );
        let cut = Transferred {
            direction: Direction::Download,
            ascii: true,
            anonymous: true,
            complete: false,
            millis: 0,
            ..transferred()
        };
        assert!(cut.xferlog().ends_with(" 0 192.0.2.7 1024 /in/report.pdf a _ o a alice ftp 0 * i\n"));
    }

    #[test]
    fn s_37_what_a_client_named_stays_in_its_field() {
        let evil = "/a b\r\nTue Mar 5\u{1b}[2J\u{202e}\u{3000}x";
        let transferred = Transferred { path: evil.into(), user: "x y".into(), ..transferred() };
        let line = transferred.xferlog();
        assert_eq!((line.split_whitespace().count(), line.lines().count()), (18, 1), "{line:?}");
        let json = serde_json::to_string(&transferred).expect("JSON");
        assert_eq!(json.lines().count(), 1);
        assert!(!json.contains('\u{1b}'), "{json}");
    }
}
