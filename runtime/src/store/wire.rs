//! One connection to a memcached server, as a stranger's bytes.
//!
//! memcache-async believes lengths, keys and line ends. So a watch sits below it and follows each answer as
//! it arrives: an endless line, a value over the bound, a key that nobody asked for, a byte after the end
//! of the answer all end the connection before the crate sees them. What the crate sends as `noreply` is
//! sent from here with its answer awaited.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use foldhash::quality::RandomState;
use memcache_async::ascii::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::{Key, StoreError};
use crate::auth::Secret;

/// The longest line of the protocol is that of a value with a key of 250 bytes.
const LINE_BYTES_MAX: usize = 512;
/// What is read of an answer at once.
const READ_BYTES: usize = 8 * 1024;

/// Words of a last line that is no error: `VERSION 1.6.18` has the most.
const LAST_LINE_WORDS: usize = 3;

/// What a connection may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the largest value.
    pub(super) value_bytes: usize,
}

/// A TCP or Unix stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection between operations.
pub(super) struct Connection(Watched);

/// The stream with its watch; commands are gathered and sent as one.
pub(super) struct Watched {
    stream: Box<dyn Stream>,
    out: Vec<u8>,
    watch: Watch,
}

impl Connection {
    /// Connects to a socket in the file system.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn unix(path: &str, limits: Limits) -> io::Result<Connection> {
        Ok(Connection::over(Box::new(UnixStream::connect(path).await?), limits))
    }

    /// Connects to the first address that answers.
    ///
    /// # Errors
    /// The system's, for the last address; `NotFound` where none is known.
    pub(super) async fn tcp(addresses: &[SocketAddr], limits: Limits) -> io::Result<Connection> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name is not resolved yet");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Connection::over(Box::new(stream), limits));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn over(stream: Box<dyn Stream>, limits: Limits) -> Connection {
        Connection(Watched { stream, out: Vec::new(), watch: Watch::new(limits.value_bytes) })
    }

    /// Says user and password, `user:password` as memcached's own file (`-Y`) has them.
    ///
    /// # Errors
    /// The system's; `PermissionDenied` if they are refused.
    pub(super) async fn authenticate(&mut self, credentials: &Secret) -> io::Result<()> {
        let said = credentials.reveal().replacen(':', " ", 1);
        self.exchange(format!("set auth 0 0 {}\r\n{said}\r\n", said.len()).as_bytes()).await?;
        match self.answer() {
            "STORED" => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "user or password is refused (`store.credentials`)",
            )),
        }
    }

    /// Whether the other side has closed it or said something unasked.
    pub(super) fn is_stale(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.0.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// The crate's protocol for one command, whose answer may hold values of these keys.
    pub(super) fn protocol(&mut self, keys: &[Key]) -> Protocol<&mut Watched> {
        self.0.watch.expect(keys);
        Protocol::new(&mut self.0)
    }

    /// Sends a command and awaits its answer of one line.
    ///
    /// # Errors
    /// The system's, or the watch's.
    pub(super) async fn exchange(&mut self, command: &[u8]) -> io::Result<()> {
        self.0.watch.expect(&[]);
        self.0.write_all(command).await?;
        self.0.flush().await?;
        let mut bytes = [0; LINE_BYTES_MAX];
        while !self.0.watch.is_complete() {
            if self.0.read(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The values under keys that travel in base64, by the text of the key.
    ///
    /// # Errors
    /// The system's, or the watch's.
    pub(super) async fn get_encoded(&mut self, keys: &[Key]) -> io::Result<HashMap<String, Vec<u8>>> {
        // The answer to each carries its number: the key comes back as whoever wrote it spelled it.
        self.0.watch.expect_numbers(keys.len());
        for (number, key) in keys.iter().enumerate() {
            self.0.write_all(format!("mg {key} b v q O{number}\r\n").as_bytes()).await?;
        }
        self.0.write_all(b"mn\r\n").await?;
        self.0.flush().await?;
        // No array: a future that holds one is copied with it, whether or not it ever gets here.
        let mut answer = Vec::new();
        while !self.0.watch.is_complete() {
            answer.reserve(READ_BYTES);
            if self.0.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if self.answer() != "MN" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut found = values(&answer);
        let found = keys
            .iter()
            .enumerate()
            .filter_map(|(number, key)| Some((key.as_str().to_owned(), found.remove(&format!("O{number}"))?)));
        Ok(found.collect())
    }

    /// The last line of the answer, without its end.
    pub(super) fn answer(&self) -> &str {
        &self.0.watch.answer
    }

    /// Whether the answer came to its end, so that the next one will be the next command's.
    pub(super) fn is_in_step(&self) -> bool {
        self.0.watch.is_complete() && self.0.watch.fault.is_none()
    }

    /// What an error of an operation means.
    pub(super) fn meaning(&self, error: &io::Error) -> StoreError {
        let watch = &self.0.watch;
        if let Some(fault) = watch.fault {
            return StoreError::Garbled(fault.to_owned());
        }
        let answer = watch.answer.escape_debug().to_string();
        if watch.is_complete() && answer.starts_with("SERVER_ERROR object too large") {
            StoreError::TooLarge
        } else if watch.is_complete() && answer.starts_with("SERVER_ERROR") {
            StoreError::Refused(answer)
        } else if watch.is_complete() && answer.starts_with("CLIENT_ERROR cannot increment") {
            StoreError::NotACounter
        } else if watch.is_complete() {
            StoreError::Garbled(answer)
        } else {
            StoreError::Unavailable(crate::config::plain(error))
        }
    }
}

/// The values of a meta answer that the watch has let through, by their numbers.
fn values(mut answer: &[u8]) -> HashMap<String, Vec<u8>> {
    let mut values = HashMap::new();
    while let Some(end) = answer.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = (&answer[..end], &answer[end + 2..]);
        let Some((length, key)) = std::str::from_utf8(line).ok().and_then(meta_header) else { break };
        let Some((value, rest)) = rest.split_at_checked(length) else { break };
        values.insert(key.to_owned(), value.to_vec());
        answer = rest.strip_prefix(b"\r\n").unwrap_or_default();
    }
    values
}

/// Length and number of `VA LENGTH ... ONUMBER ...`.
fn meta_header(line: &str) -> Option<(usize, &str)> {
    let mut words = line.strip_prefix("VA ")?.split(' ');
    let length = words.next()?.parse().ok()?;
    words.find(|word| word.starts_with('O')).map(|number| (length, number))
}

/// The errors of the protocol, behind which words follow.
fn is_error(line: &str) -> bool {
    ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"].contains(&line.split(' ').next().unwrap_or_default())
}

/// Follows one answer, byte by byte.
#[derive(Debug)]
struct Watch {
    state: State,
    keys: HashSet<String, RandomState>,
    /// Values come with numbers, as meta commands have them; else with keys.
    numbered: bool,
    line: Vec<u8>,
    answer: String,
    fault: Option<&'static str>,
    value_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// No byte is due.
    Complete,
    /// In a line.
    Line,
    /// In a value: bytes of it that are still to come.
    Value(usize),
    /// In the line end after a value.
    ValueEnd,
}

impl Watch {
    fn new(value_bytes: usize) -> Watch {
        Watch {
            state: State::Complete,
            keys: HashSet::default(),
            numbered: false,
            line: Vec::new(),
            answer: String::new(),
            fault: None,
            value_bytes,
        }
    }

    fn expect(&mut self, keys: &[Key]) {
        self.state = State::Line;
        self.numbered = false;
        self.keys.clear();
        self.keys.extend(keys.iter().map(|key| key.as_str().to_owned()));
        self.line.clear();
        self.answer.clear();
    }

    /// As [`Watch::expect`], for an answer whose values are numbered.
    fn expect_numbers(&mut self, count: usize) {
        self.expect(&[]);
        self.numbered = true;
        self.keys.extend((0..count).map(|number| format!("O{number}")));
    }

    fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Complete => return Err("bytes after the end of an answer"),
                State::Value(0) => {
                    self.state = State::ValueEnd;
                    continue;
                }
                State::Value(left) => {
                    let taken = left.min(bytes.len());
                    self.state = State::Value(left - taken);
                    bytes = &bytes[taken..];
                    continue;
                }
                State::Line | State::ValueEnd => self.line.push(*first),
            }
            bytes = rest;
            match (self.state, self.line.as_slice()) {
                (State::ValueEnd, b"\r") => {}
                (State::ValueEnd, b"\r\n") => {
                    self.line.clear();
                    self.state = State::Line;
                }
                (State::ValueEnd, _) => return Err("a value is longer than it said"),
                (_, [.., b'\r', b'\n']) => self.end_line()?,
                (_, [.., b'\n']) => return Err("a line ends without CR"),
                (_, line) if line.len() >= LINE_BYTES_MAX => return Err("a line has no end"),
                _ => {}
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), &'static str> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line).map_err(|_| "a line is not text")?.trim_end();
        if self.numbered
            && let Some((length, key)) = meta_header(line)
        {
            return self.begin_value(key, length);
        }
        let Some(header) = line.strip_prefix("VALUE ").filter(|_| !self.numbered) else {
            // Behind `gets` the crate takes any line for a value's header, and makes room for its fourth word.
            if line.split(' ').count() > LAST_LINE_WORDS && !is_error(line) {
                return Err("a line of many words that is neither a value nor an error");
            }
            self.answer = line.to_owned();
            self.state = State::Complete;
            return Ok(());
        };
        let mut words = header.split(' ');
        let (Some(key), Some(_flags), Some(length)) = (words.next(), words.next(), words.next()) else {
            return Err("a value has no length");
        };
        let length = length.parse::<usize>().map_err(|_| "a value's length is no number");
        self.begin_value(key, length?)
    }

    fn begin_value(&mut self, key: &str, length: usize) -> Result<(), &'static str> {
        if !self.keys.remove(key) {
            return Err("a key that nobody asked for");
        }
        if length > self.value_bytes {
            return Err("a value over the bound");
        }
        self.state = State::Value(length);
        Ok(())
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buf);
        if let Poll::Ready(Ok(())) = polled
            && let Err(fault) = this.watch.take(&buf.filled()[before..])
        {
            this.watch.fault = Some(fault);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.out.is_empty() {
            let written = std::task::ready!(Pin::new(&mut this.stream).poll_write(context, &this.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.out.drain(..written);
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watch(keys: &[&str]) -> Watch {
        let keys: Vec<Key> = keys.iter().map(|key| Key::parse(key).expect("key")).collect();
        let mut watch = Watch::new(100);
        watch.expect(&keys);
        watch
    }

    #[test]
    fn a_proper_answer_passes_however_it_is_cut() {
        let answer = b"VALUE a 0 7\r\nEND\r\n\r\n\r\nVALUE b 0 0 42\r\n\r\nEND\r\n";
        for size in 1..answer.len() {
            let mut watch = watch(&["a", "b", "c"]);
            for piece in answer.chunks(size) {
                assert_eq!(watch.take(piece), Ok(()), "pieces of {size}");
            }
            assert!(watch.is_complete());
            assert_eq!(watch.answer, "END");
        }
    }

    #[test]
    fn s_71_what_the_protocol_does_not_allow_ends_the_connection() {
        for (answer, fault) in [
            (&b"VALUE a 0 4294967296\r\n"[..], "a value over the bound"),
            (b"VALUE a 0 99999999999999999999999\r\n", "a value's length is no number"),
            (b"VALUE a 0 -1\r\n", "a value's length is no number"),
            (b"VALUE a\r\n", "a value has no length"),
            (b"VA 1 b\r\nx\r\nMN\r\n", "bytes after the end of an answer"),
            (b"VA 1 O3\r\nx\r\nMN\r\n", "bytes after the end of an answer"),
            (b"VALU a 0 9999999999999\r\n", "a line of many words that is neither a value nor an error"),
            (b"VERSION 1 2 9999999999999\r\n", "a line of many words that is neither a value nor an error"),
            (b"END of the 9999999999999\r\n", "a line of many words that is neither a value nor an error"),
            (b"VALUE b 0 1\r\nx\r\nEND\r\n", "a key that nobody asked for"),
            (b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n", "a key that nobody asked for"),
            (b"VALUE a 0 1\r\nxyz\r\nEND\r\n", "a value is longer than it said"),
            (b"END\n", "a line ends without CR"),
            (b"END\r\nEND\r\n", "bytes after the end of an answer"),
            (b"\xff\xfe\r\n", "a line is not text"),
            (&[b'x'; 1000], "a line has no end"),
        ] {
            assert_eq!(watch(&["a"]).take(answer), Err(fault), "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn s_71_of_numbered_values_only_those_that_were_asked_for_pass() {
        for (answer, taken) in [
            (&b"VA 1 O1\r\nx\r\nMN\r\n"[..], Ok(())),
            (b"VA 1 O2\r\nx\r\nMN\r\n", Err("a key that nobody asked for")),
            (b"VA 101 O0\r\n", Err("a value over the bound")),
            (b"VALUE a 0 1\r\nx\r\nEND\r\n", Err("a line of many words that is neither a value nor an error")),
        ] {
            let mut watch = watch(&["a"]);
            watch.expect_numbers(2);
            assert_eq!(watch.take(answer), taken, "{}", answer.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn f_06_no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut watch = watch(&["a"]);
            let _ = watch.take(&bytes);
        }
    }
}
