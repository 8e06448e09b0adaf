//! Reads the pool's journals: what other nodes ban and lift is in force here within the sync interval, without
//! a client coming back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::again::Why;
use super::announce::{self, Header, Missing};
use super::clocks::Clocks;
use super::feed::{Bounds, Entry, Feed, Head, Place};
use super::forget;
use super::keeper::Ledger;
use super::pool;
use super::record::read_all;
use super::streams::{Kind, Streams};
use super::subject::Reach;
use super::told::Told;
use crate::config::Settings;
use crate::moment::Moment;
use crate::store::Found;

/// Entries in one multi-get: well within one deadline.
const KEYS_AT_ONCE: usize = 100;
/// Entries that are asked for in one word: a line of a few KiB. More wait for the next look.
const ASKED_AT_ONCE: usize = 50;

/// What a node knows of the pool's journals.
#[derive(Debug)]
pub(super) struct Sync {
    pub(super) streams: Streams,
    pub(super) feed: Mutex<Feed>,
    pub(super) clocks: Mutex<Clocks>,
    /// What this node wrote into them of late.
    pub(super) told: Mutex<Told>,
    /// Which lane is written next.
    pub(super) turn: AtomicUsize,
    /// The archives were read, or there are none.
    joined: AtomicBool,
    greeted: Mutex<Option<Moment>>,
    presence: Duration,
    /// How often the journals are looked at.
    every: Duration,
    /// Entries that were read within this were written within it.
    fresh: Duration,
    /// Not even the first look has been taken yet.
    new: AtomicBool,
}

impl Sync {
    pub(super) fn new(streams: Streams, settings: &Settings, chance: u32) -> Sync {
        let bans = &settings.bans;
        let bounds = Bounds {
            page: bans.sync_page,
            gap_patience: bans.gap_patience,
            gaps_max: bans.sync_page,
            rewind_pause: bans.presence,
        };
        let fresh = bans.sync * 3;
        Sync {
            feed: Mutex::new(Feed::new(streams.heads().len(), bounds)),
            streams,
            clocks: Mutex::new(Clocks::new(&settings.server.node, fresh)),
            told: Mutex::new(Told::new(bans.queue, fresh)),
            turn: AtomicUsize::new(chance as usize),
            joined: AtomicBool::new(false),
            greeted: Mutex::new(None),
            presence: bans.presence,
            every: bans.sync,
            fresh,
            new: AtomicBool::new(true),
        }
    }

    /// Nodes that were heard of of late, this one not counted.
    pub(super) fn peers(&self, now: Moment) -> usize {
        let since = Moment::from_millis(now.millis().saturating_sub(self.presence.as_millis() as u64 * 3));
        self.clocks.lock().heard_since(since)
    }

    fn is_greeting_due(&self, now: Moment) -> bool {
        let mut greeted = self.greeted.lock();
        let due = greeted.is_none_or(|before| before.until(now) >= self.presence || now < before);
        if due {
            *greeted = Some(now);
        }
        due
    }
}

/// One look at the journals. True if there is more to read at once.
pub(super) async fn round(ledger: &Ledger, now: Moment) -> bool {
    if !ledger.store.is_shared() {
        return false;
    }
    let sync = &ledger.sync;
    let watched =
        if sync.joined.load(Ordering::Relaxed) { sync.streams.live().end } else { sync.streams.heads().len() };
    let found = ledger.store.get_each(&sync.streams.heads()[..watched]).await;
    let heads: Vec<Head> = found.iter().map(head).collect();
    let (new, wanted) = {
        let mut feed = sync.feed.lock();
        (feed.heads(&heads, now), feed.wanted())
    };
    let unheard = sync.told.lock().unheard(|stream| heads.get(stream) == Some(&Head::Unknown), now);
    unheard.into_iter().for_each(|record| pool::tell_again(ledger, record));
    if new.iter().any(|stream| sync.streams.live().contains(stream)) {
        // It may have forgotten what we hold, or we missed what it holds.
        let why = if sync.new.swap(false, Ordering::Relaxed) { Why::Started } else { Why::Forgot };
        ledger.again.begin(ledger, why, now);
        *sync.greeted.lock() = None;
    }
    if sync.is_greeting_due(now) {
        if !announce::greet(ledger, Reach::Site, sync.presence, now).await {
            *sync.greeted.lock() = None;
        }
        // Other sites hear which nodes are forgotten from one or two nodes of this one, drawn by chance.
        let forgets = ledger.table.read().forgotten_len() > 0;
        if forgets && ledger.random_id().share() * sync.peers(now) as f64 <= 1.0 {
            announce::greet(ledger, Reach::Everywhere, sync.presence, now).await;
        }
    }
    let (mut answered, mut misjudged) = (false, false);
    for some in wanted.chunks(KEYS_AT_ONCE) {
        let read = read(ledger, some, now).await;
        answered |= read.answered;
        misjudged |= read.misjudged;
    }
    if misjudged {
        // A clock differs: what it wrote is judged again, and its node has to learn of ours.
        sync.feed.lock().rewind();
        *sync.greeted.lock() = None;
    }
    forget::round(ledger, now).await;
    ledger.journal.flush();
    ask_for_gaps(ledger, now).await;
    let feed = sync.feed.lock();
    if watched > sync.streams.live().end && feed.is_read(sync.streams.archives()) {
        sync.joined.store(true, Ordering::Relaxed);
    }
    answered && feed.is_behind()
}

/// Asks for entries whose numbers were given out and that are still not there a look later: memcached may have thrown
/// them out. Of many nodes that miss one a few ask, drawn by chance, more with each look; the others read that they did.
async fn ask_for_gaps(ledger: &Ledger, now: Moment) {
    let sync = &ledger.sync;
    let drawn = ledger.random_id().share() * sync.peers(now) as f64;
    let old_enough = |age: Duration| {
        let looks = age.as_secs_f64() / sync.every.as_secs_f64();
        looks >= 1.0 && drawn <= looks.exp2()
    };
    for reach in [Reach::Site, Reach::Everywhere] {
        let streams = sync.streams.of(Kind::Live, reach);
        let places = sync.feed.lock().ask_for(streams, now, ASKED_AT_ONCE, old_enough);
        if !places.is_empty() {
            announce::ask(ledger, reach, &places).await;
        }
    }
}

/// Hears what an entry says of others: those that somebody misses, and the one that it stands for.
fn hear_of_gaps(ledger: &Ledger, header: &Header) {
    let sync = &ledger.sync;
    let place = |(head, number): &Missing| {
        let stream = sync.streams.live().find(|stream| sync.streams.heads()[*stream].as_str() == head)?;
        Some(Place { stream, number: *number })
    };
    for place in header.missing.iter().take(ASKED_AT_ONCE).filter_map(place) {
        sync.feed.lock().asked(place);
        pool::tell_what_is_gone(ledger, place);
    }
    if let Some(place) = header.instead.as_ref().and_then(place) {
        sync.feed.lock().close(place);
    }
}

/// Hears of a node, and puts right what was taken in by its clock before we knew it. True if what it wrote was
/// misjudged, or may have been, as the node was forgotten once.
fn hear(ledger: &Ledger, header: &Header, now: Moment, fresh: bool) -> bool {
    let (new, misjudged) = {
        let mut clocks = ledger.sync.clocks.lock();
        let known = clocks.knows(&header.node);
        let misjudged = clocks.heard(&header.node, header.sent, now, fresh);
        (!known && clocks.knows(&header.node), misjudged)
    };
    if new {
        let unsure = ledger.table.read().unsure(&header.node);
        for record in unsure {
            pool::take(ledger, record, now);
        }
        return forget::put_right(ledger, &header.node, now) || misjudged;
    }
    misjudged
}

fn head(found: &Found) -> Head {
    match found {
        Ok(Some(value)) => announce::parse(value).map_or(Head::Strange, Head::At),
        Ok(None) => Head::Gone,
        Err(_) => Head::Unknown,
    }
}

/// What came of reading some entries.
#[derive(Default)]
struct Read {
    /// The store said something of some of them.
    answered: bool,
    /// A writer's clock differs from what we took it for.
    misjudged: bool,
}

async fn read(ledger: &Ledger, places: &[Place], now: Moment) -> Read {
    let sync = &ledger.sync;
    let keys: Vec<_> = places.iter().map(|place| sync.streams.entry(place.stream, place.number)).collect();
    let found = ledger.store.get_each(&keys).await;
    let mut read = Read::default();
    for ((place, key), found) in places.iter().zip(&keys).zip(found) {
        let fresh = sync.feed.lock().is_fresh(*place, now, sync.fresh);
        let entry = match &found {
            Ok(Some(_)) => Entry::There,
            Ok(None) => Entry::Missing,
            Err(_) => Entry::Unknown,
        };
        sync.feed.lock().entry(*place, entry, now);
        read.answered |= entry != Entry::Unknown;
        if entry == Entry::Missing {
            pool::tell_what_is_gone(ledger, *place);
        }
        if let Ok(Some(value)) = found {
            match ledger.store.unseal(key, value) {
                Ok(entry) => read.misjudged |= take(ledger, &entry, fresh, now),
                Err(_) => pool::forged(ledger, key),
            }
        }
    }
    read
}

/// Takes in what an entry says; true if its writer's clock differs from what we took it for, or something was put
/// right that was taken for another moment.
fn take(ledger: &Ledger, entry: &[u8], fresh: bool, now: Moment) -> bool {
    let (header, lines) = entry.split_at(entry.iter().position(|byte| *byte == b'\n').unwrap_or(entry.len()));
    let Ok(header) = serde_json::from_slice::<Header>(header) else {
        ledger.strange.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    let others = header.node != ledger.rules.node();
    let misjudged = others && hear(ledger, &header, now, fresh);
    hear_of_gaps(ledger, &header);
    let mut put_right = false;
    for word in header.forgotten.into_iter().take(forget::TOLD_AT_ONCE) {
        put_right |= forget::hear(ledger, word, now);
    }
    let (records, strange) = read_all(lines);
    ledger.strange.fetch_add(strange as u64, Ordering::Relaxed);
    for record in records {
        put_right |= pool::take(ledger, record, now);
    }
    misjudged || put_right
}
