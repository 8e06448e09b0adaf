//! T-31 to T-37: data connections resume their own control connection's session, the first and the thousandth.

use tests::client::DataTls;
use tests::program::Program;
use tests::server::Server;
use tests::tls::{self, TLS_12, TLS_13};

const OWNER: &str = "127.0.0.1";
const TRANSFERS: usize = 1000;

async fn requiring() -> Server {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require").set("log.level", "info");
    })
    .await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    server
}

#[tokio::test]
async fn t_32_t_33_t_35_the_thousandth_data_connection_is_resumed_as_the_first() {
    let server = requiring().await;
    for versions in [TLS_12, TLS_13] {
        let own = tls::trusting(&server.ready().certificate, versions);
        let mut client = server.enter_with(OWNER, &own).await;
        for round in 0..TRANSFERS / 2 {
            let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
            assert!(data.resumed(), "download {round}");
            assert_eq!(data.read_all().await, b"bytes");
            client.reply().await.expect(226);
            let mut data = client.open_data("STOR other", &DataTls::Resuming).await;
            assert!(data.resumed(), "upload {round}");
            data.write_all(b"more").await;
            data.close().await;
            client.reply().await.expect(226);
        }
    }
}

/// OpenSSL uses one ticket again and again, so uploads alone never starve it.
const UPLOADS: &str = r#"
import ftplib, io, ssl, sys
version, certificate, host, port, user, password, count = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
context.check_hostname = False
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))

class Reusing(ftplib.FTP_TLS):
    resumed = 0
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        Reusing.resumed += conn.session_reused
        return conn, size

ftp = Reusing(context=context)
ftp.connect(host, int(port), timeout=60)
ftp.login(user, password)
ftp.prot_p()
for number in range(int(count)):
    ftp.storbinary("STOR upload", io.BytesIO(b"bytes"))
ftp.quit()
print("resumed", Reusing.resumed)
"#;

#[tokio::test]
async fn t_34_a_thousand_uploads_on_one_session_starve_no_client_that_keeps_its_ticket() {
    let server = requiring().await;
    for version in ["1.2", "1.3"] {
        let answer = Program::new("python3")
            .args(["-c", UPLOADS, version])
            .arg(&server.ready().certificate)
            .args([server.address().ip().to_string(), server.address().port().to_string()])
            .args([server.user(), server.password(), &TRANSFERS.to_string()])
            .run()
            .await
            .good();
        assert!(answer.out.contains(&format!("resumed {TRANSFERS}")), "{version}: {}", answer.out);
    }
}

#[tokio::test]
async fn t_31_by_default_clients_that_cannot_resume_are_served_and_it_is_told() {
    let server = Server::serve().await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    for versions in [TLS_12, TLS_13] {
        let certificate = &server.ready().certificate;
        let mut client = server.enter_with(OWNER, &tls::trusting(certificate, versions)).await;
        let mut data = client.open_data("RETR file", &DataTls::Foreign(tls::trusting(certificate, versions))).await;
        assert!(!data.resumed());
        assert_eq!(data.read_all().await, b"bytes");
        client.reply().await.expect(226);
    }
    server.logged("what did not resume", |line| line.message() == "data.not-resumed").await;
}

#[tokio::test]
async fn where_it_is_off_nothing_is_resumed_and_everything_works() {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "off");
    })
    .await;
    std::fs::write(server.root().join("file"), b"bytes").expect("a file");
    for versions in [TLS_12, TLS_13] {
        let mut client = server.enter_with(OWNER, &tls::trusting(&server.ready().certificate, versions)).await;
        for _ in 0..3 {
            let mut data = client.open_data("RETR file", &DataTls::Resuming).await;
            assert!(!data.resumed());
            assert_eq!(data.read_all().await, b"bytes");
            client.reply().await.expect(226);
        }
    }
}

#[tokio::test]
async fn t_37_under_require_a_data_connection_that_asks_for_another_name_is_refused() {
    let server = requiring().await;
    let mut client = server.enter(OWNER).await;
    client.ask_for("127.0.0.1");
    match client.try_open_data("RETR file", &DataTls::Resuming).await {
        Err(reply) => assert_eq!(reply.code, 522, "{reply}"),
        Ok(mut data) => {
            assert!(data.try_read_all().await.unwrap_or_default().is_empty());
            client.reply().await.expect(522);
        }
    }
    client.ask_for("localhost");
    assert_eq!(client.download("file").await, b"bytes");
}
