//! Listing lines: `ls -l`, names, RFC 3659 facts.

/// Which RFC 3659 facts MLSx shows; chosen by OPTS MLST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactSet(pub(super) u8);
