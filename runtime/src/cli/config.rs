//! `portcullis config show`.

use std::path::Path;

use super::complain::Complaint;
use super::{Answer, table};
use crate::config;

/// Every key, its value, and where it comes from.
pub fn show(file: &Path, json: bool) -> Result<Answer, Complaint> {
    let loaded = config::load(file).map_err(|mistakes| Complaint::Wrong { mistakes, so: "nothing was started" })?;
    if json {
        return Answer::json(&loaded.shown);
    }
    let rows = loaded.shown.into_iter().map(|shown| [shown.key, shown.value, shown.origin]);
    Ok(Answer::good(table::table(["KEY", "VALUE", "FROM"], rows)))
}
