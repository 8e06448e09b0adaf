//! What systemd and this process tell each other: sockets that were opened for it, when it is ready, when it
//! stops, that it still lives. Without systemd all of it is nothing.
//!
//! Trust: the environment is the operator's.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use tracing::{debug, warn};

use super::drain::Stop;
use crate::waits;

/// Tells the service manager how the server is (sd_notify(3)).
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_environment() -> Notifier {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Notifier::default();
        };
        let named = match name.as_encoded_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(&name),
        };
        let connected = named.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            // A manager that does not read must not stop the server.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => Notifier { socket: Some(socket), watchdog: watchdog() },
            Err(error) => {
                warn!(%error, "systemd.unreachable: NOTIFY_SOCKET names a socket that does not answer");
                Notifier::default()
            }
        }
    }

    /// Clients may come.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is read again; [`Notifier::ready`] ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No more clients.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says again and again that this process lives, if that is asked for, until everything shall end at once:
    /// sessions that finish are life too. A server whose threads all hang falls silent.
    pub async fn keep_alive(&self, stop: Stop) {
        let Some(interval) = self.watchdog else { return };
        loop {
            self.tell("WATCHDOG=1");
            tokio::select! {
                () = waits::pause(interval / 2) => {}
                () = stop.now() => return,
            }
        }
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            debug!(%error, text, "systemd.not-told");
        }
    }
}

/// The time within which a sign of life is expected.
fn watchdog() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    if env::var_os("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(own_pid()) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|micros| *micros > 0).map(Duration::from_micros)
}

fn own_pid() -> u64 {
    u64::from(std::process::id())
}

/// The first descriptor that is handed over (sd_listen_fds(3)).
const FIRST: i32 = 3;
/// More are not looked at.
const INHERITED_MAX: i32 = 64;

/// Listening sockets that the service manager opened for this process: `LISTEN_FDS`, if `LISTEN_PID` says
/// that they are meant for it.
///
/// # Errors
/// The kernel's, or what is wrong with a descriptor.
pub fn inherited() -> io::Result<Vec<TcpListener>> {
    let number = |name: &str| env::var(name).ok()?.parse::<i64>().ok();
    let count = number("LISTEN_FDS").unwrap_or_default().clamp(0, i64::from(INHERITED_MAX));
    if count == 0 || number("LISTEN_PID") != i64::try_from(own_pid()).ok() {
        return Ok(Vec::new());
    }
    // A copy by way of the process itself: owning a bare number could not be checked by the compiler. The
    // number stays open beside it, as it does at the manager.
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let copy = |number: i32| {
        let socket = pidfd_getfd(&process, FIRST + number, PidfdGetfdFlags::empty())?;
        let listens = SockRef::from(&socket).is_listener().unwrap_or_default();
        let listener = TcpListener::from(socket);
        if !listens || listener.local_addr().is_err() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no listening TCP socket"));
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    (0..i32::try_from(count).unwrap_or(INHERITED_MAX))
        .map(|number| {
            copy(number)
                .map_err(|error| io::Error::new(error.kind(), format!("descriptor {}: {error}", FIRST + number)))
        })
        .collect()
}
