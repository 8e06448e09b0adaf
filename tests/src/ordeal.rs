//! What must hold at a node whatever its memcached does, and after it does it no more.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config::{CHEAP_PASSWORD, Config, USER, make_password_cheap};
use crate::deadline::{self, SOON};
use crate::server::Server;

/// Banned before the trouble begins.
pub const BANNED: &str = "127.0.0.9";
/// Did nothing wrong.
pub const NEIGHBOUR: &str = "127.0.0.3";

/// A login waits for the store a few deadlines of 50 ms at most; the rest is for a busy machine.
const LOGIN: Duration = Duration::from_secs(2);
/// An operation ends at its deadline of 50 ms, as soon as a busy machine comes to it.
const OPERATION_MICROS: f64 = 400_000.0;

/// A node in trouble.
pub struct Ordeal {
    /// The node.
    pub server: Server,
    /// Bans that it holds.
    bans: u64,
    addresses: Vec<String>,
}

impl Ordeal {
    /// A node over these memcached servers, and its first ban, which they know.
    pub async fn over(addresses: &[String]) -> Ordeal {
        Ordeal::with(addresses, |_| {}).await
    }

    /// As [`Ordeal::over`], with a changed configuration.
    pub async fn with(addresses: &[String], change: impl FnOnce(&mut Config)) -> Ordeal {
        Ordeal::of(node("ordeal", addresses, change).await, addresses).await
    }

    /// As [`Ordeal::over`], of a node that runs already.
    pub async fn of(server: Server, addresses: &[String]) -> Ordeal {
        server.admin(&["bans", "add", BANNED, "--for", "1h", "--reason", "before"]).await.good();
        let ordeal = Ordeal { server, bans: 1, addresses: addresses.to_vec() };
        ordeal.settled().await;
        ordeal
    }

    /// What holds in the middle of it: a ban refuses, others get in and soon, nothing that the store says bans
    /// anybody, and nothing waits longer than its deadline.
    pub async fn holds(&self) {
        for _ in 0..3 {
            self.server.assert_refused(BANNED).await;
            let took = self.log_in().await;
            assert!(took < LOGIN, "a login took {took:?}");
        }
        let status = self.status().await;
        assert_eq!(status["bans"]["bans"], self.bans, "nothing false is learnt: {status}");
        for row in status["store"]["servers"].as_array().expect("rows") {
            assert!(row["p99_micros"].as_f64().expect("p99") < OPERATION_MICROS, "{row}");
        }
        assert!(!self.server.words().contains("panicked"), "{}", self.server.words());
    }

    /// Somebody guesses: counted alone if need be, he is banned as ever.
    pub async fn bans(&mut self, guesser: &str) {
        // Until the breaker opens, counting may take longer than a policy has: those guesses are lost.
        let tries = self.server.guess_until_banned(guesser, 14).await;
        assert!(tries >= 5, "the ban came after {tries} passwords");
        self.bans += 1;
        self.log_in().await;
    }

    /// With the store as it should be again, it is used again, and knows what was decided meanwhile: a node that
    /// starts now refuses the same, and nobody else.
    pub async fn recovers(&self) {
        self.settled().await;
        self.holds().await;
        let later = node("later", &self.addresses, |_| {}).await;
        deadline::until_asked(SOON, "a node that starts later to know every ban", async || {
            let status = later.admin(&["status", "--json"]).await.good().json();
            let known = status["bans"]["bans"].as_u64().expect("a count");
            assert!(known <= self.bans, "nothing false is learnt: {status}");
            (known == self.bans).then_some(())
        })
        .await;
        later.assert_refused(BANNED).await;
        later.try_login(NEIGHBOUR, USER, CHEAP_PASSWORD).await.expect("an answer").expect(230);
    }

    /// Waits until the store is in use and knows every ban.
    pub async fn settled(&self) {
        deadline::until_asked(SOON, "the store to be used, and to know every ban", async || {
            let status = self.status().await;
            (status["store"]["degraded"] == false && status["bans"]["unpublished"] == 0).then_some(())
        })
        .await;
    }

    /// What `status` says.
    pub async fn status(&self) -> Value {
        self.server.admin(&["status", "--json"]).await.good().json()
    }

    /// A login of somebody who did nothing wrong; how long it took.
    pub async fn log_in(&self) -> Duration {
        let start = Instant::now();
        let reply = self.server.try_login(NEIGHBOUR, USER, CHEAP_PASSWORD).await;
        reply.expect("an answer to the login").expect(230);
        start.elapsed()
    }
}

/// A node of the site.
pub async fn node(name: &str, addresses: &[String], change: impl FnOnce(&mut Config)) -> Server {
    let mut server = prepared_node(name, addresses, change).await;
    server.start().await;
    server
}

/// As [`node`], and no process yet.
pub async fn prepared_node(name: &str, addresses: &[String], change: impl FnOnce(&mut Config)) -> Server {
    let server = Server::prepared(|config| {
        config.store(addresses).set("server.site", "cluster").set("server.node", name);
        config.set("bans.upkeep", "200ms").set("store.breaker-pause", "500ms");
        change(config);
    })
    .await;
    make_password_cheap(server.folder());
    server
}
