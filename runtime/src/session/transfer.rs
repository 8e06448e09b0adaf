//! One transfer: opened, carried out over the data connection, and its end in one word for the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::debug;

use super::house::House;
use super::record::{File, Record};
use super::registry::Entry;
use super::ruling;
use crate::config::Settings;
use crate::config::settings::ProxyData;
use crate::data::{Data, Expected, Failure, Halt, OpenFault, Opener, Protection, Rules, Throttle, Through};
use crate::events::Kind;
use crate::ftp::effect::{Entry as FileEntry, FileError, ListForm, Transfer, TransferEnd, TransferKind};
use crate::ftp::glob::glob_matches;
use crate::ftp::listing::{append_facts, append_long, append_name};
use crate::ftp::raw;
use crate::moment::Moment;
use crate::tls::{DataKeys, Direction};
use crate::vfs::{Detail, Download, Listing, Root, Upload};
use crate::waits::Wait;

/// What is open and waits for its data connection.
pub(super) enum Opened {
    Download { file: Download, offset: u64 },
    Upload(Upload),
    Listing(Box<Lines>),
}

/// A listing, and how its lines look.
pub(super) struct Lines {
    listing: Listing,
    form: ListForm,
    glob: Option<Vec<u8>>,
    hidden: bool,
    prefix: String,
}

/// Opens what a transfer moves.
pub(super) async fn open(root: &Root, what: TransferKind) -> Result<Opened, FileError> {
    match what {
        TransferKind::Download { path, offset } => {
            root.open_download(&path, offset).await.map(|file| Opened::Download { file, offset })
        }
        TransferKind::Upload { path, offset } => root.open_upload(&path, offset).await.map(Opened::Upload),
        TransferKind::Unique { path } => root.open_unique(&path).await.map(Opened::Upload),
        TransferKind::Append { path } => root.open_append(&path).await.map(Opened::Upload),
        TransferKind::Listing { path, form, glob, hidden, prefix } => {
            let detail = if form == ListForm::Names { Detail::Names } else { Detail::Full };
            let listing = root.list(&path, detail).await?;
            if matches!(form, ListForm::Facts(_)) && !listing.is_folder() {
                return Err(FileError::NotAFolder);
            }
            let glob = glob.map(|glob| raw::to_bytes(&glob).into_owned());
            Ok(Opened::Listing(Box::new(Lines { listing, form, glob, hidden, prefix })))
        }
    }
}

impl Opened {
    /// Bytes that will be sent, where they are known.
    pub(super) fn bytes(&self, ascii: bool) -> Option<u64> {
        match self {
            Opened::Download { file, offset } if !ascii => Some(file.size().saturating_sub(*offset)),
            _ => None,
        }
    }

    const fn direction(&self) -> Direction {
        match self {
            Opened::Download { .. } | Opened::Listing(_) => Direction::Out,
            Opened::Upload(_) => Direction::In,
        }
    }
}

/// How the bytes shall travel.
pub(super) struct Way {
    /// The file, if transfers are told.
    file: Option<File>,
    pub(super) opener: Opener,
    pub(super) keys: Option<DataKeys>,
    pub(super) ascii: bool,
    pub(super) throttle: Throttle,
}

impl Way {
    /// Of a transfer that the machine asked for; `None` if it wants a protection that there are no keys for.
    pub(super) fn of(
        transfer: &Transfer,
        opener: Opener,
        keys: Option<&DataKeys>,
        throttle: Throttle,
        told: bool,
    ) -> Option<Way> {
        let keys = match (transfer.protected, keys) {
            (true, Some(keys)) => Some(keys.clone()),
            (true, None) => return None,
            (false, _) => None,
        };
        let file = if told { File::of(&transfer.what) } else { None };
        Some(Way { file, opener, keys, ascii: transfer.ascii, throttle })
    }

    /// Opens the data connection and moves everything.
    pub(super) async fn carry(mut self, opened: Opened, house: Arc<House>, entry: Arc<Entry>) -> TransferEnd {
        let file = self.file.take();
        let record = file.map(|file| Record::begin(file, self.ascii, self.keys.is_some(), &house, &entry));
        let end = self.carry_out(opened, &house, &entry).await;
        if let Some(record) = record {
            record.ended(end);
        }
        end
    }

    async fn carry_out(self, opened: Opened, house: &House, entry: &Entry) -> TransferEnd {
        let settings = &house.settings;
        let direction = opened.direction();
        let buffer = settings.limits.transfer_buffer;
        let protection = match self.keys {
            None => Protection::Clear,
            Some(keys) => {
                let buffer = if direction == Direction::In { buffer } else { 0 };
                Protection::Tls { keys, resumption: settings.tls.data_resumption, buffer }
            }
        };
        let (expected, limits) = (expected(settings, entry), &settings.timeouts);
        let data = match self.opener.open(expected, direction, protection, settings.server.patience(), limits).await {
            Ok(data) => data,
            Err(fault) => {
                debug!(connection = entry.id, ?fault, "transfer.no-connection");
                let timeout = match fault {
                    OpenFault::NobodyCame => Some(Wait::DataOpen),
                    OpenFault::TlsTimedOut => Some(Wait::Handshake),
                    _ => None,
                };
                if let Some(wait) = timeout {
                    let _ = Box::pin(ruling::ask(house, entry, Kind::Timeout(wait.name().to_owned()))).await;
                }
                return match fault {
                    OpenFault::NobodyCame | OpenFault::Unreachable(_) => TransferEnd::NoConnection,
                    OpenFault::Tls(_) | OpenFault::TlsTimedOut => TransferEnd::TlsFailed,
                    OpenFault::NotResumed(data) => {
                        let _ = data.finish(limits, &house.lingering).await;
                        TransferEnd::NotResumed
                    }
                };
            }
        };
        let rules = Rules {
            limits,
            lingering: &house.lingering,
            buffer,
            ascii: self.ascii,
            strict_close: settings.tls.strict_close,
            throttle: &self.throttle,
        };
        let moved = match opened {
            Opened::Download { file, offset } => rules.send(data, &file, offset, &entry.bytes_out).await,
            Opened::Upload(file) => rules.receive(data, file, &entry.bytes_in).await,
            Opened::Listing(lines) => lines.send(data, &rules, &entry.bytes_out).await,
        };
        let end = match moved {
            Ok(()) => TransferEnd::Complete,
            Err(Failure::File(error)) => TransferEnd::File(error),
            Err(Failure::Ciphertext) => TransferEnd::TlsFailed,
            Err(Failure::Halt(Halt::Stalled)) => TransferEnd::Stalled,
            Err(Failure::Halt(Halt::Broken | Halt::Unclean)) => TransferEnd::Broken,
        };
        debug!(connection = entry.id, ?end, "transfer.ended");
        end
    }
}

/// From whom the data connection of a session comes.
fn expected<'a>(settings: &'a Settings, entry: &Entry) -> Expected<'a> {
    let proxy = settings.listeners[entry.listener].proxy.as_ref().filter(|_| entry.arrival.through.is_some());
    let through = proxy.map_or(Through::Nobody, |proxy| match proxy.data {
        ProxyData::None => Through::Nobody,
        ProxyData::Proxy => Through::Header(&proxy.from),
        ProxyData::TrustedUpstream => Through::Trusted(&proxy.from),
    });
    Expected { client: entry.peer.ip(), through }
}

impl Lines {
    async fn send(mut self: Box<Self>, mut data: Data, rules: &Rules<'_>, moved: &AtomicU64) -> Result<(), Failure> {
        match self.send_lines(&mut data, rules, moved).await {
            Ok(()) => Ok(data.finish(rules.limits, rules.lingering).await?),
            Err(failure) => {
                data.cut(rules.lingering);
                Err(failure)
            }
        }
    }

    async fn send_lines(&mut self, data: &mut Data, rules: &Rules<'_>, moved: &AtomicU64) -> Result<(), Failure> {
        let now = Moment::now();
        let mut text = Vec::new();
        while let Some(entries) = self.listing.next().await? {
            text.clear();
            for entry in entries.iter().filter(|entry| self.shows(entry)) {
                match self.form {
                    ListForm::Long => append_long(entry, now, &mut text),
                    ListForm::Names => append_name(&self.prefix, &entry.name, &mut text),
                    ListForm::Facts(facts) => append_facts(entry, facts, &mut text),
                }
            }
            rules.throttle.pass(text.len()).await;
            data.write_all(rules.limits, &text).await?;
            moved.fetch_add(text.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A file that was named is shown, whatever its name.
    fn shows(&self, entry: &FileEntry) -> bool {
        let dotted = entry.name.starts_with(b".");
        !self.listing.is_folder()
            || self.glob.as_ref().is_none_or(|glob| glob_matches(glob, &entry.name))
                && (!dotted || self.hidden || self.glob.as_ref().is_some_and(|glob| glob.starts_with(b".")))
    }
}
