//! Hashes of files: block after block on a thread that may wait, so that a client that leaves, a ban or a
//! deadline ends the work between two blocks.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use aws_lc_rs::digest;
use md5::Digest;

use super::Download;
use crate::ftp::effect::{Algorithm, FileAnswer, FileError, HashJob};
use crate::waits::Wait;

const BLOCK_BYTES: usize = 1024 * 1024;

enum Hasher {
    Sha(digest::Context),
    Md5(md5::Md5),
    Crc32(crc32fast::Hasher),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Sha256 => Hasher::Sha(digest::Context::new(&digest::SHA256)),
            Algorithm::Sha512 => Hasher::Sha(digest::Context::new(&digest::SHA512)),
            Algorithm::Sha1 => Hasher::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Md5 => Hasher::Md5(md5::Md5::new()),
            Algorithm::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha(sha) => sha.update(bytes),
            Hasher::Md5(md5) => md5.update(bytes),
            Hasher::Crc32(crc) => crc.update(bytes),
        }
    }

    fn hex(self) -> String {
        match self {
            Hasher::Sha(sha) => hex(sha.finish().as_ref()),
            Hasher::Md5(md5) => hex(&md5.finalize()),
            Hasher::Crc32(crc) => hex(&crc.finalize().to_be_bytes()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes a file, or the part that was asked for.
///
/// # Errors
/// `TooLarge` over `bytes_max`, `BeyondEnd` for a part that the file does not have.
pub(super) async fn hash(file: &Download, job: &HashJob, bytes_max: u64) -> Result<FileAnswer, FileError> {
    let to = job.to.unwrap_or(file.size());
    if to > file.size() || job.from > to {
        return Err(FileError::BeyondEnd);
    }
    if to - job.from > bytes_max {
        return Err(FileError::TooLarge);
    }
    let mut hasher = Hasher::new(job.algorithm);
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(to - job.from).unwrap_or(BLOCK_BYTES))];
    let mut at = job.from;
    while at < to {
        let (disk, file) = (file.handle().disk(), Arc::clone(file.handle().file()));
        let work = move || {
            let wanted = block.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
            let count = file.read_at(&mut block[..wanted], at)?;
            hasher.update(&block[..count]);
            Ok((count, hasher, block))
        };
        let (count, back, space) = disk.run(Wait::Disk, work).await?;
        (hasher, block) = (back, space);
        if count == 0 {
            // It became shorter meanwhile.
            return Err(FileError::Io);
        }
        at += count as u64;
    }
    Ok(FileAnswer::Hash { from: job.from, to, hex: hasher.hex() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_answers_come_out() {
        for (algorithm, expected) in [
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Crc32, "352441c2"),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.hex(), expected);
        }
    }
}
