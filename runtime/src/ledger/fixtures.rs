//! Bans and settings for tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::forgotten::Forgotten;
use super::{Ban, BanId, By, Reach, Subject};
use crate::config::Settings;
use crate::moment::Moment;

/// A ban of the whole pool by an operator, with an id of its own.
pub fn ban(subject: &str, created: Moment, seconds: Option<u64>) -> Arc<Ban> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(Ban {
        id: BanId::from_bits(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))),
        subject: Subject::parse(subject).expect(subject),
        reach: Reach::Site,
        reason: "test".into(),
        message: None,
        by: By::Operator { name: "root".into() },
        node: "a".into(),
        site: "s".into(),
        created,
        expires: seconds.map(|seconds| created.plus(Duration::from_secs(seconds))),
        clock: None,
        evidence: Vec::new(),
        course: None,
    })
}

/// A word that forgets a node of the bans above, with an id of its own.
pub fn forgotten(node: &str, at: Moment) -> Forgotten {
    let id = ban("user:x", at, None).id;
    Forgotten { id, node: node.into(), site: "s".into(), at, by: "root".into(), from: "b".into(), clock: None }
}

/// Settings that the defaults and some lines of TOML make.
pub fn settings(lines: &str) -> Settings {
    let text = format!("tls.self-signed = true\n{lines}");
    crate::config::parse(&text, "test.toml", Path::new("/nonexistent")).expect("settings").settings
}
