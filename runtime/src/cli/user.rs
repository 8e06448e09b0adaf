//! `portcullis user hash`.

use std::io::{BufRead, IsTerminal, Read};

use super::Answer;
use super::complain::Complaint;
use crate::auth::{Secret, password::Hash};
use crate::config::plain;

/// Longest line that is read as a password; the server's own bound is `limits.password-bytes`.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Hashes a password from a prompt, or the first line of stdin.
pub fn hash() -> Result<Answer, Complaint> {
    let password = if std::io::stdin().is_terminal() { prompted()? } else { piped()? };
    if password.reveal().is_empty() {
        return Err(Complaint::usage("the password is empty", Some("type one, or send one line to stdin")));
    }
    let hash = Hash::of(&password).map_err(|error| Complaint::failed(error.to_string()))?;
    Ok(Answer::good(format!("{}\n", hash.as_str())))
}

fn prompted() -> Result<Secret, Complaint> {
    let unread = |error: std::io::Error| Complaint::failed(format!("the password cannot be read: {}", plain(&error)));
    let first = rpassword::prompt_password("Password: ").map_err(unread)?;
    let again = rpassword::prompt_password("Again: ").map_err(unread)?;
    if first != again {
        return Err(Complaint::usage("the two differ", Some("try again")));
    }
    Ok(Secret::new(first))
}

fn piped() -> Result<Secret, Complaint> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| Complaint::failed(format!("the password cannot be read: {}", plain(&error))))?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
