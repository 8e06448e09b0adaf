//! A real memcached on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::deadline::{self, SOON};
use crate::place;
use crate::process::Process;

/// A memcached of one test.
pub struct Memcached {
    process: Option<Process>,
    address: SocketAddr,
    more: Vec<String>,
    folder: TempDir,
}

impl Memcached {
    /// Starts one on a free port and waits until it answers.
    pub async fn start() -> Memcached {
        Memcached::start_with(|_| Vec::new()).await
    }

    /// As [`Memcached::start`], with more arguments; they may name files in the folder that they are given.
    pub async fn start_with(more: impl FnOnce(&Path) -> Vec<String>) -> Memcached {
        let folder = TempDir::new().expect("a folder for the log");
        let more = more(folder.path());
        let address = ([127, 0, 0, 1], place::free_port()).into();
        let mut one = Memcached { process: None, address, more, folder };
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
        command.args(&self.more);
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

    /// The names of everything that it holds.
    pub async fn names(&self) -> Vec<String> {
        let dump = self.talk(b"lru_crawler metadump all\r\n", b"END\r\n").await;
        let dump = String::from_utf8(dump).expect("a dump is text");
        dump.lines().filter_map(|line| Some(line.strip_prefix("key=")?.split(' ').next()?.to_owned())).collect()
    }

    /// The bytes under a name; empty if there is none.
    pub async fn value(&self, name: &str) -> Vec<u8> {
        let answer = self.talk(format!("get {name}\r\n").as_bytes(), b"END\r\n").await;
        let start = answer.windows(2).position(|two| two == b"\r\n").map_or(answer.len(), |at| at + 2);
        answer[start..].strip_suffix(b"\r\nEND\r\n").unwrap_or_default().to_vec()
    }

    /// Writes bytes under a name, as anybody could.
    pub async fn set(&self, name: &str, value: &[u8]) {
        let command = [format!("set {name} 0 0 {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
        assert_eq!(self.talk(&command, b"\r\n").await, b"STORED\r\n", "{name}");
    }

    /// Writes so many values of so many bytes, as a neighbour who shares it would.
    pub async fn fill(&self, count: usize, bytes: usize) {
        let value = "j".repeat(bytes);
        for first in (0..count).step_by(500) {
            let sets: String = (first..count.min(first + 500))
                .map(|number| format!("set junk-{bytes}-{number} 0 0 {bytes} noreply\r\n{value}\r\n"))
                .collect();
            self.talk(format!("{sets}version\r\n").as_bytes(), b"\r\n").await;
        }
    }

    /// Says something and reads until the end that is expected.
    pub async fn talk(&self, command: &[u8], end: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.expect("memcached accepts");
        stream.write_all(command).await.expect("memcached reads");
        let mut answer = Vec::new();
        while !answer.ends_with(end) {
            let read = deadline::within(SOON, "memcached's answer", stream.read_buf(&mut answer)).await;
            assert!(read.expect("memcached answers") > 0, "{}", String::from_utf8_lossy(&answer));
        }
        answer
    }

    async fn ask(&self, question: &str) -> Option<String> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.ok()?);
        stream.write_all(format!("{question}\r\n").as_bytes()).await.ok()?;
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        (!line.is_empty()).then(|| line.trim_end().to_owned())
    }
}
