//! Options of accepted sockets, and the short way out for those that are refused.

use std::io;
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long the other side may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before a keep-alive probe is sent.
    pub keepalive: Duration,
    /// About what was sent to it.
    pub unacknowledged: Duration,
}

/// Probes that stay unanswered before a connection is dead.
const PROBES: u32 = 4;

impl Patience {
    fn apply(self, socket: &SockRef<'_>) -> io::Result<()> {
        let interval = (self.keepalive / PROBES).max(Duration::from_secs(1));
        let probes = TcpKeepalive::new().with_time(self.keepalive).with_interval(interval).with_retries(PROBES);
        socket.set_tcp_keepalive(&probes)?;
        socket.set_tcp_user_timeout(Some(self.unacknowledged))
    }
}

/// Writes `line`, if there is one, without waiting and closes. A client whose receive window cannot take one
/// line gets none.
pub fn refuse(stream: std::net::TcpStream, line: Option<&[u8]>) {
    let Some(line) = line else { return };
    let _ = rustix::net::send(&stream, line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Makes an accepted socket a control connection: replies go out at once, dead peers are noticed, urgent
/// data (an ABOR of an old client) stays in the stream.
///
/// # Errors
/// The kernel's, mostly that the peer is gone already.
pub fn control(stream: std::net::TcpStream, rules: Patience) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    rules.apply(&socket)?;
    socket.set_out_of_band_inline(true)?;
    TcpStream::from_std(stream)
}

/// Options of a data connection.
///
/// # Errors
/// As [`control`].
pub fn data(stream: &TcpStream, rules: Patience) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rules.apply(&SockRef::from(stream))
}
