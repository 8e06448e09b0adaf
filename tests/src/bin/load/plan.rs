//! What is to be done, against whom, and how much of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};

/// As `key=value` words say.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub server: SocketAddr,
    /// The client's own address.
    pub from: IpAddr,
    /// The one certificate that the server may show; not needed for work without TLS.
    pub certificate: PathBuf,
    pub user: String,
    pub password: String,
    /// Connections at once.
    pub at_once: usize,
    /// No more than this many units of work.
    pub count: u64,
    /// No unit is begun later than this.
    pub seconds: Duration,
    /// The file that is moved, or the folder that is listed.
    pub path: String,
    /// The file's size.
    pub bytes: u64,
    /// The folder's entries.
    pub entries: u64,
}

impl Plan {
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Plan> {
        let mut given = BTreeMap::new();
        for word in words {
            let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is no key=value"))?;
            given.insert(key.to_owned(), value.to_owned());
        }
        Ok(Plan {
            server: take(&mut given, "server", "127.0.0.1:21")?,
            from: take(&mut given, "from", "127.0.0.1")?,
            certificate: take(&mut given, "certificate", "")?,
            user: take(&mut given, "user", "")?,
            password: take(&mut given, "password", "")?,
            at_once: take(&mut given, "at-once", "1")?,
            count: take(&mut given, "count", "1")?,
            seconds: Duration::from_secs_f64(take(&mut given, "seconds", "60")?),
            path: take(&mut given, "path", "")?,
            bytes: take(&mut given, "bytes", "0")?,
            entries: take(&mut given, "entries", "0")?,
        })
    }
}

fn take<T: FromStr>(given: &mut BTreeMap<String, String>, key: &str, absent: &str) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = given.remove(key).unwrap_or_else(|| absent.to_owned());
    text.parse().with_context(|| format!("`{key}={text}`"))
}
