//! The ready file: scripts and tests wait for it, never for a span of time.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What is told once every listener accepts.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The admin socket.
    pub admin: PathBuf,
    /// The certificate that clients see.
    pub certificate: PathBuf,
    /// The demo user, of quickstart only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its password, of quickstart only: the file is readable by its owner alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl Ready {
    /// Writes it in one step: it is not there, or it is whole.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        replace(file, &text)
    }
}

/// Puts a file with mode 0600 in place in one step.
///
/// # Errors
/// What the system says.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this names no file"))?;
    let mut draft_name = std::ffi::OsString::from(".");
    draft_name.push(name);
    draft_name.push(format!(".{}", std::process::id()));
    let draft = file.with_file_name(draft_name);
    let written = (|| {
        let _ = std::fs::remove_file(&draft);
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        out.write_all(bytes)?;
        std::fs::rename(&draft, file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_ready_file_is_whole_and_its_owners_alone() {
        let folder = tempfile::tempdir().expect("dir");
        let file = folder.path().join("ready.json");
        let ready = Ready {
            addresses: vec!["127.0.0.1:2121".parse().expect("address")],
            admin: "/a".into(),
            certificate: "/c".into(),
            user: Some("demo".into()),
            password: None,
        };
        std::fs::write(&file, "old").expect("old");
        ready.write(&file).expect("written");
        assert_eq!(std::fs::metadata(&file).expect("meta").permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).expect("text");
        let value: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value["addresses"][0], "127.0.0.1:2121");
        assert!(value.get("password").is_none());
        assert_eq!(std::fs::read_dir(folder.path()).expect("dir").count(), 1, "no draft is left");
    }
}
