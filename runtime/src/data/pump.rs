//! Moves a file over a data connection: the disk's next block is fetched while the last one is sent, and
//! the other way round. Two blocks a transfer, and only while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::bucket::Throttle;
use super::lingering::Lingering;
use super::stream::{Data, Halt};
use crate::config::Timeouts;
use crate::ftp::ascii::{FromWire, ToWire};
use crate::ftp::effect::FileError;
use crate::vfs::{Download, Upload};

/// What all transfers go by.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Stall and linger times.
    pub limits: &'a Timeouts,
    /// Closes what is done.
    pub lingering: &'a Lingering,
    /// Bytes of the blocks of one transfer together.
    pub buffer: usize,
    /// TYPE A.
    pub ascii: bool,
    /// An upload whose TLS did not end properly is not accepted.
    pub strict_close: bool,
    /// How fast bytes may move.
    pub throttle: &'a Throttle,
}

/// Why a transfer did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The data connection.
    Halt(Halt),
    /// The file.
    File(FileError),
    /// A TLS handshake came where plain bytes were agreed on.
    Ciphertext,
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Failure {
        Failure::Halt(halt)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        Failure::File(error)
    }
}

/// Blocks are two, so that one moves while the other is filled.
const BLOCKS: usize = 2;

impl Rules<'_> {
    /// Sends a file from an offset to the size that it had when it was opened, and the proper end.
    ///
    /// # Errors
    /// `Failure`; the client can tell, because there is no proper end then.
    pub async fn send(&self, mut data: Data, file: &Download, offset: u64, moved: &AtomicU64) -> Result<(), Failure> {
        match self.send_blocks(&mut data, file, offset, moved).await {
            Ok(()) => Ok(data.finish(self.limits, self.lingering).await?),
            Err(failure) => {
                data.cut(self.lingering);
                Err(failure)
            }
        }
    }

    async fn send_blocks(
        &self,
        data: &mut Data,
        file: &Download,
        offset: u64,
        moved: &AtomicU64,
    ) -> Result<(), Failure> {
        let mut at = offset;
        let mut left = file.size().saturating_sub(offset);
        let mut full = self.block(left);
        let mut next = Vec::new();
        let mut ascii = self.ascii.then(|| (ToWire::default(), Vec::new()));
        let mut count = if left > 0 { self.fill(file, at, left, &mut full).await? } else { 0 };
        while left > 0 {
            at += count as u64;
            left -= count as u64;
            let wire = match &mut ascii {
                Some((convert, text)) => {
                    text.clear();
                    convert.convert(&full[..count], text);
                    text.as_slice()
                }
                None => &full[..count],
            };
            moved.fetch_add(wire.len() as u64, Ordering::Relaxed);
            if left == 0 {
                self.throttle.pass(wire.len()).await;
                data.write_all(self.limits, wire).await?;
                break;
            }
            if next.is_empty() {
                next = self.block(left);
            }
            let send = async {
                self.throttle.pass(wire.len()).await;
                data.write_all(self.limits, wire).await?;
                data.push(self.limits).await
            };
            let (sent, filled) = tokio::join!(send, self.fill(file, at, left, &mut next));
            sent?;
            count = filled?;
            std::mem::swap(&mut full, &mut next);
        }
        Ok(())
    }

    /// A file that became shorter meanwhile cannot be sent whole.
    async fn fill(&self, file: &Download, at: u64, left: u64, block: &mut Vec<u8>) -> Result<usize, FileError> {
        let wanted = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        block.truncate(wanted);
        match file.read_at(at, block).await? {
            0 => Err(FileError::Io),
            count => Ok(count),
        }
    }

    fn block(&self, left: u64) -> Vec<u8> {
        vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(self.block_bytes())]
    }

    fn block_bytes(&self) -> usize {
        self.throttle.slice(self.buffer / BLOCKS)
    }

    /// Receives a file and puts it in its place. The client's proper end is answered before the disk is
    /// waited for: some clients read no reply before they have seen it.
    ///
    /// # Errors
    /// `Failure`; nothing stands under the file's name that was not there before.
    pub async fn receive(&self, mut data: Data, mut file: Upload, moved: &AtomicU64) -> Result<(), Failure> {
        let received = self.receive_blocks(&mut data, &mut file, moved).await;
        match received {
            Ok(mut rest) => {
                // The client has said all that it had to say, whatever becomes of our answer.
                let _ = data.finish(self.limits, self.lingering).await;
                if !rest.is_empty() {
                    file.write(&mut rest).await?;
                }
                Ok(file.commit().await?)
            }
            Err(failure) => {
                data.cut(self.lingering);
                file.abandon().await;
                Err(failure)
            }
        }
    }

    /// Gives back the last bytes, not yet written.
    async fn receive_blocks(&self, data: &mut Data, file: &mut Upload, moved: &AtomicU64) -> Result<Vec<u8>, Failure> {
        let size = self.block_bytes();
        let mut convert = self.ascii.then(FromWire::default);
        let (mut full, mut next) = (Vec::new(), Vec::new());
        let mut first = true;
        loop {
            let (written, came) =
                tokio::join!(write_some(file, &mut full), self.read_block(data, &mut next, size, first));
            written?;
            let ended = came?;
            if std::mem::take(&mut first) && !data.protected() && is_client_hello(&next) {
                return Err(Failure::Ciphertext);
            }
            moved.fetch_add(next.len() as u64, Ordering::Relaxed);
            self.throttle.pass(next.len()).await;
            match &mut convert {
                Some(convert) => {
                    convert.convert(&next, &mut full);
                    next.clear();
                    if ended {
                        convert.finish(&mut full);
                    }
                }
                None => std::mem::swap(&mut full, &mut next),
            }
            if ended {
                return Ok(full);
            }
        }
    }

    /// Fills a block, or what there is before the end; says whether it came. `first`: a client that begins a
    /// handshake waits for the answer to it, so no more would come.
    async fn read_block(&self, data: &mut Data, block: &mut Vec<u8>, size: usize, first: bool) -> Result<bool, Halt> {
        if block.capacity() == 0 {
            // Zeroed by the system, page by page as it is used: a small file touches few of them.
            *block = vec![0; size];
        }
        block.resize(size, 0);
        let mut filled = 0;
        let mut ended = false;
        let look = first && !data.protected();
        while filled < size && !ended && !(look && is_client_hello(&block[..filled])) {
            match data.read(self.limits, &mut block[filled..]).await {
                Ok(0) => ended = true,
                Ok(count) => filled += count,
                Err(Halt::Unclean) if !self.strict_close => ended = true,
                Err(halt) => return Err(halt),
            }
        }
        block.truncate(filled);
        Ok(ended)
    }
}

async fn write_some(file: &mut Upload, block: &mut Vec<u8>) -> Result<(), FileError> {
    if block.is_empty() { Ok(()) } else { file.write(block).await }
}

/// A handshake where plain bytes were agreed on: the two sides differ about PROT, and ciphertext must not
/// become a file.
fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, 0..=4, high, low, 1, 0, ..] if u16::from_be_bytes([*high, *low]) > 40)
}
