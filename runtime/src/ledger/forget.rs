//! Forgets a node: what it made until then ends here at once, and on the others as they hear of it.
//!
//! The word is told as it is given, in an entry of its own that every site reads, and stands in every greeting from
//! then on: so a node that was away, or joins later, hears it within `bans.presence`, and a store that was emptied
//! loses nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::announce;
use super::ban::{Ban, CLOCKS_DIFFER};
use super::forgotten::{Forgotten, Heard, signature};
use super::keeper::Ledger;
use super::keeper::acts::AFTER_LIFT;
use super::record::Record;
use crate::moment::Moment;

/// Bans that are looked at before others have the table.
const AT_ONCE: usize = 1000;
/// Words in one greeting: a line of a few KiB. Where there are more they take turns.
pub(super) const TOLD_AT_ONCE: usize = 10;
/// Words of this node that wait for a store that does not answer; more are told by greetings alone.
const UNTOLD_MAX: usize = 100;

/// What is still to be done.
#[derive(Debug, Default)]
pub(super) struct ToForget {
    /// Heard, and not carried out yet.
    heard: Mutex<Vec<Forgotten>>,
    /// Said here, and not told yet.
    untold: Mutex<Vec<Forgotten>>,
    /// Whose turn it is in the next greeting.
    turn: AtomicUsize,
}

/// What came of an operator's word.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) word: Forgotten,
    /// Bans that ended here.
    pub(super) ended: usize,
    /// Whether the others can hear of it; `None`: nobody shares the store.
    pub(super) told: Option<bool>,
}

/// Carries out an operator's word, here and as far as the others can be told.
pub(super) async fn say(ledger: &Ledger, site: &str, node: &str, operator: &str, now: Moment) -> Done {
    let at = latest(ledger, site, node, now).await.max(now).plus(AFTER_LIFT);
    let word = Forgotten {
        id: ledger.random_id(),
        node: node.to_owned(),
        site: site.to_owned(),
        at,
        by: signature(operator),
        from: ledger.rules.node().to_owned(),
        clock: None,
    };
    let saving = {
        let mut table = ledger.table.write();
        table.forget_node(word.clone());
        ledger.journal.append(word.clone())
    };
    let ended = purge(ledger, now).await.remove(&(site.to_owned(), node.to_owned())).unwrap_or(0);
    log(&word, ended);
    // Told by the writer, and written again by the upkeep.
    let _ = saving.saved().await;
    if !ledger.store.is_shared() {
        return Done { word, ended, told: None };
    }
    {
        let mut untold = ledger.to_forget.untold.lock();
        if untold.len() < UNTOLD_MAX {
            untold.push(word.clone());
        }
    }
    let told = tell_what_waits(ledger).await;
    Done { word, ended, told: Some(told) }
}

/// When the node made the last of its bans that are here: its clock may be ahead of ours. What is further ahead than
/// clocks may be counts as none of an honest clock.
async fn latest(ledger: &Ledger, site: &str, node: &str, now: Moment) -> Moment {
    let (mut latest, mut cursor) = (Moment::from_millis(0), None);
    loop {
        {
            let table = ledger.table.read();
            let part = table.after(cursor, AT_ONCE);
            cursor = None;
            for ban in part {
                cursor = Some(ban.id);
                if ban.node == node && ban.site == site && ban.created <= now.plus(CLOCKS_DIFFER) {
                    latest = latest.max(ban.created);
                }
            }
        }
        if cursor.is_none() {
            return latest;
        }
        tokio::task::yield_now().await;
    }
}

/// Ends what forgotten nodes made; how many bans of each node of each site.
async fn purge(ledger: &Ledger, now: Moment) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    let mut cursor = None;
    loop {
        let dropped = ledger.table.write().drop_forgotten(cursor, AT_ONCE, now);
        for ban in &dropped.ended {
            *counts.entry((ban.site.clone(), ban.node.clone())).or_insert(0) += 1;
        }
        for next in &dropped.next {
            ledger.announce(next);
        }
        cursor = dropped.cursor;
        if cursor.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if !counts.is_empty() {
        // The file still tells of them, and what is dated into the future would come back from there.
        ledger.journal.rewrite();
    }
    counts
}

fn log(word: &Forgotten, count: usize) {
    tracing::warn!(
        node = %word.node.escape_debug(),
        site = %word.site.escape_debug(),
        operator = %word.by.escape_debug(),
        told = %word.from.escape_debug(),
        count,
        "node.forgotten: what it had banned until then is no longer banned"
    );
}

/// Hears a word that another node passes on. True if it was known by a clock that nobody knew: what it voided is to be
/// judged again.
pub(super) fn hear(ledger: &Ledger, word: Forgotten, now: Moment) -> bool {
    if !word.is_sound() {
        ledger.strange.fetch_add(1, Ordering::Relaxed);
        return false;
    }
    let word = ledger.sync.clocks.lock().forgotten_ours(word).not_from_the_future(now);
    if ledger.table.read().would_forget(&word) == Heard::Known {
        return false;
    }
    let heard = {
        let mut table = ledger.table.write();
        let heard = table.forget_node(word.clone());
        ledger.journal.append(word.clone()).in_background();
        heard
    };
    // At most as many as the table remembers, and carried out by the end of the round.
    ledger.to_forget.heard.lock().push(word);
    heard == Heard::PutRight
}

/// Hears again what is here by the clock of a node that is known now. True if something is to be judged again: so is
/// what that node made itself, where it was forgotten once.
pub(super) fn put_right(ledger: &Ledger, node: &str, now: Moment) -> bool {
    let (unsure, mut judge_again) = {
        let table = ledger.table.read();
        let unsure = table.forgotten().filter(|word| word.clock.as_deref() == Some(node)).cloned();
        (unsure.collect::<Vec<Forgotten>>(), table.forgotten().any(|word| word.node == node))
    };
    for word in unsure {
        judge_again |= hear(ledger, word, now);
    }
    judge_again
}

/// Carries out what was heard, and tells what is still to be told.
pub(super) async fn round(ledger: &Ledger, now: Moment) {
    let heard = std::mem::take(&mut *ledger.to_forget.heard.lock());
    if !heard.is_empty() {
        let mut counts = purge(ledger, now).await;
        for word in heard {
            let count = counts.remove(&(word.site.clone(), word.node.clone())).unwrap_or(0);
            log(&word, count);
        }
    }
    tell_what_waits(ledger).await;
}

/// Tells what this node was told and the others were not; whether nothing is left of it.
async fn tell_what_waits(ledger: &Ledger) -> bool {
    loop {
        let Some(word) = ledger.to_forget.untold.lock().first().cloned() else { return true };
        let theirs = ledger.sync.clocks.lock().forgotten_theirs(word.clone());
        if let Err(error) = announce::forgotten(ledger, vec![theirs]).await {
            tracing::warn!(node = %word.node.escape_debug(), %error, "node.forgotten-not-told: tried again");
            return false;
        }
        ledger.to_forget.untold.lock().retain(|waiting| waiting.id != word.id);
    }
}

/// The words for the next greeting, oldest first, in turns.
pub(super) fn for_greeting(ledger: &Ledger) -> Vec<Forgotten> {
    let mut all: Vec<Forgotten> = ledger.table.read().forgotten().cloned().collect();
    if all.is_empty() {
        return all;
    }
    all.sort_by_key(|word| (word.at, word.id));
    let turn = ledger.to_forget.turn.fetch_add(TOLD_AT_ONCE, Ordering::Relaxed) % all.len();
    all.rotate_left(turn);
    all.truncate(TOLD_AT_ONCE);
    let clocks = ledger.sync.clocks.lock();
    all.into_iter().map(|word| clocks.forgotten_theirs(word)).collect()
}

/// Whether a record is a ban of a node that was forgotten since.
pub(super) fn is_void(ledger: &Ledger, record: &Record, now: Moment) -> bool {
    match record {
        Record::Ban(ban) => is_void_ban(ledger, ban, now),
        Record::Lift(_) => false,
    }
}

/// The same of a ban.
pub(super) fn is_void_ban(ledger: &Ledger, ban: &Arc<Ban>, now: Moment) -> bool {
    ledger.table.read().is_forgotten(ban, now)
}
