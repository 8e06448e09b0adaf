//! The published versions of the contract, one file each. A component that was built for any of them
//! loads for ever: what differs from today's words is converted in that version's file.

pub(super) mod v0_1;

/// As a load error lists it.
pub(super) const KNOWN: &str = "0.1.0";
