//! The recording policy: every event that it saw, and the verdicts that a test wants of it.

use serde_json::Value;

use crate::config::Config;
use crate::deadline::{self, SOON};
use crate::place;
use crate::server::Server;

/// Adds the recorder as a policy of its own; `rules` are TOML inline tables, `more` other keys of the policy.
pub fn record(config: &mut Config, rules: &[&str], more: &str) {
    config.policy(&format!(
        "name = 'recorder'\nsource = 'file:{}'\nsettings = {{ rules = [{}] }}\n\
         bounds = {{ log-lines = 10000, cpu = '1s', wall = '5s' }}\n{more}",
        place::guest("recorder").display(),
        rules.join(", "),
    ));
    config.set("policies.deadline", "10s");
}

/// A server whose only policy records, and answers as the rules say.
pub async fn recording(rules: &[&str], change: impl FnOnce(&mut Config)) -> Server {
    Server::serve_with(|config| {
        record(config, rules, "");
        change(config);
    })
    .await
}

/// All events that the recorder has written down, in order.
pub fn events(server: &Server) -> Vec<Value> {
    let lines = server.log().into_iter().filter(|line| line.message() == "policy.says");
    lines.filter_map(|line| serde_json::from_str(line.text("says")).ok()).collect()
}

/// The first event of a kind whose line holds a text, once it is there.
pub async fn seen(server: &Server, kind: &str, about: &str) -> Value {
    deadline::until(SOON, &format!("an event {kind} about {about:?}"), || {
        events(server).into_iter().find(|event| event["kind"] == kind && event.to_string().contains(about))
    })
    .await
}

/// How many events of a kind there are by now.
pub fn count(server: &Server, kind: &str) -> usize {
    events(server).iter().filter(|event| event["kind"] == kind).count()
}
