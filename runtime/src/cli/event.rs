//! `portcullis event raise`.

use super::Answer;
use super::arguments::{EventRaise, Reach};
use super::complain::Complaint;
use crate::admin::Request;
use crate::session::Raised;

/// Tells the policies, and what they made of it.
pub fn raise(reach: &Reach, wanted: &EventRaise, json: bool) -> Result<Answer, Complaint> {
    let request = Request::EventRaise {
        name: wanted.name.clone(),
        host: wanted.host,
        user: wanted.user.clone(),
        data: wanted.data.clone(),
    };
    let raised: Raised = reach.open()?.ask(&request)?;
    if json {
        return Answer::json(&raised);
    }
    if !raised.heard {
        return Ok(Answer::good("no policy wants such events\n"));
    }
    let bans = match raised.bans.as_slice() {
        [] => "nobody is banned for it".to_owned(),
        bans => bans.iter().map(|id| format!("ban {id}")).collect::<Vec<_>>().join(", "),
    };
    Ok(Answer::good(format!("the policies say {}; {bans}\n", raised.decision)))
}
