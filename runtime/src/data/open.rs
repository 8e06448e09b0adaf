//! From "the client may connect here" or "connect there" to an open data connection whose owner is proved.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};
use tracing::{debug, info};

use super::stream::{Data, Stream};
use super::vet::{self, Expected, Through};
use crate::config::Timeouts;
use crate::config::settings::DataResumption;
use crate::net::peer::fold;
use crate::net::proxy::{self, Header};
use crate::net::socket::Patience;
use crate::net::{PassiveListener, socket};
use crate::tls::{DataKeys, Direction, Owner, TlsFault};
use crate::waits::{self, Wait};

/// How the next data connection comes about.
#[derive(Debug)]
pub enum Opener {
    /// The client connects to us.
    Passive(PassiveListener),
    /// We connect to the client.
    Active {
        /// Where it listens; vetted.
        address: SocketAddr,
        /// Our address on the control connection: the client's firewall expects no other.
        local: IpAddr,
    },
}

/// What a data connection needs on top of TCP.
pub enum Protection {
    /// PROT C.
    Clear,
    /// PROT P.
    Tls {
        /// Of the control connection.
        keys: DataKeys,
        /// What to do when it resumes another session, or none.
        resumption: DataResumption,
        /// Bytes read from the socket at a time.
        buffer: usize,
    },
}

/// Why there is no data connection.
#[derive(Debug)]
pub enum OpenFault {
    /// The client did not come, or could not be reached, in time.
    NobodyCame,
    /// The kernel's no.
    Unreachable(std::io::ErrorKind),
    /// The handshake failed or took too long.
    Tls(TlsFault),
    /// It took too long.
    TlsTimedOut,
    /// Resumption is required and it resumed something else, or nothing. The connection is to be ended
    /// properly: nothing was sent on it that could look whole.
    NotResumed(Data),
}

impl Opener {
    /// Waits for the client or connects to it, and protects the connection.
    ///
    /// # Errors
    /// `OpenFault`
    pub async fn open(
        self,
        expected: Expected<'_>,
        direction: Direction,
        protection: Protection,
        patience: Patience,
        limits: &Timeouts,
    ) -> Result<Data, OpenFault> {
        let client = expected.client;
        let stream = match waits::within(limits, Wait::DataOpen, self.connection(expected, limits)).await {
            Err(_) => return Err(OpenFault::NobodyCame),
            Ok(Err(error)) => return Err(OpenFault::Unreachable(error.kind())),
            Ok(Ok(stream)) => stream,
        };
        socket::data(&stream, patience).map_err(|error| OpenFault::Unreachable(error.kind()))?;
        let Protection::Tls { keys, resumption, buffer } = protection else {
            return Ok(Data { stream: Stream::Clear(stream) });
        };
        let resumption = expected.wanted(resumption);
        let handshake = Box::pin(keys.accept(stream, direction, buffer));
        match waits::within(limits, Wait::Handshake, handshake).await {
            Err(_) => Err(OpenFault::TlsTimedOut),
            Ok(Err(fault)) => Err(OpenFault::Tls(fault)),
            Ok(Ok((stream, owner))) if !vet::proves_enough(owner, resumption) => {
                info!(%client, ?owner, "data.refused-not-resumed");
                Err(OpenFault::NotResumed(Data { stream: Stream::Tls(Box::new(stream)) }))
            }
            Ok(Ok((stream, owner))) => {
                if resumption == DataResumption::Log && owner != Owner::This {
                    debug!(%client, ?owner, "data.not-resumed");
                }
                Ok(Data { stream: Stream::Tls(Box::new(stream)) })
            }
        }
    }

    async fn connection(self, expected: Expected<'_>, limits: &Timeouts) -> std::io::Result<TcpStream> {
        match self {
            Opener::Passive(listener) => {
                let mut told = false;
                loop {
                    let (mut stream, address) = listener.accept().await?;
                    let mut from = fold(address.ip());
                    if expected.may_come_from(address) {
                        let Through::Header(_) = expected.through else { return Ok(stream) };
                        let header = waits::within(limits, Wait::ProxyHeader, proxy::receive(&mut stream)).await;
                        match header {
                            Ok(Ok(Header::Proxied { source, .. })) if vet::is_client(source, expected.client) => {
                                return Ok(stream);
                            }
                            Ok(Ok(Header::Proxied { source, .. })) => from = source.ip(),
                            // A balancer's check of the port.
                            Ok(Ok(Header::Local) | Err(_)) | Err(_) => continue,
                        }
                    }
                    // One line for each port, however many come.
                    if !std::mem::replace(&mut told, true) {
                        info!(client = %expected.client, stranger = %from, "data.stranger");
                    }
                }
            }
            Opener::Active { address, local } => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                if local.is_ipv4() == address.is_ipv4() {
                    socket.bind(SocketAddr::new(local, 0))?;
                }
                socket.connect(address).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::config::settings::Passive;
    use crate::data::Lingering;
    use crate::net::Ports;

    const PATIENCE: Patience =
        Patience { keepalive: Duration::from_secs(60), unacknowledged: Duration::from_secs(120) };

    fn limits() -> Timeouts {
        crate::ledger::fixtures::settings("").timeouts
    }

    fn opener(local: &str, client: &str) -> (Opener, SocketAddr) {
        let ports = Ports::new(&Passive { ports: None, address: None, address_for: Vec::new(), share_percent: 100 });
        let listener = ports.listen(local.parse().expect("address"), client.parse().expect("address")).expect("port");
        let address = listener.address();
        (Opener::Passive(listener), address)
    }

    async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("socket");
        socket.bind(format!("{from}:0").parse().expect("address")).expect("bind");
        socket.connect(to).await.expect("connect")
    }

    #[tokio::test]
    async fn s_41_t_73_a_stranger_is_closed_and_the_owner_still_gets_in() {
        let (opener, address) = opener("127.0.0.1", "127.0.0.2");
        let mut stranger = connect_from("127.0.0.3", address).await;
        let mut owner = connect_from("127.0.0.2", address).await;
        let client = "127.0.0.2".parse().expect("address");
        let mut data = opener
            .open(Expected::direct(client), Direction::Out, Protection::Clear, PATIENCE, &limits())
            .await
            .expect("open");
        assert_eq!(stranger.read(&mut [0; 8]).await.expect("end"), 0);
        data.write_all(&limits(), b"file").await.expect("write");
        data.finish(&limits(), &Lingering::new(1, std::sync::Arc::new(limits()))).await.expect("finish");
        let mut text = String::new();
        owner.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "file");
    }

    #[tokio::test]
    async fn s_08_nobody_comes() {
        let (opener, _) = opener("127.0.0.1", "127.0.0.1");
        let client = "127.0.0.1".parse().expect("address");
        let hasty = Timeouts { data_open: Duration::from_millis(1), ..limits() };
        let opened = opener.open(Expected::direct(client), Direction::In, Protection::Clear, PATIENCE, &hasty).await;
        assert!(matches!(opened, Err(OpenFault::NobodyCame)));
    }

    #[tokio::test]
    async fn t_24_a_client_that_talks_after_the_end_is_not_reset() {
        let (opener, address) = opener("127.0.0.1", "127.0.0.1");
        let mut owner = TcpStream::connect(address).await.expect("connect");
        let client = "127.0.0.1".parse().expect("address");
        let mut data = opener
            .open(Expected::direct(client), Direction::Out, Protection::Clear, PATIENCE, &limits())
            .await
            .expect("open");
        data.write_all(&limits(), b"file").await.expect("write");
        tokio::io::AsyncWriteExt::write_all(&mut owner, b"as a close_notify would").await.expect("write");
        data.finish(&limits(), &Lingering::new(1, std::sync::Arc::new(limits()))).await.expect("finish");
        tokio::io::AsyncWriteExt::write_all(&mut owner, b"and more").await.expect("write");
        let mut text = String::new();
        owner.read_to_string(&mut text).await.expect("no reset");
        assert_eq!(text, "file");
    }
}
