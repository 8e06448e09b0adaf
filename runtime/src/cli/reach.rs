//! Finds the running server.

use std::path::PathBuf;

use super::arguments::Reach;
use super::complain::Complaint;
use crate::admin::client::Line;
use crate::admin::socket;
use crate::config;

impl Reach {
    /// Connects to its admin socket.
    pub fn open(&self) -> Result<Line, Complaint> {
        Ok(Line::open(&self.socket()?)?)
    }

    fn socket(&self) -> Result<PathBuf, Complaint> {
        if let Some(admin) = &self.admin {
            return Ok(admin.clone());
        }
        if let Some(config) = &self.config {
            let loaded =
                config::load(config).map_err(|mistakes| Complaint::Wrong { mistakes, so: "nothing was asked" })?;
            return Ok(loaded.settings.server.state.join(socket::NAME));
        }
        let state = self.state.clone().map_or_else(quickstart_state, Ok)?;
        Ok(state.join(socket::NAME))
    }
}

/// The state folder of a quickstart that was given none.
pub fn quickstart_state() -> Result<PathBuf, Complaint> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let states = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let missing = || Complaint::usage("there is no home folder to keep state in", Some("name a folder with --state"));
    Ok(states.ok_or_else(missing)?.join("portcullis"))
}
