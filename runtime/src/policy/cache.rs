//! Compiled code on disk, so that a start or a reload compiles nothing twice.
//!
//! Trust: none in the folder's files. Compiled code is machine code, so a file is used only if it carries the
//! MAC of this server's own key, over its name and every byte; the name holds what was compiled, by which
//! engine and for which processor. Anything else is compiled anew and written again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use wasmtime::component::Component;

use super::digest::sha256;

const FOLDER: &str = "compiled";
const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// The folder of one server.
pub(super) struct Cache {
    folder: PathBuf,
    key: hmac::Key,
    engine: String,
    /// Bytes of all files together; the oldest make room.
    most: u64,
}

impl Cache {
    /// The folder beneath the server's state, made if the state is there. `None`: everything is compiled anew.
    pub(super) fn open(state: &Path, engine: &wasmtime::Engine, most: u64) -> Option<Cache> {
        if most == 0 || !state.is_dir() {
            return None;
        }
        let folder = state.join(FOLDER);
        let opened = own_folder(&folder).and_then(|()| key(&folder.join(KEY_FILE)));
        match opened {
            Ok(key) => Some(Cache { folder, key, engine: engine_name(engine), most }),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "policy.cache-unavailable: components are compiled at each start");
                None
            }
        }
    }

    /// The compiled form of these bytes, if this server has written it down.
    pub(super) fn find(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Option<Component> {
        let name = self.name(wasm);
        let body = match self.read(&name) {
            Ok(body) => body,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %name, %error, "policy.cache-refused: it is compiled anew");
                return None;
            }
        };
        #[expect(unsafe_code, reason = "the MAC proves that this server wrote these very bytes for this engine")]
        // SAFETY: the bytes are what `Component::serialize` of a compatible engine gave to `keep`.
        let component = unsafe { Component::deserialize(engine, &body) };
        component
            .inspect_err(|error| tracing::warn!(file = %name, %error, "policy.cache-refused: it is compiled anew"))
            .ok()
    }

    /// Writes down what was compiled. What cannot be written is compiled again next time.
    pub(super) fn keep(&self, wasm: &[u8], component: &Component) {
        let name = self.name(wasm);
        let kept = component.serialize().map_err(|error| io::Error::other(error.to_string())).and_then(|body| {
            self.make_room(body.len() as u64)?;
            self.write(&name, &body)
        });
        if let Err(error) = kept {
            tracing::warn!(file = %name, %error, "policy.cache-not-written");
        }
    }

    fn name(&self, wasm: &[u8]) -> String {
        format!("{}-{}", sha256(wasm), self.engine)
    }

    fn tag(&self, name: &str, body: &[u8]) -> hmac::Context {
        let mut tag = hmac::Context::with_key(&self.key);
        tag.update(&(name.len() as u64).to_le_bytes());
        tag.update(name.as_bytes());
        tag.update(body);
        tag
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = open(&self.folder.join(name))?;
        file.take(self.most.saturating_add(1)).read_to_end(&mut bytes)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it is not what this server wrote");
        let (mac, body) = bytes.split_at_checked(MAC_BYTES).ok_or_else(wrong)?;
        let own = self.tag(name, body).sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(own.as_ref(), mac).map_err(|_| wrong())?;
        bytes.drain(..MAC_BYTES);
        Ok(bytes)
    }

    fn write(&self, name: &str, body: &[u8]) -> io::Result<()> {
        let draft = self.folder.join(format!(".{name}.{}", std::process::id()));
        let written = (|| {
            let _ = fs::remove_file(&draft);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(self.tag(name, body).sign().as_ref())?;
            file.write_all(body)?;
            file.sync_all()?;
            fs::rename(&draft, self.folder.join(name))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// The files that were written longest ago go until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() != KEY_FILE {
                let facts = entry.metadata()?;
                files.push((facts.modified()?, facts.len(), entry.path()));
            }
        }
        files.sort();
        let mut all: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if all.saturating_add(bytes) <= self.most {
                break;
            }
            fs::remove_file(path)?;
            all -= length;
        }
        Ok(())
    }
}

/// What compiled: version of the server and the engine, settings of the engine, kind of processor.
fn engine_name(engine: &wasmtime::Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
}

/// Makes the folder, or checks that it is ours alone.
fn own_folder(folder: &Path) -> io::Result<()> {
    if let Err(error) = DirBuilder::new().mode(0o700).create(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let facts = fs::symlink_metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    match facts.is_dir() && facts.uid() == own && facts.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder is open to others: chmod 700 it")),
    }
}

/// Nothing but a regular file, and never through a link.
fn open(file: &Path) -> io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened =
        OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(file)?;
    match opened.metadata()?.is_file() {
        true => Ok(opened),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file")),
    }
}

/// The server's own key for this folder, made with the folder.
fn key(file: &Path) -> io::Result<hmac::Key> {
    let mut bytes = Vec::new();
    match open(file) {
        Ok(opened) => _ = opened.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    if bytes.len() != KEY_BYTES {
        bytes = vec![0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
        let draft = file.with_extension(std::process::id().to_string());
        let _ = fs::remove_file(&draft);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?.write_all(&bytes)?;
        fs::rename(&draft, file)?;
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(state: &Path, most: u64) -> (wasmtime::Engine, Cache) {
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(state, &engine, most).expect("a cache");
        (engine, cache)
    }

    /// An empty component: the preamble.
    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn kept(state: &Path) -> (wasmtime::Engine, Cache, PathBuf) {
        let (engine, cache) = cache(state, 1 << 20);
        cache.keep(WASM, &Component::new(&engine, WASM).expect("compiles"));
        let file = cache.folder.join(cache.name(WASM));
        (engine, cache, file)
    }

    #[test]
    fn what_was_compiled_is_found_by_its_bytes_after_a_restart() {
        let state = tempfile::tempdir().expect("folder");
        let (engine, first, file) = kept(state.path());
        assert!(first.find(&engine, WASM).is_some());
        assert_eq!(fs::metadata(&file).expect("facts").mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&first.folder).expect("facts").mode() & 0o777, 0o700);
        let (engine, second) = cache(state.path(), 1 << 20);
        assert!(second.find(&engine, WASM).is_some());
        assert!(second.find(&engine, b"\0asm\x0d\0\x01\0 ").is_none());
    }

    #[test]
    fn s_64_w_25_a_file_with_any_byte_changed_cut_or_of_another_server_is_compiled_anew() {
        let state = tempfile::tempdir().expect("folder");
        let (engine, cache, file) = kept(state.path());
        let whole = fs::read(&file).expect("bytes");
        let step = (whole.len() / 200).max(1);
        for at in (0..whole.len()).step_by(step).chain(0..MAC_BYTES) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&file, &bytes).expect("written");
            assert!(cache.find(&engine, WASM).is_none(), "byte {at}");
        }
        for length in [0, 1, MAC_BYTES, MAC_BYTES + 1, whole.len() - 1] {
            fs::write(&file, &whole[..length]).expect("written");
            assert!(cache.find(&engine, WASM).is_none(), "cut at {length}");
        }
        // Under another name: what was compiled from one component stands for no other.
        let other = b"\0asm\x0d\0\x01\0\0\0";
        fs::write(cache.folder.join(cache.name(other)), &whole).expect("written");
        assert!(cache.find(&engine, other).is_none());
        // With another server's key.
        fs::write(&file, &whole).expect("written");
        assert!(cache.find(&engine, WASM).is_some());
        fs::write(cache.folder.join(KEY_FILE), [7; KEY_BYTES]).expect("written");
        let again = Cache::open(state.path(), &engine, 1 << 20).expect("a cache");
        assert!(again.find(&engine, WASM).is_none());
    }

    #[test]
    fn s_64_w_25_a_folder_that_others_may_write_and_links_are_not_used() {
        let state = tempfile::tempdir().expect("folder");
        let (engine, cache, file) = kept(state.path());
        let aside = state.path().join("aside");
        fs::rename(&file, &aside).expect("moved");
        std::os::unix::fs::symlink(&aside, &file).expect("link");
        assert!(cache.find(&engine, WASM).is_none());
        fs::set_permissions(&cache.folder, std::os::unix::fs::PermissionsExt::from_mode(0o770)).expect("mode");
        assert!(Cache::open(state.path(), &engine, 1 << 20).is_none());
    }

    #[test]
    fn the_oldest_files_make_room() {
        let state = tempfile::tempdir().expect("folder");
        let (engine, small) = cache(state.path(), 1);
        let component = Component::new(&engine, WASM).expect("compiles");
        small.keep(WASM, &component);
        small.keep(b"another", &component);
        let files = fs::read_dir(&small.folder).expect("folder").count();
        assert_eq!(files, 2, "the key and the newest");
    }
}
