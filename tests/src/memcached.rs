//! A real memcached on loopback.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::deadline::{self, SOON};
use crate::place;
use crate::process::Process;

/// A memcached of one test.
pub struct Memcached {
    process: Option<Process>,
    address: SocketAddr,
    folder: TempDir,
}

impl Memcached {
    /// Starts one on a free port and waits until it answers.
    pub async fn start() -> Memcached {
        let folder = TempDir::new().expect("a folder for the log");
        let mut one = Memcached { process: None, address: ([127, 0, 0, 1], place::free_port()).into(), folder };
        one.restart().await;
        one
    }

    /// Starts it anew, empty, on the same port.
    pub async fn restart(&mut self) {
        self.kill();
        // Another test may have taken the port between the probe and the start, or while it was down.
        deadline::until_asked(SOON, "memcached on its port", async || self.try_start().await).await;
    }

    async fn try_start(&mut self) -> Option<()> {
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-U", "0", "-m", "64", "-t", "2", "-p", &self.address.port().to_string()]);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "root"]);
        }
        let mut process = Process::start("memcached", &mut command, &self.folder.path().join("memcached.log"));
        deadline::until_asked(SOON, "memcached's first answer or its end", async || match process.ended() {
            Some(_) => Some(()),
            None => self.ask("version").await.map(|_| ()),
        })
        .await;
        if process.ended().is_some() {
            return None;
        }
        self.process = Some(process);
        Some(())
    }

    /// `host:port`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Ends it at once; what it held is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Stops it without closing a connection: it hangs.
    pub fn hang(&self) {
        self.process.as_ref().expect("memcached runs").signal(Signal::STOP);
    }

    /// Lets it go on after [`Memcached::hang`].
    pub fn go_on(&self) {
        self.process.as_ref().expect("memcached runs").signal(Signal::CONT);
    }

    /// Forgets everything.
    pub async fn flush(&self) {
        assert_eq!(self.ask("flush_all").await.as_deref(), Some("OK"), "memcached flushes");
    }

    /// A number of its statistics, such as `curr_items`.
    pub async fn statistic(&self, name: &str) -> u64 {
        let stream = TcpStream::connect(self.address).await.expect("memcached accepts");
        let mut stream = BufReader::new(stream);
        stream.write_all(b"stats\r\n").await.expect("memcached reads");
        let mut line = String::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await.expect("memcached answers");
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("STAT"), Some(found), Some(value)) if found == name => return value.parse().expect("a number"),
                (Some("STAT"), ..) => {}
                _ => panic!("memcached has no statistic {name}"),
            }
        }
    }

    async fn ask(&self, question: &str) -> Option<String> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.ok()?);
        stream.write_all(format!("{question}\r\n").as_bytes()).await.ok()?;
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        (!line.is_empty()).then(|| line.trim_end().to_owned())
    }
}
