//! `portcullis cluster`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Answer;
use super::complain::Complaint;
use crate::config::plain;
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
