//! Where a component's bytes come from. What is hashed is what is compiled: a file is read once.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::builtin;
use super::fault::LoadFault;
use crate::config::settings::Source;

/// Reads the component, bounded. Never blocks on a pipe, never follows a growing file for ever.
///
/// # Errors
/// `LoadFault` that names the file.
pub(super) fn read(source: &Source, most: u64) -> Result<Cow<'static, [u8]>, LoadFault> {
    match source {
        Source::Builtin(name) => builtin::component(name).map(Cow::Borrowed).ok_or_else(|| LoadFault::NoSuchBuiltin {
            name: name.clone(),
            known: builtin::names().map(str::to_owned).collect(),
        }),
        Source::File(path) => read_file(path, most).map(Cow::Owned),
    }
}

/// A regular file of at most `most` bytes.
///
/// # Errors
/// `LoadFault` that names the file.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, LoadFault> {
    let unreadable =
        |error: std::io::Error| LoadFault::Unreadable { path: path.display().to_string(), problem: error.to_string() };
    // Opening a pipe without a writer would block.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(LoadFault::NotAFile(path.display().to_string()));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        read if read > most => Err(LoadFault::TooLarge { bytes: facts.len().max(read), most }),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_21_only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("a.wasm");
        std::fs::write(&file, [7; 100]).expect("write");
        assert_eq!(read_file(&file, 100).expect("read"), [7; 100]);
        assert_eq!(read_file(&file, 99), Err(LoadFault::TooLarge { bytes: 100, most: 99 }));
        assert!(matches!(read_file(folder.path(), 99), Err(LoadFault::NotAFile(_) | LoadFault::Unreadable { .. })));
        assert!(matches!(read_file(Path::new("/dev/zero"), 99), Err(LoadFault::NotAFile(_))));
        assert!(matches!(read_file(&folder.path().join("none"), 99), Err(LoadFault::Unreadable { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o600), 0)
            .expect("pipe");
        assert!(matches!(read_file(&pipe, 99), Err(LoadFault::NotAFile(_))));
    }
}
