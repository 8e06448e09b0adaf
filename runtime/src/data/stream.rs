//! One data connection, in clear or protected: bytes with a stall limit, and an end that the client can
//! tell from a cut.

use std::future::poll_fn;
use std::io;

use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::lingering::Lingering;
use crate::config::Timeouts;
use crate::tls::DataTls;
use crate::waits::{self, Wait};

/// An open data connection.
pub struct Data {
    pub(super) stream: Stream,
}

pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<DataTls>),
}

/// Why bytes stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Reset, or an error of TLS or the kernel.
    Broken,
    /// No byte moved for the time of [`Wait::Stalled`].
    Stalled,
    /// The client's side ended without close_notify: perhaps whole, perhaps cut.
    Unclean,
}

impl From<waits::TimedOut> for Halt {
    fn from(_: waits::TimedOut) -> Halt {
        Halt::Stalled
    }
}

impl std::fmt::Debug for Data {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Data").field("protected", &self.protected()).finish()
    }
}

impl Data {
    /// Sends all of `bytes`; the last of them perhaps not before the next call of any kind.
    ///
    /// # Errors
    /// `Broken` or `Stalled`.
    pub async fn write_all(&mut self, limits: &Timeouts, mut bytes: &[u8]) -> Result<(), Halt> {
        while !bytes.is_empty() {
            let written = match &mut self.stream {
                Stream::Clear(stream) => waits::within(limits, Wait::Stalled, stream.write(bytes)).await?,
                Stream::Tls(stream) => waits::within(limits, Wait::Stalled, stream.write(bytes)).await?,
            };
            match written {
                Ok(0) | Err(_) => return Err(Halt::Broken),
                Ok(count) => bytes = &bytes[count..],
            }
        }
        Ok(())
    }

    /// Sends what is left of all that was written: more will come, but not at once.
    ///
    /// # Errors
    /// `Broken` or `Stalled`.
    pub async fn push(&mut self, limits: &Timeouts) -> Result<(), Halt> {
        let Stream::Tls(stream) = &mut self.stream else { return Ok(()) };
        let pushed = poll_fn(|cx| stream.get_mut().0.poll_push(cx, SendFlags::empty()));
        waits::within(limits, Wait::Stalled, pushed).await?.map_err(|_| Halt::Broken)
    }

    /// Receives into `space`; 0 is the client's proper end.
    ///
    /// # Errors
    /// Each `Halt`.
    pub async fn read(&mut self, limits: &Timeouts, space: &mut [u8]) -> Result<usize, Halt> {
        let read = match &mut self.stream {
            Stream::Clear(stream) => waits::within(limits, Wait::Stalled, stream.read(space)).await?,
            Stream::Tls(stream) => waits::within(limits, Wait::Stalled, stream.read(space)).await?,
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Halt::Unclean,
            _ => Halt::Broken,
        })
    }

    /// Whether what comes is protected.
    pub const fn protected(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The proper end of our side: everything flushed, close_notify, FIN. The rest of the client's side is
    /// read in the background. Behind an upload this is the answer to the client's close_notify.
    ///
    /// # Errors
    /// `Broken` or `Stalled`: the client cannot know that it has everything.
    pub async fn finish(mut self, limits: &Timeouts, lingering: &Lingering) -> Result<(), Halt> {
        let ended = match &mut self.stream {
            Stream::Clear(stream) => waits::within(limits, Wait::Stalled, stream.shutdown()).await?,
            Stream::Tls(stream) => waits::within(limits, Wait::Stalled, stream.shutdown()).await?,
        };
        ended.map_err(|_| Halt::Broken)?;
        lingering.close(self.into_socket());
        Ok(())
    }

    /// The end of a transfer that failed: FIN, but no close_notify, so that the client knows that it was
    /// cut.
    pub fn cut(self, lingering: &Lingering) {
        let socket = self.into_socket();
        let _ = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Write);
        lingering.close(socket);
    }

    fn into_socket(self) -> TcpStream {
        match self.stream {
            Stream::Clear(stream) => stream,
            Stream::Tls(stream) => stream.into_inner().0.into_inner(),
        }
    }
}
