//! `server.listen`, `[listeners]`, `[[listener]]`, `[[host]]`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::super::settings::*;
use super::super::sheet::Section;
use super::super::takes::{is_name, text};
use super::super::tree::{Node, What};
use super::bans::{NETWORKS, network};
use crate::net::HostName;

const NETWORKS_MAX: usize = 1000;
const LISTENERS_MAX: usize = 64;
const HOSTS_MAX: usize = 1000;
const NAMES: &str = "a list of names such as \"ftp.example.com\" or \"*.example.com\"";
const NAMES_MAX: usize = 1000;

/// The addresses of `server.listen` with what holds for all listeners, then each `[[listener]]`.
pub(super) fn listeners(top: &mut Section<'_, '_>, plain: &[SocketAddr]) -> Vec<Listen> {
    // Read here too, so that a mistake in what holds for all is told once, and at its own place.
    let all = top.section("listeners", |at| listener(at, SocketAddr::from(([0; 4], 0))));
    let mut listeners: Vec<Listen> = plain.iter().map(|address| Listen { address: *address, ..all.clone() }).collect();
    listeners.extend(top.list_over("listener", "listeners", "address", |at| {
        let address = at.required("address", "an address such as \"0.0.0.0:990\"", |node| text(node)?.parse().ok());
        listener(at, address.unwrap_or(SocketAddr::from(([0; 4], 0))))
    }));
    if listeners.is_empty() || listeners.len() > LISTENERS_MAX {
        let what = format!("and [[listener]] are {} addresses together", listeners.len());
        top.mistake("server.listen", &what, &format!("name 1 to {LISTENERS_MAX}"));
    }
    let mut taken = BTreeSet::new();
    for listener in listeners.iter().filter(|listener| listener.address.port() != 0) {
        if !taken.insert(listener.address) {
            let what = format!("and [[listener]] name {} twice", listener.address);
            top.mistake("server.listen", &what, "give each listener an address or port of its own");
        }
    }
    listeners
}

fn listener(at: &mut Section<'_, '_>, address: SocketAddr) -> Listen {
    let tls = at.choice(
        "tls",
        &[("explicit", ListenTls::Explicit), ("implicit", ListenTls::Implicit), ("off", ListenTls::Off)],
    );
    let from = at.list("from", NETWORKS, NETWORKS_MAX, network);
    let active = at.flag("active");
    let proxies = at.list("proxy-from", NETWORKS, NETWORKS_MAX, network);
    let data = at.choice(
        "proxy-data",
        &[("none", ProxyData::None), ("proxy", ProxyData::Proxy), ("trusted-upstream", ProxyData::TrustedUpstream)],
    );
    if tls == ListenTls::Off && from.is_empty() {
        at.mistake("from", "is needed with `tls = \"off\"`", "name the networks of the devices that cannot do TLS");
    }
    let proxy = (!proxies.is_empty()).then_some(ProxyProtocol { from: proxies, data });
    Listen { address, tls, from, active, proxy }
}

/// Who sends no header on data connections has to prove whom it speaks for by TLS.
pub(super) fn balanced(top: &mut Section<'_, '_>, listeners: &[Listen], tls: &Tls) {
    let trusting =
        |listener: &&Listen| listener.proxy.as_ref().is_some_and(|proxy| proxy.data == ProxyData::TrustedUpstream);
    for listener in listeners.iter().filter(trusting) {
        if !tls.required || listener.tls == ListenTls::Off || tls.data_resumption == DataResumption::Off {
            let what =
                format!("of {} is \"trusted-upstream\", which takes protected data connections only", listener.address);
            let remedy = "set `tls.required = true` and `tls.data-resumption` to \"log\" or \"require\"";
            top.mistake("listener.proxy-data", &what, remedy);
        }
    }
}

/// `[server]` as the first, then each `[[host]]`.
pub(super) fn hosts(top: &mut Section<'_, '_>, main: Host, base: &Path) -> Vec<Host> {
    let mut seen = BTreeSet::from([main.name.clone()]);
    let mut names: BTreeSet<HostName> = main.names.iter().cloned().collect();
    let mut met = BTreeSet::new();
    let banner = main.banner.clone();
    let mut hosts = vec![main];
    hosts.extend(top.list_over("host", "", "name", |at| {
        let host = host(at, &banner, base);
        if !seen.insert(host.name.clone()) {
            at.mistake(
                "name",
                "is there twice",
                "give each [[host]] a name of its own, and none that of `server.name`",
            );
        }
        if let Some(twice) = host.names.iter().find(|name| !names.insert((*name).clone())) {
            at.mistake("names", &format!("has {twice}, which another has too"), "one server answers to one name");
        }
        if let Some(twice) = host.addresses.iter().find(|address| !met.insert(**address)) {
            at.mistake("addresses", &format!("has {twice}, which another has too"), "one server is met at one address");
        }
        if host.names.is_empty() && host.addresses.is_empty() {
            at.mistake("names", "is needed", "name what SNI and HOST ask for, or the local `addresses`");
        }
        host
    }));
    if hosts.len() > HOSTS_MAX {
        top.mistake("host", "is there too often", &format!("there may be {HOSTS_MAX}"));
    }
    hosts
}

fn host(at: &mut Section<'_, '_>, banner: &str, base: &Path) -> Host {
    let name = at
        .required("name", super::NAME, |node| text(node).filter(|name| super::is_server_name(name)).map(str::to_owned));
    let names = at.optional("names", NAMES, list(host_name));
    let addresses = at.optional("addresses", "a list of addresses such as \"192.0.2.1\"", list(address));
    let path =
        |node: &Node| text(node).filter(|path| !path.is_empty() && !path.contains('\0')).map(|path| base.join(path));
    let (certificate, key) = (at.optional("certificate", "a path", path), at.optional("key", "a path", path));
    match (&certificate, &key) {
        (Some(_), None) => at.mistake("key", "is needed with `certificate`", "name the PEM file of its private key"),
        (None, Some(_)) => at.mistake("certificate", "is needed with `key`", "name the PEM file of the chain"),
        _ => {}
    }
    let own = at.optional("banner", "1 to 200 characters on one line", |node| {
        text(node)
            .filter(|text| is_name(text, 800, |mark| !mark.is_control()) && text.chars().count() <= 200)
            .map(str::to_owned)
    });
    Host {
        name: name.unwrap_or_default(),
        names: names.unwrap_or_default(),
        addresses: addresses.unwrap_or_default(),
        identity: certificate.zip(key),
        banner: own.unwrap_or_else(|| banner.to_owned()),
    }
}

/// `server.names`.
pub(super) fn main_names(at: &mut Section<'_, '_>) -> Vec<HostName> {
    at.list("names", NAMES, NAMES_MAX, host_name)
}

fn host_name(text: &str) -> Option<HostName> {
    HostName::parse(text)
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn list<T>(parse: impl Fn(&str) -> Option<T>) -> impl Fn(&Node) -> Option<Vec<T>> {
    move |node| match &node.what {
        What::List(items) if items.len() <= NAMES_MAX => items.iter().map(|item| parse(text(item)?)).collect(),
        _ => None,
    }
}
