//! Connections that a balancer makes in somebody's name: first it says in whose (PROXY protocol), then the
//! client meets the gate as if it had come itself. The balancer's own checks are no connections of anybody:
//! no event, no limit and no ban is about them.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::{debug, info};

use super::house::House;
use super::{Came, decide, pool, story};
use crate::config::settings::ListenTls;
use crate::ftp::reply::Reply;
use crate::moment::Moment;
use crate::net::peer::folded;
use crate::net::proxy::{self, Header, HeaderFault};
use crate::net::{Arrival, HostId, Peer, socket};
use crate::waits::{self, Wait};

/// Whether a peer of this listener must say in whose name it comes.
pub(super) fn is_balancer(house: &House, listener: usize, peer: Peer) -> bool {
    let proxy = house.settings.listeners[listener].proxy.as_ref();
    proxy.is_some_and(|proxy| proxy.from.iter().any(|network| network.contains(&peer.ip())))
}

/// Takes the header, then hands the connection to the gate.
pub(super) async fn meet(house: Arc<House>, listener: usize, stream: std::net::TcpStream, balancer: Peer) {
    // Bounded like those that have not logged in: a balancer that says nothing holds no more than they.
    let Ok(place) = house.headers.clone().try_acquire_owned() else {
        debug!(%balancer, "proxy.too-many");
        return;
    };
    let settings = &house.settings.server;
    let stream = socket::control(stream, settings.patience()).and_then(|stream| Ok((stream.local_addr()?, stream)));
    let Ok((local, mut stream)) = stream else { return };
    let header = waits::within(&house.settings.timeouts, Wait::ProxyHeader, proxy::receive(&mut stream)).await;
    let (source, destination) = match header {
        Ok(Ok(Header::Proxied { source, destination })) => (source, destination),
        Ok(Ok(Header::Local)) => return check(&house, listener, stream).await,
        Ok(Err(HeaderFault::Gone)) => return,
        Ok(Err(fault)) => {
            info!(%balancer, ?fault, "proxy.no-header: closed; every connection from `proxy-from` needs one");
            return;
        }
        Err(_) => {
            info!(%balancer, "proxy.no-header: none came in time");
            return;
        }
    };
    drop(place);
    let through = crate::net::peer::Through { balancer, local: folded(local) };
    let arrival = Arrival { peer: Peer::new(source), local: destination, through: Some(through) };
    let now = Moment::now();
    let cleared = match decide(&house, listener, arrival.peer, || Some(arrival), now) {
        Ok(admitted) => pool::clear(&house, listener, admitted, now).await,
        Err(reply) => Err(reply),
    };
    match cleared {
        Ok(cleared) => story(house, Came { listener, arrival, stream, since: now }, cleared).await,
        Err(reply) => {
            if let Ok(stream) = stream.into_std() {
                socket::refuse(stream, reply.as_ref().map(Reply::wire));
            }
        }
    }
}

/// A health check: greeted, so that it knows that the server lives, and let go at its first word.
async fn check(house: &House, listener: usize, mut stream: TcpStream) {
    if house.settings.listeners[listener].tls == ListenTls::Implicit {
        return;
    }
    let talk = async {
        let banner = &house.settings.hosts[HostId::MAIN.index()].banner;
        stream.write_all(Reply::greeting(banner).wire()).await?;
        if stream.read(&mut [0; 512]).await? > 0 {
            stream.write_all(Reply::goodbye().wire()).await?;
        }
        stream.shutdown().await
    };
    let _ = waits::within(&house.settings.timeouts, Wait::ProxyHeader, talk).await;
    house.lingering.close(stream);
}
