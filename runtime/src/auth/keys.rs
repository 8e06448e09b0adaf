//! What a user and a group may both say in the file of users.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::book::{Book, Row};
use super::permit::Rights;
use crate::config::{network, size};
use crate::moment::Moment;
use crate::vfs::VirtualPath;

/// Keys of a user and of a group.
pub(super) const KEYS: [&str; 8] =
    ["home", "permissions", "read-only", "folders", "networks", "limits", "expires", "enabled"];
const FOLDER_KEYS: [&str; 4] = ["path", "to", "permissions", "read-only"];
const LIMIT_KEYS: [&str; 7] =
    ["sessions", "sessions-per-address", "transfers", "download", "upload", "quota", "quota-files"];

/// What was said, of which a user's own goes before its group's.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) home: Option<Said>,
    pub(super) rights: Option<Rights>,
    pub(super) folders: Vec<FolderKeys>,
    pub(super) networks: Option<Vec<IpNet>>,
    pub(super) limits: LimitKeys,
    pub(super) expires: Option<Moment>,
    pub(super) enabled: Option<bool>,
}

/// A text, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) at: usize,
    /// The key path, for people.
    pub(super) key: String,
}

/// A virtual folder as it was said.
#[derive(Clone, Debug)]
pub(super) struct FolderKeys {
    pub(super) path: VirtualPath,
    pub(super) to: Said,
    pub(super) rights: Option<Rights>,
}

/// Limits as they were said: `Some(None)` is "unlimited".
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LimitKeys([Option<Option<u64>>; LIMIT_KEYS.len()]);

/// Bounds of one user, over all of the user's sessions on this node; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: Option<u64>,
    /// Of these, from one address (IPv6: one /64).
    pub sessions_per_address: Option<u64>,
    /// Transfers of files at once.
    pub transfers: Option<u64>,
    /// Bytes a second that are sent.
    pub download: Option<u64>,
    /// Bytes a second that are received.
    pub upload: Option<u64>,
    /// Bytes of the files in the home folder.
    pub quota_bytes: Option<u64>,
    /// Files and folders in the home folder.
    pub quota_files: Option<u64>,
}

impl Keys {
    /// Reads them; those that are wrong are told and left out.
    pub(super) fn read(book: &mut Book<'_>, row: &Row<'_, '_>) -> Keys {
        Keys {
            home: text(book, row, "home", "the folder that the user sees as /"),
            rights: rights(book, row),
            folders: folders(book, row),
            networks: networks(book, row),
            limits: limits(book, row),
            expires: expires(book, row),
            enabled: flag(book, row, "enabled"),
        }
    }

    /// These, and of `group` what they leave open. A folder of the group with the path of an own one is left
    /// out.
    pub(super) fn over(mut self, group: &Keys) -> Keys {
        let others = group.folders.iter().filter(|folder| self.folders.iter().all(|own| own.path != folder.path));
        let others: Vec<FolderKeys> = others.cloned().collect();
        self.folders.extend(others);
        Keys {
            home: self.home.or_else(|| group.home.clone()),
            rights: self.rights.or(group.rights),
            folders: self.folders,
            networks: self.networks.or_else(|| group.networks.clone()),
            limits: self.limits.over(group.limits),
            expires: self.expires.or(group.expires),
            enabled: self.enabled.or(group.enabled),
        }
    }
}

impl LimitKeys {
    fn over(self, group: LimitKeys) -> LimitKeys {
        let mut limits = self.0;
        for (own, other) in limits.iter_mut().zip(group.0) {
            *own = own.or(other);
        }
        LimitKeys(limits)
    }

    pub(super) fn meant(self) -> Limits {
        let [sessions, sessions_per_address, transfers, download, upload, quota_bytes, quota_files] =
            self.0.map(Option::flatten);
        Limits { sessions, sessions_per_address, transfers, download, upload, quota_bytes, quota_files }
    }
}

/// A text, if it is there.
pub(super) fn text(book: &mut Book<'_>, row: &Row<'_, '_>, key: &str, meaning: &str) -> Option<Said> {
    let value = row.keys.get(key)?;
    let at = value.span().start;
    match value.get_ref().as_str() {
        Some(text) if !text.contains('\0') => Some(Said { text: text.to_owned(), at, key: row.path(key) }),
        _ => {
            book.mistake(Some(at), format!("`{}` is no text", row.path(key)), format!("it is {meaning}"));
            None
        }
    }
}

fn flag(book: &mut Book<'_>, row: &Row<'_, '_>, key: &str) -> Option<bool> {
    let value = row.keys.get(key)?;
    let flag = value.get_ref().as_bool();
    if flag.is_none() {
        let what = format!("`{}` is no flag", row.path(key));
        book.mistake(Some(value.span().start), what, "write true or false");
    }
    flag
}

/// A list of permissions, or the short form.
fn rights(book: &mut Book<'_>, row: &Row<'_, '_>) -> Option<Rights> {
    let read_only = flag(book, row, "read-only");
    let Some(value) = row.keys.get("permissions") else {
        return read_only.map(|read_only| if read_only { Rights::READ_ONLY } else { Rights::FULL });
    };
    let at = value.span().start;
    let key = row.path("permissions");
    let remedy = format!("it is a list of {}", Rights::WORDS.map(|word| format!("{word:?}")).join(", "));
    if read_only.is_some() {
        book.mistake(Some(at), format!("`{key}` and `read-only` are both there"), "remove one of the two");
    }
    let mut rights = Rights::NONE;
    let Some(words) = value.get_ref().as_array() else {
        book.mistake(Some(at), format!("`{key}` is no list"), remedy);
        return None;
    };
    for word in words {
        let at = Some(word.span().start);
        match word.get_ref().as_str() {
            Some(text) if rights.grant(text) => {}
            Some(text) => {
                let near = crate::config::nearest(text, Rights::WORDS.into_iter());
                let remedy = near.map_or(remedy.clone(), |near| format!("did you mean {near:?}?"));
                book.mistake(at, format!("`{key}`: {text:?} is no permission"), remedy);
            }
            None => book.mistake(at, format!("`{key}` holds what is no text"), remedy.clone()),
        }
    }
    Some(rights)
}

fn folders(book: &mut Book<'_>, row: &Row<'_, '_>) -> Vec<FolderKeys> {
    const EXAMPLE: &str = "it is a list such as [{ path = \"/shared\", to = \"/srv/shared\" }]";
    let mut folders: Vec<FolderKeys> = Vec::new();
    for (index, (at, table)) in tables(book, row, "folders", EXAMPLE).into_iter().enumerate() {
        let inner = Row { title: format!("{}[{index}]", row.path("folders")), start: at, keys: table };
        book.only(&inner, &FOLDER_KEYS, EXAMPLE);
        for key in ["path", "to"].into_iter().filter(|key| !table.contains_key(*key)) {
            book.mistake(Some(at), format!("`{}` is missing", inner.path(key)), EXAMPLE);
        }
        let path = text(book, &inner, "path", "a path that the user sees, such as \"/shared\"");
        let to = text(book, &inner, "to", "the folder that is seen there");
        let rights = rights(book, &inner);
        let path = path.and_then(|said| match VirtualPath::root().join(&said.text) {
            Ok(path) if said.text.starts_with('/') && path.name().is_some() => Some((path, said)),
            _ => {
                let remedy = "it starts with / and names more than that";
                book.mistake(Some(said.at), format!("`{}` is no path for a folder", said.key), remedy);
                None
            }
        });
        if let (Some((path, said)), Some(to)) = (path, to) {
            if folders.iter().any(|folder| folder.path == path) {
                book.mistake(Some(said.at), format!("`{}`: {path} is there twice", said.key), "remove one");
            }
            folders.push(FolderKeys { path, to, rights });
        }
    }
    folders
}

fn networks(book: &mut Book<'_>, row: &Row<'_, '_>) -> Option<Vec<IpNet>> {
    const EXAMPLE: &str = "it is a list of networks such as \"192.0.2.0/24\" or addresses";
    let value = row.keys.get("networks")?;
    let key = row.path("networks");
    let Some(texts) = value.get_ref().as_array() else {
        book.mistake(Some(value.span().start), format!("`{key}` is no list"), EXAMPLE);
        return None;
    };
    let mut networks = Vec::with_capacity(texts.len());
    for text in texts {
        match text.get_ref().as_str().and_then(network) {
            Some(network) => networks.push(network),
            None => book.mistake(Some(text.span().start), format!("`{key}` holds what is no network"), EXAMPLE),
        }
    }
    Some(networks)
}

fn limits(book: &mut Book<'_>, row: &Row<'_, '_>) -> LimitKeys {
    const EXAMPLE: &str = "it is a table such as { sessions = 4, quota = \"10 GiB\" }";
    let mut limits = LimitKeys::default();
    let Some(value) = row.keys.get("limits") else { return limits };
    let at = value.span().start;
    let Some(table) = value.get_ref().as_table() else {
        book.mistake(Some(at), format!("`{}` is no table", row.path("limits")), EXAMPLE);
        return limits;
    };
    let inner = Row { title: row.path("limits"), start: at, keys: table };
    book.only(&inner, &LIMIT_KEYS, EXAMPLE);
    for (limit, key) in limits.0.iter_mut().zip(LIMIT_KEYS) {
        let Some(value) = table.get(key) else { continue };
        let is_size = matches!(key, "download" | "upload" | "quota");
        let number = match value.get_ref() {
            DeValue::String(text) if &**text == "unlimited" => Some(None),
            DeValue::String(text) if is_size => size(text).map(Some),
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok().map(Some),
            _ => None,
        };
        // A rate of nothing would be a transfer that never ends.
        let number = number.filter(|number| *number != Some(0) || matches!(key, "quota" | "quota-files"));
        if number.is_none() {
            let remedy = match key {
                "download" | "upload" => "bytes a second such as \"1 MiB\", or \"unlimited\"",
                "quota" => "a size such as \"10 GiB\", or \"unlimited\"",
                _ => "a whole number, or \"unlimited\"",
            };
            let what = format!("`{}` is no limit", inner.path(key));
            book.mistake(Some(value.span().start), what, format!("it is {remedy}"));
        }
        *limit = number;
    }
    limits
}

/// The moment from which on nobody gets in: a date counts to its end, UTC unless an offset is written.
fn expires(book: &mut Book<'_>, row: &Row<'_, '_>) -> Option<Moment> {
    let value = row.keys.get("expires")?;
    let moment = value.get_ref().as_datetime().and_then(moment);
    if moment.is_none() {
        let what = format!("`{}` is no date", row.path("expires"));
        book.mistake(Some(value.span().start), what, "write 2030-12-31 or 2030-12-31T18:00:00Z, without quotes");
    }
    moment
}

fn moment(when: &Datetime) -> Option<Moment> {
    let date = when.date?;
    let month = time::Month::try_from(date.month).ok()?;
    let day = time::Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    let moment = match when.time {
        None => day.next_day()?.midnight().assume_utc(),
        Some(clock) => {
            let clock = time::Time::from_hms(clock.hour, clock.minute, clock.second).ok()?;
            let minutes = match when.offset {
                Some(toml::value::Offset::Custom { minutes }) => i32::from(minutes),
                Some(toml::value::Offset::Z) | None => 0,
            };
            let offset = time::UtcOffset::from_whole_seconds(minutes * 60).ok()?;
            day.with_time(clock).assume_offset(offset)
        }
    };
    u64::try_from(moment.unix_timestamp()).ok()?.checked_mul(1000).map(Moment::from_millis)
}

/// The tables of a list of them.
pub(super) fn tables<'r, 'a>(
    book: &mut Book<'_>,
    row: &Row<'r, 'a>,
    key: &str,
    remedy: &str,
) -> Vec<(usize, &'r DeTable<'a>)> {
    let Some(value) = row.keys.get(key) else { return Vec::new() };
    let what = format!("`{}` is no list of tables", row.path(key));
    let Some(items) = value.get_ref().as_array() else {
        book.mistake(Some(value.span().start), what, remedy);
        return Vec::new();
    };
    let mut tables = Vec::with_capacity(items.len());
    for item in items {
        match item.get_ref() {
            DeValue::Table(table) => tables.push((item.span().start, table)),
            _ => book.mistake(Some(item.span().start), what.clone(), remedy),
        }
    }
    tables
}

/// Whether an address is in one of the networks that a user may come from.
pub(super) fn may_come(networks: Option<&[IpNet]>, from: IpAddr) -> bool {
    networks.is_none_or(|networks| networks.iter().any(|network| network.contains(&from)))
}
