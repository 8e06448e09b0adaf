//! What the system says, in the words of `ftp::effect::FileError`.

use std::io;

use rustix::io::Errno;

pub(super) use crate::ftp::effect::FileError as Fault;

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        match errno {
            Errno::NOENT => Fault::NotFound,
            Errno::EXIST => Fault::Exists,
            Errno::NOTDIR => Fault::NotAFolder,
            Errno::ISDIR => Fault::IsAFolder,
            Errno::NOTEMPTY => Fault::NotEmpty,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::LOOP | Errno::XDEV => Fault::Denied,
            // A socket, or a device without a driver.
            Errno::NXIO | Errno::NODEV => Fault::NotRegular,
            // EINVAL: a folder renamed into itself, or a name that this file system does not take.
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Fault::BadName,
            Errno::NOSPC | Errno::FBIG => Fault::NoSpace,
            Errno::DQUOT => Fault::Quota,
            Errno::BUSY | Errno::TXTBSY => Fault::Busy,
            _ => Fault::Io,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            // cap-std's own: a path that leads out of the root.
            None if error.kind() == io::ErrorKind::PermissionDenied => Fault::Denied,
            None => Fault::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_keeps_its_name() {
        for (errno, fault) in [
            (Errno::NOENT, Fault::NotFound),
            (Errno::NOTEMPTY, Fault::NotEmpty),
            (Errno::PERM, Fault::Denied),
            (Errno::NOSPC, Fault::NoSpace),
            (Errno::DQUOT, Fault::Quota),
            (Errno::NAMETOOLONG, Fault::BadName),
            (Errno::IO, Fault::Io),
        ] {
            assert_eq!(Fault::from(io::Error::from(errno)), fault, "{errno:?}");
        }
    }
}
