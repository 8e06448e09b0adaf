//! The reference page of commands, `runtime/COMMANDS.md`: what the table says, for people.

use std::fmt::Write;

use super::{COMMANDS, Command, During, Feature, Handler, SITE};
use crate::ftp::effect::Algorithm;
use crate::ftp::listing::FactSet;

const HEAD: &str = "# FTP commands\n\n\
    Made from the server's own table by `portcullis commands`; a test fails when this page is stale.\n\n\
    - State: `any`; `USER`: once a user was named; `login`: after a login; `TLS`: on a protected control connection.\n\
    - Transfer: what happens to a command that comes while a transfer runs. `at once`; `first`: at once, unless \
      another command waits; else it waits for the transfer's end.\n\
    - Permission: what the user needs, one of them where there are several; the files that are meant decide which.\n\
    - FEAT: the lines that announce it; those about TLS and active mode only where these are offered.\n";

/// The whole page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    let offered = |rows: &'static [Command]| rows.iter().filter(|row| !matches!(row.handler, Handler::Refused(_)));
    table(&mut page, "Commands", offered(&COMMANDS));
    table(&mut page, "SITE commands", offered(&SITE));
    page.push_str("\n## Known and refused\n\n| verb | reply |\n| --- | --- |\n");
    for row in &COMMANDS {
        if let Handler::Refused(reply) = row.handler {
            let wire = reply();
            let text = String::from_utf8_lossy(wire.wire());
            let _ = writeln!(page, "| {} | {} |", row.verb, text.trim_end());
        }
    }
    page
}

fn table<'a>(page: &mut String, title: &str, rows: impl Iterator<Item = &'a Command>) {
    let head = "| verb | state | transfer | permission | FEAT | what it does |\n| --- | --- | --- | --- | --- | --- |";
    let _ = writeln!(page, "\n## {title}\n\n{head}");
    for row in rows {
        let help = if row.help.is_empty() { "refused" } else { row.help };
        let (state, during, feature) = (state(row), during(row), feature(row));
        let _ = writeln!(
            page,
            "| {} | {state} | {during} | {} | {feature} | {help} |",
            row.verb,
            row.permissions.join(", ")
        );
    }
}

fn state(row: &Command) -> &'static str {
    match row.handler {
        Handler::LoggedIn(_) => "login",
        _ if row.in_clear.is_some() => "TLS",
        _ if row.behind_user => "USER",
        _ => "any",
    }
}

fn during(row: &Command) -> &'static str {
    match row.during {
        During::AtOnce => "at once",
        During::IfNoneWaits => "first",
        During::Waits => "",
    }
}

fn feature(row: &Command) -> String {
    let code = |lines: &[&str]| lines.iter().map(|line| format!("`{line}`")).collect::<Vec<_>>().join(", ");
    match row.feature {
        Feature::None => String::new(),
        Feature::Always(lines) | Feature::WithTls(lines) | Feature::WithActiveMode(lines) => code(lines),
        Feature::Facts => format!("`MLST {}`", FactSet::USUAL.features()),
        Feature::Hashes => format!("`HASH {}`", Algorithm::default().features()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_says_what_the_table_says() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("COMMANDS.md");
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == page(), "it is stale; run: portcullis commands > runtime/COMMANDS.md");
    }
}
