//! Texts of the command line against files; `UPDATE=1` writes what is said now.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory;

use super::*;

fn compare(name: &str, told: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, told).expect("a snapshot can be written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(told, known, "{name} has changed; if it should have, run the tests with UPDATE=1");
}

fn arguments(text: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(text.split(' ').map(OsString::from))
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

#[test]
fn help_reads_well() {
    let mut told = String::new();
    let mut all = vec![Arguments::command().term_width(100)];
    all[0].build();
    while let Some(mut command) = all.pop() {
        let help = command.render_long_help();
        let name = command.get_display_name().unwrap_or("portcullis");
        told.push_str(&format!("--- {name}\n{help}\n"));
        let shown = |inner: &&clap::Command| inner.get_name() != "help" && !inner.is_hide_set();
        let mut inner: Vec<_> = command.get_subcommands().filter(shown).cloned().collect();
        inner.reverse();
        all.extend(inner);
    }
    compare("help.txt", &told);
}

#[test]
fn mistakes_of_a_configuration_read_well() {
    let text = "\
[tls]
data-resumtion = \"log\"
self-signed = \"yes\"

[timeouts]
login = \"banana\"

[server]
listen = \"0.0.0.0:21\"
colour = \"red\"

[networks]
Office = [\"192.0.2.0/33\"]

[[policy]]
name = \"brute-force\"
source = \"brute-force\"
moed = \"observe\"

[[policy]]
name = \"brute-force\"
source = \"builtin:brute-force\"
bounds = { cpu = \"1h\" }
";
    let mistakes = crate::config::parse(text, "portcullis.toml", std::path::Path::new("/")).expect_err("mistakes");
    compare("configuration-mistakes.txt", &Complaint::configuration(mistakes).text(false));
    let broken = crate::config::parse("[tls]\nrequired = ja\n[server\n", "portcullis.toml", std::path::Path::new("/"));
    compare("configuration-no-toml.txt", &Complaint::configuration(broken.expect_err("no TOML")).text(false));
}

#[test]
fn complaints_have_their_exit_codes() {
    assert_eq!(Complaint::failed("x").code(), 1);
    assert_eq!(Complaint::usage("x", None).code(), 2);
    let nowhere = PathBuf::from("/nowhere/admin.sock");
    let error = crate::admin::client::Line::open(&nowhere).expect_err("nobody");
    let complaint = Complaint::from(error);
    assert_eq!(complaint.code(), 3);
    assert_eq!(
        complaint.text(false),
        "error: no server answers: No such file or directory\n  at /nowhere/admin.sock\n  \
         name the running server with --admin, --state or --config\n"
    );
}

#[test]
fn a_ban_needs_a_span_or_the_word_permanent() {
    assert!(arguments("portcullis bans add 192.0.2.7 --for 1h30m").is_ok());
    assert!(arguments("portcullis bans add 192.0.2.7 --permanent --reason x --reach node --admin /a").is_ok());
    assert!(arguments("portcullis bans add 192.0.2.7").is_err());
    assert!(arguments("portcullis bans add 192.0.2.7 --for 1h --permanent").is_err());
    assert!(arguments("portcullis bans list --json --state /s").is_ok());
    assert!(arguments("portcullis bans list --config /s --state /s").is_err());
}
