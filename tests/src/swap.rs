//! A server whose `brute-force` policy comes from a file of its own, and can be changed under it.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis::moment::Moment;
use serde_json::Value;

use crate::config::Config;
use crate::deadline::{self, SOON};
use crate::place;
use crate::server::Server;

/// A server whose `brute-force` comes from a file of its own, and that file.
pub async fn with_component_file() -> (Server, PathBuf) {
    let mut server = Server::prepared(|_| {}).await;
    let component = server.folder().join("brute-force.wasm");
    fs::copy(place::guest("brute-force"), &component).expect("the component can be copied");
    limit(&mut server.config, &component, 5);
    server.rewrite();
    server.start().await;
    (server, component)
}

/// Configures `brute-force` with a threshold.
pub fn limit(config: &mut Config, component: &Path, limit: u32) {
    config.no_policies().policy(&format!(
        "name = 'brute-force'\nsource = 'file:{}'\nsettings = {{ limit = {limit} }}",
        component.display()
    ));
}

/// The same component under another digest: a custom section more, which every engine skips.
pub fn another_build(component: &Path) -> Vec<u8> {
    let mut bytes = fs::read(component).expect("the component can be read");
    let name = b"built-again";
    bytes.push(0);
    bytes.push(u8::try_from(name.len() + 1).expect("small"));
    bytes.push(u8::try_from(name.len()).expect("small"));
    bytes.extend_from_slice(name);
    bytes
}

/// What is in force of `brute-force`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Digest of the component.
    pub component: String,
    /// Digest of the settings.
    pub settings: String,
    /// Since when, as the server tells it.
    pub since: Moment,
}

/// Asks the server what is in force.
pub async fn in_force(server: &Server) -> InForce {
    let rows = server.admin(&["policy", "list", "--json"]).await.good().json();
    let rows = rows.as_array().expect("a list of policies");
    let row = rows.iter().find(|row| row["name"] == "brute-force").unwrap_or(&Value::Null);
    let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}")).to_owned();
    let since = row["since"].as_u64().unwrap_or_else(|| panic!("since in {row}"));
    InForce { component: text("digest"), settings: text("settings_digest"), since: Moment::from_millis(since) }
}

/// Waits until something else is in force; what that is.
pub async fn changed_since(server: &Server, before: &InForce) -> InForce {
    deadline::until_asked(SOON, "the new policy in force", async || {
        let now = in_force(server).await;
        (now.component != before.component || now.settings != before.settings).then_some(now)
    })
    .await
}
