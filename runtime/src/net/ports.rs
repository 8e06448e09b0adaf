//! Passive ports: one listener for each session at most, at a random port of the range.
//!
//! Where the operator names no range it is the system's own for ports that nobody chose, and still this room
//! chooses in it: asked for "any port", the kernel looks at one after another, and passes by all at which a
//! connection has just ended. A session that fetches thousands of small files leaves thousands of those, and
//! the search then costs more than the transfer.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::settings::Passive;

/// Connections that may wait at a passive port: the owner's, and strangers' that are being turned away.
const BACKLOG: i32 = 8;
/// Ports of the range that other programs may hold before a request is answered "no port".
const TRIES: usize = 64;

/// Hands out passive listeners.
#[derive(Debug)]
pub struct Ports {
    range: Choice,
    /// Listeners that one client may hold at once; `None`: as many as it has sessions.
    share: Option<usize>,
    held: Mutex<Held>,
}

/// Where ports are looked for.
#[derive(Debug)]
enum Choice {
    /// In the range that the operator opened in a firewall: nowhere else.
    Named(RangeInclusive<u16>),
    /// Anywhere. In this range first; then wherever the kernel finds one.
    Any(Option<RangeInclusive<u16>>),
}

/// What is handed out. Bounded by the number of sessions: each has one listener.
#[derive(Debug, Default)]
struct Held {
    ports: HashSet<(IpAddr, u16)>,
    by_client: HashMap<IpAddr, usize>,
}

/// A listener for one data connection. Its port is free again when it is dropped.
#[derive(Debug)]
pub struct PassiveListener {
    socket: TcpListener,
    address: SocketAddr,
    client: IpAddr,
    ports: Arc<Ports>,
}

impl Ports {
    /// From `[passive]`.
    pub fn new(settings: &Passive) -> Arc<Ports> {
        let share =
            settings.ports.as_ref().map(|range| (range.len() * usize::from(settings.share_percent) / 100).max(1));
        let range = settings.ports.clone().map_or_else(|| Choice::Any(ephemeral()), Choice::Named);
        Arc::new(Ports { range, share, held: Mutex::default() })
    }

    /// A listener at `local`, the control connection's own address, for `client`. `None` when there is no
    /// port, or the client holds its share of them.
    pub fn listen(self: &Arc<Self>, local: IpAddr, client: IpAddr) -> Option<PassiveListener> {
        let mut held = self.held.lock();
        let count = held.by_client.get(&client).copied().unwrap_or_default();
        if self.share.is_some_and(|share| count >= share) {
            return None;
        }
        let within = |range| {
            from_random(range)?
                .filter(|port| !held.ports.contains(&(local, *port)))
                .take(TRIES)
                .find_map(|port| listen_at(SocketAddr::new(local, port)).ok())
        };
        let (socket, address) = match &self.range {
            Choice::Named(range) => within(range)?,
            Choice::Any(range) => {
                let chosen = range.as_ref().and_then(within);
                chosen.or_else(|| listen_at(SocketAddr::new(local, 0)).ok())?
            }
        };
        held.ports.insert((local, address.port()));
        *held.by_client.entry(client).or_default() += 1;
        Some(PassiveListener { socket, address, client, ports: self.clone() })
    }

    /// Listeners that are waiting now.
    pub fn in_use(&self) -> usize {
        self.held.lock().ports.len()
    }
}

impl PassiveListener {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, whoever made it.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn accept(&self) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
        self.socket.accept().await
    }
}

impl Drop for PassiveListener {
    fn drop(&mut self) {
        let mut held = self.ports.held.lock();
        held.ports.remove(&(self.address.ip(), self.address.port()));
        if let Some(count) = held.by_client.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                held.by_client.remove(&self.client);
            }
        }
    }
}

/// All ports of the range, from a random one on, around its end. A port that is guessed is guessed at one in
/// as many as the range has, whatever was handed out before. `None` without randomness.
fn from_random(range: &RangeInclusive<u16>) -> Option<impl Iterator<Item = u16> + use<>> {
    let (first, count) = (u32::from(*range.start()), range.len() as u64);
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let start = u64::from_ne_bytes(random).checked_rem(count)?;
    Some((0..count).filter_map(move |step| {
        let offset = u32::try_from((start + step) % count).ok()?;
        u16::try_from(first + offset).ok()
    }))
}

/// The range in which the kernel looks when nobody chose a port. `None` where it does not tell, and where it
/// keeps some ports of it for somebody: then it shall choose.
fn ephemeral() -> Option<RangeInclusive<u16>> {
    let told = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
    let kept = told("ip_local_reserved_ports").ok()?;
    if kept.trim().is_empty() { range_of(&told("ip_local_port_range").ok()?) } else { None }
}

/// Two numbers, first and last.
fn range_of(told: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = told.split_whitespace().map_while(|number| number.parse().ok());
    let (first, last) = (numbers.next()?, numbers.next()?);
    (1 <= first && first <= last).then_some(first..=last)
}

fn listen_at(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Connections of the last transfer linger at the same port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ports(range: Option<RangeInclusive<u16>>, share_percent: u8) -> Arc<Ports> {
        Ports::new(&Passive { ports: range, address: None, address_for: Vec::new(), share_percent })
    }

    #[test]
    fn s_45_the_first_port_tried_is_anywhere_in_the_range() {
        let range = 50_000..=50_099;
        let mut seen = HashSet::new();
        for _ in 0..2000 {
            let order: Vec<u16> = from_random(&range).expect("random").collect();
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), 100, "each port once");
            seen.insert(order[0]);
        }
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn the_systems_range_is_read_as_it_is_told_or_not_at_all() {
        assert_eq!(range_of("32768\t60999\n"), Some(32768..=60999));
        for wrong in ["", "32768", "60999 32768", "0 10", "a b", "1 70000"] {
            assert_eq!(range_of(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn s_45_where_no_range_is_named_the_system_has_the_last_word() {
        let everything = |range| {
            let held = Mutex::default();
            Arc::new(Ports { range: Choice::Any(range), share: None, held })
        };
        let taken = everything(None).listen(LOCAL, LOCAL).expect("port");
        let port = taken.address().port();
        let other = everything(Some(port..=port)).listen(LOCAL, LOCAL).expect("another port");
        assert_ne!(other.address().port(), port);
        drop(taken);
        let same = everything(Some(port..=port)).listen(LOCAL, LOCAL).expect("the port");
        assert_eq!(same.address().port(), port);
    }

    #[tokio::test]
    async fn s_09_one_client_holds_its_share_and_gets_no_more() {
        // Any free ports will do: the range is what the system has just given and taken back.
        let free = ports(None, 25).listen(LOCAL, LOCAL).expect("port").address().port();
        let ports = ports(Some(free..=free.saturating_add(7)), 25);
        let one: IpAddr = "192.0.2.1".parse().expect("address");
        let two: IpAddr = "192.0.2.2".parse().expect("address");
        let held = (ports.listen(LOCAL, one), ports.listen(LOCAL, one));
        assert!(ports.listen(LOCAL, one).is_none(), "a quarter of 8");
        assert!(ports.listen(LOCAL, two).is_some(), "the neighbour is fine");
        drop(held);
        assert!(ports.listen(LOCAL, one).is_some());
        assert_eq!(ports.in_use(), 0);
    }

    #[tokio::test]
    async fn t_75_an_exhausted_range_says_so() {
        let free = ports(None, 100).listen(LOCAL, LOCAL).expect("port").address().port();
        let ports = ports(Some(free..=free), 100);
        let only = ports.listen(LOCAL, LOCAL).expect("the one port");
        assert!(ports.listen(LOCAL, LOCAL).is_none());
        drop(only);
        assert!(ports.listen(LOCAL, LOCAL).is_some());
    }
}
