//! What the sessions of one user have in common on this node: how many they are, their transfers, their
//! bandwidth. As many as there are users with limits who are logged in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use parking_lot::Mutex;

use crate::auth::{Limits, Permit};
use crate::data::Rate;
use crate::gate::Client;

/// All users with limits who are logged in.
#[derive(Debug, Default)]
pub(super) struct Members(Mutex<HashMap<Box<str>, Shared, RandomState>>);

#[derive(Debug)]
struct Shared {
    sessions: u64,
    clients: HashMap<Client, u64, RandomState>,
    member: Arc<Member>,
}

/// What one user's sessions share.
#[derive(Debug)]
pub(super) struct Member {
    transfers: AtomicU64,
    download: Option<Arc<Rate>>,
    upload: Option<Arc<Rate>>,
}

/// One session's place among those of its user; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Membership {
    members: Arc<Members>,
    user: Box<str>,
    client: Client,
    transfers_max: Option<u64>,
    member: Arc<Member>,
}

/// One transfer's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct TransferPlace(Arc<Member>);

/// Which limit keeps a session out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Sessions,
    SessionsPerAddress,
}

impl Full {
    /// The word of events and logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Full::Sessions => "user-sessions",
            Full::SessionsPerAddress => "user-sessions-per-address",
        }
    }
}

impl Members {
    /// A place for a session; none is needed for a user without limits.
    pub(super) fn join(self: &Arc<Members>, permit: &Permit, from: IpAddr) -> Result<Option<Membership>, Full> {
        let limits = permit.limits();
        if limits == (Limits { quota_bytes: limits.quota_bytes, quota_files: limits.quota_files, ..Limits::default() })
        {
            return Ok(None);
        }
        let (user, client) = (permit.user().as_str(), Client::of(from));
        let mut all = self.0.lock();
        let shared = all.get(user);
        let sessions = shared.map_or(0, |shared| shared.sessions);
        if limits.sessions.is_some_and(|most| sessions >= most) {
            return Err(Full::Sessions);
        }
        let of_client = shared.and_then(|shared| shared.clients.get(&client)).copied().unwrap_or(0);
        if limits.sessions_per_address.is_some_and(|most| of_client >= most) {
            return Err(Full::SessionsPerAddress);
        }
        let shared = all.entry(user.into()).or_insert_with(|| Shared {
            sessions: 0,
            clients: HashMap::default(),
            member: Arc::new(Member::new(limits)),
        });
        shared.sessions += 1;
        *shared.clients.entry(client).or_default() += 1;
        // The file of users may have changed since the first session came.
        if !shared.member.follows(limits) {
            shared.member = Arc::new(Member::new(limits));
        }
        let (members, user, member) = (self.clone(), user.into(), shared.member.clone());
        Ok(Some(Membership { members, user, client, transfers_max: limits.transfers, member }))
    }
}

impl Member {
    fn new(limits: Limits) -> Member {
        let rate = |limit: Option<u64>| limit.map(|limit| Arc::new(Rate::new(limit)));
        Member { transfers: AtomicU64::new(0), download: rate(limits.download), upload: rate(limits.upload) }
    }

    /// Takes over other limits, if it has a rate where there shall be one.
    fn follows(&self, limits: Limits) -> bool {
        for (rate, limit) in [(&self.download, limits.download), (&self.upload, limits.upload)] {
            match (rate, limit) {
                (Some(rate), Some(limit)) => rate.set(limit),
                (None, None) => {}
                _ => return false,
            }
        }
        true
    }
}

impl Membership {
    /// A place for a transfer; `None` when all are taken.
    pub(super) fn transfer(&self) -> Option<TransferPlace> {
        let most = self.transfers_max.unwrap_or(u64::MAX);
        let take = |taken: u64| (taken < most).then_some(taken + 1);
        let taken = self.member.transfers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(|_| TransferPlace(self.member.clone()))
    }

    pub(super) fn download(&self) -> Option<Arc<Rate>> {
        self.member.download.clone()
    }

    pub(super) fn upload(&self) -> Option<Arc<Rate>> {
        self.member.upload.clone()
    }
}

impl Drop for TransferPlace {
    fn drop(&mut self) {
        self.0.transfers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut all = self.members.0.lock();
        let Some(shared) = all.get_mut(&self.user) else { return };
        shared.sessions = shared.sessions.saturating_sub(1);
        if shared.sessions == 0 {
            all.remove(&self.user);
            return;
        }
        if let Some(count) = shared.clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                shared.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::auth::Rights;

    fn alice(limits: Limits) -> Permit {
        Permit::fixture("alice", Path::new("/srv"), Rights::FULL).with(Vec::new(), limits)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn sessions_are_counted_for_each_user_and_each_address_and_forgotten() {
        let members = Arc::new(Members::default());
        let permit = alice(Limits { sessions: Some(3), sessions_per_address: Some(2), ..Limits::default() });
        let join = |from: &str| members.join(&permit, ip(from)).map(|place| place.expect("a place"));
        let first = join("2001:db8::1").expect("first");
        let second = join("2001:db8::2").expect("the same /64");
        assert_eq!(join("2001:db8::3").err(), Some(Full::SessionsPerAddress));
        let third = join("192.0.2.1").expect("another address");
        assert_eq!(join("192.0.2.2").err(), Some(Full::Sessions));
        drop(second);
        let again = join("192.0.2.1").expect("a place is free again");
        drop((first, third, again));
        assert!(members.0.lock().is_empty());
        let free = alice(Limits { quota_bytes: Some(1), ..Limits::default() });
        assert!(members.join(&free, ip("192.0.2.1")).expect("no limit").is_none());
    }

    #[test]
    fn transfers_are_bounded_over_all_sessions_of_a_user() {
        let members = Arc::new(Members::default());
        let permit = alice(Limits { transfers: Some(2), ..Limits::default() });
        let join = || members.join(&permit, ip("192.0.2.1")).expect("in").expect("a place");
        let (one, two) = (join(), join());
        let first = one.transfer().expect("first");
        let _second = two.transfer().expect("second");
        assert!(one.transfer().is_none() && two.transfer().is_none());
        drop(first);
        assert!(two.transfer().is_some());
    }

    #[test]
    fn a_rate_is_shared_and_follows_the_file_of_users() {
        let members = Arc::new(Members::default());
        let limits = Limits { download: Some(1000), ..Limits::default() };
        let join = |limits| members.join(&alice(limits), ip("192.0.2.1")).expect("in").expect("a place");
        let (one, two) = (join(limits), join(Limits { download: Some(2000), ..limits }));
        let (rate, same) = (one.download().expect("rate"), two.download().expect("rate"));
        assert!(Arc::ptr_eq(&rate, &same) && one.upload().is_none());
        let three = join(Limits { upload: Some(5), ..limits });
        assert!(three.upload().is_some());
    }
}
