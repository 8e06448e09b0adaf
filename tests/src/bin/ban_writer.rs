//! A ledger without a server, for the test that kills it: bans and lifts as fast as the disk takes them, and
//! says on stdout what was acknowledged.
//!
//! `ban_writer STATE ROUND` writes until it is killed; `ban_writer STATE list` prints who is banned.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use portcullis::config::{self, Settings};
use portcullis::ledger::{self, Filter, Reach, Subject, Which};
use portcullis::moment::Moment;
use portcullis::store::{Derive, Key, Purpose};

/// Bans under way at once: some share an fsync, some a new file.
const AT_ONCE: usize = 8;

/// These bans stay here.
struct NoKeys;

#[async_trait]
impl Derive for NoKeys {
    async fn derive(&self, _: &Purpose) -> Vec<Key> {
        Vec::new()
    }
}

fn settings(state: &Path) -> anyhow::Result<Settings> {
    let text = "tls.self-signed = true\nbans.upkeep = \"10ms\"\nbans.upkeep-batch = 20\n";
    let loaded = config::parse(text, "ban_writer", state).map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    let mut settings = loaded.settings;
    settings.server.state = state.to_owned();
    Ok(settings)
}

fn say(line: &str) {
    // One write for a line: whoever kills this process sees it whole or not at all.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [state, round] = arguments.as_slice() else { anyhow::bail!("usage: ban_writer STATE ROUND|list") };
    let settings = settings(Path::new(state))?;
    let (bans, writer) = ledger::open(
        &settings,
        portcullis::store::open(&settings, portcullis::store::Secrets::default()),
        Arc::new(NoKeys),
    )?;
    if round == "list" {
        for ban in bans.list(&Filter::default(), Moment::now()).await {
            say(&ban.subject.to_string());
        }
        return Ok(());
    }
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..AT_ONCE {
        let (writer, round) = (writer.clone(), round.clone());
        tasks.spawn(async move {
            for number in 0_u64.. {
                let subject = Subject::User(format!("{round}-{lane}-{number}"));
                let hour = Some(Duration::from_secs(3600));
                let added =
                    writer.add(subject.clone(), hour, "a test".into(), Reach::Node, "root", Moment::now()).await;
                added.context("a ban")?;
                say(&format!("+{subject}"));
                if number % 2 == 1 {
                    say(&format!("?{subject}"));
                    writer.lift(Which::Subject(subject.clone()), "root", Moment::now()).await;
                    say(&format!("-{subject}"));
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
