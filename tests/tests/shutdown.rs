//! F-28: a request to stop lets transfers finish, a second one does not wait.

use rustix::process::Signal;
use tests::client::DataTls;
use tests::deadline::SOON;
use tests::server::{Server, address};
use tests::tree;

#[tokio::test]
async fn a_transfer_under_way_is_finished_idle_sessions_are_told_and_the_exit_code_is_0() {
    let mut server = Server::serve().await;
    let bytes = tree::content(3, 30_000_000);
    std::fs::write(server.root().join("file"), &bytes).expect("a file");
    let mut idle = server.enter("127.0.0.2").await;
    let mut busy = server.enter("127.0.0.3").await;
    let mut data = busy.open_data("RETR file", &DataTls::Resuming).await;
    let mut first = vec![0u8; 1000];
    let count = data.read(&mut first).await;
    server.process().signal(Signal::TERM);

    let told = idle.until_closed(SOON).await.pop().expect("a word before the end");
    assert_eq!(told.code, 421, "{told}");
    let rest = data.read_all().await;
    assert_eq!(count + rest.len(), bytes.len(), "the whole file came");
    busy.reply().await.expect(226);
    assert_eq!(server.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn the_second_request_ends_it_at_once() {
    let mut server = Server::serve().await;
    std::fs::write(server.root().join("file"), tree::content(3, 30_000_000)).expect("a file");
    let mut busy = server.enter("127.0.0.3").await;
    let mut data = busy.open_data("RETR file", &DataTls::Resuming).await;
    let mut first = vec![0u8; 1000];
    data.read(&mut first).await;
    let listener = server.address();
    server.process().signal(Signal::TERM);
    tests::deadline::until_asked(SOON, "the server to take no more connections", async || {
        match tests::client::Client::connect(address("127.0.0.2"), listener).await {
            Err(_) => Some(()),
            Ok(mut client) => client.try_reply().await.is_none_or(|reply| reply.code == 421).then_some(()),
        }
    })
    .await;
    server.process().signal(Signal::TERM);
    server.process().end(std::time::Duration::from_secs(5)).await;
}
