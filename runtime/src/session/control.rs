//! The control connection's bytes: in clear or protected, in and out at once, bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::data::Lingering;
use crate::ftp::line::LineReader;
use crate::ftp::reply::Reply;
use crate::tls::ControlTls;

/// The stream beneath a control connection.
pub(super) enum Control {
    Clear(TcpStream),
    Tls(Box<ControlTls>),
    /// Handed to the acceptor.
    Away,
}

/// What moved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Commands came in.
    Came,
    /// Replies went out.
    Went,
    /// The client's side has ended.
    Ended,
    /// The connection broke.
    Broken(io::ErrorKind),
}

/// Replies that wait to be taken.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// TLS holds bytes that the socket has not taken.
    unflushed: bool,
}

/// A reply buffer of this size may stay with an idle session.
const KEPT_BYTES: usize = 512;
/// Bytes read at a time: a line of most clients fits, and it is on the stack only while reading.
const READ_BYTES: usize = 2048;

impl Outbox {
    pub(super) fn push(&mut self, reply: &Reply) {
        self.bytes.extend_from_slice(reply.wire());
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0 && !self.unflushed
    }

    fn advance(&mut self, count: usize) {
        self.sent += count;
        self.unflushed = true;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            } else {
                self.bytes.clear();
            }
        }
    }
}

impl Control {
    /// Sends what waits; reads, if `may_read`. Replies first: a client that takes none gets no more done.
    pub(super) fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        lines: &mut LineReader,
        out: &mut Outbox,
        may_read: bool,
    ) -> Poll<Turn> {
        let went = match self.poll_send(cx, out) {
            Ok(went) => went,
            Err(error) => return Poll::Ready(Turn::Broken(error.kind())),
        };
        if may_read && let Poll::Ready(read) = self.poll_lines(cx, lines) {
            return Poll::Ready(match read {
                Ok(0) => Turn::Ended,
                Ok(_) => Turn::Came,
                // Many clients end TLS without close_notify.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Turn::Ended,
                Err(error) => Turn::Broken(error.kind()),
            });
        }
        if went { Poll::Ready(Turn::Went) } else { Poll::Pending }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> io::Result<bool> {
        let mut went = false;
        while out.waiting() > 0 {
            match self.poll_write(cx, &out.bytes[out.sent..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    out.advance(count);
                    went = true;
                }
                Poll::Pending => break,
            }
        }
        if out.unflushed && self.poll_flush(cx)?.is_ready() {
            out.unflushed = false;
            went = true;
        }
        Ok(went)
    }

    fn poll_lines(&mut self, cx: &mut Context<'_>, lines: &mut LineReader) -> Poll<io::Result<usize>> {
        let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(match self {
            Control::Clear(stream) => poll_read_past_urgent(stream, cx, &mut space),
            Control::Tls(stream) => Pin::new(stream).poll_read(cx, &mut space),
            Control::Away => Poll::Ready(Ok(())),
        })?;
        lines.push(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<Poll<usize>> {
        turned(match self {
            Control::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Control::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Control::Away => Poll::Ready(Ok(0)),
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        turned(match self {
            Control::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Control::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Control::Away => Poll::Ready(Ok(())),
        })
    }

    /// The clear stream, to be protected.
    pub(super) fn take_clear(&mut self) -> Option<TcpStream> {
        match std::mem::replace(self, Control::Away) {
            Control::Clear(stream) => Some(stream),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Says farewell (close_notify, FIN) and reads the client's last bytes in the background: with those
    /// unread, the last reply would be taken back by a reset.
    pub(super) async fn close(self, lingering: &Lingering) {
        let stream = match self {
            Control::Clear(mut stream) => stream.shutdown().await.ok().map(|()| stream),
            Control::Tls(mut stream) => {
                let ended = stream.shutdown().await;
                ended.ok().map(|()| stream.into_inner().0.into_inner())
            }
            Control::Away => None,
        };
        if let Some(stream) = stream {
            lingering.close(stream);
        }
    }
}

/// A read stops at urgent data (the ABOR of an old client) though more stands behind it. tokio's own read
/// takes a buffer that was not filled for the end of what has come, and would wait for more.
fn poll_read_past_urgent(stream: &TcpStream, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read(space.initialize_unfilled()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(count) => {
                space.advance(count);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Errors first.
fn turned<T>(polled: Poll<io::Result<T>>) -> io::Result<Poll<T>> {
    match polled {
        Poll::Ready(done) => done.map(Poll::Ready),
        Poll::Pending => Ok(Poll::Pending),
    }
}
