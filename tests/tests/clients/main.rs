//! The clients that people have, each run as its users run it, against the server as it starts by itself.
//! Which versions were run, and what came of it, stands in `tests/README.md`.

mod curl;
mod ftplib;
mod lftp;
mod libraries;
mod tools;
