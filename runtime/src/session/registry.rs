//! The sessions that are open: who they are, for `status`; and how to reach them when a ban comes into
//! force or the server stops. As many as the gate admits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use super::house::{House, Names};
use crate::auth::{Login, UserName};
use crate::config::settings::{self, UnknownUsers};
use crate::events::{Event, Facts, Kind, Label, SessionFacts, TlsFacts};
use crate::ledger::{Ban, By, Subject, Whom};
use crate::moment::Moment;
use crate::net::{Arrival, HostId, Peer};
use crate::waits;

/// All open sessions.
#[derive(Debug, Default)]
pub struct Registry {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Entry>, RandomState>>,
    closed: Notify,
}

/// One open session, as the others see it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) arrival: Arrival,
    pub(super) peer: Peer,
    /// Which of `Settings::listeners` it came through.
    pub(super) listener: usize,
    host: Mutex<HostId>,
    pub(super) since: Moment,
    pub(super) classes: Vec<Label>,
    pub(super) tls: OnceLock<Box<TlsFacts>>,
    pub(super) commands: AtomicU32,
    pub(super) unknown_commands: AtomicU32,
    pub(super) failed_logins: AtomicU32,
    pub(super) transfers: AtomicU32,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    who: Mutex<Who>,
    /// Microseconds that the session has waited for the pool.
    waited: AtomicU32,
    order: Mutex<Option<Order>>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct Who {
    user: Option<Box<str>>,
    /// Where nobody has that name.
    pseudonym: Option<Box<str>>,
    logged_in: bool,
    /// Not a user of the file.
    outside: bool,
}

/// What a session is told from outside. Later ones are stronger.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Finish what you do.
    Finish,
    /// Its user may not log in any more.
    Revoked,
    /// Its host or user is banned.
    Banned(Arc<Ban>),
    /// End at once.
    End,
}

/// One open session, for `status`.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    /// Unique while the server runs.
    pub connection: u64,
    /// The client.
    pub peer: String,
    /// Since when.
    pub since: Moment,
    /// The user named last; a pseudonym where nobody has that name.
    pub user: Option<String>,
    /// Whether that user is logged in.
    pub logged_in: bool,
    /// Whether the control connection is protected.
    pub protected: bool,
    /// Transfers so far.
    pub transfers: u32,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl Registry {
    /// Sessions that are open.
    pub fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// The sessions that are open, oldest first, at most `most`.
    pub fn list(&self, most: usize) -> Vec<Open> {
        let mut entries = self.entries();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.iter().take(most).map(|entry| entry.open()).collect()
    }

    pub(super) fn enter(
        &self,
        arrival: Arrival,
        place: (usize, HostId),
        classes: Vec<Label>,
        since: Moment,
    ) -> Arc<Entry> {
        let entry = self.stranger(arrival, place, classes, since);
        self.open.lock().insert(entry.id, entry.clone());
        entry
    }

    /// One of whom there are facts, and no session.
    pub(super) fn stranger(
        &self,
        arrival: Arrival,
        (listener, host): (usize, HostId),
        classes: Vec<Label>,
        since: Moment,
    ) -> Arc<Entry> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Entry {
            id,
            arrival,
            peer: arrival.peer,
            listener,
            host: Mutex::new(host),
            since,
            classes,
            tls: OnceLock::new(),
            commands: AtomicU32::new(0),
            unknown_commands: AtomicU32::new(0),
            failed_logins: AtomicU32::new(0),
            transfers: AtomicU32::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            who: Mutex::default(),
            waited: AtomicU32::new(0),
            order: Mutex::new(None),
            changed: Notify::new(),
        })
    }

    pub(super) fn leave(&self, id: u64) {
        self.open.lock().remove(&id);
        self.closed.notify_waiters();
    }

    pub(super) fn tell_all(&self, order: &Order) {
        for entry in self.entries() {
            entry.tell(order.clone());
        }
    }

    /// Ends once no session is open.
    pub(super) async fn emptied(&self) {
        loop {
            let closed = self.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.open.lock().is_empty() {
                return;
            }
            closed.await;
        }
    }

    /// How many open sessions a policy's ban of this subject ends.
    pub(super) fn ended_by(&self, subject: &Subject, end_logged_in: bool) -> u32 {
        let ended = |entry: &&Arc<Entry>| entry.is_named_by(subject) && (end_logged_in || !entry.is_spared_by(subject));
        u32::try_from(self.open.lock().values().filter(ended).count()).unwrap_or(u32::MAX)
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.open.lock().values().cloned().collect()
    }
}

/// Ends open sessions whose host or user is banned, whoever banned them, until the ledger is gone. One
/// watcher for all sessions: a ban wakes only those whom it names.
pub(super) async fn follow_bans(house: Arc<House>) {
    let mut news = house.handles.bans.watch();
    while !matches!(news.recv().await, Err(RecvError::Closed)) {
        // However many bans have come, each session is looked at once.
        while !news.is_empty() {
            if let Err(tokio::sync::broadcast::error::TryRecvError::Closed) = news.try_recv() {
                return;
            }
        }
        let now = Moment::now();
        for entry in house.registry().entries() {
            if let Some(ban) = entry.ban(&house, now) {
                entry.tell(Order::Banned(ban));
            }
        }
    }
}

/// Ends open sessions of users who may not log in any more, whenever the users were replaced.
pub(super) async fn follow_users(house: Arc<House>) {
    let login = &house.handles.login;
    let mut news = login.watch();
    while news.changed().await.is_ok() {
        if !house.settings.users.end_removed {
            continue;
        }
        let now = Moment::now();
        for entry in house.registry().entries() {
            if !entry.may_stay(login, now) {
                entry.tell(Order::Revoked);
            }
        }
    }
}

impl Entry {
    pub(super) fn tell(&self, order: Order) {
        let mut told = self.order.lock();
        if told.as_ref().is_none_or(|told| told.strength() < order.strength()) {
            *told = Some(order);
            self.changed.notify_one();
        }
    }

    pub(super) fn take_order(&self) -> Option<Order> {
        self.order.lock().clone()
    }

    /// The ban that ends this session, if one is in force: of its address, of what its TLS shows, of its user.
    pub(super) fn ban(&self, house: &House, now: Moment) -> Option<Arc<Ban>> {
        let spared = |ban: &Ban| {
            let by_policy = matches!(ban.by, By::Policy { .. });
            !house.settings.bans.end_logged_in && by_policy && self.is_spared_by(&ban.subject)
        };
        self.any_ban(house, now, spared)
    }

    /// The ban that keeps this session's user out, who was let in a moment ago.
    pub(super) fn ban_at_login(&self, house: &House, now: Moment) -> Option<Arc<Ban>> {
        self.any_ban(house, now, |_| false)
    }

    /// A ban of its address is passed over where it spares this session.
    fn any_ban(&self, house: &House, now: Moment, spared: impl Fn(&Ban) -> bool) -> Option<Arc<Ban>> {
        let (bans, ip) = (&house.handles.bans, self.peer.ip());
        let by_tls = || {
            let tls = self.tls.get()?;
            bans.on_tls(tls.client_certificate.as_deref(), tls.ja4.as_deref(), ip, now)
        };
        let by_user = || {
            let who = self.who.lock();
            who.user.as_deref().filter(|_| who.logged_in).and_then(|user| bans.on_user(user, ip, now))
        };
        bans.on_host_that(ip, &self.classes, now, |ban| !spared(ban)).or_else(by_tls).or_else(by_user)
    }

    /// Whether a subject names this session.
    fn is_named_by(&self, subject: &Subject) -> bool {
        let who = self.who.lock();
        let user = who.user.as_deref().filter(|_| who.logged_in);
        Whom { ip: self.peer.ip(), user, classes: &self.classes, tls: self.tls.get().map(|tls| &**tls) }
            .is_covered_by(subject)
    }

    /// Whether this is a session that may be spared by a ban of its address: its user is in.
    fn is_spared_by(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Host(_) | Subject::Network(_) | Subject::Class(_)) && self.who.lock().logged_in
    }

    /// How long the session has waited for what the pool knows of it.
    pub(super) fn waited_for_pool(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::Relaxed).into())
    }

    pub(super) fn waits_for_pool(&self, span: Duration) {
        let sum = (self.waited_for_pool() + span).as_micros();
        self.waited.store(u32::try_from(sum).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Pauses, and no longer once somebody outside wants something of the session.
    pub(super) async fn pause(&self, span: Duration) {
        tokio::select! {
            () = waits::pause(span) => {}
            // Whoever looks for orders next shall find this one.
            () = self.changed.notified() => self.changed.notify_one(),
        }
    }

    /// The virtual server that the client is at.
    pub(super) fn host(&self) -> HostId {
        *self.host.lock()
    }

    pub(super) fn move_to(&self, host: HostId) {
        *self.host.lock() = host;
    }

    /// USER named somebody; longer names are nobody's and are cut.
    pub(super) fn names(&self, user: &str, house: &House) {
        let user = &user[..user.floor_char_boundary(UserName::BYTES_MAX)];
        if self.who.lock().user.as_deref() != Some(user) {
            self.name(user, house.pseudonym(user));
        }
    }

    pub(super) fn name(&self, user: &str, pseudonym: Option<Box<str>>) {
        *self.who.lock() = Who { user: Some(user.into()), pseudonym, ..Who::default() };
    }

    /// It has turned out that nobody has the name.
    pub(super) fn nobody_has_it(&self, pseudonym: Box<str>) {
        self.who.lock().pseudonym = Some(pseudonym);
    }

    /// The user named last is in; `outside`: [`crate::auth::Permit::is_outside`].
    pub(super) fn logged_in(&self, outside: bool) {
        let mut who = self.who.lock();
        (who.logged_in, who.outside, who.pseudonym) = (true, outside, None);
    }

    /// Whether who is logged in could log in still; whoever is not may try.
    fn may_stay(&self, login: &Login, now: Moment) -> bool {
        let who = self.who.lock();
        who.user.as_deref().filter(|_| who.logged_in).is_none_or(|user| login.stands(user, who.outside, now))
    }

    pub(super) fn forget(&self) {
        *self.who.lock() = Who::default();
    }

    /// The user named last, as typed.
    pub(super) fn user(&self) -> Option<String> {
        self.who.lock().user.as_deref().map(str::to_owned)
    }

    /// That user for the log.
    pub(super) fn shown_user(&self, log: &settings::Log) -> Option<String> {
        let who = self.who.lock();
        let masked = who.pseudonym.as_deref().filter(|_| log.unknown_users == UnknownUsers::Masked);
        masked.or(who.user.as_deref()).map(str::to_owned)
    }

    pub(super) fn event(&self, names: &Names, store_degraded: bool, kind: Kind) -> Event {
        let (user, pseudonym, logged_in) = {
            let who = self.who.lock();
            (who.user.as_deref().map(str::to_owned), who.pseudonym.clone(), who.logged_in)
        };
        let facts = Facts {
            site: names.site.clone(),
            node: names.node.clone(),
            server: names.servers[self.host().index()].clone(),
            connection: self.id,
            peer: SocketAddr::new(self.peer.ip(), self.peer.port()),
            local: self.arrival.local,
            classes: self.classes.clone(),
            user,
            pseudonym,
            logged_in,
            session: self.counted(),
            tls: self.tls.get().map(|facts| (**facts).clone()),
            history: None,
            store_degraded,
        };
        Event { at: Moment::now(), facts, kind }
    }

    pub(super) fn counted(&self) -> SessionFacts {
        SessionFacts {
            started: self.since,
            commands: self.commands.load(Ordering::Relaxed),
            unknown_commands: self.unknown_commands.load(Ordering::Relaxed),
            failed_logins: self.failed_logins.load(Ordering::Relaxed),
            transfers: self.transfers.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    fn open(&self) -> Open {
        let counted = self.counted();
        let who = self.who.lock();
        Open {
            connection: self.id,
            peer: self.peer.to_string(),
            since: self.since,
            user: who.pseudonym.as_ref().or(who.user.as_ref()).map(|user| user.to_string()),
            logged_in: who.logged_in,
            protected: self.tls.get().is_some(),
            transfers: counted.transfers,
            bytes_in: counted.bytes_in,
            bytes_out: counted.bytes_out,
        }
    }
}

impl Order {
    const fn strength(&self) -> u8 {
        match self {
            Order::Finish => 0,
            Order::Revoked => 1,
            Order::Banned(_) => 2,
            Order::End => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(registry: &Registry) -> Arc<Entry> {
        let address: SocketAddr = "127.0.0.1:1".parse().expect("address");
        let arrival = Arrival::direct(Peer::new(address), address);
        registry.enter(arrival, (0, HostId::MAIN), Vec::new(), Moment::from_millis(0))
    }

    #[tokio::test]
    async fn it_is_empty_once_the_last_session_left() {
        let registry = Registry::default();
        registry.emptied().await;
        let (one, two) = (enter(&registry), enter(&registry));
        assert_eq!(registry.list(9).len(), 2);
        let emptied = async {
            registry.emptied().await;
            assert_eq!(registry.count(), 0);
        };
        tokio::join!(emptied, async {
            registry.leave(one.id);
            tokio::task::yield_now().await;
            registry.leave(two.id);
        });
    }

    #[test]
    fn a_stronger_order_wins() {
        let entry = enter(&Registry::default());
        entry.tell(Order::End);
        entry.tell(Order::Finish);
        assert!(matches!(entry.take_order(), Some(Order::End)));
    }
}
