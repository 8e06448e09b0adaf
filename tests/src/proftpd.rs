//! A real ProFTPD that shares its bans through memcached.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use tempfile::TempDir;

use crate::client::{Client, Reply};
use crate::config::{PASSWORD, USER};
use crate::deadline::{self, SOON};
use crate::place;
use crate::process::Process;
use crate::program::Program;
use crate::server::address;

/// Everything but its rules.
const CONFIG: &str = "\
ServerType standalone
ServerName test
DefaultAddress 127.0.0.1
SocketBindTight on
UseReverseDNS off
UseIPv6 off
DelayTable none
AuthOrder mod_auth_file.c
RequireValidShell off
WtmpLog off
MaxLoginAttempts 2
MemcacheEngine on
BanEngine on
BanCache memcache
BanMessage \"%a has to go\"
";

/// Where Debian keeps its modules.
const MODULES: &str = "/usr/lib/proftpd";

/// A ProFTPD of one test.
pub struct Proftpd {
    address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Proftpd {
    /// Starts one that shares its bans through these servers; `more` are lines of its configuration.
    pub async fn start(memcached: &[String], more: &str) -> Proftpd {
        let folder = TempDir::new().expect("a scratch folder");
        // Its sessions run as nobody.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("mode");
        let hash = Program::new("openssl").args(["passwd", "-6", "-stdin"]).input(format!("{PASSWORD}\n")).run().await;
        let hash = hash.good().out;
        let home = folder.path().join("home");
        fs::create_dir(&home).expect("a home");
        let users = folder.path().join("users");
        fs::write(&users, format!("{USER}:{}:65534:65534::{}:/bin/sh\n", hash.trim(), home.display())).expect("users");
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("mode");
        for _ in 0..5 {
            let port = place::free_port();
            let process = launch(folder.path(), port, memcached, more);
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if let Some(process) = answering(process, address).await {
                return Proftpd { address, process, _folder: folder };
            }
        }
        panic!("ProFTPD does not start");
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Connects; what comes first.
    pub async fn knock(&self, source: &str) -> (Client, Option<Reply>) {
        Client::greeted(address(source), self.address).await
    }

    /// Whether a client from there is greeted.
    pub async fn greets(&self, source: &str) -> bool {
        self.knock(source).await.1.is_some_and(|reply| reply.code == 220)
    }

    /// Logs in; the code of the last reply.
    pub async fn log_in(&self, source: &str, password: &str) -> Option<u16> {
        let (mut client, first) = self.knock(source).await;
        first.filter(|reply| reply.code == 220)?;
        client.log_in(USER, password).await.map(|reply| reply.code)
    }

    /// Tries wrong passwords until it is cut off.
    pub async fn guess(&self, source: &str) {
        let (mut client, first) = self.knock(source).await;
        first.expect("a greeting").expect(220);
        for guess in 0..2 {
            client.log_in(USER, &format!("wrong-{guess}")).await.expect("an answer").expect(530);
        }
        client.until_closed(SOON).await;
    }
}

/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(5);

impl Drop for Proftpd {
    /// Stops it properly: killed, it would leave its bans in shared memory.
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.signal(Signal::TERM);
        }
        let until = Instant::now() + STOP;
        while self.process.ended().is_none() && Instant::now() < until {
            sleep(Duration::from_millis(5));
        }
    }
}

/// A file for its bans. They lie in shared memory whose key is made of the file's device and inode, cut to a
/// few bits (ftok), so that a file may find what another one left behind: such files are passed over.
fn ban_table(folder: &Path) -> PathBuf {
    let taken = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let taken: Vec<u64> = taken
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse::<i32>().ok())
        .map(|key| u64::from(key.cast_unsigned() & 0x00ff_ffff))
        .collect();
    for number in 0.. {
        let file = folder.join(format!("bans-{number}"));
        fs::write(&file, "").expect("a file");
        let found = fs::metadata(&file).expect("the file is there");
        if !taken.contains(&((found.dev() & 0xff) << 16 | found.ino() & 0xffff)) {
            return file;
        }
    }
    unreachable!("there are more inodes than keys")
}

fn launch(folder: &Path, port: u16, memcached: &[String], more: &str) -> Process {
    let at = |name: &str| folder.join(name).display().to_string();
    let identity = if rustix::process::geteuid().is_root() { "User nobody\nGroup nogroup\n" } else { "" };
    let text = format!(
        "ModulePath {MODULES}\nLoadModule mod_memcache.c\nLoadModule mod_ban.c\n{CONFIG}{identity}Port {port}\n\
         PidFile {}\nScoreboardFile {}\nSystemLog {}\nBanTable {}\nBanLog {}\nAuthUserFile {}\nMemcacheServers {}\n{more}\n",
        at("pid"),
        at("scoreboard"),
        at("system.log"),
        ban_table(folder).display(),
        at("ban.log"),
        at("users"),
        memcached.join(" "),
    );
    let config = folder.join("proftpd.conf");
    fs::write(&config, text).expect("a configuration");
    let mut command = Command::new("/usr/sbin/proftpd");
    command.args(["-n", "-c"]).arg(&config);
    Process::start("proftpd", &mut command, &folder.join("proftpd.log"))
}

/// The process, once it accepts; nothing if it ended.
async fn answering(mut process: Process, address: SocketAddr) -> Option<Process> {
    let answers = deadline::until(SOON, "ProFTPD to accept", || {
        if process.ended().is_some() {
            return Some(false);
        }
        std::net::TcpStream::connect(address).ok().map(|_| true)
    });
    answers.await.then_some(process)
}
