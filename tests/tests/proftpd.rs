//! A mixed pool: what a real ProFTPD bans, Portcullis refuses, and the reverse.

use tests::config::{PASSWORD, USER};
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::proftpd::Proftpd;
use tests::server::{Door, Server};

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";
const OFFICE: &str = "127.0.0.5";

/// The form's name in our setting, and the line that asks ProFTPD for it.
const FORMS: [(&str, &str); 2] = [("json", "BanCacheOptions UseJSON\n"), ("tpl", "")];

struct Mixed {
    memcached: Memcached,
    proftpd: Proftpd,
    server: Server,
}

async fn mixed((form, line): (&str, &str), rules: &str) -> Mixed {
    let memcached = Memcached::start().await;
    let proftpd = Proftpd::start(&[memcached.address()], &format!("{line}{rules}")).await;
    let server = portcullis(form, &[memcached.address()]).await;
    Mixed { memcached, proftpd, server }
}

async fn portcullis(form: &str, servers: &[String]) -> Server {
    Server::serve_with(|config| {
        config.store(servers).set("store.distribution", "consistent").set("store.deadline", "1s");
        config.set("bans.share.proftpd", form).set("networks.office", vec![OFFICE]);
    })
    .await
}

#[tokio::test]
async fn p_34_p_35_a_host_that_proftpd_bans_is_refused_here_with_its_message() {
    for form in FORMS {
        let pool = mixed(form, "BanOnEvent MaxLoginAttempts 1/00:10:00 00:10:00 \"three strikes, %a\"").await;
        pool.proftpd.guess(ATTACKER).await;
        assert!(!pool.proftpd.greets(ATTACKER).await, "{form:?}");
        let reply = pool.server.assert_refused(ATTACKER).await.expect("a reply");
        assert!(reply.text().contains(&format!("three strikes, {ATTACKER}")), "{form:?} {reply}");
        pool.server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
        let ban = pool.server.admin(&["bans", "explain", ATTACKER, "--json"]).await.good().json();
        assert!(ban.to_string().contains("MaxLoginAttempts autoban"), "{ban}");
        // It holds here without memcached, and over a restart.
        drop(pool.memcached);
        pool.server.assert_refused(ATTACKER).await;
    }
}

#[tokio::test]
async fn p_34_p_35_a_user_at_a_host_that_proftpd_bans_is_refused_there_alone() {
    for form in FORMS {
        let pool = mixed(form, "BanOnEvent MaxLoginAttemptsFromUser 1/00:10:00 00:10:00").await;
        pool.proftpd.guess(ATTACKER).await;
        let refused = pool.server.try_login(ATTACKER, USER, PASSWORD).await.expect("an answer");
        assert_eq!(refused.code, 530, "{form:?} {refused}");
        pool.server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn p_34_p_35_a_user_that_proftpd_bans_is_refused_everywhere() {
    for form in FORMS {
        let pool = mixed(form, "BanOnEvent LoginRate 2/00:10:00 00:10:00").await;
        for _ in 0..2 {
            pool.proftpd.log_in(ATTACKER, PASSWORD).await;
        }
        for source in [ATTACKER, NEIGHBOUR] {
            let refused = pool.server.try_login(source, USER, PASSWORD).await.expect("an answer");
            assert_eq!(refused.code, 530, "{form:?} {source} {refused}");
        }
    }
}

#[tokio::test]
async fn p_34_p_35_a_class_that_proftpd_bans_is_refused_here() {
    for form in FORMS {
        let rules = "<Class office>\n  From 127.0.0.5\n</Class>\nMaxClientsPerClass office 1\n\
                     BanOnEvent MaxClientsPerClass 1/00:10:00 00:10:00";
        let pool = mixed(form, rules).await;
        let (mut first, greeting) = pool.proftpd.knock(OFFICE).await;
        greeting.expect("a greeting").expect(220);
        first.log_in(USER, PASSWORD).await.expect("an answer").expect(230);
        pool.proftpd.log_in(OFFICE, PASSWORD).await;
        deadline::until_asked(SOON, "ProFTPD's ban in memcached", async || {
            (!pool.memcached.names().await.iter().all(|name| !name.starts_with("mod_ban"))).then_some(())
        })
        .await;
        pool.server.assert_refused(OFFICE).await;
        pool.server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    }
}

#[tokio::test]
async fn p_33_p_34_what_portcullis_bans_proftpd_refuses_until_it_is_lifted() {
    for form in FORMS {
        let pool = mixed(form, "<Class office>\n  From 127.0.0.5\n</Class>").await;
        for subject in [ATTACKER, "class:office", "user-at-host:demo@127.0.0.4", "user:demo"] {
            pool.server.admin(&["bans", "add", subject, "--for", "1h", "--reason", "by hand"]).await.good();
            match subject {
                ATTACKER => assert!(!pool.proftpd.greets(ATTACKER).await, "{form:?}"),
                "class:office" => assert!(!pool.proftpd.greets(OFFICE).await, "{form:?}"),
                "user:demo" => assert_eq!(pool.proftpd.log_in(NEIGHBOUR, PASSWORD).await, Some(530), "{form:?}"),
                _ => {
                    assert_eq!(pool.proftpd.log_in("127.0.0.4", PASSWORD).await, Some(530), "{form:?}");
                    assert_eq!(pool.proftpd.log_in(NEIGHBOUR, PASSWORD).await, Some(230), "{form:?}");
                }
            }
            // A permit deletes the shared entry; ProFTPD has made a ban of its own of none of them.
            pool.server.admin(&["bans", "lift", subject]).await.good();
        }
        for source in [ATTACKER, OFFICE, "127.0.0.4"] {
            assert_eq!(pool.proftpd.log_in(source, PASSWORD).await, Some(230), "{form:?} {source}");
            pool.server.enter(source).await.command("NOOP").await.expect(200);
        }
    }
}

#[tokio::test]
async fn p_39_over_three_servers_both_look_in_the_same_place() {
    let (one, two, three) = tokio::join!(Memcached::start(), Memcached::start(), Memcached::start());
    let servers = [one.address(), two.address(), three.address()];
    let proftpd = Proftpd::start(&servers, FORMS[0].1).await;
    let server = portcullis("json", &servers).await;
    for last in 10..30 {
        let host = format!("127.0.1.{last}");
        server.admin(&["bans", "add", &host, "--for", "1h"]).await.good();
        assert!(!proftpd.greets(&host).await, "{host}");
    }
    assert!(proftpd.greets(NEIGHBOUR).await);
}

#[tokio::test]
async fn p_30_p_37_what_was_lifted_or_has_ended_is_deleted_and_never_comes_back() {
    let pool = mixed(FORMS[0], "BanOnEvent MaxLoginAttempts 1/00:10:00 00:10:00").await;
    pool.proftpd.guess(ATTACKER).await;
    pool.server.assert_refused(ATTACKER).await;
    assert_eq!(mod_ban_entries(&pool.memcached).await, 1);
    pool.server.admin(&["bans", "lift", ATTACKER]).await.good();
    assert_eq!(mod_ban_entries(&pool.memcached).await, 0, "the shared entry is gone");
    pool.server.enter(ATTACKER).await.command("NOOP").await.expect(200);

    write(&pool.memcached, "127.0.0.6", "\"expires_ts\":1000000000,\"server_id\":1").await;
    pool.server.enter("127.0.0.6").await.command("NOOP").await.expect(200);
    assert_eq!(mod_ban_entries(&pool.memcached).await, 0, "it had ended");
}

#[tokio::test]
async fn p_24_p_36_p_40_who_is_protected_is_let_in_and_odd_entries_ban_nobody() {
    let memcached = Memcached::start().await;
    let server = Server::serve_with(|config| {
        config.store(&[memcached.address()]).set("bans.share.proftpd", "json").set("store.deadline", "1s");
        config.set("bans.protected", vec![NEIGHBOUR]);
    })
    .await;
    write(&memcached, NEIGHBOUR, "\"expires_ts\":0,\"server_id\":1").await;
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    write(&memcached, "127.0.0.7", "\"expires_ts\":0,\"server_id\":1").await;
    server.assert_refused("127.0.0.7").await;
    for (host, rest) in [
        ("127.0.0.8", "\"expires_ts\":0,\"server_id\":0"),
        ("127.0.0.9", "\"expires_ts\":\"never\",\"server_id\":1"),
        ("127.0.0.10", "\"expires_ts\":0"),
        ("127.0.0.11", "\"expires_ts\":0,\"server_id\":1}}"),
    ] {
        write(&memcached, host, rest).await;
        assert!(matches!(server.knock(host).await, Door::Open(_)), "{host}");
    }
}

async fn mod_ban_entries(memcached: &Memcached) -> usize {
    memcached.names().await.iter().filter(|name| name.starts_with("mod_ban")).count()
}

/// Writes an entry as ProFTPD would, with the end of its value as given.
async fn write(memcached: &Memcached, host: &str, rest: &str) {
    let key = format!("mod_ban.{{\"ban_type_id\":2,\"ban_name\":\"{host}\"}}\0");
    let value = format!(
        "{{\"version\":2,\"update_ts\":1000000000,\"ip_addr\":\"127.0.0.1\",\"port\":5376,\"ban_type\":\"host ban\",\
         \"ban_name\":\"{host}\",\"ban_reason\":\"x\",\"ban_message\":\"\",{rest}}}\0"
    );
    let encoded = portcullis::store::Key::encoded(b"", key.as_bytes()).expect("a key");
    let command = format!("ms {encoded} {} b\r\n{value}\r\n", value.len());
    assert_eq!(memcached.talk(command.as_bytes(), b"\r\n").await, b"HD\r\n");
}
