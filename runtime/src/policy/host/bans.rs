//! The bans in force on this node.

use super::super::contract::v0_1;
use super::Caller;
use super::wit::bans::{Host, InForce};
use super::wit::types::Subject;
use crate::ledger::By;

impl Host for Caller {
    fn find(&mut self, subject: Subject) -> wasmtime::Result<Option<InForce>> {
        self.meter.host_call()?;
        let Ok(whom) = v0_1::subject(&subject) else { return Ok(None) };
        let found = (self.host.offer.bans)(&whom, self.host.now);
        Ok(found.map(|ban| InForce {
            subject,
            reason: ban.reason.clone(),
            policy: match &ban.by {
                By::Policy { name, .. } => Some(name.clone()),
                By::Operator { .. } => None,
            },
            created: ban.created.millis(),
            expires: ban.expires.map(|end| end.millis()),
        }))
    }
}
