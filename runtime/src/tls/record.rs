//! One session as it stands in a ticket or in a store, sealed around: who made it, until when it holds, and
//! for whom it may be resumed. Pure.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::moment::Moment;

const VERSION: u8 = 1;
const FROM_DATA: u8 = 1;
pub(super) const ID_BYTES: usize = 16;
/// Of a digest that says for whom a session is.
const WHOM_BYTES: usize = 16;

/// A control connection.
pub(super) type Id = [u8; ID_BYTES];
type Whom = [u8; WHOM_BYTES];

/// For whom a session may be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// The site and the virtual server.
    server: Whom,
    /// Whether clients show certificates there, and who may issue them.
    clients: Whom,
}

impl Context {
    /// Of a virtual server. `clients`: what decides about certificates of clients there.
    pub(super) fn new(site: &str, server: &str, clients: &[u8]) -> Context {
        let whom = |kind: &[u8], parts: [&[u8]; 2]| {
            let mut text = kind.to_vec();
            for part in parts {
                text.extend_from_slice(&(part.len() as u64).to_be_bytes());
                text.extend_from_slice(part);
            }
            let mut whom = [0; WHOM_BYTES];
            whom.copy_from_slice(&digest(&SHA256, &text).as_ref()[..WHOM_BYTES]);
            whom
        };
        Context {
            server: whom(b"server", [site.as_bytes(), server.as_bytes()]),
            clients: whom(b"clients", [clients, b""]),
        }
    }
}

/// A session and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The control connection that it belongs to.
    pub(super) owner: Id,
    /// It was made on a data connection, where no client shows a certificate.
    pub(super) from_data: bool,
    /// When the client was last seen in a full handshake.
    pub(super) born: Moment,
    /// From then on it is resumed no more, as when the client's certificate ends.
    pub(super) until: Moment,
    /// How often sessions had been cleared before.
    pub(super) generation: u64,
    pub(super) context: Context,
    /// What rustls made of it.
    pub(super) session: Vec<u8>,
}

/// Why a session that was offered is not resumed: a full handshake follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refused {
    /// Forged, cut, another cluster's, or sealed with a key that is gone.
    Unknown,
    /// Its life is over.
    Expired,
    /// Issued before sessions were cleared.
    Cleared,
    /// Another virtual server's or site's.
    OtherServer,
    /// Certificates of clients were handled otherwise where it was made.
    OtherClients,
}

/// Where and when a session is offered.
pub(super) struct Here {
    pub(super) context: Context,
    pub(super) generation: u64,
    pub(super) life: Duration,
    /// Certificates of clients count here, so that what a data connection made says too little.
    pub(super) certificates: bool,
    pub(super) now: Moment,
}

impl Record {
    /// May it be resumed here?
    pub(super) fn judge(&self, here: &Here) -> Result<(), Refused> {
        if here.now >= self.until || here.now >= self.born.plus(here.life) {
            Err(Refused::Expired)
        } else if self.generation < here.generation {
            Err(Refused::Cleared)
        } else if self.context.server != here.context.server {
            Err(Refused::OtherServer)
        } else if self.context.clients != here.context.clients || (self.from_data && here.certificates) {
            Err(Refused::OtherClients)
        } else {
            Ok(())
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, if self.from_data { FROM_DATA } else { 0 }];
        bytes.extend_from_slice(&self.owner);
        for number in [self.born.millis(), self.until.millis(), self.generation] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.context.server);
        bytes.extend_from_slice(&self.context.clients);
        bytes.extend_from_slice(&self.session);
        bytes
    }

    /// `None` for a form of another version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (flags, rest) = rest.split_first()?;
        let (owner, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (born, rest) = rest.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (server, rest) = rest.split_first_chunk::<WHOM_BYTES>()?;
        let (clients, session) = rest.split_first_chunk::<WHOM_BYTES>()?;
        Some(Record {
            owner: *owner,
            from_data: flags & FROM_DATA != 0,
            born: Moment::from_millis(u64::from_be_bytes(*born)),
            until: Moment::from_millis(u64::from_be_bytes(*until)),
            generation: u64::from_be_bytes(*generation),
            context: Context { server: *server, clients: *clients },
            session: session.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFE: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn record() -> Record {
        Record {
            owner: [7; ID_BYTES],
            from_data: false,
            born: at(1000),
            until: at(1100),
            generation: 3,
            context: Context::new("site", "main", b"off"),
            session: b"secret".to_vec(),
        }
    }

    fn here(context: Context, generation: u64, now: u64) -> Here {
        Here { context, generation, life: LIFE, certificates: false, now: at(now) }
    }

    #[test]
    fn a_session_is_resumed_where_it_was_made_and_nowhere_else() {
        let own = record().context;
        let shop = Context::new("site", "shop", b"off");
        let elsewhere = Context::new("other", "main", b"off");
        let shown = Context::new("site", "main", b"required");
        for (place, verdict) in [
            (here(own, 3, 1000), Ok(())),
            (here(own, 2, 1099), Ok(())),
            (here(own, 3, 1100), Err(Refused::Expired)),
            (here(own, 4, 1000), Err(Refused::Cleared)),
            (here(shop, 3, 1000), Err(Refused::OtherServer)),
            (here(elsewhere, 3, 1000), Err(Refused::OtherServer)),
            (here(shown, 3, 1000), Err(Refused::OtherClients)),
        ] {
            assert_eq!(record().judge(&place), verdict);
        }
        let short = Here { life: Duration::from_secs(5), ..here(own, 3, 1005) };
        assert_eq!(record().judge(&short), Err(Refused::Expired), "the shorter life of this node counts");
        let ends = Record { until: at(1010), ..record() };
        assert_eq!(ends.judge(&here(own, 3, 1010)), Err(Refused::Expired), "the client's certificate has ended");
    }

    #[test]
    fn what_a_data_connection_made_shows_no_certificate() {
        let made = Record { from_data: true, ..record() };
        let asked = Here { certificates: true, ..here(made.context, 3, 1000) };
        assert_eq!(made.judge(&asked), Err(Refused::OtherClients));
        assert_eq!(made.judge(&here(made.context, 3, 1000)), Ok(()));
    }

    #[test]
    fn names_cannot_slide_into_each_other() {
        assert_ne!(Context::new("a", "bc", b""), Context::new("ab", "c", b""));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(Record::decode(&record().encode()), Some(record()));
        let data = Record { from_data: true, session: Vec::new(), ..record() };
        assert_eq!(Record::decode(&data.encode()), Some(data));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert!(Record::decode(&record.encode()).is_some());
            }
        }
    }
}
