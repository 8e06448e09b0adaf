//! Transfers over passive data connections.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::control::{Control, connect, secure};
use crate::plan::Plan;

/// What is read or written at once.
const BLOCK: usize = 256 * 1024;

/// One session that moves files, and what it saw of the data connections.
pub struct Mover {
    plan: Plan,
    config: Arc<ClientConfig>,
    control: Control<TlsStream<TcpStream>>,
    block: Vec<u8>,
    pub resumed: u64,
}

impl Mover {
    /// Prepares a session that has logged in.
    pub async fn new(
        plan: Plan,
        config: Arc<ClientConfig>,
        mut control: Control<TlsStream<TcpStream>>,
    ) -> Result<Mover> {
        control.say("PBSZ 0", 200).await?;
        control.say("PROT P", 200).await?;
        control.say("TYPE I", 200).await?;
        Ok(Mover { plan, config, control, block: vec![0x5a; BLOCK], resumed: 0 })
    }

    /// Fetches the plan's file and checks its size.
    pub async fn download(&mut self) -> Result<()> {
        let (got, _) = self.fetch("RETR").await?;
        ensure!(got == self.plan.bytes, "{got} bytes came of {}", self.plan.bytes);
        Ok(())
    }

    /// Lists the plan's folder and checks that it is whole. Returns the bytes that it took.
    pub async fn list(&mut self, verb: &str) -> Result<u64> {
        let (got, lines) = self.fetch(verb).await?;
        // Some servers begin with a line `total`, or tell `.` and `..`.
        let entries = self.plan.entries;
        ensure!((entries..=entries + 3).contains(&lines), "{lines} lines came for {entries} entries");
        Ok(got)
    }

    /// Bytes and line ends that a verb brings.
    async fn fetch(&mut self, verb: &str) -> Result<(u64, u64)> {
        let counts_lines = verb != "RETR";
        let mut data = self.open(verb).await?;
        let (mut got, mut lines) = (0, 0);
        loop {
            let count = data.read(&mut self.block).await?;
            if count == 0 {
                break;
            }
            got += count as u64;
            if counts_lines {
                lines += self.block[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
            }
        }
        // A proper end, both ways: some servers wait for it before they say 226.
        let _ = data.shutdown().await;
        drop(data);
        self.control.expect(226).await?;
        Ok((got, lines))
    }

    /// Stores the plan's file.
    pub async fn upload(&mut self) -> Result<()> {
        let mut data = self.open("STOR").await?;
        let mut left = self.plan.bytes;
        while left > 0 {
            let count = left.min(BLOCK as u64);
            data.write_all(&self.block[..count as usize]).await?;
            left -= count;
        }
        data.shutdown().await?;
        // The server's own end; until then it may be reading.
        while matches!(data.read(&mut self.block).await, Ok(count) if count > 0) {}
        drop(data);
        self.control.expect(226).await?;
        Ok(())
    }

    pub async fn quit(mut self) -> Result<()> {
        self.control.quit().await
    }

    async fn open(&mut self, verb: &str) -> Result<TlsStream<TcpStream>> {
        let told = self.control.say("EPSV", 229).await?;
        let port = told.split('|').nth(3).and_then(|port| port.parse().ok());
        let port: u16 = port.with_context(|| format!("`{told}` tells no port"))?;
        let data = connect(&self.plan, SocketAddr::new(self.plan.server.ip(), port)).await?;
        self.control.send(&format!("{verb} {}", self.plan.path)).await?;
        self.control.expect(150).await.context(verb.to_owned())?;
        let data = secure(&self.config, data).await?;
        self.resumed += u64::from(data.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed));
        Ok(data)
    }
}
