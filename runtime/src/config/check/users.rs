//! `[users]`: the file of users, anonymous, PAM.

use std::path::Path;
use std::time::Duration;

use super::super::settings::*;
use super::super::sheet::Section;
use super::{KIB, is_server_name, seconds};
use crate::auth::Rights;

pub(super) fn users(at: &mut Section<'_, '_>, base: &Path) -> Users {
    Users {
        file: at.path("file", base),
        forbidden: at
            .list("forbidden", "a list of names", usize::MAX, |name| (!name.is_empty()).then(|| name.to_owned())),
        hashes_at_once: at.count("hashes-at-once", 1..=256),
        failure_delay: at.span("failure-delay", Duration::ZERO..=seconds(60)),
        failure_delay_longest: at.span("failure-delay-longest", Duration::ZERO..=seconds(60)),
        end_removed: at.flag("end-removed"),
        anonymous: at.section("anonymous", |at| anonymous(at, base)),
        pam: at.section("pam", pam),
    }
}

fn pam(at: &mut Section<'_, '_>) -> Option<Pam> {
    let service = at.text("service", "a name such as \"portcullis\"", |text| {
        text.is_empty() || is_server_name(text) && !text.starts_with('.')
    });
    let group = at.text("group", "the name of a [[group]]", |text| !text.contains('\0'));
    let at_once = at.count("at-once", 1..=256);
    let failure_time = at.span("failure-time", Duration::ZERO..=seconds(60));
    if service.is_empty() {
        return None;
    }
    if cfg!(not(feature = "pam")) {
        let remedy = "build it with `cargo build --release --features pam`, which needs PAM's library \
                      (Debian: libpam0g-dev), or remove the key";
        at.mistake("service", "needs a server that was built with PAM", remedy);
    }
    if group.is_empty() {
        let remedy = "name a [[group]] of the file of users; its home, permissions, limits and networks hold for them";
        at.mistake("group", "is needed with `users.pam.service`", remedy);
    }
    Some(Pam { service, group, at_once, failure_time })
}

fn anonymous(at: &mut Section<'_, '_>, base: &Path) -> Option<Anonymous> {
    let enabled = at.flag("enabled");
    let takes = format!("a list of {}", Rights::WORDS.map(|word| format!("{word:?}")).join(", "));
    let known = |word: &str| Rights::WORDS.contains(&word).then(|| word.to_owned());
    let mut permissions = Rights::NONE;
    for word in at.list("permissions", &takes, Rights::WORDS.len(), known) {
        permissions.grant(&word);
    }
    let home = at.path("home", base);
    let pattern = |text: &str| (text.len() <= KIB as usize).then(|| text.to_lowercase());
    let refused_passwords =
        at.list("refused-passwords", "a list of up to 100 patterns such as \"*@example.com\"", 100, pattern);
    enabled.then_some(Anonymous { home, permissions, refused_passwords })
}
