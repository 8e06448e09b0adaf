//! The other end of the admin socket: one request, one answer.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::request::{Refusal, Reply, Request};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text says it")]
pub enum AskError {
    #[error("no server answers at {path}: {error}")]
    Unreachable { path: PathBuf, error: io::Error },
    #[error("the server's answer cannot be read: {0}")]
    Garbled(String),
    #[error("{}", .0.why.join("\n"))]
    Refused(Refusal),
}

/// A connection to a running server.
#[derive(Debug)]
pub struct Line {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// `AskError::Unreachable`.
    pub fn open(path: &Path) -> Result<Line, AskError> {
        let stream =
            UnixStream::connect(path).map_err(|error| AskError::Unreachable { path: path.to_owned(), error })?;
        Ok(Line { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// Asks and waits for the answer, however long a reload may take.
    ///
    /// # Errors
    /// `AskError` for no answer, a wrong one, or a refusal.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, AskError> {
        self.send(request)?;
        match self.receive()? {
            Reply::Done(value) => serde_json::from_value(value).map_err(garbled),
            Reply::More(_) => Err(AskError::Garbled("a list came".to_owned())),
            Reply::Refused(refusal) => Err(AskError::Refused(refusal)),
        }
    }

    /// Asks for a list that comes in parts.
    ///
    /// # Errors
    /// `AskError` for no answer, a wrong one, or a refusal.
    pub fn ask_all<T: DeserializeOwned>(&mut self, request: &Request) -> Result<Vec<T>, AskError> {
        self.send(request)?;
        let mut all = Vec::new();
        loop {
            let (part, last) = match self.receive()? {
                Reply::More(value) => (value, false),
                Reply::Done(value) => (value, true),
                Reply::Refused(refusal) => return Err(AskError::Refused(refusal)),
            };
            let part: Vec<T> = serde_json::from_value(part).map_err(garbled)?;
            all.extend(part);
            if last {
                return Ok(all);
            }
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), AskError> {
        let mut text = serde_json::to_vec(request).map_err(|error| AskError::Garbled(error.to_string()))?;
        text.push(b'\n');
        let lost = |error: io::Error| AskError::Unreachable { path: self.path.clone(), error };
        self.stream.get_mut().write_all(&text).map_err(lost)
    }

    fn receive(&mut self) -> Result<Reply, AskError> {
        let lost = |error: io::Error| AskError::Unreachable { path: self.path.clone(), error };
        let mut answer = String::new();
        if self.stream.read_line(&mut answer).map_err(lost)? == 0 {
            return Err(lost(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")));
        }
        serde_json::from_str(&answer).map_err(garbled)
    }
}

fn garbled(error: serde_json::Error) -> AskError {
    AskError::Garbled(error.to_string())
}
