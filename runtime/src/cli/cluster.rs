//! `portcullis cluster`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Answer;
use super::arguments::Reach;
use super::complain::Complaint;
use crate::admin::Request;
use crate::admin::log::one_line;
use crate::config::plain;
use crate::ledger::ForgottenNode;
use crate::store::ClusterKey;

/// Makes a key, or one more line for a key that is there.
pub fn keygen(out: Option<&Path>, seal: bool) -> Result<Answer, Complaint> {
    let text = if seal { ClusterKey::one_more() } else { ClusterKey::generate() };
    let Some(file) = out else { return Ok(Answer::good(text)) };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Complaint::failed(format!("cannot write {}: {}", file.display(), plain(&error))))?;
    Ok(Answer::good(format!("{}: copy it to every node and name it in `store.cluster-key`\n", file.display())))
}

/// Ends every ban that a node made until now.
pub fn forget(reach: &Reach, node: String, site: Option<String>, json: bool) -> Result<Answer, Complaint> {
    let gone: ForgottenNode = reach.open()?.ask(&Request::ClusterForget { node, site })?;
    if json {
        return Answer::json(&gone);
    }
    let others = match gone.told {
        Some(true) => "the other nodes follow within `bans.sync`, or as they start",
        Some(false) => "the store does not answer: the other nodes follow once it does",
        None => "there is no store that other nodes share",
    };
    let name = match gone.ended {
        0 => "; none of it was in force here: is the name right? `bans explain` shows the node of a ban",
        _ => "",
    };
    let (node, site) = (one_line(&gone.node), one_line(&gone.site));
    let ended = if gone.ended == 1 { "1 ban".to_owned() } else { format!("{} bans", gone.ended) };
    Ok(Answer::good(format!(
        "{ended} of node {node} of site {site} ended here, and what it made until now never counts again; {others}{name}\n"
    )))
}
