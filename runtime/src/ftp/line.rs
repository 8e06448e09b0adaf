//! The bounded line reader: bytes to command lines.

/// One command line: no line end, no NUL, Telnet sequences removed, valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a>(pub(super) &'a str);

/// Bytes that are no command line; the reader goes on behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Over the bound; everything up to its line end was discarded.
    TooLong,
    /// Holds a NUL.
    Nul,
    /// Not UTF-8.
    NotUtf8,
    /// A TLS record where a command should be.
    TlsRecord,
}
