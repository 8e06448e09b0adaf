//! Files that hold secrets: read once, and only if nobody else can read them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::auth::Secret;
use crate::config::{Mistake, Settings, plain};
use crate::store::{ClusterKey, Secrets};

/// What the store needs, from the files that the settings name.
///
/// # Errors
/// What is wrong with a file and what to do.
pub(super) fn secrets(settings: &Settings) -> Result<Secrets, Mistake> {
    Ok(Secrets { credentials: credentials(settings)?, cluster: cluster(settings)? })
}

fn cluster(settings: &Settings) -> Result<Option<ClusterKey>, Mistake> {
    let Some(file) = &settings.store.cluster_key else { return Ok(None) };
    let text = read(file, "store.cluster-key")?;
    ClusterKey::parse(&text).map(Some).map_err(|error| Mistake {
        what: format!("`store.cluster-key` names a file that is no key: {error}"),
        place: Some(file.display().to_string()),
        remedy: Some("`portcullis cluster keygen` makes one; every node has the same".to_owned()),
    })
}

fn credentials(settings: &Settings) -> Result<Option<Secret>, Mistake> {
    let Some(file) = &settings.store.credentials else { return Ok(None) };
    let text = read(file, "store.credentials")?;
    let line = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    match line.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(Some(Secret::new(line.to_owned()))),
        _ => Err(Mistake {
            what: "`store.credentials` names a file without user and password".to_owned(),
            place: Some(file.display().to_string()),
            remedy: Some("its first line is \"user:password\", as in memcached's own file".to_owned()),
        }),
    }
}

/// The text of a file that only its owner can read.
///
/// # Errors
/// What is wrong with the file and what to do.
fn read(file: &Path, setting: &str) -> Result<String, Mistake> {
    let wrong = |what: String, remedy: String| Mistake {
        what: format!("`{setting}` names a file that {what}"),
        place: Some(file.display().to_string()),
        remedy: Some(remedy),
    };
    let unread = |error: std::io::Error| wrong(format!("cannot be read: {}", plain(&error)), "name another".to_owned());
    let mode = std::fs::metadata(file).map_err(unread)?.permissions().mode();
    if mode & 0o077 != 0 {
        let remedy = format!("chmod 600 {}", file.display());
        return Err(wrong(format!("other users can reach (mode {:04o})", mode & 0o7777), remedy));
    }
    std::fs::read_to_string(file).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_78_a_secret_that_others_can_read_stops_the_start_with_its_remedy() {
        let folder = tempfile::tempdir().expect("dir");
        let file = folder.path().join("credentials");
        let mut settings = crate::config::defaults();
        assert!(credentials(&settings).expect("none").is_none());
        settings.store.credentials = Some(file.clone());
        assert!(credentials(&settings).expect_err("no file").to_string().contains("cannot be read"));
        std::fs::write(&file, "gate:a:b\n").expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("mode");
        let told = credentials(&settings).expect_err("refused").to_string();
        assert!(told.contains("0644") && told.contains("chmod 600"), "{told}");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
        assert_eq!(credentials(&settings).expect("good").expect("some").reveal(), "gate:a:b");
        std::fs::write(&file, "gate\n").expect("written");
        assert!(credentials(&settings).is_err());
    }
}
