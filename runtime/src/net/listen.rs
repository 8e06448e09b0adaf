//! Listening sockets and the accept loop. Whoever is refused costs an accept, a write and a close: no task,
//! no registration with the reactor.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tracing::{debug, info, warn};

use super::peer::Peer;
use crate::config::settings::Listen;
use crate::waits;

/// Connections that are accepted in a row before other tasks of this thread get their turn.
const BURST: usize = 64;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<TcpListener>,
    address: SocketAddr,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("`server.listen` or `listener.address`: cannot listen on {address}: {source}{remedy}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
    remedy: &'static str,
}

impl BindError {
    fn of(address: SocketAddr, source: io::Error) -> BindError {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => "; another program has that port, stop it or choose another",
            io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
            io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
            _ => "",
        };
        BindError { address, source, remedy }
    }
}

impl Listener {
    /// Listens. `dual`: an IPv6 wildcard also takes IPv4, which is wanted unless IPv4 has its own listener.
    ///
    /// # Errors
    /// `BindError` with the remedy where one is known.
    pub fn bind(address: SocketAddr, backlog: u32, dual: bool) -> Result<Listener, BindError> {
        let listening = || -> io::Result<Listener> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(!(dual && address.ip().is_unspecified()))?;
            }
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
            Listener::over(socket.into())
        };
        listening().map_err(|source| BindError::of(address, source))
    }

    /// All addresses of the settings, in their order. Where the service manager has opened one already, that
    /// socket is taken.
    ///
    /// # Errors
    /// The first `BindError`.
    pub fn bind_all(
        listeners: &[Listen],
        backlog: u32,
        inherited: Vec<TcpListener>,
    ) -> Result<Vec<Listener>, BindError> {
        let addresses = || listeners.iter().map(|listen| listen.address);
        let v4 = |port: u16| addresses().any(|address| address.is_ipv4() && address.port() == port);
        let mut inherited: Vec<(SocketAddr, TcpListener)> =
            inherited.into_iter().filter_map(|socket| Some((socket.local_addr().ok()?, socket))).collect();
        let mut bound = Vec::new();
        for address in addresses() {
            bound.push(match inherited.iter().position(|(theirs, _)| *theirs == address) {
                Some(at) => {
                    Listener::over(inherited.swap_remove(at).1).map_err(|source| BindError::of(address, source))?
                }
                None => Listener::bind(address, backlog, !v4(address.port()))?,
            });
        }
        for (address, _) in inherited {
            warn!(%address, "listener.not-taken: the service manager opened it, but no listener has that address");
        }
        Ok(bound)
    }

    fn over(listener: TcpListener) -> io::Result<Listener> {
        let address = listener.local_addr()?;
        #[expect(deprecated, reason = "the standard library's listener keeps its descriptor, as `register` asks")]
        let socket = AsyncFd::new(listener)?;
        Ok(Listener { socket, address })
    }

    /// Where it listens; the port that the system chose if 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until it is dropped and hands each connection to `door`, which must not block.
    pub async fn serve(self, pause: Duration, door: impl Fn(TcpStream, Peer)) {
        let mut exhausted = false;
        let ceiling = descriptor_ceiling();
        loop {
            let mut guard = match self.socket.readable().await {
                Ok(guard) => guard,
                Err(error) => {
                    warn!(address = %self.address, %error, "listener.failed");
                    return;
                }
            };
            for _ in 0..BURST {
                match guard.try_io(|socket| socket.get_ref().accept()) {
                    Ok(Ok((stream, _))) if stream.as_raw_fd() >= ceiling => {
                        if !std::mem::replace(&mut exhausted, true) {
                            warn!(address = %self.address, "listener.exhausted: the last descriptors are not for clients");
                        }
                        drop((stream, guard));
                        waits::pause(pause).await;
                        break;
                    }
                    Ok(Ok((stream, address))) => {
                        if std::mem::take(&mut exhausted) {
                            info!(address = %self.address, "listener.recovered");
                        }
                        door(stream, Peer::new(address));
                    }
                    Ok(Err(error)) if out_of_resources(&error) => {
                        if !std::mem::replace(&mut exhausted, true) {
                            warn!(address = %self.address, %error, "listener.exhausted");
                        }
                        drop(guard);
                        waits::pause(pause).await;
                        break;
                    }
                    // The client gave up between its SYN and our accept.
                    Ok(Err(error)) => debug!(address = %self.address, %error, "listener.accept-failed"),
                    Err(_would_block) => break,
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Descriptors that no client gets: the admin socket, the ledger and the log need some when everything else
/// is taken. The kernel gives the lowest number that is free, so a high one says that few are left.
const RESERVED_DESCRIPTORS: u64 = 24;

fn descriptor_ceiling() -> i32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let reserved = RESERVED_DESCRIPTORS.min(limit / 4);
    i32::try_from(limit.saturating_sub(reserved)).unwrap_or(i32::MAX)
}

fn out_of_resources(error: &io::Error) -> bool {
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| scarce.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::net::socket;

    fn loopback() -> Listener {
        Listener::bind("127.0.0.1:0".parse().expect("address"), 16, true).expect("bind")
    }

    #[tokio::test]
    async fn a_refused_client_reads_its_line_and_the_end() {
        let listener = loopback();
        let address = listener.address();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let peers = seen.clone();
        let serving = tokio::spawn(listener.serve(Duration::from_millis(1), move |stream, peer| {
            peers.lock().push(peer);
            socket::refuse(stream, Some(b"421 no\r\n"));
        }));
        for _ in 0..3 {
            let mut client = tokio::net::TcpStream::connect(address).await.expect("connect");
            let mut text = String::new();
            client.read_to_string(&mut text).await.expect("read");
            assert_eq!(text, "421 no\r\n");
        }
        assert_eq!(seen.lock().len(), 3);
        serving.abort();
        assert!(serving.await.is_err(), "cut off");
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_remedy() {
        let listener = loopback();
        let text = Listener::bind(listener.address(), 16, true).expect_err("taken").to_string();
        assert!(text.contains("server.listen") && text.contains("another program"), "{text}");
    }
}
