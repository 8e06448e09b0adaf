//! A control connection: commands, replies, the upgrade to TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use tests::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::plan::Plan;

/// Replies over `S`: plain or TLS.
#[derive(Debug)]
pub struct Control<S> {
    stream: S,
    unread: Vec<u8>,
}

/// A plain TCP connection from the plan's address.
pub async fn connect(plan: &Plan, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(plan.from, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// TLS over a connection.
pub async fn secure(config: &Arc<ClientConfig>, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    Ok(TlsConnector::from(config.clone()).connect(tls::name(), stream).await?)
}

/// Connects and reads the greeting.
pub async fn greeted(plan: &Plan) -> Result<Control<TcpStream>> {
    let stream = connect(plan, plan.server).await?;
    let mut control = Control { stream, unread: Vec::new() };
    control.expect(220).await?;
    Ok(control)
}

/// Connects, upgrades, logs in.
pub async fn logged_in(plan: &Plan, config: &Arc<ClientConfig>) -> Result<Control<TlsStream<TcpStream>>> {
    let mut plain = greeted(plan).await?;
    plain.say("AUTH TLS", 234).await?;
    if !plain.unread.is_empty() {
        bail!("bytes behind the reply to AUTH TLS");
    }
    let mut control = Control { stream: secure(config, plain.stream).await?, unread: plain.unread };
    control.say(&format!("USER {}", plan.user), 331).await?;
    control.say(&format!("PASS {}", plan.password), 230).await?;
    Ok(control)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Control<S> {
    /// Sends a command and expects a reply.
    pub async fn say(&mut self, command: &str, code: u16) -> Result<String> {
        self.send(command).await?;
        self.expect(code).await.with_context(|| command.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Sends a command.
    pub async fn send(&mut self, command: &str) -> Result<()> {
        Ok(self.stream.write_all(format!("{command}\r\n").as_bytes()).await?)
    }

    /// Reads a reply and insists on its code; 125 is as good as 150.
    pub async fn expect(&mut self, code: u16) -> Result<String> {
        let (got, text) = self.reply().await?;
        if got != code && (got, code) != (125, 150) {
            bail!("expected {code}, got {got} {text}");
        }
        Ok(text)
    }

    /// QUIT, its reply, and the end of the connection.
    pub async fn quit(&mut self) -> Result<()> {
        self.say("QUIT", 221).await?;
        let mut rest = [0; 256];
        // Closed or reset, it is over.
        while matches!(self.stream.read(&mut rest).await, Ok(count) if count > 0) {}
        Ok(())
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    async fn reply(&mut self) -> Result<(u16, String)> {
        let mut end = None;
        loop {
            let line = self.line().await?;
            let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            let last = line.as_bytes().get(3) != Some(&b'-');
            match end {
                None if code == 0 => bail!("`{line}` is no reply"),
                None if last => return Ok((code, line[3..].trim().to_owned())),
                None => end = Some(code),
                Some(first) if code == first && last => return Ok((code, line[3..].trim().to_owned())),
                Some(_) => {}
            }
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(at) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}
