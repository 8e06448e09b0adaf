//! Commands about folders and files that need no data connection: each asks, and tells the answer.

use crate::ftp::effect::{Algorithm, Entry, EntryKind, FileAnswer, FileError, FileQuestion, TransferEnd};
use crate::ftp::listing::{append_facts_of, append_long};
use crate::ftp::raw;
use crate::ftp::reply::Reply;
use crate::moment::Moment;
use crate::vfs::VirtualPath;

use super::change::{Told, set_modified};
use super::hash::HashForm;
use super::state::Desk;
use super::transfer::{self, Listing};

/// What is to be done with the answer to a question about files.
#[derive(Debug)]
pub(super) enum FileStep {
    Enter(VirtualPath),
    Delete,
    MakeFolder(VirtualPath),
    RemoveFolder,
    RenameFrom(VirtualPath),
    Rename,
    Size,
    /// MDTM; with what it sets if there is no such file.
    Modified(Option<(i64, VirtualPath)>),
    Change(VirtualPath, Told),
    /// ALLO: enough for so many bytes?
    Allocate(u64),
    Available,
    /// A transfer from an offset, and no address to send it to: is it at least right about the file?
    Offset(u64),
    /// STOU: under which name?
    Unique,
    Hash {
        path: VirtualPath,
        algorithm: Algorithm,
        form: HashForm,
    },
    Facts(VirtualPath),
    Status(VirtualPath),
    StatusOfFolder(VirtualPath),
    /// LIST or NLST with a leading dash: a file of that name, or options?
    Dashed(Listing),
    /// NLST: a folder, or a file?
    Named(Listing),
}

pub(in crate::ftp) fn pwd(desk: &mut Desk<'_>, _: &str) {
    let reply = Reply::working_folder(&desk.session.folder);
    desk.say(reply);
}

pub(in crate::ftp) fn cwd(desk: &mut Desk<'_>, typed: &str) {
    let path = if matches!(typed, "" | "~") { Some(desk.session.home.clone()) } else { desk.path(typed) };
    if let Some(path) = path {
        desk.ask(FileQuestion::Enter(path.clone()), FileStep::Enter(path));
    }
}

pub(in crate::ftp) fn cdup(desk: &mut Desk<'_>, _: &str) {
    let path = desk.session.folder.parent();
    desk.ask(FileQuestion::Enter(path.clone()), FileStep::Enter(path));
}

pub(in crate::ftp) fn dele(desk: &mut Desk<'_>, typed: &str) {
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Delete(path), FileStep::Delete);
    }
}

pub(in crate::ftp) fn mkd(desk: &mut Desk<'_>, typed: &str) {
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::MakeFolder(path.clone()), FileStep::MakeFolder(path));
    }
}

pub(in crate::ftp) fn rmd(desk: &mut Desk<'_>, typed: &str) {
    match desk.path(typed) {
        Some(path) if path.name().is_none() => desk.say(Reply::not_the_root()),
        Some(path) => desk.ask(FileQuestion::RemoveFolder(path), FileStep::RemoveFolder),
        None => {}
    }
}

pub(in crate::ftp) fn rnfr(desk: &mut Desk<'_>, typed: &str) {
    match desk.path(typed) {
        Some(path) if path.name().is_none() || path == desk.session.home => desk.say(Reply::not_the_home()),
        Some(path) => desk.ask(FileQuestion::RenameFrom(path.clone()), FileStep::RenameFrom(path)),
        None => {}
    }
}

pub(in crate::ftp) fn rnto(desk: &mut Desk<'_>, typed: &str) {
    let Some(from) = desk.marks.rename_from.take() else { return desk.say(Reply::rnfr_first()) };
    if let Some(to) = desk.path(typed) {
        if to.name().is_none() {
            return desk.say(Reply::exists());
        }
        desk.ask(FileQuestion::Rename { from, to }, FileStep::Rename);
    }
}

pub(in crate::ftp) fn size(desk: &mut Desk<'_>, typed: &str) {
    if desk.converts() {
        return desk.say(Reply::size_in_ascii());
    }
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Facts(path), FileStep::Size);
    }
}

/// Room is never set aside, but a client that asks first learns in time. What is no number is let pass, as
/// servers always have.
pub(in crate::ftp) fn allo(desk: &mut Desk<'_>, argument: &str) {
    match argument.split(' ').next().and_then(|bytes| bytes.parse().ok()) {
        Some(bytes) => {
            let path = desk.session.folder.clone();
            desk.ask(FileQuestion::Room(path), FileStep::Allocate(bytes));
        }
        None => desk.say(Reply::allo()),
    }
}

pub(in crate::ftp) fn avbl(desk: &mut Desk<'_>, typed: &str) {
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Room(path), FileStep::Available);
    }
}

pub(in crate::ftp) fn mlst(desk: &mut Desk<'_>, typed: &str) {
    if let Some(path) = desk.path(typed) {
        desk.ask(FileQuestion::Facts(path.clone()), FileStep::Facts(path));
    }
}

/// The driver answered.
pub(super) fn answered(desk: &mut Desk<'_>, step: FileStep, answer: Result<FileAnswer, FileError>) {
    let reply = match (step, answer) {
        (FileStep::Dashed(listing), answer) => return transfer::dashed(desk, listing, answer.is_ok()),
        (FileStep::Named(listing), Ok(FileAnswer::Entry(entry))) => {
            return transfer::named(desk, listing, entry.what == EntryKind::Folder);
        }
        (FileStep::Modified(Some((seconds, path))), Err(FileError::NotFound)) => {
            return set_modified(desk, seconds, path);
        }
        (FileStep::Modified(None), Err(FileError::NotFound)) => Reply::no_file_to_date(),
        (FileStep::Unique, Ok(FileAnswer::Free(path))) => return transfer::unique(desk, path),
        (FileStep::Offset(offset), Ok(FileAnswer::Entry(entry))) if offset > entry.size => {
            Reply::transfer_end(TransferEnd::File(FileError::BeyondEnd), offset)
        }
        (FileStep::Offset(_), Ok(_)) => Reply::no_address(),
        // Nobody knows: then it is found out by doing it.
        (FileStep::Allocate(_), Err(_)) => Reply::allo(),
        (FileStep::Allocate(wanted), Ok(FileAnswer::Bytes(room))) if wanted > room => Reply::over_quota(),
        (FileStep::Allocate(_), Ok(_)) => Reply::allo(),
        (FileStep::Status(path), Ok(FileAnswer::Entry(Entry { what: EntryKind::Folder, .. }))) => {
            return desk.ask(FileQuestion::Entries(path.clone()), FileStep::StatusOfFolder(path));
        }
        (_, Err(error)) => Reply::file_error(error),
        (FileStep::Enter(path), Ok(FileAnswer::Done)) => {
            let reply = Reply::entered(&path);
            desk.session.folder = path;
            reply
        }
        (FileStep::Delete, Ok(FileAnswer::Done)) => Reply::deleted(),
        (FileStep::MakeFolder(path), Ok(FileAnswer::Done)) => Reply::folder_made(&path),
        (FileStep::RemoveFolder, Ok(FileAnswer::Done)) => Reply::folder_removed(),
        (FileStep::RenameFrom(path), Ok(FileAnswer::Done)) => {
            desk.session.marks.rename_from = Some(path);
            Reply::rename_ready()
        }
        (FileStep::Rename, Ok(FileAnswer::Done)) => Reply::renamed(),
        (FileStep::Change(path, told), Ok(FileAnswer::Done)) => told.reply(&path),
        (FileStep::Available, Ok(FileAnswer::Bytes(room))) => Reply::size(room),
        (FileStep::Hash { path, algorithm, form }, Ok(FileAnswer::Hash { from, to, hex })) => match form {
            HashForm::Hash => Reply::hashed(algorithm, from, to, &hex, &path),
            HashForm::Plain => Reply::hex(&hex),
            HashForm::Md5 => Reply::md5(&path, &hex),
        },
        (FileStep::Size, Ok(FileAnswer::Entry(entry))) => match entry.what {
            EntryKind::File => Reply::size(entry.size),
            EntryKind::Folder | EntryKind::Other => Reply::not_retrievable(),
        },
        (FileStep::Modified(_), Ok(FileAnswer::Entry(entry))) => match entry.what {
            EntryKind::File => Reply::modified(entry.modified),
            EntryKind::Folder | EntryKind::Other => Reply::not_retrievable(),
        },
        (FileStep::Facts(path), Ok(FileAnswer::Entry(entry))) => {
            let mut line = Vec::new();
            let name = raw::to_bytes(path.as_str());
            append_facts_of(&entry, desk.control.options.facts, &name, &mut line);
            Reply::facts(&path, &line)
        }
        (FileStep::Status(path), Ok(FileAnswer::Entry(entry))) => status(&path, &[entry], false, desk.now),
        (FileStep::StatusOfFolder(path), Ok(FileAnswer::Entries { entries, more })) => {
            status(&path, &entries, more, desk.now)
        }
        (_, Ok(_)) => Reply::local_error(),
    };
    desk.say(reply);
}

fn status(path: &VirtualPath, entries: &[Entry], more: bool, now: Moment) -> Reply {
    let mut lines = Vec::new();
    for entry in entries {
        append_long(entry, now, &mut lines);
    }
    Reply::status_of(path, &lines, more)
}
