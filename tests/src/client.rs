//! A small raw FTPS client: it sends what it is told and hands back what came.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::deadline::{self, SOON};
use crate::tls;

/// One reply, all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code.
    pub code: u16,
    /// The lines as they came, without their ends.
    pub lines: Vec<String>,
}

impl Reply {
    /// Itself if the code is `code`; a panic with the reply otherwise.
    #[track_caller]
    pub fn expect(self, code: u16) -> Reply {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// All of it as one text.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

enum Wire {
    Plain(TcpStream),
    Protected(Box<TlsStream<TcpStream>>),
    /// Between the two, and after an upgrade that failed.
    None,
}

/// One control connection.
pub struct Client {
    wire: Wire,
    unread: Vec<u8>,
    local: IpAddr,
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    name: ServerName<'static>,
}

/// How data connections are protected.
#[derive(Clone, Debug)]
pub enum DataTls {
    /// With the control connection's own client state, so that its session is resumed.
    Resuming,
    /// With another client's state: a full handshake.
    Foreign(Arc<ClientConfig>),
    /// Not at all.
    Clear,
}

/// A data connection.
pub enum Data {
    /// PROT C.
    Clear(TcpStream),
    /// PROT P.
    Protected(Box<TlsStream<TcpStream>>),
}

impl Client {
    /// Connects from `source` and reads nothing.
    ///
    /// # Errors
    /// The connection's.
    pub async fn connect(source: IpAddr, server: SocketAddr) -> io::Result<Client> {
        let stream = dial(source, server).await?;
        Ok(Client {
            wire: Wire::Plain(stream),
            unread: Vec::new(),
            local: source,
            server,
            tls: None,
            name: tls::name(),
        })
    }

    /// Connects and reads the greeting; `None` when the server closes without one.
    pub async fn greeted(source: IpAddr, server: SocketAddr) -> (Client, Option<Reply>) {
        let mut client = Client::connect(source, server).await.expect("the server accepts");
        let reply = client.try_reply().await;
        (client, reply)
    }

    /// Its own address.
    pub fn local_address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Plain(stream) => stream.local_addr(),
            Wire::Protected(stream) => stream.get_ref().0.local_addr(),
            Wire::None => panic!("there is no connection"),
        }
        .expect("a connected socket has an address")
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection's.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Wire::Protected(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Wire::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn more(&mut self) -> io::Result<bool> {
        let mut room = vec![0u8; 16 * 1024];
        let count = match &mut self.wire {
            Wire::Plain(stream) => stream.read(&mut room).await?,
            Wire::Protected(stream) => stream.read(&mut room).await?,
            Wire::None => 0,
        };
        self.unread.extend_from_slice(&room[..count]);
        Ok(count > 0)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if !self.more().await.unwrap_or(false) {
                return None;
            }
        }
    }

    async fn next_reply(&mut self) -> Option<Reply> {
        let first = self.line().await?;
        let code = first.get(..3).and_then(|digits| digits.parse().ok());
        let code = code.unwrap_or_else(|| panic!("this is no reply: {first:?}"));
        let last = format!("{code} ");
        let many = first.as_bytes().get(3) == Some(&b'-');
        let mut lines = vec![first];
        while many && !lines.last().is_some_and(|line| line.starts_with(&last)) {
            lines.push(self.line().await?);
        }
        Some(Reply { code, lines })
    }

    /// The next reply, however long it takes; `None` when the connection ended.
    pub async fn await_reply(&mut self) -> Option<Reply> {
        self.next_reply().await
    }

    /// The next reply; `None` when the connection ended.
    pub async fn try_reply(&mut self) -> Option<Reply> {
        deadline::within(SOON, "a reply or the end of the connection", self.next_reply()).await
    }

    /// The next reply.
    pub async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("a reply, and not the end of the connection")
    }

    /// Sends a command line and reads its reply; `None` when the connection ended.
    pub async fn try_command(&mut self, line: &str) -> Option<Reply> {
        if self.send(format!("{line}\r\n").as_bytes()).await.is_err() {
            // The reason for the end may still be readable.
            return self.try_reply().await;
        }
        self.try_reply().await
    }

    /// Sends a command line and reads its reply.
    pub async fn command(&mut self, line: &str) -> Reply {
        self.try_command(line).await.unwrap_or_else(|| panic!("the connection ended at {line:?}"))
    }

    /// Reads until the server closes, no longer than `span`; every reply on the way.
    pub async fn until_closed(&mut self, span: std::time::Duration) -> Vec<Reply> {
        let mut replies = Vec::new();
        deadline::within(span, "the server to close", async {
            while let Some(reply) = self.next_reply().await {
                replies.push(reply);
            }
        })
        .await;
        replies
    }

    /// Reads and forgets raw bytes until the end, no longer than `span`; how many there were.
    pub async fn drain(&mut self, span: std::time::Duration) -> usize {
        deadline::within(span, "the server to close", async {
            let mut count = self.unread.len();
            self.unread.clear();
            while self.more().await.unwrap_or(false) {
                count += self.unread.len();
                self.unread.clear();
            }
            count
        })
        .await
    }

    /// AUTH TLS and the handshake.
    pub async fn upgrade(&mut self, config: &Arc<ClientConfig>) {
        self.command("AUTH TLS").await.expect(234);
        self.handshake(config).await.expect("the handshake succeeds");
    }

    /// The TLS of its control connection, whose session data connections resume.
    pub fn own_tls(&self) -> Arc<ClientConfig> {
        Arc::clone(self.tls.as_ref().expect("the control connection is protected"))
    }

    /// Whether its own handshake resumed an earlier session.
    pub fn resumed(&self) -> bool {
        match &self.wire {
            Wire::Protected(stream) => stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed),
            Wire::Plain(_) | Wire::None => false,
        }
    }

    /// Asks for another name in TLS from now on; an address means none.
    pub fn ask_for(&mut self, name: &str) {
        self.name = ServerName::try_from(name.to_owned()).expect("a server's name");
    }

    /// The protocol that was agreed on in TLS (ALPN).
    pub fn agreed(&self) -> Option<String> {
        let Wire::Protected(stream) = &self.wire else { return None };
        stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// The handshake alone.
    ///
    /// # Errors
    /// The handshake's.
    pub async fn handshake(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let Wire::Plain(stream) = std::mem::replace(&mut self.wire, Wire::None) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let connect = TlsConnector::from(Arc::clone(config)).connect(self.name.clone(), stream);
        let stream = deadline::within(SOON, "the handshake", connect).await?;
        self.wire = Wire::Protected(Box::new(stream));
        self.tls = Some(Arc::clone(config));
        Ok(())
    }

    /// Breaks the connection off with a reset, as a machine that went away does.
    pub fn reset(self) {
        match &self.wire {
            Wire::Plain(stream) => linger_not(stream),
            Wire::Protected(stream) => linger_not(stream.get_ref().0),
            Wire::None => {}
        }
    }

    /// USER and PASS; the last reply.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Option<Reply> {
        let asked = self.try_command(&format!("USER {user}")).await?;
        if asked.code != 331 {
            return Some(asked);
        }
        self.try_command(&format!("PASS {password}")).await
    }

    /// PBSZ 0 and PROT P.
    pub async fn protect_data(&mut self) {
        self.command("PBSZ 0").await.expect(200);
        self.command("PROT P").await.expect(200);
    }

    /// PASV: where the server listens.
    pub async fn pasv(&mut self) -> SocketAddr {
        let reply = self.command("PASV").await.expect(227);
        let text = reply.text();
        let inside = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
        let numbers: Vec<u8> = inside.unwrap_or_default().split(',').filter_map(|part| part.parse().ok()).collect();
        let [a, b, c, d, high, low] = numbers[..] else { panic!("this is no 227: {text}") };
        SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
    }

    /// EPSV: where the server listens.
    pub async fn epsv(&mut self) -> SocketAddr {
        let reply = self.command("EPSV").await.expect(229);
        let text = reply.text();
        let port = text.split_once("(|||").and_then(|(_, rest)| rest.split_once("|)")).map(|(port, _)| port);
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("this is no 229: {text}"));
        SocketAddr::new(self.server.ip(), port)
    }

    /// Opens a data connection for `command`; the preliminary reply must be 1xx.
    pub async fn open_data(&mut self, command: &str, protection: &DataTls) -> Data {
        match self.try_open_data(command, protection).await {
            Ok(data) => data,
            Err(reply) => panic!("{command}: {reply}"),
        }
    }

    /// Opens a data connection for `command`.
    ///
    /// # Errors
    /// The reply that says no.
    pub async fn try_open_data(&mut self, command: &str, protection: &DataTls) -> Result<Data, Reply> {
        let target = self.epsv().await;
        let stream = dial(self.local, target).await.expect("the passive port accepts");
        let reply = self.command(command).await;
        if reply.code / 100 != 1 {
            return Err(reply);
        }
        let config = match protection {
            DataTls::Clear => return Ok(Data::Clear(stream)),
            DataTls::Foreign(config) => Arc::clone(config),
            DataTls::Resuming => Arc::clone(self.tls.as_ref().expect("the control connection is protected")),
        };
        let connect = TlsConnector::from(config).connect(self.name.clone(), stream);
        match deadline::within(SOON, "the data handshake", connect).await {
            Ok(stream) => Ok(Data::Protected(Box::new(stream))),
            Err(_) => Err(self.reply().await),
        }
    }

    /// TLS over a data connection that stands already, resuming the control connection's session.
    pub async fn protect(&self, stream: TcpStream) -> Data {
        let config = Arc::clone(self.tls.as_ref().expect("the control connection is protected"));
        let connect = TlsConnector::from(config).connect(tls::name(), stream);
        Data::Protected(Box::new(deadline::within(SOON, "the data handshake", connect).await.expect("a handshake")))
    }

    /// Sends bytes as TCP's urgent data, on a connection in clear.
    pub fn send_urgent(&mut self, bytes: &[u8]) {
        let Wire::Plain(stream) = &self.wire else { panic!("urgent data is for connections in clear") };
        let sent = rustix::net::send(stream, bytes, rustix::net::SendFlags::OOB).expect("urgent data is sent");
        assert_eq!(sent, bytes.len());
    }

    /// A whole download.
    pub async fn download(&mut self, path: &str) -> Vec<u8> {
        let mut data = self.open_data(&format!("RETR {path}"), &DataTls::Resuming).await;
        let bytes = data.read_all().await;
        self.reply().await.expect(226);
        bytes
    }

    /// A whole upload.
    pub async fn upload(&mut self, path: &str, bytes: &[u8]) -> Reply {
        let mut data = self.open_data(&format!("STOR {path}"), &DataTls::Resuming).await;
        data.write_all(bytes).await;
        data.close().await;
        self.reply().await
    }
}

impl Data {
    /// Some bytes; 0 at the end.
    pub async fn read(&mut self, room: &mut [u8]) -> usize {
        self.try_read(room).await.expect("the data connection ends cleanly")
    }

    async fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = async {
            match self {
                Data::Clear(stream) => stream.read(room).await,
                Data::Protected(stream) => stream.read(room).await,
            }
        };
        deadline::within(SOON, "bytes of a download", read).await
    }

    /// Everything up to the end.
    ///
    /// # Errors
    /// The connection's, a missing close_notify included.
    pub async fn try_read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut room = vec![0u8; 64 * 1024];
        loop {
            match self.try_read(&mut room).await? {
                0 => return Ok(all),
                count => all.extend_from_slice(&room[..count]),
            }
        }
    }

    /// Everything up to the clean end.
    pub async fn read_all(&mut self) -> Vec<u8> {
        self.try_read_all().await.expect("the data connection ends cleanly")
    }

    /// Sends bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) {
        match self {
            Data::Clear(stream) => stream.write_all(bytes).await,
            Data::Protected(stream) => stream.write_all(bytes).await,
        }
        .expect("the data connection takes bytes");
    }

    /// Closes its side in good order, close_notify included.
    pub async fn close(&mut self) {
        // The server may have closed already; what counts is its reply on the control connection.
        let _ = match self {
            Data::Clear(stream) => stream.shutdown().await,
            Data::Protected(stream) => stream.shutdown().await,
        };
    }

    /// Breaks the connection off with a reset.
    pub fn reset(self) {
        match &self {
            Data::Clear(stream) => linger_not(stream),
            Data::Protected(stream) => linger_not(stream.get_ref().0),
        }
    }

    /// Whether the handshake resumed an earlier session.
    pub fn resumed(&self) -> bool {
        match self {
            Data::Clear(_) => false,
            Data::Protected(stream) => stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// The next close is a reset.
fn linger_not(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO)).expect("a socket lingers not");
}

/// Connects from an address of loopback.
///
/// # Errors
/// The connection's.
pub async fn dial(source: IpAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = deadline::within(SOON, "a connection", socket.connect(target)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
