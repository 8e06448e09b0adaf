//! What was done, as those who did it were told: what every node has to hold to.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis::ledger::BanId;

/// A ban, as far as its maker knows.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The number of the host.
    pub host: usize,
    /// Who banned.
    pub maker: usize,
    /// Its id, once it was acknowledged.
    pub id: Option<BanId>,
    /// When it was acknowledged; `None`: its maker was stopped before, or is at it.
    pub acked: Option<u64>,
    /// When it ends, in microseconds of the run.
    pub ends: Option<u64>,
    /// What became of it.
    pub lift: Lifted,
    /// When something that told of it was last thrown out, and by which server.
    pub evicted: Option<(u64, usize)>,
    /// Somebody put an earlier record over it.
    pub overwritten: bool,
}

/// Whether a ban was lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifted {
    /// It was not.
    No,
    /// Somebody began to, and has not been told yet that it is done.
    Begun,
    /// By this node, which was told so at this moment.
    Done(usize, u64),
}

/// All deeds.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    deeds: Arc<Mutex<Vec<Deed>>>,
    /// The numbers of the deeds of each host.
    hosts: Arc<Mutex<BTreeMap<usize, Vec<usize>>>>,
    /// Ids that makers were told of.
    ids: Arc<Mutex<HashSet<BanId>>>,
}

impl Truth {
    /// To look at and to change.
    pub fn deeds(&self) -> MutexGuard<'_, Vec<Deed>> {
        self.deeds.lock().expect("one thread")
    }

    /// The numbers of the deeds of each host.
    pub fn hosts(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<usize>>> {
        self.hosts.lock().expect("one thread")
    }

    /// The numbers of the deeds of a host.
    pub fn of(&self, host: usize) -> Vec<usize> {
        self.hosts().get(&host).cloned().unwrap_or_default()
    }

    /// True if nobody was told of this id before.
    pub fn is_new(&self, id: BanId) -> bool {
        self.ids.lock().expect("one thread").insert(id)
    }

    /// Somebody begins to ban; the number of the deed.
    pub fn begin(&self, host: usize, maker: usize) -> usize {
        let mut deeds = self.deeds();
        deeds.push(Deed {
            host,
            maker,
            id: None,
            acked: None,
            ends: None,
            lift: Lifted::No,
            evicted: None,
            overwritten: false,
        });
        let number = deeds.len() - 1;
        self.hosts().entry(host).or_default().push(number);
        number
    }

    /// What a value of a server told of is gone there.
    pub fn evicted(&self, value: &[u8], now: u64, server: usize) {
        self.named_in(value, |deed| deed.evicted = Some((now, server)));
    }

    /// What a value of a server told of was written over.
    pub fn overwritten(&self, value: &[u8]) {
        self.named_in(value, |deed| deed.overwritten = true);
    }

    fn named_in(&self, value: &[u8], act: impl Fn(&mut Deed)) {
        let text = String::from_utf8_lossy(value);
        for deed in self.deeds().iter_mut() {
            if text.contains(&format!("\"host\":\"{}\"", address(deed.host))) {
                act(deed);
            }
        }
    }
}

/// The address of a host: sixteen share a /24.
pub fn address(host: usize) -> IpAddr {
    let host = host as u32;
    IpAddr::V4(Ipv4Addr::new(10, (host >> 12) as u8, (host >> 4) as u8, (host & 15) as u8 + 1))
}
