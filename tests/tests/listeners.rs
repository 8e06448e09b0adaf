//! Many listeners with settings of their own, and virtual servers behind them.

use tests::client::{Client, DataTls};
use tests::server::{Server, address};

const CLIENT: &str = "127.0.0.1";
const DEVICE: &str = "127.0.0.9";

/// Explicit on the first, implicit on the second, neither on the third.
async fn server() -> Server {
    let server = Server::serve_with(|config| {
        config
            .table("listener", "address = \"127.0.0.1:0\"\ntls = \"implicit\"")
            .table("listener", "address = \"127.0.0.1:0\"\ntls = \"off\"\nfrom = [\"127.0.0.9\"]")
            .table("listener", "address = \"127.0.0.1:0\"\nactive = false")
            .table("listener", "address = \"[::1]:0\"");
    })
    .await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    server
}

async fn implicit(server: &Server, source: &str) -> Client {
    let mut client = Client::connect(address(source), server.ready().addresses[1]).await.expect("the server accepts");
    client.handshake(&server.tls()).await.expect("TLS comes first");
    client
}

#[tokio::test]
async fn t_05_implicit_tls_greets_under_tls_and_protects_data_from_the_start() {
    let server = server().await;
    let mut client = implicit(&server, CLIENT).await;
    client.reply().await.expect(220);
    client.command("AUTH TLS").await.expect(503);
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    // Old devices send no PBSZ and no PROT.
    assert_eq!(client.download("file").await, b"bytes");
    // FileZilla and WinSCP do.
    client.protect_data().await;
    client.upload("other", b"more").await.expect(226);
}

#[tokio::test]
async fn t_04_nothing_is_said_in_clear_on_an_implicit_listener() {
    let server = server().await;
    let target = server.ready().addresses[1];
    let mut client = Client::connect(address(CLIENT), target).await.expect("the server accepts");
    client.send(b"USER demo\r\n").await.expect("sent");
    let bytes = client.drain(tests::deadline::SOON).await;
    assert!(bytes <= 7, "{bytes} bytes: one alert and no text");
    server.logged("the failed handshake", |line| line.text("outcome") == "tls-failed").await;

    server.admin(&["bans", "add", "127.0.0.3", "--for", "1h", "--reason", "a test"]).await.good();
    let mut banned = Client::connect(address("127.0.0.3"), target).await.expect("the kernel accepts");
    assert_eq!(banned.drain(tests::deadline::SOON).await, 0);
}

#[tokio::test]
async fn t_07_devices_without_tls_are_served_on_a_listener_of_their_own() {
    let server = server().await;
    let target = server.ready().addresses[2];
    let (mut device, greeting) = Client::greeted(address(DEVICE), target).await;
    greeting.expect("a greeting").expect(220);
    device.command("AUTH TLS").await.expect(502);
    assert!(!device.command("FEAT").await.text().contains("AUTH"));
    device.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    let mut data = device.open_data("RETR file", &DataTls::Clear).await;
    assert_eq!(data.read_all().await, b"bytes");
    device.reply().await.expect(226);

    let (_, refused) = Client::greeted(address(CLIENT), target).await;
    refused.expect("a reason").expect(421);
    server.enter(DEVICE).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn active_mode_is_a_setting_of_the_listener() {
    let server = server().await;
    let (mut client, _) = Client::greeted(address(CLIENT), server.ready().addresses[3]).await;
    client.upgrade(&server.tls()).await;
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    assert!(!client.command("FEAT").await.text().contains("EPRT"));
    for command in ["PORT 127,0,0,1,200,200", "EPRT |1|127.0.0.1|51000|"] {
        client.command(command).await.expect(502);
    }
    server.enter(CLIENT).await.command("PORT 127,0,0,1,200,200").await.expect(200);
}

#[tokio::test]
async fn t_77_over_ipv6_pasv_is_522_and_epsv_works() {
    let server = server().await;
    let (mut client, greeting) = Client::greeted(address("::1"), server.ready().addresses[4]).await;
    greeting.expect("a greeting").expect(220);
    client.upgrade(&server.tls()).await;
    client.log_in(server.user(), server.password()).await.expect("an answer").expect(230);
    client.protect_data().await;
    client.command("PASV").await.expect(522);
    client.command("EPSV 1").await.expect(522);
    assert_eq!(client.download("file").await, b"bytes");
    client.command("EPRT |2|::1|900|").await.expect(501);
}

#[tokio::test]
async fn a_virtual_server_is_chosen_by_address_or_by_host() {
    let server = Server::serve_with(|config| {
        config
            .set("server.names", vec!["main.example", "localhost"])
            .set("server.banner", "Main")
            .table("listener", "address = \"127.0.0.2:0\"")
            .table(
                "host",
                "name = \"shop\"\nnames = [\"shop.example\"]\nbanner = \"Shop\"\naddresses = [\"127.0.0.2\"]",
            );
    })
    .await;
    let (mut client, greeting) = Client::greeted(address(CLIENT), server.address()).await;
    assert_eq!(greeting.expect("a greeting").text(), "220 Main");
    client.command("HOST nobody.example").await.expect(504);
    client.command("HOST shop.example:21").await.expect(501);
    client.command("HOST 127.0.0.1").await.expect(220);
    assert_eq!(client.command("HOST Shop.Example").await.text(), "220 Shop");
    assert!(client.command("FEAT").await.text().contains(" HOST"));
    client.upgrade(&server.tls()).await;
    client.command(&format!("USER {}", server.user())).await.expect(331);
    client.command("HOST shop.example").await.expect(503);

    let (_, greeting) = Client::greeted(address("127.0.0.2"), server.ready().addresses[1]).await;
    assert_eq!(greeting.expect("a greeting").text(), "220 Shop");
}

#[tokio::test]
async fn a_mistake_about_listeners_and_hosts_is_told_with_its_remedy() {
    let server = Server::prepared(|config| {
        config
            .table("listener", "address = \"127.0.0.1:990\"\ntls = \"off\"")
            .table("listener", "address = \"127.0.0.1:990\"\ntls = \"sometimes\"\ncolour = 1")
            .table("host", "name = \"main\"\nnames = [\"a b\"]");
    })
    .await;
    let place = server.config_file();
    let answer = tests::server::portcullis(&["check", "--config", &place.to_string_lossy()]).run().await;
    assert_eq!(answer.code, Some(2));
    for told in [
        "`listener.127.0.0.1:990.from` is needed",
        "`listener.127.0.0.1:990.tls` cannot be \"sometimes\"",
        "unknown key `listener.127.0.0.1:990.colour`",
        "name 127.0.0.1:990 twice",
        "`host.main.name` is there twice",
        "`host.main.names` cannot be [\"a b\"]",
    ] {
        assert!(answer.err.contains(told), "{told}\n{}", answer.err);
    }
}
