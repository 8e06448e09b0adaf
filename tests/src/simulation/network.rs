//! memcached servers and the ways to them, in virtual time: messages take a while, are lost before or after they
//! took effect, or held up; servers hang, die, come back empty, evict; links are cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis::store::{StoreError, Swap, TimeToLive, Versioned};

use super::chance::Chance;
use super::executor::Timeline;

/// An entry of a server.
#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    version: u64,
    ends: Option<u64>,
}

/// What a server was asked to do since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests, a multi-get being one.
    pub requests: u64,
    /// Keys that were asked for in multi-gets.
    pub keys_read: u64,
    /// Bytes of values that went out.
    pub bytes_out: u64,
    /// Bytes of values that came in.
    pub bytes_in: u64,
}

/// One memcached.
#[derive(Debug, Default)]
pub struct Cache {
    entries: BTreeMap<String, Entry>,
    /// Earlier values of ban records, for those who replay them.
    old: Vec<(String, Vec<u8>)>,
    version: u64,
    /// Its present moment, in microseconds.
    now: u64,
    /// What it did.
    pub load: Load,
    /// Requests in each second.
    pub by_second: Vec<u32>,
}

/// Earlier values that are kept.
const OLD_MAX: usize = 64;

impl Cache {
    fn live(&mut self, key: &str) -> Option<&mut Entry> {
        let now = self.now;
        if self.entries.get(key).is_some_and(|entry| entry.ends.is_some_and(|end| end <= now)) {
            self.entries.remove(key);
        }
        self.entries.get_mut(key)
    }

    fn put(&mut self, key: &str, value: &[u8], ttl: TimeToLive) {
        self.version += 1;
        self.load.bytes_in += value.len() as u64;
        let seconds = ttl.map(|ttl| (ttl.as_millis().div_ceil(1000) as u64).max(1));
        let ends = seconds.map(|seconds| self.now.saturating_add(seconds.saturating_mul(1_000_000)));
        let entry = Entry { value: value.to_vec(), version: self.version, ends };
        if let Some(before) = self.entries.insert(key.to_owned(), entry)
            && key.starts_with("pc1.b.")
            && self.old.len() < OLD_MAX
        {
            self.old.push((key.to_owned(), before.value));
        }
    }

    /// The values that are there.
    pub fn get(&mut self, keys: &[String]) -> Vec<(String, Vec<u8>)> {
        self.load.keys_read += keys.len() as u64;
        let mut found = Vec::new();
        for key in keys {
            let value = self.live(key).map(|entry| entry.value.clone());
            if let Some(value) = value {
                self.load.bytes_out += value.len() as u64;
                found.push((key.clone(), value));
            }
        }
        found
    }

    /// One with its version.
    pub fn gets(&mut self, key: &str) -> Option<Versioned> {
        let found = self.live(key).map(|entry| Versioned { value: entry.value.clone(), version: entry.version });
        self.load.bytes_out += found.as_ref().map_or(0, |found| found.value.len() as u64);
        found
    }

    /// Writes.
    pub fn set(&mut self, key: &str, value: &[u8], ttl: TimeToLive) {
        self.put(key, value, ttl);
    }

    /// Writes if nothing is there.
    pub fn add(&mut self, key: &str, value: &[u8], ttl: TimeToLive) -> bool {
        let free = self.live(key).is_none();
        if free {
            self.put(key, value, ttl);
        }
        free
    }

    /// Deletes.
    pub fn delete(&mut self, key: &str) -> bool {
        self.live(key).is_some() && self.entries.remove(key).is_some()
    }

    /// Counts.
    ///
    /// # Errors
    /// The value is no number.
    pub fn increment(&mut self, key: &str, by: u64) -> Result<Option<u64>, StoreError> {
        self.version += 1;
        let version = self.version;
        let Some(entry) = self.live(key) else { return Ok(None) };
        let text = std::str::from_utf8(&entry.value).ok().and_then(|text| text.trim_end().parse::<u64>().ok());
        let count = text.ok_or(StoreError::NotACounter)?.wrapping_add(by);
        entry.value = count.to_string().into_bytes();
        entry.version = version;
        Ok(Some(count))
    }

    /// Writes over a version.
    pub fn cas(&mut self, key: &str, value: &[u8], version: u64, ttl: TimeToLive) -> Swap {
        match self.live(key).map(|entry| entry.version) {
            None => Swap::Missing,
            Some(held) if held != version => Swap::Changed,
            Some(_) => {
                self.put(key, value, ttl);
                Swap::Stored
            }
        }
    }

    /// How much it holds: entries and the bytes of keys and values.
    pub fn held(&self) -> (usize, u64) {
        let bytes = self.entries.iter().map(|(key, entry)| (key.len() + entry.value.len()) as u64).sum();
        (self.entries.len(), bytes)
    }

    /// Something is thrown out; what it was.
    pub fn evict(&mut self, chance: &mut Chance) -> Option<(String, Vec<u8>)> {
        let at = chance.below(self.entries.len() as u64) as usize;
        let key = self.entries.keys().nth(at).cloned()?;
        let entry = self.entries.remove(&key)?;
        Some((key, entry.value))
    }

    /// Every entry of the journals is thrown out; what they were.
    pub fn throw_out_entries(&mut self) -> Vec<Vec<u8>> {
        let is_entry = |key: &str| key.starts_with("pc1.j.") && key.split('.').count() > 5;
        let keys: Vec<String> = self.entries.keys().filter(|key| is_entry(key)).cloned().collect();
        keys.iter().filter_map(|key| self.entries.remove(key)).map(|entry| entry.value).collect()
    }

    /// Somebody writes an earlier value of a ban record again; what stood there.
    pub fn replay(&mut self, chance: &mut Chance) -> Option<Vec<u8>> {
        if self.old.is_empty() {
            return None;
        }
        let (key, value) = chance.one_of(&self.old).clone();
        self.version += 1;
        let entry = Entry { value, version: self.version, ends: None };
        Some(self.entries.insert(key, entry).map(|before| before.value).unwrap_or_default())
    }
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It answers.
    Well,
    /// Its port refuses.
    Down,
    /// It takes what comes, and answers when it goes on.
    Hung,
}

#[derive(Debug)]
struct Host {
    cache: Cache,
    way: Way,
    /// When the last thing went wrong here.
    disturbed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    cut: bool,
    /// Of a thousand messages so many are lost.
    lossy: u64,
    disturbed: u64,
    /// When the first answer came since the node was started.
    answered: Option<u64>,
}

struct State {
    hosts: Vec<Host>,
    /// By node, then by server.
    links: Vec<Vec<Link>>,
    chance: Chance,
    held: Vec<Vec<Parcel>>,
}

/// Sends an answer on its way.
type Answer = Box<dyn FnOnce() + Send>;
/// What is done at a server, and then.
type Visit = Box<dyn FnOnce(&mut Cache) -> Answer + Send>;

struct Parcel {
    node: usize,
    work: Visit,
}

/// Nodes, servers and the ways between them.
#[derive(Clone)]
pub struct Network {
    timeline: Timeline,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Network").finish()
    }
}

/// What comes back: an answer, or that the port refuses.
pub type Reply<T> = Result<T, ()>;

impl Network {
    /// So many of each; nothing is wrong yet.
    pub fn new(timeline: &Timeline, nodes: usize, servers: usize, chance: Chance) -> Network {
        let host = |_| Host { cache: Cache::default(), way: Way::Well, disturbed: 0 };
        let state = State {
            hosts: (0..servers).map(host).collect(),
            links: vec![vec![Link::default(); servers]; nodes],
            chance,
            held: (0..servers).map(|_| Vec::new()).collect(),
        };
        Network { timeline: timeline.clone(), state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("one thread")
    }

    /// A node asks a server something; `told` hears of the answer, if one ever comes.
    pub fn ask<T: Send + 'static>(
        &self,
        node: usize,
        server: usize,
        work: impl FnOnce(&mut Cache) -> T + Send + 'static,
        told: impl FnOnce(Reply<T>) + Send + 'static,
    ) {
        let now = self.timeline.micros();
        let mut state = self.state();
        let link = state.links[node][server];
        let there = 100 + state.chance.below(900);
        let back = 100 + state.chance.below(900);
        let (lost, unheard) = (state.chance.of_thousand(link.lossy), state.chance.of_thousand(link.lossy));
        // Over a lossy way some come late: after their sender gave up, and they take effect all the same.
        let late = if link.lossy > 0 && state.chance.of_thousand(20) { state.chance.below(200_000) } else { 0 };
        if link.cut || lost {
            state.links[node][server].disturbed = now;
            return;
        }
        drop(state);
        let network = self.clone();
        let answer: Visit = {
            let network = self.clone();
            Box::new(move |cache| {
                let answer = work(cache);
                Box::new(move || {
                    let timeline = network.timeline.clone();
                    let arrive = move || {
                        if unheard || network.state().links[node][server].cut {
                            network.disturb_link(node, server);
                        } else {
                            let now = network.timeline.micros();
                            network.state().links[node][server].answered.get_or_insert(now);
                            told(Ok(answer));
                        }
                    };
                    timeline.after(back, arrive);
                })
            })
        };
        self.timeline.after(there + late, move || network.arrive(server, Parcel { node, work: answer }));
    }

    fn arrive(&self, server: usize, parcel: Parcel) {
        let now = self.timeline.micros();
        let mut state = self.state();
        if state.links[parcel.node][server].cut {
            state.links[parcel.node][server].disturbed = now;
            return;
        }
        match state.hosts[server].way {
            Way::Well => {
                let cache = &mut state.hosts[server].cache;
                cache.now = now;
                cache.load.requests += 1;
                let second = (now / 1_000_000) as usize;
                if cache.by_second.len() <= second {
                    cache.by_second.resize(second + 1, 0);
                }
                cache.by_second[second] += 1;
                let back = (parcel.work)(cache);
                drop(state);
                back();
            }
            Way::Hung => state.held[server].push(parcel),
            // The port refuses; what waits for the answer waits for its deadline, as over a lossy way.
            Way::Down => {}
        }
    }

    fn disturb_link(&self, node: usize, server: usize) {
        let now = self.timeline.micros();
        self.state().links[node][server].disturbed = now;
    }

    /// A node is started: it has asked nobody yet.
    pub fn begin(&self, node: usize) {
        self.state().links[node].iter_mut().for_each(|link| link.answered = None);
    }

    /// When a server first answered a node since that was started.
    pub fn answered_since(&self, node: usize, server: usize) -> Option<u64> {
        self.state().links[node][server].answered
    }

    /// Whether a server's port refuses.
    pub fn refuses(&self, node: usize, server: usize) -> bool {
        let state = self.state();
        !state.links[node][server].cut && state.hosts[server].way == Way::Down
    }

    /// Cuts a link, or mends it.
    pub fn cut(&self, node: usize, server: usize, cut: bool) {
        self.disturb_link(node, server);
        self.state().links[node][server].cut = cut;
    }

    /// Of a thousand messages so many are lost from now on.
    pub fn lose(&self, node: usize, server: usize, lossy: u64) {
        self.disturb_link(node, server);
        self.state().links[node][server].lossy = lossy;
    }

    /// Changes how a server is; one that goes down has forgotten everything, one that goes on does what came.
    pub fn turn(&self, server: usize, way: Way) {
        let now = self.timeline.micros();
        let held = {
            let mut state = self.state();
            let host = &mut state.hosts[server];
            host.disturbed = now;
            if way == Way::Down {
                host.cache.entries.clear();
            }
            host.way = way;
            match way {
                Way::Hung => Vec::new(),
                Way::Well | Way::Down => std::mem::take(&mut state.held[server]),
            }
        };
        for parcel in held {
            self.arrive(server, parcel);
        }
    }

    /// Everything is well from now on.
    pub fn heal(&self) {
        let (nodes, servers) = {
            let state = self.state();
            (state.links.len(), state.hosts.len())
        };
        for server in 0..servers {
            if self.state().hosts[server].way != Way::Well {
                self.turn(server, Way::Well);
            }
            for node in 0..nodes {
                let link = self.state().links[node][server];
                if link.cut || link.lossy > 0 {
                    self.cut(node, server, false);
                    self.lose(node, server, 0);
                }
            }
        }
    }

    /// When a link or its server was last not well; `None`: it is not now.
    pub fn well_since(&self, node: usize, server: usize) -> Option<u64> {
        let state = self.state();
        let (link, host) = (state.links[node][server], &state.hosts[server]);
        if link.cut || link.lossy > 0 || host.way != Way::Well {
            return None;
        }
        Some(link.disturbed.max(host.disturbed))
    }

    /// Looks into a server, or changes what is in it.
    pub fn with<T>(&self, server: usize, look: impl FnOnce(&mut Cache, &mut Chance) -> T) -> T {
        let now = self.timeline.micros();
        let mut state = self.state();
        let state = &mut *state;
        state.hosts[server].cache.now = now;
        look(&mut state.hosts[server].cache, &mut state.chance)
    }

    /// A server forgot something that all may miss.
    pub fn disturb_host(&self, server: usize) {
        let now = self.timeline.micros();
        self.state().hosts[server].disturbed = now;
    }

    /// Whether a link was not well at some time after this moment, or is not now.
    pub fn is_cut_since(&self, node: usize, server: usize, moment: u64) -> bool {
        let link = self.state().links[node][server];
        link.cut || link.lossy > 0 || link.disturbed >= moment
    }

    /// How a server is.
    pub fn way(&self, server: usize) -> Way {
        self.state().hosts[server].way
    }

    /// When something last went wrong at a server, or was mended.
    pub fn turned(&self, server: usize) -> u64 {
        self.state().hosts[server].disturbed
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.state().hosts.len()
    }
}
