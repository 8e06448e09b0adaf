//! Who is near an attacker: behind the same NAT, or the owner of the name that is guessed at. The default policy,
//! as it comes.

use std::time::Duration;

use serde_json::Value;
use tests::client::Client;
use tests::config::{CHEAP_PASSWORD, Config, USER, make_password_cheap, write_users_cheap};
use tests::server::{Door, Server};

/// Behind it are the attacker and several people.
const NAT: &str = "127.0.4.1";
const ELSEWHERE: &str = "127.0.5.5";
const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dan"];

async fn with_people(change: impl FnOnce(&mut Config)) -> Server {
    let mut server = Server::prepared(change).await;
    write_users_cheap(server.folder(), &PEOPLE);
    server.start().await;
    server
}

async fn logged_in(server: &Server, from: &str, user: &str) -> Client {
    let mut client = server.protected(from).await;
    client.log_in(user, CHEAP_PASSWORD).await.expect("an answer").expect(230);
    client
}

async fn bans(server: &Server) -> Vec<Value> {
    let bans = server.admin(&["bans", "export"]).await.good().out;
    bans.lines().map(|line| serde_json::from_str(line).expect("a ban")).collect()
}

/// The end of a session whose address was banned.
async fn is_thrown_out(mut client: Client) {
    let replies = client.until_closed(Duration::from_secs(2)).await;
    assert_eq!(replies.last().map(|reply| reply.code), Some(421), "{replies:?}");
}

#[tokio::test]
async fn s_32_people_behind_the_attackers_nat_raise_the_limit_and_the_ban_tells_how_many_sessions_it_ended() {
    let server = with_people(|_| {}).await;
    let (ann, bob) = (logged_in(&server, NAT, PEOPLE[0]).await, logged_in(&server, NAT, PEOPLE[1]).await);
    for user in &PEOPLE[2..] {
        logged_in(&server, NAT, user).await.command("QUIT").await.expect(221);
    }
    let stranger = server.welcome(NAT).await;
    // Five for one client, and three for each of the others; tags of passwords may meet once.
    let tries = server.guess_until_banned(NAT, 17).await;
    assert!(tries >= 14, "banned after {tries}");
    for client in [ann, bob, stranger] {
        is_thrown_out(client).await;
    }
    // Those three, and the one of the last guess.
    let bans = bans(&server).await;
    assert_eq!((bans.len(), &bans[0]["course"]["ended"]), (1, &4.into()), "{bans:?}");
    let story = server.admin(&["bans", "explain", NAT]).await.good().out;
    assert!(story.contains("ended      4 open sessions"), "{story}");
    // Where nobody is known, five are too many as ever.
    assert!(server.guess_until_banned(ELSEWHERE, 7).await <= 7);
}

#[tokio::test]
async fn s_32_a_setting_spares_the_sessions_that_are_logged_in_and_nobody_else() {
    let server = with_people(|config| {
        config.set("bans.end-logged-in", false);
    })
    .await;
    let mut ann = logged_in(&server, NAT, PEOPLE[0]).await;
    let stranger = server.welcome(NAT).await;
    server.guess_until_banned(NAT, 7).await;
    is_thrown_out(stranger).await;
    ann.command("NOOP").await.expect(200);
    ann.protect_data().await;
    assert_eq!(ann.upload("saved", b"before the end").await.code, 226, "who is in works on");
    let bans_now = bans(&server).await;
    assert_eq!(bans_now[0]["course"]["ended"], 2, "{bans_now:?}");
    server.assert_refused(NAT).await;

    // An operator means it, though the policy's own ban stands in front of his.
    server.admin(&["bans", "add", "127.0.4.0/24", "--for", "1h", "--reason", "all of it"]).await.good();
    is_thrown_out(ann).await;
}

#[tokio::test]
async fn s_24_one_password_tried_for_a_thousand_users_ends_at_the_fifth() {
    let server = Server::serve().await;
    let (mut checked, mut shut) = (0, 0);
    for number in 0..1000 {
        match server.knock(ELSEWHERE).await {
            Door::Open(mut client) => {
                client.upgrade(&server.tls()).await;
                client.log_in(&format!("user-{number}"), "Summer2024!").await;
                checked += 1;
            }
            Door::Refused(_) => shut += 1,
        }
    }
    assert_eq!((checked, shut), (5, 995), "what counts is the user and the password together");
    let failed = server.log().into_iter().filter(|line| line.message() == "login.failed").count();
    assert_eq!(failed, 5, "nothing was checked at the shut door");
    let bans = bans(&server).await;
    assert_eq!(bans[0]["reason"], "5 different failed logins within 10m", "{bans:?}");
    server.enter(NAT).await.command("NOOP").await.expect(200);
}

#[tokio::test]
async fn s_24_s_33_one_user_guessed_at_from_everywhere_is_banned_nowhere_but_there() {
    const SOURCES: usize = 60;
    let mut server = Server::prepared(|config| {
        config.set("limits.unauthenticated-per-address", 64);
    })
    .await;
    make_password_cheap(server.folder());
    server.start().await;
    let mut at_home = logged_in(&server, NAT, USER).await;
    for number in 1..=SOURCES {
        let source = format!("127.1.{}.{}", number / 250, number % 250 + 1);
        server.try_login(&source, USER, &format!("guess-{number}")).await.expect("an answer").expect(530);
    }
    // Each is another password from another client; what two tags have in common once may hide a few.
    let bans = bans(&server).await;
    assert!((SOURCES - 25..=SOURCES - 20).contains(&bans.len()), "{} bans: {bans:?}", bans.len());
    for ban in &bans {
        let subject = &ban["subject"]["user-at-host"];
        assert!(subject[0] == USER && subject[1].as_str().is_some_and(|host| host.starts_with("127.1.")), "{ban}");
        assert!(ban["reason"].as_str().is_some_and(|why| why.contains("clients that failed as this user")), "{ban}");
    }
    let banned = bans[0]["subject"]["user-at-host"][1].as_str().expect("a host").to_owned();
    server.try_login(&banned, USER, CHEAP_PASSWORD).await.expect("an answer").expect(530);

    // Its owner is in, comes in again from home after a slip, and comes in from a new place.
    at_home.command("NOOP").await.expect(200);
    server.try_login(NAT, USER, "a slip").await.expect("an answer").expect(530);
    logged_in(&server, NAT, USER).await.command("NOOP").await.expect(200);
    logged_in(&server, ELSEWHERE, USER).await.command("NOOP").await.expect(200);
    // And somebody else may come from where it was guessed.
    let reply = server.try_login(&banned, "somebody-else", "x").await.expect("an answer").expect(530);
    assert!(!reply.text().contains("Too many failed logins"), "{reply}");
}
