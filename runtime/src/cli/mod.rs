//! Arguments to calls. Besides `main.rs` and `startup.rs` the only place that uses `anyhow`.
//!
//! Trust: the operator's hands: mistakes are expected and answered with the next step. Must not know: how
//! anything is done.

mod arguments;
mod bans;
mod cluster;
mod complain;
mod config;
mod event;
mod explain;
mod policy;
mod quickstart;
mod reach;
mod replay;
mod serve;
mod status;
mod table;
mod tls;
mod user;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{
    Arguments, BansCommand, ClusterCommand, Command, ConfigCommand, EventCommand, PolicyCommand, SessionsCommand,
    TlsCommand, UserCommand,
};
use complain::Complaint;

/// What a command says.
#[derive(Debug)]
struct Answer {
    /// To stdout.
    text: String,
    /// Yes, done; else the answer is no.
    good: bool,
}

impl Answer {
    fn good(text: impl Into<String>) -> Answer {
        Answer { text: text.into(), good: true }
    }

    fn no(text: impl Into<String>) -> Answer {
        Answer { text: text.into(), good: false }
    }

    /// As JSON, where that was asked for.
    fn json<T: serde::Serialize>(answer: &T) -> Result<Answer, Complaint> {
        let text = serde_json::to_string_pretty(answer).map_err(|error| Complaint::failed(error.to_string()))?;
        Ok(Answer::good(text + "\n"))
    }
}

/// Runs a command line. Exit codes: 0 good, 1 no or failed, 2 wrong usage or configuration, 3 no server.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(told) => {
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let json = arguments.json;
    match carry_out(arguments) {
        Ok(answer) => {
            // A reader that has seen enough is no failure.
            let _ = std::io::stdout().write_all(answer.text.as_bytes());
            ExitCode::from(u8::from(!answer.good))
        }
        Err(complaint) => {
            let _ = std::io::stderr().write_all(complaint.text(json).as_bytes());
            ExitCode::from(complaint.code())
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<Answer, Complaint> {
    let json = arguments.json;
    match arguments.command {
        Command::Quickstart(wanted) => quickstart::run(&wanted),
        Command::Serve { config, ready_file } => serve::run(&config, ready_file.as_deref()),
        Command::Check { config } => serve::check(&config, json),
        Command::Commands => Ok(Answer::good(crate::ftp::table::reference::page())),
        Command::Config(ConfigCommand::Defaults) => Ok(Answer::good(crate::config::DEFAULTS)),
        Command::Config(ConfigCommand::Show { config }) => config::show(&config, json),
        Command::Bans { command, reach } => match command {
            BansCommand::List(wanted) => bans::list(&reach, &wanted, json),
            BansCommand::Add(wanted) => bans::add(&reach, &wanted, json),
            BansCommand::Lift { which } => bans::lift(&reach, which, json),
            BansCommand::Explain { which } => explain::run(&reach, which, json),
            BansCommand::Export(filter) => bans::export(&reach, &filter),
            BansCommand::Import { file } => bans::import(&reach, file.as_deref(), json),
        },
        Command::Event { command: EventCommand::Raise(wanted), reach } => event::raise(&reach, &wanted, json),
        Command::Policy(PolicyCommand::List { reach }) => policy::list(&reach, json),
        Command::Policy(PolicyCommand::Reload { reach }) => policy::reload(&reach, json),
        Command::Policy(PolicyCommand::Inspect { file }) => policy::inspect(&file, json),
        Command::Policy(PolicyCommand::Replay(wanted)) => replay::run(&wanted, json),
        Command::Policy(PolicyCommand::Check { file, settings }) => policy::check(&file, settings.as_deref(), json),
        Command::Cluster(ClusterCommand::Keygen { out, seal }) => cluster::keygen(out.as_deref(), seal),
        Command::Cluster(ClusterCommand::Forget { node, site, reach }) => cluster::forget(&reach, node, site, json),
        Command::Tls { command: TlsCommand::Sessions(wanted), reach } => match wanted {
            SessionsCommand::Info => tls::info(&reach, json),
            SessionsCommand::Clear => tls::clear(&reach, json),
        },
        Command::Status { reach } => status::run(&reach, json),
        Command::Compile { memory, seconds } => match crate::policy::compile(memory, seconds) {
            Ok(()) => Ok(Answer::good("")),
            Err(error) => Err(Complaint::failed(crate::config::plain(&error))),
        },
        Command::User(UserCommand::Hash) => user::hash(),
        Command::User(UserCommand::List { config }) => user::list(&config, json),
    }
}

#[cfg(test)]
mod tests;
