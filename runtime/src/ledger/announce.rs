//! Writes the pool's journals.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::again::RECENT;
use super::feed::{FIRST, LAST, Place, beginning};
use super::forget;
use super::forgotten::Forgotten;
use super::keeper::Ledger;
use super::outside::within;
use super::record::{Record, fitting};
use super::streams::Kind;
use super::subject::Reach;
use crate::moment::Moment;
use crate::store::{Key, StoreError, Swap, TimeToLive};

/// Bytes of one entry: every node reads it. A ban gives up evidence to fit.
const ENTRY_BYTES: usize = 1024;
/// Bytes of one entry of an archive, which holds many records.
const PAGE_BYTES: usize = 16 * 1024;
/// How long a word of presence stands.
const PRESENCE_KEPT: u32 = 5;

/// The first line of an entry; the records follow, one a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// When it was written, by the writer's clock.
    pub(super) sent: Moment,
    /// The writer.
    pub(super) node: String,
    /// Entries that it has waited for in vain: whoever wrote one of them tells it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<Missing>,
    /// The entry, gone from its place, that this one stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instead: Option<Missing>,
    /// Nodes whose bans count no more, by the clocks of those who said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) forgotten: Vec<Forgotten>,
}

/// The head of a journal, and a number in it.
pub(super) type Missing = (String, u64);

/// What an entry says besides its records.
#[derive(Default)]
struct Beside {
    missing: Vec<Missing>,
    instead: Option<Missing>,
    forgotten: Vec<Forgotten>,
}

/// Tells all nodes of a record, perhaps instead of an entry that is gone; where.
pub(super) async fn tell(ledger: &Ledger, record: &Record, instead: Option<Place>) -> Result<Place, StoreError> {
    let as_made = &ledger.sync.clocks.lock().theirs(record.clone());
    let line = fitting(as_made, ENTRY_BYTES).or_else(|| fitting(as_made, ledger.value_bytes));
    let line = line.ok_or(StoreError::TooLarge)?;
    let instead = instead.map(|place| name(ledger, place));
    let beside = Beside { instead, ..Beside::default() };
    append(ledger, Kind::Live, record.reach(), (beside, &line), record.held_until()).await
}

/// Asks whoever wrote some entries to tell them again, as this node finds nothing there.
pub(super) async fn ask(ledger: &Ledger, reach: Reach, places: &[Place]) {
    let missing = places.iter().map(|place| name(ledger, *place)).collect();
    let beside = Beside { missing, ..Beside::default() };
    let end = ledger.outside.now().plus(RECENT);
    if let Err(error) = append(ledger, Kind::Live, reach, (beside, b""), Some(end)).await {
        tracing::debug!(%error, "ledger.not-asked");
    }
}

fn name(ledger: &Ledger, place: Place) -> Missing {
    (ledger.sync.streams.heads()[place.stream].as_str().to_owned(), place.number)
}

/// Tells the nodes of all sites that a node was forgotten. It stands for as long as the store has room.
pub(super) async fn forgotten(ledger: &Ledger, forgotten: Vec<Forgotten>) -> Result<(), StoreError> {
    let beside = Beside { forgotten, ..Beside::default() };
    append(ledger, Kind::Live, Reach::Everywhere, (beside, b""), None).await.map(drop)
}

/// Tells all nodes that this one is there, what its clock says, and which nodes are forgotten; false if nobody could be
/// told. `reach`: the nodes of this site, or of all.
pub(super) async fn greet(ledger: &Ledger, reach: Reach, every: std::time::Duration, now: Moment) -> bool {
    let end = now.plus(every * PRESENCE_KEPT);
    let beside = Beside { forgotten: forget::for_greeting(ledger), ..Beside::default() };
    let told = append(ledger, Kind::Live, reach, (beside, b""), Some(end)).await;
    if let Err(error) = &told {
        tracing::debug!(%error, "ledger.not-present");
    }
    told.is_ok()
}

/// Keeps records for nodes that start later, several in one entry.
pub(super) async fn keep(ledger: &Ledger, records: &[Record]) -> Result<(), StoreError> {
    for reach in [Reach::Site, Reach::Everywhere] {
        let mut page = Vec::new();
        let mut end = Some(Moment::from_millis(0));
        for record in records.iter().filter(|record| record.reach() == reach) {
            let as_made = ledger.sync.clocks.lock().theirs(record.clone());
            let Some(line) = fitting(&as_made, ENTRY_BYTES) else { continue };
            if page.len() + line.len() > PAGE_BYTES.min(ledger.value_bytes) {
                append(ledger, Kind::Archive, reach, (Beside::default(), &page), end).await?;
                page.clear();
                end = Some(Moment::from_millis(0));
            }
            page.extend(line);
            end = end.zip(record.held_until()).map(|(end, other)| end.max(other));
        }
        if !page.is_empty() {
            append(ledger, Kind::Archive, reach, (Beside::default(), &page), end).await?;
        }
    }
    Ok(())
}

/// Appends to the journal of any lane that takes it; where.
async fn append(
    ledger: &Ledger,
    kind: Kind,
    reach: Reach,
    (beside, lines): (Beside, &[u8]),
    end: Option<Moment>,
) -> Result<Place, StoreError> {
    let now = ledger.outside.now();
    let streams = ledger.sync.streams.of(kind, reach);
    let (first, count) = (streams.start, streams.len());
    let turn = ledger.sync.turn.fetch_add(1, Ordering::Relaxed);
    let Beside { missing, instead, forgotten } = beside;
    let header = Header { sent: now, node: ledger.rules.node().to_owned(), missing, instead, forgotten };
    let mut entry = serde_json::to_vec(&header).expect("a header has only names and numbers for keys");
    entry.push(b'\n');
    entry.extend_from_slice(lines);
    let mut error = StoreError::Unavailable("there is no journal".into());
    for step in 0..count {
        let stream = first + (turn + step) % count;
        let written = within(&*ledger.outside, ledger.store_deadline, async {
            let number = next(ledger, &ledger.sync.streams.heads()[stream], now).await?;
            let key = ledger.sync.streams.entry(stream, number);
            let ttl: TimeToLive = end.map(|end| now.until(end));
            ledger.store.set(&key, &ledger.store.close(&key, entry.clone()), ttl).await?;
            Ok(Place { stream, number })
        });
        match written.await {
            Ok(Ok(place)) => return Ok(place),
            Ok(Err(why)) => error = why,
            Err(late) => error = StoreError::Unavailable(late.to_string()),
        }
    }
    Err(error)
}

/// The next number of a journal. One that does not exist, or that somebody broke, is begun anew.
async fn next(ledger: &Ledger, head: &Key, now: Moment) -> Result<u64, StoreError> {
    // Whoever begins it may be overtaken by others; then the number counts on from theirs.
    for _ in 0..3 {
        match ledger.store.increment(head, 1, None).await {
            Ok(number) if is_begun(number) => return Ok(number),
            Ok(_) | Err(StoreError::NotACounter) => begin(ledger, head, now).await?,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Refused("a journal that does not begin".into()))
}

async fn begin(ledger: &Ledger, head: &Key, now: Moment) -> Result<(), StoreError> {
    let number = beginning(now).to_string();
    let Some(held) = ledger.store.get_versioned(head).await? else {
        return ledger.store.add(head, number.as_bytes(), None).await.map(drop);
    };
    if parse(&held.value).is_some_and(is_begun) {
        return Ok(());
    }
    match ledger.store.compare_and_swap(head, number.as_bytes(), held.version, None).await? {
        Swap::Stored | Swap::Changed | Swap::Missing => Ok(()),
    }
}

/// Whether a number is one that a journal of ours can have.
const fn is_begun(number: u64) -> bool {
    FIRST < number && number < LAST
}

/// A head's number.
pub(super) fn parse(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim_end().parse().ok()
}
