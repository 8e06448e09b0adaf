//! A key policy that returns what is no key: refused, counted, told, and never sent. The node goes on alone.

use tests::ordeal::Ordeal;
use tests::place;
use tests::stand_in::StandIn;

const GUESSER: &str = "127.0.0.2";

/// Words of a command that are no keys.
const COMMANDS: [&str; 13] =
    ["get", "gets", "set", "add", "cas", "incr", "delete", "ms", "mg", "md", "mn", "version", "noreply"];

/// Everything that was sent is a command with keys of the server's own making, none of which a key policy derives.
fn nothing_derived_was_sent(store: &StandIn, mode: &str) {
    let heard = store.heard();
    assert!(!heard.is_empty(), "{mode}: the journal at least is asked for");
    for line in heard {
        let text = String::from_utf8(line).unwrap_or_else(|error| panic!("{mode}: {:?}", error.into_bytes()));
        assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{mode}: {text:?}");
        let mut words = text.split(' ');
        let command = words.next().expect("a word");
        assert!(COMMANDS.contains(&command), "{mode}: {text:?}");
        for word in words {
            assert!(word.len() <= 250, "{mode}: {text:?}");
            for derived in ["pc1.b.", "pc1.c.", "pc1.s.", "mod_ban", "kkkk", "everybody"] {
                assert!(!word.starts_with(derived), "{mode}: {text:?}");
            }
        }
    }
}

async fn endures(mode: &str) {
    let store = StandIn::start();
    let mut ordeal = Ordeal::with(&[store.address()], |config| {
        config.set("keys.source", format!("file:{}", place::guest("hostile").display()));
        config.set("keys.settings.mode", mode);
        config.set("policies.failure-log-interval", "1s");
    })
    .await;
    ordeal.holds().await;
    ordeal.bans(GUESSER).await;
    ordeal.holds().await;
    let keys = &ordeal.status().await["keys"];
    assert!(keys["failures"].as_u64() > Some(0), "{mode}: counted: {keys}");
    assert!(keys["last_error"].is_object() || keys["last_error"].is_string(), "{mode}: told: {keys}");
    ordeal.server.logged("what the key policy did", |line| line.message().starts_with("keys.failed")).await;
    nothing_derived_was_sent(&store, mode);
}

#[tokio::test]
async fn s_36_ten_thousand_keys_are_none() {
    endures("keys-many").await;
}

#[tokio::test]
async fn s_36_a_key_of_251_bytes_is_none() {
    endures("keys-long").await;
}

#[tokio::test]
async fn s_36_a_key_with_a_blank_is_none() {
    endures("keys-blank").await;
}

#[tokio::test]
async fn s_36_a_key_with_line_ends_and_a_command_is_none() {
    endures("keys-crlf").await;
}

#[tokio::test]
async fn s_36_a_key_with_nul_is_none() {
    endures("keys-nul").await;
}

#[tokio::test]
async fn s_36_a_key_that_is_no_text_is_none() {
    endures("keys-no-utf8").await;
}

#[tokio::test]
async fn s_36_an_empty_key_is_none() {
    endures("keys-empty").await;
}

#[tokio::test]
async fn s_36_a_key_policy_that_traps_or_never_ends_gives_none() {
    endures("trap").await;
    endures("loop").await;
}
