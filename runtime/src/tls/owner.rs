//! Whose session does a connection resume? Each control connection has a random id. It stands, sealed,
//! in every ticket and every stored session that the control connection or one of its data connections
//! was given, TLS 1.2 and 1.3 alike; a data connection that resumes a session with that id was opened by
//! the one who holds the control connection.

use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

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

const ID_BYTES: usize = 16;
type Id = [u8; ID_BYTES];

/// What all connections share: ticket keys and the sessions of clients that resume by id.
pub(super) struct Shared {
    pub(super) tickets: Arc<dyn ProducesTickets>,
    pub(super) sessions: Arc<ServerSessionMemoryCache>,
}

/// One control connection's proof of ownership.
pub(super) struct Channel {
    id: Id,
    /// The owner of the session that this control connection resumed; known once its handshake is done,
    /// because a ticket that was only offered proves nothing: it travels in the clear.
    resumed: OnceLock<Id>,
    /// This control connection's own TLS 1.2 session, so that no other client can evict it.
    own: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
    shared: Arc<Shared>,
}

impl Channel {
    /// `None` when the system has no randomness.
    pub(super) fn new(shared: Arc<Shared>) -> Option<Arc<Channel>> {
        let mut id = [0; ID_BYTES];
        aws_lc_rs::rand::fill(&mut id).ok()?;
        Some(Arc::new(Channel { id, resumed: OnceLock::new(), own: Mutex::new(None), shared }))
    }

    fn owns(&self, id: &Id) -> bool {
        *id == self.id || self.resumed.get() == Some(id)
    }
}

/// Stands between rustls and the shared store for one handshake and remembers what it handed out.
pub(super) struct Witness {
    channel: Arc<Channel>,
    seen: Mutex<Option<Id>>,
}

impl Witness {
    pub(super) fn new(channel: &Arc<Channel>) -> Arc<Witness> {
        Arc::new(Witness { channel: channel.clone(), seen: Mutex::new(None) })
    }

    /// After the handshake of a data connection: whose session it resumed.
    pub(super) fn owner(&self, resumed: bool) -> Owner {
        match *self.seen.lock() {
            Some(id) if resumed && self.channel.owns(&id) => Owner::This,
            Some(_) if resumed => Owner::Other,
            _ => Owner::None,
        }
    }

    /// After the handshake of a control connection that resumed: its data connections may resume the same.
    pub(super) fn adopt(&self) {
        if let Some(id) = *self.seen.lock() {
            let _ = self.channel.resumed.set(id);
        }
    }

    fn sealed(&self, session: &[u8]) -> Vec<u8> {
        [&self.channel.id[..], session].concat()
    }

    fn opened(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (id, session) = sealed.split_first_chunk::<ID_BYTES>()?;
        *self.seen.lock() = Some(*id);
        Some(session.to_vec())
    }
}

impl ProducesTickets for Witness {
    fn enabled(&self) -> bool {
        self.channel.shared.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.channel.shared.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.channel.shared.tickets.encrypt(&self.sealed(plain))
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.opened(&self.channel.shared.tickets.decrypt(ticket)?)
    }
}

impl StoresServerSessions for Witness {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let sealed = self.sealed(&value);
        let mut own = self.channel.own.lock();
        if own.is_none() {
            *own = Some((key.clone(), sealed.clone()));
        }
        self.channel.shared.sessions.put(key, sealed)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let own = self.channel.own.lock().as_ref().filter(|(id, _)| id == key).map(|(_, sealed)| sealed.clone());
        self.opened(&own.or_else(|| self.channel.shared.sessions.get(key))?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.opened(&self.channel.shared.sessions.take(key)?)
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
