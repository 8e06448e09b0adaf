//! `portcullis user hash | list`.

use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

use super::complain::Complaint;
use super::{Answer, table};
use crate::auth::{Listed, Secret, Users, password::Hash};
use crate::config::{self, plain};

/// Longest line that is read as a password; the server's own bound is `limits.password-bytes`.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Hashes a password from a prompt, or the first line of stdin.
pub fn hash() -> Result<Answer, Complaint> {
    let password = if std::io::stdin().is_terminal() { prompted()? } else { piped()? };
    if password.reveal().is_empty() {
        return Err(Complaint::usage("the password is empty", Some("type one, or send one line to stdin")));
    }
    let hash = Hash::of(&password).map_err(|error| Complaint::failed(error.to_string()))?;
    Ok(Answer::good(format!("{}\n", hash.text())))
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

/// The users of a configuration, without anything secret.
pub fn list(config: &Path, json: bool) -> Result<Answer, Complaint> {
    let wrong = |mistakes| Complaint::Wrong { mistakes, so: "nothing was listed" };
    let loaded = config::load(config).map_err(wrong)?;
    let users = Users::load(&loaded.settings.users).map_err(wrong)?.list();
    if json {
        return Answer::json(&users);
    }
    let cells = |user: Listed| {
        let permissions = if user.permissions.is_empty() { "none".to_owned() } else { user.permissions.join(",") };
        [
            user.name,
            user.group.unwrap_or_else(|| "-".to_owned()),
            if user.enabled { "yes" } else { "no" }.to_owned(),
            user.expires.map_or_else(|| "never".to_owned(), |end| end.to_string()),
            permissions,
            user.networks.map_or_else(|| "anywhere".to_owned(), |set| set.join(",")),
            user.home.display().to_string(),
        ]
    };
    let headings = ["USER", "GROUP", "ENABLED", "EXPIRES", "PERMISSIONS", "FROM", "HOME"];
    Ok(Answer::good(table::table(headings, users.into_iter().map(cells))))
}
