//! Transfers: what starts one, what its one final reply is, and ABOR.

use crate::ftp::effect::{
    Effect, Effects, Ending, FileError, FileQuestion, ListForm, Transfer, TransferEnd, TransferKind,
};
use crate::ftp::glob::is_glob;
use crate::ftp::reply::{Reply, ReplyText};
use crate::vfs::VirtualPath;

use super::Machine;
use super::files::FileStep;
use super::state::{Desk, Login, Running};

/// A listing that was asked for, before it is known what the text behind the verb names.
#[derive(Debug)]
pub(super) struct Listing {
    form: ListForm,
    typed: String,
    hidden: bool,
}

pub(in crate::ftp) fn retr(desk: &mut Desk<'_>, typed: &str) {
    let offset = desk.marks.restart;
    if offset > 0 && desk.converts() {
        return desk.say(Reply::rest_in_ascii());
    }
    if let Some(path) = desk.path(typed) {
        start(desk, TransferKind::Download { path, offset });
    }
}

pub(in crate::ftp) fn stor(desk: &mut Desk<'_>, typed: &str) {
    let offset = desk.marks.restart;
    if offset > 0 && desk.converts() {
        return desk.say(Reply::rest_in_ascii());
    }
    if let Some(path) = desk.path(typed) {
        start(desk, TransferKind::Upload { path, offset });
    }
}

pub(in crate::ftp) fn appe(desk: &mut Desk<'_>, typed: &str) {
    if desk.marks.restart > 0 {
        return desk.say(Reply::append_while_rest());
    }
    if let Some(path) = desk.path(typed) {
        start(desk, TransferKind::Append { path });
    }
}

/// The name is ours to choose; what is typed is how it begins.
pub(in crate::ftp) fn stou(desk: &mut Desk<'_>, typed: &str) {
    if desk.marks.restart > 0 {
        return desk.say(Reply::unique_while_rest());
    }
    if let Some(path) = desk.path(if typed.is_empty() { "stou" } else { typed }) {
        desk.ask(FileQuestion::FreeName(path), FileStep::Unique);
    }
}

/// A name that is free: told relative to the working folder, where that is short.
pub(super) fn unique(desk: &mut Desk<'_>, path: VirtualPath) {
    let name = match path.name() {
        Some(name) if path.parent() == desk.session.folder => name.to_owned(),
        _ => path.as_str().to_owned(),
    };
    start(desk, TransferKind::Unique { path });
    if let Some(running) = desk.transfer {
        running.name = Some(name);
    }
}

pub(in crate::ftp) fn list(desk: &mut Desk<'_>, typed: &str) {
    listing(desk, ListForm::Long, typed);
}

pub(in crate::ftp) fn nlst(desk: &mut Desk<'_>, typed: &str) {
    listing(desk, ListForm::Names, typed);
}

pub(in crate::ftp) fn mlsd(desk: &mut Desk<'_>, typed: &str) {
    let form = ListForm::Facts(desk.control.options.facts);
    if let Some(path) = desk.path(typed) {
        start(desk, TransferKind::Listing { path, form, glob: None, hidden: true, prefix: String::new() });
    }
}

pub(in crate::ftp) fn abor(desk: &mut Desk<'_>, _: &str) {
    if let Some(running) = desk.transfer {
        running.aborting = true;
        desk.out.push(Effect::AbortTransfer);
    } else if desk.marks.broken {
        // The client closed the data connection first and then said why. It expects the answer to an ABOR
        // behind the 426, whichever of the two came first.
        desk.say(Reply::abor_done());
    } else if desk.drop_data() {
        desk.say(Reply::abor_closed_data());
    } else {
        desk.say(Reply::abor_nothing());
    }
}

/// The file is open: 150. The listener or address is used up from here on.
pub(super) fn ready(machine: &mut Machine, bytes: Option<u64>, out: &mut Effects) {
    let Some(running) = &machine.transfer else { return };
    if let Login::In(session) = &mut machine.login {
        session.has_address = false;
    }
    out.say(match (bytes.filter(|_| running.counted), &running.name) {
        (_, Some(name)) => Reply::opening_named(name),
        (Some(bytes), None) => Reply::opening_with(bytes),
        (None, None) => Reply::opening(),
    });
}

/// The one final reply; behind it ABOR's own, if one came; and the end, if QUIT came.
pub(super) fn done(machine: &mut Machine, end: TransferEnd, out: &mut Effects) {
    let Some(running) = machine.transfer.take() else { return };
    out.say(match end {
        TransferEnd::File(FileError::NotAFolder) if running.facts => Reply::mlsd_of_a_file(),
        end => Reply::transfer_end(end, running.offset),
    });
    if running.aborting {
        out.say(if end == TransferEnd::Complete { Reply::abor_nothing() } else { Reply::abor_done() });
    }
    if end == TransferEnd::Broken
        && !running.aborting
        && let Login::In(session) = &mut machine.login
    {
        session.marks.broken = true;
    }
    if machine.quitting {
        machine.end(Ending::Quit, out);
    }
}

/// A policy refused it before it began: one final reply, and ABOR's own behind it as always.
pub(super) fn refused(machine: &mut Machine, text: Option<&ReplyText>, close: bool, out: &mut Effects) {
    let Some(running) = machine.transfer.take() else { return };
    let close = close || machine.quitting;
    machine.refused(text, close, out);
    if running.aborting && !close {
        out.say(Reply::abor_done());
    }
}

/// Options, unless a file has that very name.
pub(super) fn dashed(desk: &mut Desk<'_>, listing: Listing, is_a_name: bool) {
    if is_a_name {
        return resolve(desk, listing);
    }
    let mut rest = listing.typed.as_str();
    let mut hidden = listing.hidden;
    while let Some(options) = rest.strip_prefix('-') {
        let (word, behind) = options.split_once(' ').unwrap_or((options, ""));
        hidden |= word.contains(['a', 'A']);
        rest = behind.trim_start_matches(' ');
    }
    resolve(desk, Listing { form: listing.form, typed: rest.to_owned(), hidden });
}

/// NLST: names must be usable in RETR (RFC 1123 section 4.1.2.7), so the folder's name stands before them.
pub(super) fn named(desk: &mut Desk<'_>, listing: Listing, is_folder: bool) {
    let Some(path) = desk.path(&listing.typed) else { return };
    let Listing { form, typed, hidden } = listing;
    let prefix = if !is_folder {
        split_folder(&typed).0.to_owned()
    } else if path == desk.session.folder {
        String::new()
    } else {
        format!("{}/", typed.trim_end_matches('/'))
    };
    start(desk, TransferKind::Listing { path, form, glob: None, hidden, prefix });
}

fn listing(desk: &mut Desk<'_>, form: ListForm, typed: &str) {
    if !may_start(desk) {
        return;
    }
    let listing = Listing { form, typed: typed.to_owned(), hidden: false };
    if !typed.starts_with('-') {
        return resolve(desk, listing);
    }
    match desk.session.folder.join(typed) {
        Ok(path) => desk.ask(FileQuestion::Facts(path), FileStep::Dashed(listing)),
        Err(_) => dashed(desk, listing, false),
    }
}

fn resolve(desk: &mut Desk<'_>, listing: Listing) {
    let Listing { form, typed, hidden } = listing;
    let (folder, name) = split_folder(&typed);
    if is_glob(name) {
        let Some(path) = desk.path(folder) else { return };
        let prefix = if form == ListForm::Names { folder.to_owned() } else { String::new() };
        let (hidden, glob) = (hidden || name.starts_with('.'), Some(name.to_owned()));
        return start(desk, TransferKind::Listing { path, form, glob, hidden, prefix });
    }
    let Some(path) = desk.path(&typed) else { return };
    if form == ListForm::Names && !typed.is_empty() {
        return desk.ask(FileQuestion::Facts(path), FileStep::Named(Listing { form, typed, hidden }));
    }
    start(desk, TransferKind::Listing { path, form, glob: None, hidden, prefix: String::new() });
}

/// `a/b/c` to `a/b/` and `c`.
fn split_folder(typed: &str) -> (&str, &str) {
    typed.split_at(typed.rfind('/').map_or(0, |at| at + 1))
}

/// Whether there is a way for data, and one that is allowed; tells the client if not.
fn may_start(desk: &mut Desk<'_>) -> bool {
    let refusal = if desk.control.settings.tls_required && !desk.control.channel.data_protected() {
        Reply::data_must_be_protected()
    } else if !desk.session.has_address {
        Reply::no_address()
    } else {
        return true;
    };
    desk.say(refusal);
    false
}

fn start(desk: &mut Desk<'_>, what: TransferKind) {
    if let TransferKind::Download { path, offset } | TransferKind::Upload { path, offset } = &what
        && *offset > 0
        && !desk.session.has_address
    {
        // What is wrong with the offset is told first: the client may have a better one.
        return desk.ask(FileQuestion::Facts(path.clone()), FileStep::Offset(*offset));
    }
    if !may_start(desk) {
        return;
    }
    // Facts are UTF-8 whatever the type is (RFC 3659 section 7.2); listings have wire line ends already.
    let ascii = desk.converts() && !matches!(what, TransferKind::Listing { .. });
    *desk.transfer = Some(Running {
        offset: match what {
            TransferKind::Download { offset, .. } | TransferKind::Upload { offset, .. } => offset,
            TransferKind::Unique { .. } | TransferKind::Append { .. } | TransferKind::Listing { .. } => 0,
        },
        // Line ends change the count.
        counted: !ascii && matches!(what, TransferKind::Download { .. }),
        facts: matches!(what, TransferKind::Listing { form: ListForm::Facts(_), .. }),
        aborting: false,
        name: None,
    });
    let protected = desk.control.channel.data_protected();
    desk.out.push(Effect::Transfer(Transfer { what, protected, ascii }));
}
