//! Options of accepted sockets, and the short way out for those that are refused.

use std::io;
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Writes `line` without waiting and closes. A client whose receive window cannot take one line gets none.
pub fn refuse(stream: std::net::TcpStream, line: &[u8]) {
    let _ = rustix::net::send(&stream, line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Makes an accepted socket a control connection: replies go out at once, dead peers are noticed, urgent
/// data (an ABOR of an old client) stays in the stream.
///
/// # Errors
/// The kernel's, mostly that the peer is gone already.
pub fn control(stream: std::net::TcpStream, keepalive: Duration) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(keepalive))?;
    socket.set_out_of_band_inline(true)?;
    TcpStream::from_std(stream)
}

/// Options of a data connection.
///
/// # Errors
/// As [`control`].
pub fn data(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(keepalive))
}
