//! The socket under a protected data connection: reads through a buffer, and lets small writes travel
//! together. TLS hands over the new tickets, a small file, the close_notify one after another; each would
//! be a packet of its own, which the kernel carries to the client and wakes it for.
//!
//! What is held goes out when it is pushed, when it grows too long, with the end, and always before this
//! side waits for the client: so nobody waits for what is held.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Longest that is held. A file of 4 KiB with tickets and close_notify is; a block of a big one is not.
const HELD_BYTES_MAX: usize = 8 * 1024;
/// Pieces that the kernel is given at once; TLS makes 16 KiB records.
const SLICES_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Gathered {
    inner: BufReader<TcpStream>,
    held: Vec<u8>,
}

impl Gathered {
    /// `buffer`: bytes that are read from the socket at a time.
    pub fn new(stream: TcpStream, buffer: usize) -> Gathered {
        // A buffer that is smaller than what is asked for is passed by.
        Gathered { inner: BufReader::with_capacity(buffer.max(1), stream), held: Vec::new() }
    }

    /// The socket. What is held is gone.
    pub fn into_inner(self) -> TcpStream {
        self.inner.into_inner()
    }

    /// Sends all that is held.
    ///
    /// # Errors
    /// The kernel's.
    pub fn poll_push(&mut self, cx: &mut Context<'_>, flags: SendFlags) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            ready!(self.inner.get_ref().poll_write_ready(cx))?;
            match self.send(flags) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => sent?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the socket takes now: for the last word to one who is about to be dropped.
    pub fn push_now(&mut self) {
        let _ = self.send(SendFlags::empty());
    }

    fn send(&mut self, flags: SendFlags) -> io::Result<()> {
        let (socket, held) = (self.inner.get_ref(), &self.held);
        let flags = flags | SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let count = socket.try_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, held, flags)?))?;
        if count == self.held.len() {
            self.held = Vec::new();
        } else {
            self.held.drain(..count);
        }
        Ok(())
    }

    /// Sends what is held and `slices` behind it; how much of `slices` went.
    fn poll_through(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if self.held.is_empty() {
                return Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
            }
            let mut all = [IoSlice::new(&[]); SLICES_MAX];
            all[0] = IoSlice::new(&self.held);
            let more = slices.len().min(SLICES_MAX - 1);
            all[1..=more].copy_from_slice(&slices[..more]);
            let count = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &all[..=more]))?;
            let of_held = count.min(self.held.len());
            self.held.drain(..of_held);
            if self.held.is_empty() {
                self.held = Vec::new();
            }
            if count == 0 || count > of_held {
                return Poll::Ready(Ok(count - of_held));
            }
        }
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if Pin::new(&mut this.inner).poll_read(cx, out)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        // Perhaps it is an answer to this that we are to wait for.
        ready!(this.poll_push(cx, SendFlags::empty()))?;
        Poll::Pending
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if this.held.len() + count > HELD_BYTES_MAX {
            return this.poll_through(cx, slices);
        }
        this.held.reserve_exact(count);
        for slice in slices {
            this.held.extend_from_slice(slice);
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does not send: TLS flushes behind the handshake, and its last words are what is to travel with the
    /// first bytes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The end is about to follow: one packet for both.
        ready!(this.poll_push(cx, SendFlags::MORE))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, Gathered) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.expect("connect"), Gathered::new(server.expect("accept").0, 0))
    }

    fn nothing_came(client: &TcpStream) -> bool {
        matches!(client.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn small_writes_travel_with_the_end() {
        let (mut client, mut server) = pair().await;
        server.write_all(b"tickets ").await.expect("write");
        server.write_all(b"file").await.expect("write");
        server.flush().await.expect("flush");
        assert!(nothing_came(&client));
        server.shutdown().await.expect("shutdown");
        let mut came = String::new();
        client.read_to_string(&mut came).await.expect("read");
        assert_eq!(came, "tickets file");
    }

    #[tokio::test]
    async fn what_is_held_goes_out_before_we_wait() {
        let (mut client, mut server) = pair().await;
        server.write_all(b"hello").await.expect("write");
        let (asked, answered) = tokio::join!(server.read_u8(), async {
            let mut hello = [0; 5];
            client.read_exact(&mut hello).await.expect("read");
            client.write_u8(hello[4]).await
        });
        answered.expect("write");
        assert_eq!(asked.expect("read"), b'o');
    }

    #[tokio::test]
    async fn pushed_and_long_writes_keep_their_order() {
        let (mut client, mut server) = pair().await;
        let mut wanted = b"first".to_vec();
        server.write_all(b"first").await.expect("write");
        poll_fn(|cx| server.poll_push(cx, SendFlags::empty())).await.expect("push");
        let mut first = [0; 5];
        client.read_exact(&mut first).await.expect("read");
        let long: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        let writing = async move {
            for piece in [&b"small"[..], &long, b"last"] {
                server.write_all(piece).await.expect("write");
            }
            server.shutdown().await.expect("shutdown");
            long
        };
        let mut came = first.to_vec();
        let (long, read) = tokio::join!(writing, client.read_to_end(&mut came));
        read.expect("read");
        wanted.extend([&b"small"[..], &long, b"last"].concat());
        assert!(came == wanted);
    }

    #[tokio::test]
    async fn a_last_word_leaves_at_once() {
        let (mut client, mut server) = pair().await;
        server.write_all(b"alert").await.expect("write");
        server.push_now();
        drop(server);
        let mut came = String::new();
        client.read_to_string(&mut came).await.expect("read");
        assert_eq!(came, "alert");
    }
}
