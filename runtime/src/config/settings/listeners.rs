//! Where connections come in, and as which virtual server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::net::HostName;

/// One listener: an address of `server.listen`, or a `[[listener]]`.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// When TLS begins.
    pub tls: ListenTls,
    /// Networks whose clients are served; empty: all.
    pub from: Vec<IpNet>,
    /// PORT and EPRT are offered.
    pub active: bool,
    /// The balancers that speak the PROXY protocol here; `None`: nobody does.
    pub proxy: Option<ProxyProtocol>,
}

impl Listen {
    /// Whether clients at this address are served.
    pub fn serves(&self, ip: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&ip))
    }
}

/// When TLS begins on a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenTls {
    /// With AUTH TLS (RFC 4217).
    Explicit,
    /// At once, before the greeting; data connections are protected from the start.
    Implicit,
    /// Never: for devices that cannot do what TLS needs today.
    Off,
}

/// Who may say in whose name it speaks, and what that means for data connections.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    /// From these a header is required, from others none is read.
    pub from: Vec<IpNet>,
    /// How data connections come.
    pub data: ProxyData,
}

/// How data connections come where a balancer stands in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyData {
    /// With the client's own address: the balancer passes the ports through.
    None,
    /// From the balancer, with a header in front.
    Proxy,
    /// From the balancer, with no header: TLS and the resumed session have to prove the owner.
    TrustedUpstream,
}

/// A virtual server. The first is `[server]` itself.
#[derive(Clone, Debug)]
pub struct Host {
    /// As events tell it.
    pub name: String,
    /// Names by which SNI and HOST ask for it; for the first, none means every name.
    pub names: Vec<HostName>,
    /// Local addresses at which it is met without being asked for by name.
    pub addresses: Vec<IpAddr>,
    /// PEM chain and key; `None`: those of the first.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The text after `220 `.
    pub banner: String,
}
