//! Sockets after their last byte. A socket that is closed while bytes of the client wait in it (its
//! close_notify) answers with a reset, which can take the file's last bytes back from the client; so the
//! client's side is read to its end, in the background: nobody waits for it.

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::config::Timeouts;
use crate::waits::{self, Wait};

/// Reads what a client still sends, up to the end or the linger time-out.
#[derive(Clone, Debug)]
pub struct Lingering {
    places: Arc<Semaphore>,
    limits: Arc<Timeouts>,
}

impl Lingering {
    /// `sockets_max` at once; beyond that a socket is closed at once, reset or not.
    pub fn new(sockets_max: usize, limits: Arc<Timeouts>) -> Lingering {
        Lingering { places: Arc::new(Semaphore::new(sockets_max.min(Semaphore::MAX_PERMITS))), limits }
    }

    /// Takes a socket over whose sending side was shut down.
    pub fn close(&self, mut socket: TcpStream) {
        let mut scratch = [0; 512];
        loop {
            match socket.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else { return };
        let limits = self.limits.clone();
        tokio::spawn(async move {
            let _place = place;
            let rest = async {
                let mut scratch = [0; 512];
                while socket.read(&mut scratch).await.is_ok_and(|count| count > 0) {}
            };
            let _ = waits::within(&limits, Wait::Linger, rest).await;
        });
    }
}
