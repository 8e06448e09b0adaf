//! An event as a test or a bench begins with one, in this package and beside it: of an ordinary client, to be
//! changed where a case cares.

use std::net::SocketAddr;

use super::event::{Event, Facts, Kind, SessionFacts};
use crate::moment::Moment;

impl Event {
    /// Of a client of whom nothing is known but its address: in the clear, nobody named, nothing counted.
    #[doc(hidden)]
    pub fn ordinary(kind: Kind, peer: SocketAddr, at: Moment) -> Event {
        let facts = Facts {
            site: "home".into(),
            node: "a".into(),
            server: "main".into(),
            connection: 1,
            peer,
            local: ([198, 51, 100, 1], 21).into(),
            classes: Vec::new(),
            user: None,
            pseudonym: None,
            logged_in: false,
            session: SessionFacts {
                started: at,
                commands: 0,
                unknown_commands: 0,
                failed_logins: 0,
                transfers: 0,
                bytes_in: 0,
                bytes_out: 0,
            },
            tls: None,
            history: None,
            store_degraded: false,
        };
        Event { at, facts, kind }
    }
}
