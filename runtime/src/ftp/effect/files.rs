//! What the machine asks about files, and what it can be answered.
//!
//! Trust: paths are virtual ones, so a client's text is checked already; whoever answers confines them. Must not
//! know: how files are found, who may do what.

use crate::moment::Moment;
use crate::vfs::VirtualPath;

/// Questions about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileQuestion {
    /// May and can the session go there? `FileAnswer::Done`.
    Enter(VirtualPath),
    /// Facts of one entry (MLST, SIZE, MDTM, STAT of a file). `FileAnswer::Entry`.
    Facts(VirtualPath),
    /// The entries of a folder, bounded, for STAT with a path. `FileAnswer::Entries`.
    Entries(VirtualPath),
    /// DELE. `Done`.
    Delete(VirtualPath),
    /// MKD. `Done`.
    MakeFolder(VirtualPath),
    /// RMD. `Done`.
    RemoveFolder(VirtualPath),
    /// RNFR: does it exist, and may it be renamed? `Done`.
    RenameFrom(VirtualPath),
    /// RNTO. `Done`.
    Rename {
        /// Old path.
        from: VirtualPath,
        /// New path.
        to: VirtualPath,
    },
    /// MFMT, MFF, SITE CHMOD and their like. `Done`.
    Change(VirtualPath, Change),
    /// STOU: may a file be made there, and under which name that is free? `FileAnswer::Free`.
    FreeName(VirtualPath),
    /// AVBL, ALLO: how much room is there? `FileAnswer::Bytes`.
    Room(VirtualPath),
    /// HASH and its like. `FileAnswer::Hash`.
    Hash(HashJob),
}

/// What is to change about a file; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// When it changed last.
    pub modified: Option<Moment>,
    /// Its permission bits, 0 to 0o777: the special ones are nobody's to set.
    pub mode: Option<u16>,
}

/// A file, or a part of it, to be hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashJob {
    /// The file.
    pub path: VirtualPath,
    /// How.
    pub algorithm: Algorithm,
    /// The first byte.
    pub from: u64,
    /// Behind the last byte; `None`: the end of the file.
    pub to: Option<u64>,
}

/// How a file is hashed. CRC-32, MD5 and SHA-1 find accidents; they do not stop a forger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are everybody's")]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha512,
    Sha1,
    Md5,
    Crc32,
}

impl Algorithm {
    /// The order in which they are told: the strong ones first.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1, Algorithm::Md5, Algorithm::Crc32];

    /// Its name in the registry of hash functions that HASH uses.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Md5 => "MD5",
            Algorithm::Crc32 => "CRC32",
        }
    }

    /// By name, in any case.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// As FEAT tells: all, a star behind this one.
    pub fn features(self) -> String {
        let named = |known: Algorithm| format!("{}{}", known.name(), if known == self { "*" } else { "" });
        Algorithm::ALL.map(named).join(";")
    }
}

/// Answers about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// It is done, or may be.
    Done,
    /// One entry.
    Entry(Entry),
    /// A name that is free.
    Free(VirtualPath),
    /// How many.
    Bytes(u64),
    /// A hash, in hex; lower case.
    Hash {
        /// Of the bytes from here
        from: u64,
        /// up to here, this one not included.
        to: u64,
        /// Two digits a byte.
        hex: String,
    },
    /// Entries of a folder; `more`: the list was cut at its bound.
    Entries {
        /// In folder order.
        entries: Vec<Entry>,
        /// There were more.
        more: bool,
    },
}

/// One entry of a folder, as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Bytes as on disk; need not be UTF-8.
    pub name: Vec<u8>,
    /// What it is.
    pub what: EntryKind,
    /// Bytes; 0 for folders.
    pub size: u64,
    /// Last change, seconds of Unix time, may be negative.
    pub modified: i64,
    /// Unix mode bits, type included.
    pub mode: u32,
    /// Hard links.
    pub links: u64,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Keyed hash of device and inode, for MLSx `unique`.
    pub unique: u64,
    /// What the session may do with it.
    pub may: May,
}

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Folder.
    Folder,
    /// Anything else: shown, never opened.
    Other,
}

/// What the session may do with an entry: the letters of MLSx `perm` (RFC 3659 section 7.5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct May {
    /// `a`: append to the file.
    pub append: bool,
    /// `c`: make files in the folder.
    pub create: bool,
    /// `d`: delete it.
    pub delete: bool,
    /// `f`: rename it.
    pub rename: bool,
    /// `l`: list the folder.
    pub list: bool,
    /// `m`: make folders in the folder.
    pub make_folder: bool,
    /// `p`: delete what is in the folder.
    pub purge: bool,
    /// `r`: download the file.
    pub read: bool,
    /// `w`: upload over the file.
    pub write: bool,
}

impl May {
    /// All of it.
    pub const ALL: May = May {
        append: true,
        create: true,
        delete: true,
        rename: true,
        list: true,
        make_folder: true,
        purge: true,
        read: true,
        write: true,
    };
}

/// Why something about files did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[expect(missing_docs, reason = "the text says it")]
pub enum FileError {
    #[error("No such file or directory")]
    NotFound,
    #[error("File exists")]
    Exists,
    #[error("File exists and may not be replaced")]
    NotReplaceable,
    #[error("Not a directory")]
    NotAFolder,
    #[error("Is a directory")]
    IsAFolder,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("Permission denied")]
    Denied,
    #[error("Not a regular file")]
    NotRegular,
    #[error("File name not allowed")]
    BadName,
    #[error("Restart position beyond the end of the file")]
    BeyondEnd,
    #[error("No space left on device")]
    NoSpace,
    #[error("Quota exceeded")]
    Quota,
    #[error("Too many transfers of this user")]
    TooManyTransfers,
    #[error("File is busy")]
    Busy,
    #[error("Too large to be hashed")]
    TooLarge,
    #[error("Time-out")]
    TimedOut,
    #[error("Local error")]
    Io,
}
