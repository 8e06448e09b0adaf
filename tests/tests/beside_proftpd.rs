//! The example that runs a Portcullis and a ProFTPD with one command: P-34 as an operator meets it.

use std::net::SocketAddr;

use tests::client::Client;
use tests::deadline::{self, SOON};
use tests::place;
use tests::process::Process;
use tests::server::{address, portcullis};

async fn greets(server: SocketAddr, source: &str) -> bool {
    Client::greeted(address(source), server).await.1.is_some_and(|reply| reply.code == 220)
}

#[tokio::test]
async fn p_34_the_example_beside_proftpd_starts_with_one_command_and_both_refuse_whom_one_banned() {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let binary = place::binary();
    let programs = std::env::var("PATH").expect("a path to programs");
    let path = format!("{}:{programs}", binary.parent().expect("a folder").display());
    let ports: Vec<u16> = (0..3).map(|_| place::free_port()).collect();
    let mut command = std::process::Command::new(place::repository().join("examples/beside-proftpd/start"));
    command.arg(folder.path().join("run")).env("PATH", path);
    for (name, port) in ["PORT", "PROFTPD_PORT", "MEMCACHED_PORT"].iter().zip(&ports) {
        command.env(name, port.to_string());
    }
    let mut both = Process::start("the example", &mut command, &folder.path().join("start.log"));
    deadline::until(SOON, "both servers", || {
        let words = both.words();
        assert!(both.ended().is_none(), "{words}");
        words.contains("ban somebody").then_some(())
    })
    .await;
    let (own, proftpd) = (SocketAddr::from(([127, 0, 0, 1], ports[0])), SocketAddr::from(([127, 0, 0, 1], ports[1])));
    let state = folder.path().join("run/state").display().to_string();
    for server in [own, proftpd] {
        assert!(greets(server, "127.0.0.7").await && greets(server, "127.0.0.8").await);
    }
    portcullis(&["bans", "add", "127.0.0.7", "--for", "1h", "--state", &state]).run().await.good();
    deadline::until_asked(SOON, "ProFTPD to refuse too", async || (!greets(proftpd, "127.0.0.7").await).then_some(()))
        .await;
    assert!(!greets(own, "127.0.0.7").await, "and Portcullis itself");
    for server in [own, proftpd] {
        assert!(greets(server, "127.0.0.8").await, "the neighbour is fine");
    }
    // The other way: two sessions that end with too many failed logins.
    for _ in 0..2 {
        let mut client = Client::greeted(address("127.0.0.9"), proftpd).await.0;
        for guess in 0..2 {
            client.log_in("nobody-here", &format!("wrong-{guess}")).await;
        }
        client.until_closed(SOON).await;
    }
    deadline::until_asked(SOON, "Portcullis to refuse too", async || (!greets(own, "127.0.0.9").await).then_some(()))
        .await;
    both.signal(rustix::process::Signal::TERM);
    assert!(both.end(SOON).await.success());
}
