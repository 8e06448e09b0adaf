//! A mixed pool whose key policy says what is shared with ProFTPD: `proftpd-keys`, against a real ProFTPD.

use tests::config::{PASSWORD, USER};
use tests::memcached::Memcached;
use tests::proftpd::Proftpd;
use tests::server::{Server, portcullis};

const ATTACKER: &str = "127.0.0.2";
const NEIGHBOUR: &str = "127.0.0.3";

/// The form's name in our settings, and the line that asks ProFTPD for it.
const FORMS: [(&str, &str); 2] = [("json", "BanCacheOptions UseJSON\n"), ("tpl", "")];

async fn by_policy(form: &str, memcached: &Memcached, kinds: &[&str]) -> Server {
    Server::serve_with(|config| {
        config.store(&[memcached.address()]).set("store.distribution", "consistent").set("store.deadline", "1s");
        config.set("bans.share.proftpd", form).set("bans.share.proftpd-keys", "policy");
        config.set("keys.source", "builtin:proftpd-keys").set("keys.settings.form", form);
        config.set("keys.settings.kinds", kinds.to_vec()).set("keys.bounds.wall", "5s");
    })
    .await
}

const ALL: [&str; 4] = ["host", "user", "user-at-host", "class"];

#[tokio::test]
async fn p_34_p_35_with_its_keys_whom_one_bans_the_other_refuses() {
    for (form, line) in FORMS {
        let memcached = Memcached::start().await;
        let rules = format!("{line}BanOnEvent MaxLoginAttempts 1/00:10:00 00:10:00 \"three strikes, %a\"");
        let proftpd = Proftpd::start(&[memcached.address()], &rules).await;
        let server = by_policy(form, &memcached, &ALL).await;
        // ProFTPD bans, Portcullis refuses with its words.
        proftpd.guess(ATTACKER).await;
        let reply = server.assert_refused(ATTACKER).await.expect("a reply");
        assert!(reply.text().contains(&format!("three strikes, {ATTACKER}")), "{form}: {reply}");
        server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
        // Portcullis bans, ProFTPD refuses until it is lifted.
        for subject in ["127.0.0.4", "user-at-host:demo@127.0.0.6", "user:demo"] {
            server.admin(&["bans", "add", subject, "--for", "1h", "--reason", "by hand"]).await.good();
            match subject {
                "127.0.0.4" => assert!(!proftpd.greets("127.0.0.4").await, "{form}"),
                "user:demo" => assert_eq!(proftpd.log_in(NEIGHBOUR, PASSWORD).await, Some(530), "{form}"),
                _ => {
                    assert_eq!(proftpd.log_in("127.0.0.6", PASSWORD).await, Some(530), "{form}");
                    assert_eq!(proftpd.log_in(NEIGHBOUR, PASSWORD).await, Some(230), "{form}");
                }
            }
            server.admin(&["bans", "lift", subject]).await.good();
        }
        for source in ["127.0.0.4", "127.0.0.6"] {
            assert_eq!(proftpd.log_in(source, PASSWORD).await, Some(230), "{form}");
            server.enter(source).await.command("NOOP").await.expect(200);
        }
        let keys = &server.admin(&["status", "--json"]).await.good().json()["keys"];
        assert_eq!((&keys["failures"], &keys["description"]), (&0.into(), &"proftpd-keys".into()), "{keys}");
    }
}

#[tokio::test]
async fn p_34_p_53_what_it_gives_no_key_for_is_not_shared_either_way() {
    let memcached = Memcached::start().await;
    let rules = format!("{}BanOnEvent LoginRate 2/00:10:00 00:10:00", FORMS[0].1);
    let proftpd = Proftpd::start(&[memcached.address()], &rules).await;
    let server = by_policy("json", &memcached, &["host"]).await;
    // ProFTPD bans the user for logging in twice; here he may.
    for _ in 0..2 {
        proftpd.log_in(ATTACKER, PASSWORD).await;
    }
    assert_eq!(proftpd.log_in(NEIGHBOUR, PASSWORD).await, Some(530));
    server.enter(NEIGHBOUR).await.command("NOOP").await.expect(200);
    // A ban of a host is told to it, one of a user is not.
    server.admin(&["bans", "add", "127.0.0.4", "--for", "1h"]).await.good();
    server.admin(&["bans", "add", "user:somebody", "--for", "1h"]).await.good();
    assert!(!proftpd.greets("127.0.0.4").await);
    let names = memcached.names().await;
    assert!(!names.iter().any(|name| name.contains("somebody") && name.starts_with("mod_ban")), "{names:?}");
}

#[tokio::test]
async fn p_40_keys_of_proftpd_need_their_grant() {
    let memcached = Memcached::start().await;
    // Asked for in one form, granted in none: refused, counted, told, and the bans hold here.
    let server = Server::serve_with(|config| {
        config.store(&[memcached.address()]).set("keys.source", "builtin:proftpd-keys");
    })
    .await;
    server.admin(&["bans", "add", ATTACKER, "--for", "1h"]).await.good();
    server.assert_refused(ATTACKER).await;
    server.try_login(NEIGHBOUR, USER, PASSWORD).await.expect("an answer").expect(230);
    server.logged("the refusal", |line| line.message().starts_with("keys.failed")).await;
    assert!(server.words().contains("not granted"), "{}", server.words());
    let names = memcached.names().await;
    assert!(!names.iter().any(|name| name.contains("mod_ban") || name.contains(ATTACKER)), "{names:?}");
    // Granted to it, and nothing to share: a mistake of the configuration.
    let wrong = Server::prepared(|config| {
        config.set("bans.share.proftpd-keys", "policy");
    })
    .await;
    let answer = portcullis(&["check", "--config", &wrong.config_file().to_string_lossy()]).run().await.exits(2);
    assert!(answer.err.contains("bans.share.proftpd-keys"), "{}", answer.err);
}
