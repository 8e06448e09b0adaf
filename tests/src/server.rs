//! The real server: started, awaited, asked, stopped.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use rustls::client::ClientConfig;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::client::{Client, Reply};
use crate::config::{self, Config, PASSWORD, USER};
use crate::deadline::{self, SOON};
use crate::log::Line;
use crate::place;
use crate::process::Process;
use crate::program::{Answer, Program};
use crate::tls;

/// What the ready file says.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The admin socket.
    pub admin: PathBuf,
    /// The certificate that it shows.
    pub certificate: PathBuf,
    /// The user, of quickstart only.
    pub user: Option<String>,
    /// Its password, of quickstart only.
    pub password: Option<String>,
}

/// What a client meets at the door.
pub enum Door {
    /// A greeting.
    Open(Box<Client>),
    /// Another reply than a greeting, or none, and the end of the connection.
    Refused(Option<Reply>),
}

/// A server with a folder of its own. Dropping it kills the process and removes the folder.
pub struct Server {
    /// What it was started with; change it and call [`Server::rewrite`].
    pub config: Config,
    process: Option<Process>,
    ready: Option<Ready>,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Server {
    /// `portcullis quickstart` on a free port, with state and root in a scratch folder; waits until it is ready.
    pub async fn quickstart() -> Server {
        let folder = TempDir::new().expect("a scratch folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let arguments = ["quickstart", "--listen", "127.0.0.1:0", "--root", &path("root"), "--state", &path("state")];
        let arguments = arguments.map(str::to_owned).to_vec();
        let mut server = Server { config: Config::none(), process: None, ready: None, arguments, folder };
        server.start().await;
        server
    }

    /// `portcullis serve` with the harness's configuration; waits until it is ready.
    pub async fn serve() -> Server {
        Server::serve_with(|_| {}).await
    }

    /// `portcullis serve` with a changed configuration; waits until it is ready.
    pub async fn serve_with(change: impl FnOnce(&mut Config)) -> Server {
        let mut server = Server::prepared(change).await;
        server.start().await;
        server
    }

    /// A configuration in its folder, and no process yet.
    pub async fn prepared(change: impl FnOnce(&mut Config)) -> Server {
        let folder = TempDir::new().expect("a scratch folder");
        let mut config = Config::in_folder(folder.path(), password_hash().await);
        change(&mut config);
        let place = config::place(folder.path());
        config.write(&place);
        let arguments = vec!["serve".to_owned(), "--config".to_owned(), place.to_string_lossy().into_owned()];
        Server { config, process: None, ready: None, arguments, folder }
    }

    /// Starts the process and waits for its ready file. The second start finds what the first one left.
    pub async fn start(&mut self) {
        self.start_by(Command::new(place::binary()), Stdio::null()).await;
    }

    /// As [`Server::start`], from a shell that did something before, such as `ulimit`.
    pub async fn start_behind(&mut self, before: &str) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(place::binary());
        self.start_by(command, Stdio::null()).await;
    }

    /// As [`Server::start`], by a command whose last arguments are the server's: a shell that sets limits, or
    /// what plays a service manager.
    pub async fn start_by(&mut self, mut command: Command, input: Stdio) {
        let ready = self.folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        command.args(&self.arguments).arg("--ready-file").arg(&ready).env_remove("RUST_LOG");
        let mut process = Process::start_with("portcullis", &mut command, &self.log_file(), input);
        let found = deadline::until(SOON, "the ready file", || {
            let bytes = std::fs::read(&ready).ok();
            if bytes.is_none()
                && let Some(status) = process.ended()
            {
                panic!("the server ended before it was ready: {status}\n{}", process.words());
            }
            bytes
        })
        .await;
        self.ready = Some(serde_json::from_slice(&found).expect("the ready file is whole and JSON"));
        self.process = Some(process);
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
    }

    /// Asks it to stop, waits for its end; its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("the server runs");
        process.signal(Signal::TERM);
        process.end(SOON).await.code()
    }

    /// `kill -9`, then a start with the same state.
    pub async fn crash_and_restart(&mut self) {
        self.kill();
        self.start().await;
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server runs")
    }

    /// Writes the configuration that [`Server::config`] holds by now.
    pub fn rewrite(&self) {
        self.config.write(&self.config_file());
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        config::place(self.folder.path())
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that clients see.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("the server was started")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.ready().addresses[0]
    }

    /// The user that may log in.
    pub fn user(&self) -> &str {
        self.ready().user.as_deref().unwrap_or(USER)
    }

    /// That user's password.
    pub fn password(&self) -> &str {
        self.ready().password.as_deref().unwrap_or(PASSWORD)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Everything that it printed, over all starts.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// The lines of its log so far.
    pub fn log(&self) -> Vec<Line> {
        Line::all(&self.words())
    }

    /// Waits for a line that fits.
    pub async fn logged(&self, what: &str, fits: impl Fn(&Line) -> bool) -> Line {
        deadline::until(SOON, what, || self.log().into_iter().find(|line| fits(line))).await
    }

    /// Waits until there are at least `count` outcomes; all of them.
    pub async fn outcomes(&self, count: usize) -> Vec<Line> {
        let what = format!("{count} outcomes in the log");
        deadline::until(SOON, &what, || {
            let ended: Vec<Line> = self.log().into_iter().filter(Line::is_outcome).collect();
            (ended.len() >= count).then_some(ended)
        })
        .await
    }

    /// Waits until at least `count` connections of `source` have ended; the log's word for the end of each.
    pub async fn endings(&self, source: &str, count: usize) -> Vec<String> {
        let what = format!("{count} outcomes of {source}");
        deadline::until(SOON, &what, || {
            let ended = self.log().into_iter().filter(|line| line.is_outcome() && line.peer_is(source));
            let words: Vec<String> = ended.map(|line| line.text("outcome").to_owned()).collect();
            (words.len() >= count).then_some(words)
        })
        .await
    }

    /// A command of the same binary that talks to this server's admin socket.
    pub async fn admin(&self, arguments: &[&str]) -> Answer {
        portcullis(arguments).arg("--admin").arg(&self.ready().admin).run().await
    }

    /// TLS that trusts this server, both versions.
    pub fn tls(&self) -> Arc<ClientConfig> {
        tls::trusting(&self.ready().certificate, tls::TLS_ANY)
    }

    /// Connects from an address of loopback and looks at what comes first.
    pub async fn knock(&self, source: &str) -> Door {
        let (client, first) = Client::greeted(address(source), self.address()).await;
        match first {
            Some(reply) if reply.code == 220 => Door::Open(Box::new(client)),
            other => Door::Refused(other),
        }
    }

    /// A greeted client; a panic when the door is closed.
    pub async fn welcome(&self, source: &str) -> Client {
        match self.knock(source).await {
            Door::Open(client) => *client,
            Door::Refused(reply) => panic!("{source} is refused: {reply:?}"),
        }
    }

    /// A panic unless `source` is refused at the door; the reply, if there was one.
    pub async fn assert_refused(&self, source: &str) -> Option<Reply> {
        match self.knock(source).await {
            Door::Open(_) => panic!("{source} was greeted"),
            Door::Refused(reply) => reply,
        }
    }

    /// A client under TLS, not logged in.
    pub async fn protected(&self, source: &str) -> Client {
        let mut client = self.welcome(source).await;
        client.upgrade(&self.tls()).await;
        client
    }

    /// A client that is logged in and whose data connections are protected.
    pub async fn enter(&self, source: &str) -> Client {
        self.enter_with(source, &self.tls()).await
    }

    /// As [`Server::enter`], with TLS of the caller's.
    pub async fn enter_with(&self, source: &str, tls: &Arc<ClientConfig>) -> Client {
        self.let_in(source, tls, self.user(), self.password()).await
    }

    /// As [`Server::enter`], as another user who has the harness's password.
    pub async fn enter_as(&self, source: &str, user: &str) -> Client {
        self.let_in(source, &self.tls(), user, PASSWORD).await
    }

    async fn let_in(&self, source: &str, tls: &Arc<ClientConfig>, user: &str, password: &str) -> Client {
        let mut client = self.welcome(source).await;
        client.upgrade(tls).await;
        let reply = client.log_in(user, password).await;
        reply.expect("an answer to the login").expect(230);
        client.protect_data().await;
        client.command("TYPE I").await.expect(200);
        client
    }

    /// One login over a connection of its own; the last reply, if any came.
    pub async fn try_login(&self, source: &str, user: &str, password: &str) -> Option<Reply> {
        let mut client = match self.knock(source).await {
            Door::Open(client) => *client,
            Door::Refused(reply) => return reply,
        };
        client.upgrade(&self.tls()).await;
        client.log_in(user, password).await
    }

    /// Different wrong passwords from one address until it is refused at the door; how many that took.
    ///
    /// Attempt tags have 12 bits: two of five passwords look alike once in 400 times, so that one more is
    /// needed. A panic beyond `most`.
    pub async fn guess_until_banned(&self, source: &str, most: u32) -> u32 {
        for tried in 0..=most {
            match self.knock(source).await {
                Door::Refused(_) => return tried,
                Door::Open(mut client) => {
                    client.upgrade(&self.tls()).await;
                    let reply = client.log_in(USER, &format!("wrong-{tried}")).await;
                    assert!(reply.is_none_or(|reply| matches!(reply.code, 530 | 421)), "a wrong password is refused");
                }
            }
        }
        panic!("{source} guessed {most} passwords and is not banned");
    }
}

/// A loopback address by its text.
pub fn address(source: &str) -> IpAddr {
    source.parse().expect("a test's own address")
}

/// A command of the server's binary.
pub fn portcullis(arguments: &[&str]) -> Program {
    Program::new(place::binary()).args(arguments)
}

/// The hash of [`PASSWORD`], made once by `portcullis user hash`.
pub async fn password_hash() -> &'static str {
    static HASH: OnceCell<String> = OnceCell::const_new();
    HASH.get_or_init(async || {
        let answer = portcullis(&["user", "hash"]).input(format!("{PASSWORD}\n")).run().await.good();
        answer.out.trim().to_owned()
    })
    .await
}
