//! What a guest may call, one thin file for each interface of the contract: takes the call off the budget,
//! translates, asks the offer.

mod bans;
mod clock;
mod log;
mod metrics;
mod networks;
mod store;

use std::collections::BTreeSet;

use wasmtime::component::{HasSelf, Linker};

use super::contract::v0_1::ban::portcullis::policy as wit;
use super::limits::Guest;
use super::offer::Call;
use crate::config::settings::Grant;

/// The guest that decides about clients.
pub(super) type Caller = Guest<Call>;

/// The interface of a grant, as components import it.
pub(super) const INTERFACES: [(Grant, &str); 6] = [
    (Grant::Store, "portcullis:policy/store"),
    (Grant::Bans, "portcullis:policy/bans"),
    (Grant::Networks, "portcullis:policy/networks"),
    (Grant::Clock, "portcullis:policy/clock"),
    (Grant::Log, "portcullis:policy/log"),
    (Grant::Metrics, "portcullis:policy/metrics"),
];

/// Links what is granted, and nothing else.
pub(super) fn link(linker: &mut Linker<Caller>, grants: &BTreeSet<Grant>) -> wasmtime::Result<()> {
    for grant in grants {
        match grant {
            Grant::Store => wit::store::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            Grant::Bans => wit::bans::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            Grant::Networks => wit::networks::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            Grant::Clock => wit::clock::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            Grant::Log => wit::log::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            Grant::Metrics => wit::metrics::add_to_linker::<_, HasSelf<_>>(linker, |caller| caller)?,
            // A power, and no interface.
            Grant::UserBans => {}
        }
    }
    Ok(())
}

/// The contract's values have no functions.
impl wit::types::Host for Caller {}
