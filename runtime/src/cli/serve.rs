//! `portcullis serve` and `check`.

use std::path::Path;

use super::Answer;
use super::complain::Complaint;
use crate::config::plain;
use crate::startup::{self, Ready, Server, Source, Trouble};

/// Serves until told to stop.
pub fn run(config: &Path, ready_file: Option<&Path>) -> Result<Answer, Complaint> {
    until_stopped(Source::File(config.to_owned()), None, ready_file, |_, _| String::new())
}

/// Starts, says so, serves until told to stop. `login` is a user and password for the ready file; `invite`
/// makes what is printed once clients may come.
pub fn until_stopped(
    source: Source,
    login: Option<(String, String)>,
    ready_file: Option<&Path>,
    invite: impl Fn(&Ready, &[String]) -> String,
) -> Result<Answer, Complaint> {
    let loaded = source.load().map_err(Complaint::configuration)?;
    // Held to the end: its last lines are written when it is dropped.
    let _logging =
        crate::admin::log::start(&loaded.settings.log).map_err(|error| Complaint::failed(error.to_string()))?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let server = Server::start(source, loaded).await?;
        let mut ready = server.ready();
        (ready.user, ready.password) = login.unzip();
        if let Some(file) = ready_file {
            ready.write(file).map_err(|error| {
                let what = format!("the ready file {} cannot be written: {}", file.display(), plain(&error));
                Complaint::failed(what)
            })?;
        }
        // Nobody may be reading.
        let _ = std::io::Write::write_all(&mut std::io::stdout(), invite(&ready, &server.policies()).as_bytes());
        server.run().await;
        Ok(())
    });
    // What still runs in a thread, such as a password check of a client that is gone, is nobody's any more.
    runtime.shutdown_background();
    ended.map(|()| Answer::good(""))
}

/// Finds everything that `serve` would refuse.
pub fn check(config: &Path, json: bool) -> Result<Answer, Complaint> {
    let found = runtime()?.block_on(startup::check(&Source::File(config.to_owned())))?;
    if json {
        return Answer::json(&found);
    }
    Ok(Answer::good(format!(
        "{} is good: {} users, policies: {}\n",
        config.display(),
        found.users,
        if found.policies.is_empty() { "none".to_owned() } else { found.policies.join(", ") }
    )))
}

/// Threads that may wait, of disks, hashes and PAM together, beside those that serve. They are made as they are
/// needed; so many disks would have to hang at once that each holds `files.workers-per-disk`, by its default 32.
const WAITING_THREADS_MAX: usize = 2048;

fn runtime() -> Result<tokio::runtime::Runtime, Complaint> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(WAITING_THREADS_MAX)
        .build()
        .map_err(|error| Complaint::failed(format!("cannot start threads: {}", plain(&error))))
}

impl From<Trouble> for Complaint {
    fn from(trouble: Trouble) -> Complaint {
        match trouble {
            Trouble::Configuration(mistakes) => Complaint::configuration(mistakes),
            Trouble::Machine(mistake) => Complaint::Failed(vec![mistake]),
        }
    }
}
