//! `[record]`

use std::path::Path;

use super::super::settings::Record;
use super::super::sheet::Section;
use super::{KIB, MIB};

pub(super) fn record(at: &mut Section<'_, '_>, base: &Path) -> Record {
    Record {
        file: at.optional_path("file", base),
        bytes: at.size("bytes", 64 * KIB..=16 * 1024 * MIB),
        keep: at.count("keep", 0..=10_000),
        pseudonyms: at.flag("pseudonyms"),
        queue: at.count("queue", 16..=1_000_000),
    }
}
