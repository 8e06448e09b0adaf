//! The state folder: made for this server alone.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use crate::config::{Mistake, plain};

/// Makes the folder with mode 0700, or checks that one that is there is this user's alone. It never changes
/// the mode of a folder that it did not make: that may be `/tmp`.
///
/// # Errors
/// What is wrong and what to do.
pub fn prepare(folder: &Path) -> Result<(), Mistake> {
    let place = Some(folder.display().to_string());
    let wrong =
        |what: &str, remedy: String| Mistake { what: what.to_owned(), place: place.clone(), remedy: Some(remedy) };
    let known = std::fs::metadata(folder).is_ok();
    if !known {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            let what = format!("the state folder cannot be made: {}", plain(&error));
            wrong(&what, "name another in `server.state` (quickstart: --state)".to_owned())
        })?;
    }
    let meta = std::fs::metadata(folder).map_err(|error| {
        wrong(&format!("the state folder cannot be used: {}", plain(&error)), "name another".to_owned())
    })?;
    if !meta.is_dir() {
        return Err(wrong("the state folder is no folder", "name another".to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own {
        return Err(wrong("the state folder belongs to another user", format!("chown {own} {}", folder.display())));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(wrong("the state folder is open to other users", format!("chmod 700 {}", folder.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn s_78_a_folder_that_is_open_to_others_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("dir");
        let state = folder.path().join("a/b");
        prepare(&state).expect("made");
        assert_eq!(std::fs::metadata(&state).expect("meta").mode() & 0o777, 0o700);
        prepare(&state).expect("kept");
        std::fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).expect("mode");
        let told = prepare(&state).expect_err("refused").to_string();
        assert!(told.contains("chmod 700"), "{told}");
        assert_eq!(std::fs::metadata(&state).expect("meta").mode() & 0o777, 0o755);
    }
}
