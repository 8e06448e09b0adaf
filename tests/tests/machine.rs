//! The server and its machine: descriptors that run out, a service manager, a stop with work under way.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::client::{Client, DataTls};
use tests::deadline::{self, SOON};
use tests::place;
use tests::server::{Server, address};
use tests::tree;

/// The server by a shell that does `first` before it.
fn by_shell(first: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{first}\nexec \"$@\""), "sh"]).arg(place::binary());
    command
}

fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a command in brackets").1.split(' ').collect();
    let field = |at: usize| fields[at].parse::<u64>().expect("a number");
    // utime and stime, counted from the third field of the line on.
    field(11) + field(12)
}

#[tokio::test]
async fn s_11_f_22_out_of_descriptors_the_server_waits_answers_operators_and_recovers() {
    let mut server = Server::prepared(|config| {
        config
            .set("limits.connections", 1000)
            .set("limits.connections-per-address", 1000)
            .set("limits.unauthenticated", 1000)
            .set("limits.unauthenticated-per-address", 1000);
    })
    .await;
    server.start_by(by_shell("ulimit -n 100"), Stdio::null()).await;
    let mut open = Vec::new();
    for _ in 0..150 {
        open.push(Client::connect(address("127.0.0.2"), server.address()).await.expect("the kernel accepts"));
    }
    server.logged("the end of descriptors", |line| line.message().starts_with("listener.exhausted")).await;
    let id = server.process().id();
    let (before, span) = (cpu_ticks(id), Duration::from_secs(2));
    deadline::pace(span).await;
    // A hundred ticks a second: 5 % of two seconds are ten.
    let spent = cpu_ticks(id) - before;
    assert!(spent <= 10, "{spent} ticks in {span:?} of waiting");
    server.admin(&["status"]).await.good();
    server.admin(&["bans", "add", "192.0.2.1", "--for", "1h", "--reason", "the ledger has a place"]).await.good();

    open.clear();
    let relieved = Instant::now();
    server.welcome("127.0.0.3").await;
    assert!(relieved.elapsed() < Duration::from_secs(5), "{:?}", relieved.elapsed());
}

/// Plays the service manager: what the server says.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn at(place: &Path) -> Manager {
        let socket = UnixDatagram::bind(place).expect("a socket");
        socket.set_nonblocking(true).expect("a mode");
        Manager { socket }
    }

    async fn hears(&self, what: &str) -> String {
        deadline::until(SOON, what, || {
            let mut room = [0; 500];
            let count = self.socket.recv(&mut room).ok()?;
            let text = String::from_utf8_lossy(&room[..count]).into_owned();
            text.contains(what).then_some(text)
        })
        .await
    }
}

#[tokio::test]
async fn a_service_manager_hears_of_ready_reload_life_and_stop() {
    let mut server = Server::prepared(|_| {}).await;
    let place = server.folder().join("notify");
    let manager = Manager::at(&place);
    let mut command = Command::new(place::binary());
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "400000");
    server.start_by(command, Stdio::null()).await;
    manager.hears("READY=1").await;
    server.welcome("127.0.0.2").await;
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    server.process().signal(Signal::HUP);
    let told = manager.hears("RELOADING=1").await;
    assert!(told.contains("MONOTONIC_USEC="), "{told}");
    manager.hears("READY=1").await;
    server.process().signal(Signal::TERM);
    manager.hears("STOPPING=1").await;
    assert_eq!(server.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn without_a_watchdog_for_this_process_no_life_is_told() {
    let mut server = Server::prepared(|_| {}).await;
    let place = server.folder().join("notify");
    let manager = Manager::at(&place);
    let mut command = Command::new(place::binary());
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
    server.start_by(command, Stdio::null()).await;
    manager.hears("READY=1").await;
    server.process().signal(Signal::TERM);
    let told = manager.hears("=1").await;
    assert_eq!(told, "STOPPING=1");
}

#[tokio::test]
async fn a_socket_that_the_service_manager_opened_is_served() {
    let mut server = Server::prepared(|_| {}).await;
    let opened = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address_of = opened.local_addr().expect("an address");
    server.config.set("server.listen", vec![address_of.to_string(), "127.0.0.1:0".to_owned()]);
    server.rewrite();
    // A client that came before the server did waits in the manager's socket.
    let mut early = Client::connect(address("127.0.0.2"), address_of).await.expect("the kernel accepts");
    let command = by_shell("exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1");
    server.start_by(command, Stdio::from(OwnedFd::from(opened))).await;
    early.reply().await.expect(220);
    assert_eq!(server.address(), address_of);
    server.enter("127.0.0.3").await.command("NOOP").await.expect(200);
    let (_, second) = Client::greeted(address("127.0.0.4"), server.ready().addresses[1]).await;
    second.expect("a greeting").expect(220);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn sockets_for_another_process_are_not_touched() {
    let mut server = Server::prepared(|_| {}).await;
    let command = by_shell("exec 3<&0; export LISTEN_PID=1 LISTEN_FDS=1");
    server.start_by(command, Stdio::null()).await;
    server.welcome("127.0.0.2").await;

    let mut wrong = Server::prepared(|_| {}).await;
    let command = by_shell("exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1");
    let ended = tokio::spawn(async move {
        wrong.start_by(command, Stdio::null()).await;
    })
    .await;
    let told = ended.expect_err("it does not start").into_panic();
    let told = told.downcast_ref::<String>().expect("words");
    assert!(told.contains("descriptor 3") && told.contains("no listening TCP socket"), "{told}");
}

#[tokio::test]
async fn f_28_while_it_drains_new_clients_are_told_and_progress_is_logged() {
    let mut server = Server::serve_with(|config| {
        config.set("server.drain-report", "100ms");
    })
    .await;
    std::fs::write(server.root().join("file"), tree::content(3, 30_000_000)).expect("a file");
    let mut busy = server.enter("127.0.0.3").await;
    let mut data = busy.open_data("RETR file", &DataTls::Resuming).await;
    let mut first = vec![0; 1000];
    let count = data.read(&mut first).await;
    server.process().signal(Signal::TERM);
    server.logged("the beginning", |line| line.message() == "server.draining").await;
    server.assert_refused("127.0.0.2").await.expect("a reason").expect(421);
    let waits = |line: &tests::log::Line| line.message().starts_with("server.draining: waits");
    let line = server.logged("progress", waits).await;
    assert_eq!(line.number("sessions"), Some(1), "{}", line.raw);
    assert_eq!(count + data.read_all().await.len(), 30_000_000);
    busy.reply().await.expect(226);
    assert_eq!(server.process().end(SOON).await.code(), Some(0));
}
