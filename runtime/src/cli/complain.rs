//! How the command line says no: what, where, what to do, all mistakes at once.

use crate::admin::client::AskError;
use crate::config::Mistake;

/// Why a command has no answer.
#[derive(Debug)]
pub enum Complaint {
    /// The configuration, a file that it names, or the arguments are wrong.
    Wrong {
        /// All that was found.
        mistakes: Vec<Mistake>,
        /// What follows from it.
        so: &'static str,
    },
    /// It did not work.
    Failed(Vec<Mistake>),
    /// No server answers.
    Unreachable(Mistake),
}

impl Complaint {
    /// It did not work, and this is all that there is to say.
    pub fn failed(what: impl Into<String>) -> Complaint {
        Complaint::Failed(vec![Mistake { what: what.into(), place: None, remedy: None }])
    }

    /// One wrong thing in the arguments.
    pub fn usage(what: impl Into<String>, remedy: Option<&str>) -> Complaint {
        let mistake = Mistake { what: what.into(), place: None, remedy: remedy.map(str::to_owned) };
        Complaint::Wrong { mistakes: vec![mistake], so: "nothing was done" }
    }

    /// A configuration that cannot be used; nothing was started.
    pub fn configuration(mistakes: Vec<Mistake>) -> Complaint {
        Complaint::Wrong { mistakes, so: "nothing was started" }
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Complaint::Failed(_) => 1,
            Complaint::Wrong { .. } => 2,
            Complaint::Unreachable(_) => 3,
        }
    }

    /// For stderr.
    pub fn text(&self, json: bool) -> String {
        let (mistakes, so) = match self {
            Complaint::Wrong { mistakes, so } => (mistakes.as_slice(), Some(*so)),
            Complaint::Failed(mistakes) => (mistakes.as_slice(), None),
            Complaint::Unreachable(mistake) => (std::slice::from_ref(mistake), None),
        };
        if json {
            return serde_json::json!({ "errors": mistakes }).to_string() + "\n";
        }
        let mut text: String = mistakes.iter().map(|mistake| format!("error: {mistake}\n")).collect();
        if let Some(so) = so {
            let count = match mistakes.len() {
                1 => "1 error".to_owned(),
                count => format!("{count} errors"),
            };
            text.push_str(&format!("{count}, {so}\n"));
        }
        text
    }
}

impl From<AskError> for Complaint {
    fn from(error: AskError) -> Complaint {
        let plain = |what: String| Mistake { what, place: None, remedy: None };
        match error {
            AskError::Unreachable { path, error } => Complaint::Unreachable(Mistake {
                what: format!("no server answers: {}", crate::config::plain(&error)),
                place: Some(path.display().to_string()),
                remedy: Some("name the running server with --admin, --state or --config".to_owned()),
            }),
            AskError::Garbled(_) => Complaint::failed(error.to_string()),
            AskError::Refused(refusal) => {
                let mistakes = refusal.why.into_iter().map(plain).collect();
                if refusal.usage {
                    Complaint::Wrong { mistakes, so: "nothing was done" }
                } else {
                    Complaint::Failed(mistakes)
                }
            }
        }
    }
}
