use tests::place;
use tests::program::{Answer, Program};
use tests::server::Server;

async fn ftplib(server: &Server, kind: &str, version: &str) -> Answer {
    Program::new("python3")
        .arg(place::client("ftplib_judge.py"))
        .args([kind, version])
        .arg(&server.ready().certificate)
        .args([server.address().ip().to_string(), server.address().port().to_string()])
        .args([server.user(), server.password()])
        .run()
        .await
}

#[tokio::test]
async fn t_26_t_27_python_ftplib_works_with_each_tls_version() {
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        // T-25: an upload that ends without close_notify is accepted unless the operator is strict.
        for kind in ["plain", "resuming", "abrupt"] {
            let answer = ftplib(&server, kind, version).await.good();
            assert!(answer.out.contains("ftplib is content"));
        }
    }
}

#[tokio::test]
async fn where_resumption_is_required_ftplib_gets_in_by_resuming_and_not_otherwise() {
    let server = Server::serve_with(|config| {
        config.set("tls.data-resumption", "require");
    })
    .await;
    for version in ["1.2", "1.3"] {
        let content = ftplib(&server, "resuming", version).await.good();
        assert!(content.out.contains("ftplib is content"));
        let refused = ftplib(&server, "plain", version).await;
        assert_ne!(refused.code, Some(0), "a data connection of its own session is refused with TLS {version}");
    }
}

#[tokio::test]
async fn t_32_t_33_a_client_that_demands_resumption_gets_it_on_every_one_of_six_hundred_data_connections() {
    let server = Server::quickstart().await;
    for version in ["1.2", "1.3"] {
        let answer = ftplib(&server, "demanding", version).await.good();
        assert!(answer.out.contains("ftplib is content"));
    }
}
