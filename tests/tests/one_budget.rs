//! A pool of three nodes and three memcached is one gate: whoever attacks from a whole network, at every node in turn,
//! has the budget of one client, whichever memcached dies in the middle.

use tests::config::{CHEAP_PASSWORD, USER};
use tests::deadline::{self, SOON};
use tests::memcached::Memcached;
use tests::ordeal;
use tests::place;
use tests::program::Program;
use tests::server::Server;

const NODES: [&str; 3] = ["a", "b", "c"];
/// What `brute-force` lets pass. Two of the passwords may look alike to it, once in 400 times.
const BUDGET: usize = 5;
const ALIKE: usize = 2;

struct Pool {
    memcached: [Memcached; 3],
    nodes: Vec<Server>,
    guesses: usize,
}

impl Pool {
    async fn start() -> Pool {
        let (one, two, three) = tokio::join!(Memcached::start(), Memcached::start(), Memcached::start());
        let memcached = [one, two, three];
        let addresses: Vec<String> = memcached.iter().map(Memcached::address).collect();
        let mut nodes = Vec::new();
        for name in NODES {
            let node = ordeal::node(name, &addresses, |config| {
                // A copy of each count, so that any server may die; time enough for a busy machine to answer.
                config.set("store.replicas", 1).set("store.deadline", "1s").set("policies.bounds.wall", "5s");
                config.set("policies.deadline", "10s").set("listeners.proxy-from", vec!["127.0.0.50"]);
            });
            nodes.push(node.await);
        }
        Pool { memcached, nodes, guesses: 0 }
    }

    /// How logins of real clients ended: node, address and password of each.
    async fn log_in(&self, logins: &[(usize, String, String)]) -> Vec<String> {
        let lines: String = logins
            .iter()
            .map(|(node, address, password)| {
                format!("{} {address} {USER} {password}\n", self.nodes[*node].address().port())
            })
            .collect();
        let script = place::client("ftplib_rotating.py");
        let answer = Program::new("python3").arg(script).input(lines).for_at_most(deadline::LATE).run().await.good();
        answer.out.lines().map(str::to_owned).collect()
    }

    /// The attacker's next guess: another of his twenty addresses, another node, another password.
    async fn guess(&mut self) -> String {
        let number = self.guesses;
        self.guesses += 1;
        let guess = (number % NODES.len(), attacker(number), format!("guess-{number}"));
        self.log_in(&[guess]).await.remove(0)
    }
}

fn attacker(number: usize) -> String {
    format!("2001:db8:7:7:{:x}::{:x}", number * 7919 % 65_536, number % 20 + 1)
}

/// Each of the attacker's addresses, at each node.
fn everywhere() -> Vec<(usize, String, String)> {
    let places = (0..20).flat_map(|number| (0..NODES.len()).map(move |node| (node, attacker(number))));
    places.map(|(node, address)| (node, address, CHEAP_PASSWORD.to_owned())).collect()
}

async fn one_budget(dies: Option<usize>) {
    let mut pool = Pool::start().await;
    let mut answered = 0;
    loop {
        if answered == BUDGET / 2
            && let Some(dies) = dies
        {
            pool.memcached[dies].kill();
        }
        match pool.guess().await.as_str() {
            "530" => answered += 1,
            "refused" => break,
            other => panic!("guess {answered}: {other}"),
        }
        assert!(answered <= BUDGET + ALIKE, "{answered} different passwords were looked at, with {dies:?} dead");
    }
    println!("with {dies:?} dead: {answered} passwords of 20 addresses at three nodes were looked at");
    assert!(answered >= BUDGET, "{answered}");
    // None of the twenty is let in anywhere, with the right password neither.
    deadline::until_asked(SOON, "every node to refuse the whole network", async || {
        let outcomes = pool.log_in(&everywhere()).await;
        (outcomes.len() == 60 && outcomes.iter().all(|outcome| outcome == "refused")).then_some(())
    })
    .await;
    // The network beside it has done nothing.
    let neighbours: Vec<_> =
        (0..NODES.len()).map(|node| (node, "2001:db8:7:8::1".to_owned(), CHEAP_PASSWORD.to_owned())).collect();
    assert_eq!(pool.log_in(&neighbours).await, ["230"; 3]);
    // One ban, on each node.
    for node in &pool.nodes {
        let bans = node.admin(&["bans", "list", "--json"]).await.good().json();
        let subjects: Vec<_> = bans.as_array().expect("bans").iter().map(|ban| &ban["subject"]["network"]).collect();
        assert_eq!(subjects, ["2001:db8:7:7::/64"], "{bans}");
    }
}

#[tokio::test]
async fn twenty_addresses_at_three_nodes_have_one_budget() {
    one_budget(None).await;
}

#[tokio::test]
async fn f_04_twenty_addresses_have_one_budget_though_the_first_memcached_dies() {
    one_budget(Some(0)).await;
}

#[tokio::test]
async fn f_04_twenty_addresses_have_one_budget_though_the_second_memcached_dies() {
    one_budget(Some(1)).await;
}

#[tokio::test]
async fn f_04_twenty_addresses_have_one_budget_though_the_third_memcached_dies() {
    one_budget(Some(2)).await;
}
