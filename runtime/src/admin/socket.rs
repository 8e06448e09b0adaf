//! The socket itself: made so that nobody else can open it, read within bounds, gone when the server ends.

use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::request::{BanRow, Reply, Request};
use crate::config::settings::{Admin, Timeouts};
use crate::ledger::Ban;
use crate::waits::{self, TimedOut, Wait};

/// Its name within the state folder.
pub const NAME: &str = "admin.sock";

/// A socket that cannot be made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text says it")]
pub enum SocketError {
    #[error("{0} is in the way of the admin socket and was not made by this server; move it away")]
    InTheWay(PathBuf),
    #[error("another server answers on {0}; stop it, or give this one a state folder of its own")]
    InUse(PathBuf),
    #[error("cannot make the admin socket {path}: {error}")]
    Failed { path: PathBuf, error: io::Error },
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// System user name, or `uid N`.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The process, where the system tells.
    pub pid: Option<i32>,
}

/// What is told: one reply, or a list that is written page by page.
#[derive(Debug)]
pub enum Told {
    /// One line.
    Reply(Reply),
    /// Bans, as many lines as it takes.
    List(Vec<Arc<Ban>>),
    /// The same, everything about each.
    Whole(Vec<Arc<Ban>>),
}

/// A listening admin socket. Dropping it removes the file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Makes the socket in the state folder, mode 0600. A socket that a dead server left is replaced;
    /// nothing else is.
    ///
    /// # Errors
    /// `SocketError`, each with its remedy.
    pub fn bind(state: &Path) -> Result<Socket, SocketError> {
        let path = state.join(NAME);
        let failed = |error: io::Error| SocketError::Failed { path: path.clone(), error };
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) => {
                let ours = found.file_type().is_socket() && found.uid() == rustix::process::geteuid().as_raw();
                if !ours {
                    return Err(SocketError::InTheWay(path));
                }
                match std::os::unix::net::UnixStream::connect(&path) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(&path).map_err(failed)?;
                    }
                    _ => return Err(SocketError::InUse(path)),
                }
            }
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        // Nobody else can come in between: the folder is 0700.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
        let inode = std::fs::symlink_metadata(&path).map_err(failed)?.ino();
        Ok(Socket { listener, path, inode })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers requests until the future is dropped. Callers beyond the bound wait to be accepted.
    pub async fn serve<F>(
        self,
        bounds: Admin,
        limits: Timeouts,
        answer: impl Fn(Caller, Request) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Told> + Send,
    {
        let slots = Arc::new(Semaphore::new(bounds.connections));
        let answer = Arc::new(answer);
        loop {
            // Never closed, so there is always a permit to come.
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "admin.accept-failed");
                    waits::pause(bounds.accept_pause).await;
                    continue;
                }
            };
            let (bounds, limits, answer) = (bounds.clone(), limits.clone(), answer.clone());
            tokio::spawn(async move {
                let _slot = slot;
                let Some(caller) = caller(&stream) else {
                    warn!("admin.stranger-refused");
                    return;
                };
                if let Err(ended) = converse(stream, caller, &bounds, &limits, &*answer).await {
                    debug!(%ended, "admin.connection-ended");
                }
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
}

/// Requests of one connection, one after the other.
async fn converse<F: Future<Output = Told> + Send>(
    stream: UnixStream,
    caller: Caller,
    bounds: &Admin,
    limits: &Timeouts,
    answer: &(impl Fn(Caller, Request) -> F + Send + Sync),
) -> Result<(), Ended> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = u64::try_from(bounds.line_bytes).unwrap_or(u64::MAX);
        let mut bounded = (&mut read).take(most);
        waits::within(limits, Wait::Admin, bounded.read_until(b'\n', &mut line)).await??;
        if line.is_empty() {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let told = match serde_json::from_slice::<Request>(&line) {
            _ if !whole => Told::Reply(Reply::usage("the request is cut off or too long")),
            Ok(request) => answer(caller.clone(), request).await,
            Err(error) => Told::Reply(Reply::usage(format!("the request is not understood: {error}"))),
        };
        let mut tell = async |reply: &Reply| -> Result<(), Ended> {
            let mut text = serde_json::to_vec(reply).map_err(io::Error::other)?;
            text.push(b'\n');
            Ok(waits::within(limits, Wait::Admin, write.write_all(&text)).await??)
        };
        match told {
            Told::Reply(reply) => tell(&reply).await?,
            Told::List(bans) => {
                for page in bans.chunks(bounds.page) {
                    tell(&more(page, |ban| BanRow::from(ban))?).await?;
                }
                tell(&Reply::Done(serde_json::Value::Array(Vec::new()))).await?;
            }
            Told::Whole(bans) => {
                for page in bans.chunks(bounds.page) {
                    tell(&more(page, Ban::clone)?).await?;
                }
                tell(&Reply::Done(serde_json::Value::Array(Vec::new()))).await?;
            }
        }
        if !whole {
            return Ok(());
        }
    }
}

fn more<T: serde::Serialize>(page: &[Arc<Ban>], row: impl Fn(&Ban) -> T) -> io::Result<Reply> {
    let rows: Vec<T> = page.iter().map(|ban| row(ban)).collect();
    serde_json::to_value(rows).map(Reply::More).map_err(io::Error::other)
}

/// The caller, if it is this server's own user or root.
fn caller(stream: &UnixStream) -> Option<Caller> {
    let credentials = stream.peer_cred().ok()?;
    let (uid, pid) = (credentials.uid(), credentials.pid());
    let own = rustix::process::geteuid().as_raw();
    let name = || user_name(uid).unwrap_or_else(|| format!("uid {uid}"));
    (uid == 0 || uid == own).then(|| Caller { name: name(), uid, pid })
}

/// The system's name for a user.
fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    fn bounds() -> (Admin, Timeouts) {
        let text = "[tls]\nself-signed = true\n[admin]\nline-bytes = 1024\nconnections = 2\n";
        let loaded = crate::config::parse(text, "test", Path::new("/")).expect("settings");
        (loaded.settings.admin, loaded.settings.timeouts)
    }

    fn state() -> tempfile::TempDir {
        tempfile::tempdir().expect("dir")
    }

    async fn ask(path: &Path, text: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).await.expect("connect");
        stream.write_all(text).await.expect("write");
        stream.shutdown().await.expect("shutdown");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("read");
        reply
    }

    #[tokio::test]
    async fn s_77_the_socket_is_ours_alone_and_replaces_only_a_dead_one() {
        let state = state();
        let socket = Socket::bind(state.path()).expect("socket");
        let path = socket.path().to_owned();
        assert_eq!(std::fs::metadata(&path).expect("meta").mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(state.path()), Err(SocketError::InUse(_))));
        drop(socket);
        assert!(!path.exists());

        // What a killed server leaves behind: a socket that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("stale"));
        assert!(path.exists());
        drop(Socket::bind(state.path()).expect("replaced"));

        std::fs::write(&path, "precious").expect("file");
        assert!(matches!(Socket::bind(state.path()), Err(SocketError::InTheWay(_))));
        assert_eq!(std::fs::read_to_string(&path).expect("file"), "precious");
        std::fs::remove_file(&path).expect("remove");
        symlink(state.path().join("elsewhere"), &path).expect("link");
        assert!(matches!(Socket::bind(state.path()), Err(SocketError::InTheWay(_))));
    }

    #[tokio::test]
    async fn requests_are_answered_in_order_and_nonsense_is_told() {
        let state = state();
        let socket = Socket::bind(state.path()).expect("socket");
        let path = socket.path().to_owned();
        let (admin, timeouts) = bounds();
        let serving = tokio::spawn(socket.serve(admin, timeouts, |caller, request| async move {
            assert!(!caller.name.is_empty());
            Told::Reply(Reply::done(&request))
        }));
        let told = ask(&path, b"{\"op\":\"status\"}\n{\"op\":\"dance\"}\n{\"op\":\"policy-list\"}\n").await;
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], r#"{"done":{"op":"status"}}"#);
        assert!(lines[1].contains("not understood"));
        assert_eq!(lines[2], r#"{"done":{"op":"policy-list"}}"#);
        let told = ask(&path, &vec![b'x'; 5000]).await;
        assert!(told.contains("too long") && told.lines().count() == 1, "{told}");
        serving.abort();
    }

    #[tokio::test]
    async fn callers_beyond_the_bound_wait_and_a_silent_one_loses_its_place() {
        let state = state();
        let socket = Socket::bind(state.path()).expect("socket");
        let path = socket.path().to_owned();
        let (admin, mut timeouts) = bounds();
        timeouts.admin = Duration::from_millis(50);
        let serving =
            tokio::spawn(socket.serve(admin, timeouts, |_, request| async move { Told::Reply(Reply::done(&request)) }));
        let silent = [UnixStream::connect(&path).await, UnixStream::connect(&path).await];
        assert!(ask(&path, b"{\"op\":\"status\"}\n").await.contains("done"));
        drop(silent);
        serving.abort();
    }
}
