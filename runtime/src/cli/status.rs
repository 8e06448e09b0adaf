//! `portcullis status`.

use std::fmt::Write;

use super::arguments::Reach;
use super::complain::Complaint;
use super::{Answer, policy, table};
use crate::admin::log::one_line;
use crate::admin::{Request, Status};
use crate::policy::PolicyStatus;

/// How the server is.
pub fn run(reach: &Reach, json: bool) -> Result<Answer, Complaint> {
    let status: Status = reach.open()?.ask(&Request::Status {})?;
    if json {
        return Answer::json(&status);
    }
    let mut text = format!("Portcullis {}, node {} of site {}\n", status.version, status.node, status.site);
    let mut line = |name: &str, what: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<12} {}", one_line(&what));
    };
    line("up", table::span(status.started.until(status.now)));
    let addresses: Vec<String> = status.addresses.iter().map(ToString::to_string).collect();
    line("listening", addresses.join(", "));
    line("connections", format!("{}, of these {} not logged in", status.connections, status.unauthenticated));
    let mut bans = format!("{} of at most {}", status.bans.bans, status.bans.bans_max);
    if status.bans.unsaved {
        bans.push_str(", NOT ALL ON DISK: look at the log");
    }
    if status.bans.unpublished > 0 {
        bans.push_str(&format!(", {} not published yet", status.bans.unpublished));
    }
    if status.bans.over_quota > 0 {
        bans.push_str(&format!(
            ", {} beyond `bans.table-per-node` NOT TAKEN IN: look at the log",
            status.bans.over_quota
        ));
    }
    if status.bans.forgotten > 0 {
        bans.push_str(&format!(", nodes forgotten: {}", status.bans.forgotten));
    }
    line("bans", bans);
    let degraded = if status.store.degraded { ", DEGRADED: counters are this node's alone" } else { "" };
    line("store", format!("{}{degraded}", status.store.engine));
    for server in &status.store.servers {
        let trouble = server.last_error.as_ref().map(|error| format!(", last error: {error}")).unwrap_or_default();
        let mut counts = format!("{} operations, {} failures", server.operations, server.failures);
        if server.p50_micros > 0.0 {
            counts.push_str(&format!(", p50 {:.0} us, p99 {:.0} us", server.p50_micros, server.p99_micros));
        }
        line("", format!("{} {}: {counts}{trouble}", server.address, server.breaker));
    }
    if let Some(warning) = &status.store.warning {
        line("", format!("WARNING: {warning}"));
    }
    line("state", status.state.display().to_string());
    text.push('\n');
    let policies: Vec<PolicyStatus> = status.policies.into_iter().chain([status.keys]).collect();
    text.push_str(&policy::rows(&policies));
    Ok(Answer::good(text))
}
