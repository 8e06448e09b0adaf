//! What the machine asks, answered: by the users, the policies, the files, the ports.
//!
//! Trust: none in what a client named; each answer comes from the room that checks it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Driver;
use crate::data::{Opener, active_target};
use crate::events::{Command, Kind};
use crate::ftp::effect::{Answer, FileAnswer, FileError, FileQuestion, Question, Ruled};
use crate::session::house::House;
use crate::session::registry::Entry;
use crate::session::ruling::{self, No};
use crate::vfs::Root;
use crate::waits::{self, Wait};

impl Driver {
    pub(super) async fn answer(&mut self, question: Question) -> Option<Answer> {
        let (house, entry) = (self.house().clone(), self.entry().clone());
        Some(match question {
            Question::Login { user, password } => Answer::Login(self.log_in(&user, password).await),
            Question::Certificate { user } => Answer::Login(self.log_in_by_certificate(&user).await),
            Question::UnknownCommand { verb, argument } => {
                entry.unknown_commands.fetch_add(1, Ordering::Relaxed);
                let kind = Kind::CommandUnknown(Command { verb, argument });
                Answer::Ruled(ruled(ruling::permit(&house, &entry, kind).await))
            }
            Question::Mismatch(protocol) => {
                let kind = Kind::ProtocolMismatch(protocol.to_owned());
                Answer::Ruled(ruled(ruling::permit(&house, &entry, kind).await))
            }
            Question::File(question) => Answer::File(match self.root.clone() {
                Some(root) => look_up(&root, question, &house, &entry).await,
                None => Err(FileError::Denied),
            }),
            Question::Listen { extended } => {
                // The old one first: its port may be the last.
                self.opener = None;
                Answer::Listening(self.listen(extended))
            }
            Question::Host(asked) => {
                let at = entry.host();
                let found = house.handles.hosts.asked(&asked, at, entry.arrival.local.ip());
                // TLS has asked for a name already, and shown the certificate for it.
                let bound = entry.tls.get().is_some_and(|facts| facts.server_name.is_some());
                Answer::Host(found.filter(|host| !bound || *host == at).map(|host| {
                    entry.move_to(host);
                    self.place()
                }))
            }
            Question::Active(address) => {
                let target = active_target(address, entry.peer.ip());
                if let Some(address) = target {
                    let opener = Opener::Active { address, local: entry.arrival.own_ip() };
                    self.opener = Some((opener, Instant::now()));
                }
                Answer::Active(target.is_some())
            }
        })
    }

    /// The address to tell in 227, where it is another than the listener's own: what the client dialled at
    /// a balancer, or what the settings say for its network.
    fn told_address(&self) -> Option<IpAddr> {
        let (passive, entry) = (&self.house().settings.passive, self.entry());
        if entry.arrival.through.is_some() {
            return Some(entry.arrival.local.ip());
        }
        let near =
            passive.address_for.iter().find(|(name, _)| entry.classes.iter().any(|class| class.as_str() == name));
        let told = near.map_or(passive.address, |(_, address)| *address);
        told.filter(|_| entry.arrival.local.is_ipv4())
    }

    fn listen(&mut self, extended: bool) -> Option<SocketAddr> {
        let (house, entry) = (self.house(), self.entry());
        let listener = house.ports.listen(entry.arrival.own_ip(), entry.peer.ip())?;
        let mut address = listener.address();
        if let Some(told) = self.told_address().filter(|_| !extended) {
            address.set_ip(told);
        }
        self.opener = Some((Opener::Passive(listener), Instant::now()));
        Some(address)
    }
}

/// A hash takes its time, but not more than it may, and nobody who is to end waits for it.
async fn look_up(root: &Root, question: FileQuestion, house: &House, entry: &Entry) -> Result<FileAnswer, FileError> {
    if !matches!(question, FileQuestion::Hash(_)) {
        return root.answer(question).await;
    }
    tokio::select! {
        hashed = waits::within(&house.settings.timeouts, Wait::Hash, root.answer(question)) => {
            hashed.unwrap_or(Err(FileError::TimedOut))
        }
        () = entry.changed.notified() => {
            // It is told right behind this answer.
            entry.changed.notify_one();
            Err(FileError::TimedOut)
        }
    }
}

fn ruled(permitted: Result<(), No>) -> Ruled {
    match permitted {
        Ok(()) => Ruled::Proceed,
        Err(No { text, close }) => Ruled::Refuse { text, close },
    }
}
