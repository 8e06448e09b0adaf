//! Whose session does a connection resume? Each control connection has a random id. It stands, sealed,
//! in every ticket and every stored session that the control connection or one of its data connections
//! was given, TLS 1.2 and 1.3 alike; a data connection that resumes a session with that id was opened by
//! the one who holds the control connection.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustls::server::{ProducesTickets, StoresServerSessions};

use super::pool::OFFERS_MAX;
use super::record::{Context, Here, ID_BYTES, Id, Record};
use super::sessions::Sessions;
use crate::moment::Moment;

/// Whose session a connection resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This control connection's, or the one that this control connection itself resumed.
    This,
    /// Another control connection's.
    Other,
    /// None: a full handshake.
    None,
}

/// Sessions by id that a control connection keeps for its own data connections, so that no other client can
/// evict them: the first, which many clients use again and again, and the newest.
const OWN_MAX: usize = 17;

/// One control connection's proof of ownership.
pub(super) struct Channel {
    id: Id,
    context: Context,
    /// Certificates of clients count here.
    certificates: bool,
    /// The owner of the session that this control connection resumed; known once its handshake is done,
    /// because a ticket that was only offered proves nothing: it travels in the clear.
    resumed: OnceLock<Id>,
    life: Mutex<Life>,
    own: Mutex<VecDeque<(Vec<u8>, Record)>>,
    sessions: Arc<Sessions>,
}

/// Since when, and until when, what is known of the client holds.
#[derive(Clone, Copy)]
struct Life {
    born: Moment,
    until: Moment,
}

impl Channel {
    /// `None` when the system has no randomness.
    pub(super) fn new(sessions: Arc<Sessions>, context: Context, certificates: bool) -> Option<Arc<Channel>> {
        let mut id = [0; ID_BYTES];
        aws_lc_rs::rand::fill(&mut id).ok()?;
        let life = Life { born: Moment::now(), until: Moment::from_millis(u64::MAX) };
        Some(Arc::new(Channel {
            id,
            context,
            certificates,
            resumed: OnceLock::new(),
            life: Mutex::new(life),
            own: Mutex::new(VecDeque::new()),
            sessions,
        }))
    }

    /// The client's certificate ends then, and with it what was made with it.
    pub(super) fn ends_at(&self, end: Moment) {
        let mut life = self.life.lock();
        life.until = life.until.min(end);
    }

    fn owns(&self, id: &Id) -> bool {
        *id == self.id || self.resumed.get() == Some(id)
    }

    fn keep_own(&self, id: Vec<u8>, record: Record) {
        let mut own = self.own.lock();
        if own.len() >= OWN_MAX {
            own.remove(1);
        }
        own.push_back((id, record));
    }

    fn own(&self, id: &[u8]) -> Option<Record> {
        self.own.lock().iter().find(|(known, _)| known == id).map(|(_, record)| record.clone())
    }
}

/// Stands between rustls and the shared sessions for one handshake and remembers what it handed out.
pub(super) struct Witness {
    channel: Arc<Channel>,
    /// On a data connection.
    data: bool,
    /// What the store knew of the sessions that the client offers.
    fetched: Vec<(Vec<u8>, Record)>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    offers: usize,
    /// What was handed out last, and the id by which it was asked for.
    record: Option<(Option<Vec<u8>>, Record)>,
}

impl Witness {
    /// For the handshake of a control connection.
    pub(super) fn control(channel: &Arc<Channel>, fetched: Vec<(Vec<u8>, Record)>) -> Arc<Witness> {
        Arc::new(Witness { channel: channel.clone(), data: false, fetched, seen: Mutex::default() })
    }

    /// For that of a data connection.
    pub(super) fn data(channel: &Arc<Channel>) -> Arc<Witness> {
        Arc::new(Witness { channel: channel.clone(), data: true, fetched: Vec::new(), seen: Mutex::default() })
    }

    /// After the handshake of a data connection: whose session it resumed.
    pub(super) fn owner(&self, resumed: bool) -> Owner {
        self.channel.sessions.data_handshake(resumed);
        match &self.seen.lock().record {
            Some((_, record)) if resumed && self.channel.owns(&record.owner) => Owner::This,
            Some(_) if resumed => Owner::Other,
            _ => Owner::None,
        }
    }

    /// After the handshake of a control connection: if it resumed, its data connections may resume the same.
    pub(super) fn settle(&self, resumed: bool) {
        let mut seen = self.seen.lock();
        self.channel.sessions.handshake(resumed, seen.offers > 0);
        if let Some((id, record)) = seen.record.take().filter(|_| resumed) {
            let _ = self.channel.resumed.set(record.owner);
            if let Some(id) = id {
                self.channel.keep_own(id, record);
            }
        }
    }

    /// A session to be given to the client, with what is known of it.
    fn record(&self, session: Vec<u8>) -> Record {
        let channel = &self.channel;
        let mut life = *channel.life.lock();
        // Whoever resumes was seen in a full handshake when its session was made, not now.
        if !self.data
            && let Some((_, resumed)) = &self.seen.lock().record
        {
            life = Life { born: resumed.born, until: life.until.min(resumed.until) };
            *channel.life.lock() = life;
        }
        Record {
            owner: channel.id,
            from_data: self.data,
            born: life.born,
            until: life.until.min(life.born.plus(channel.sessions.life)),
            generation: channel.sessions.generation(),
            context: channel.context,
            session,
        }
    }

    fn another_offer(&self) -> bool {
        let mut seen = self.seen.lock();
        seen.offers += 1;
        seen.offers <= OFFERS_MAX
    }

    /// The session for rustls, if it may be resumed here.
    fn admit(&self, id: Option<&[u8]>, record: Record, now: Moment) -> Option<Vec<u8>> {
        let channel = &self.channel;
        // A control connection that is open vouches for its own.
        if !channel.owns(&record.owner) {
            channel.sessions.learn(record.generation);
            let here = Here {
                context: channel.context,
                generation: channel.sessions.generation(),
                life: channel.sessions.life,
                certificates: channel.certificates && !self.data,
                now,
            };
            if let Err(reason) = record.judge(&here) {
                channel.sessions.refuse(reason);
                return None;
            }
        }
        let session = record.session.clone();
        self.seen.lock().record = Some((id.map(<[u8]>::to_vec), record));
        Some(session)
    }

    fn find(&self, id: &[u8]) -> Option<Vec<u8>> {
        if !self.another_offer() {
            return None;
        }
        let fetched = || self.fetched.iter().find(|(known, _)| known == id).map(|(_, record)| record.clone());
        let record = self.channel.own(id).or_else(|| self.channel.sessions.kept(id)).or_else(fetched)?;
        self.admit(Some(id), record, Moment::now())
    }
}

impl ProducesTickets for Witness {
    fn enabled(&self) -> bool {
        self.channel.sessions.by_ticket()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.channel.sessions.life.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.channel.sessions.ticket(&self.record(plain.to_vec()), Moment::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if !self.another_offer() {
            return None;
        }
        let now = Moment::now();
        match self.channel.sessions.open_ticket(ticket, now) {
            Ok(record) => self.admit(None, record, now),
            Err(reason) => {
                self.channel.sessions.refuse(reason);
                None
            }
        }
    }
}

impl StoresServerSessions for Witness {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let record = self.record(value);
        self.channel.sessions.keep(key.clone(), &record);
        self.channel.keep_own(key, record);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key)
    }

    /// Nothing is used up: clients that keep one ticket use it again and again, and no early data is taken.
    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Witness")
    }
}
