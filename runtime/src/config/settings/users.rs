//! Who may log in.

use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Rights;

/// `[users]`
#[derive(Clone, Debug)]
pub struct Users {
    /// TOML file of users.
    pub file: PathBuf,
    /// Names that may never log in, such as root.
    pub forbidden: Vec<String>,
    /// Password checks at once; more wait.
    pub hashes_at_once: usize,
    /// Pause before a failed login is answered; doubles with each failure of the connection.
    pub failure_delay: Duration,
    /// The longest such pause.
    pub failure_delay_longest: Duration,
    /// End the sessions of users who were removed, disabled or forbidden.
    pub end_removed: bool,
    /// `[users.anonymous]`; `None`: nobody comes in without a password.
    pub anonymous: Option<Anonymous>,
    /// `[users.pam]`; `None`: nobody but the users of the file comes in with one.
    pub pam: Option<Pam>,
}

/// `[users.pam]`
#[derive(Clone, Debug)]
pub struct Pam {
    /// What PAM's own configuration calls this server.
    pub service: String,
    /// The group of the file of users whose keys hold for them.
    pub group: String,
    /// Logins that PAM is asked about at once; more wait, `timeouts.pam` in all.
    pub at_once: usize,
    /// No wrong password is answered sooner after PAM was, or would have been, asked.
    pub failure_time: Duration,
}

/// `[users.anonymous]`
#[derive(Clone, Debug)]
pub struct Anonymous {
    /// The folder that they see as `/`.
    pub home: PathBuf,
    /// What they may do there.
    pub permissions: Rights,
    /// Patterns of passwords that are refused.
    pub refused_passwords: Vec<String>,
}
