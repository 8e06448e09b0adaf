//! A memcached that does as a test tells it: honest, late, lying, full, silent; and it writes down what it hears.
//!
//! It has threads of its own, so that a busy test does not make it late. Its clock can be turned.

mod shelf;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use shelf::Shelf;

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// As a memcached.
    Honest,
    /// Each answer comes so late.
    Late(Duration),
    /// Answers come after the first time, and after both together, in turn.
    Jittery(Duration, Duration),
    /// Each byte of an answer comes so late after the one before.
    Dribbling(Duration),
    /// Each answer is these bytes.
    Says(&'static [u8]),
    /// A value is said to have so many bytes more than it has, or fewer.
    LengthOff(i64),
    /// Of the values that it holds, every second one is not there.
    Fewer,
    /// Behind the values that it was asked for comes one that nobody asked for.
    More,
    /// Each value is there, and has so many bytes.
    Huge(usize),
    /// Nothing new is written.
    Full,
    /// It does what it is told, and tells nobody.
    Mute,
    /// It does what it is told, and closes the connection instead of answering.
    Closing,
}

/// One of a test. Dropped, it takes no more connections and closes those that it has.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    within: Arc<Within>,
}

#[derive(Debug)]
struct Within {
    manner: Mutex<Manner>,
    shelf: Mutex<Shelf>,
    heard: Mutex<Vec<Vec<u8>>>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    answers: AtomicUsize,
    over: AtomicBool,
}

impl StandIn {
    /// An honest one, empty, on a free port.
    pub fn start() -> StandIn {
        StandIn::on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// Two of them with one port, at 127.0.0.1 and at 127.0.0.2.
    pub fn twins() -> (StandIn, StandIn) {
        loop {
            let one = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = one.local_addr().expect("an address").port();
            // It may be taken there, if only as a client's.
            if let Ok(other) = TcpListener::bind(("127.0.0.2", port)) {
                return (StandIn::on(one), StandIn::on(other));
            }
        }
    }

    fn on(listener: TcpListener) -> StandIn {
        let address = listener.local_addr().expect("an address");
        let within = Arc::new(Within {
            manner: Mutex::new(Manner::Honest),
            shelf: Mutex::default(),
            heard: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&within);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if serving.over.load(SeqCst) {
                    return;
                }
                serving.connections.fetch_add(1, SeqCst);
                serving.open.lock().expect("unbroken").push(stream.try_clone().expect("a stream can be shared"));
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.talk(&stream));
            }
        });
        StandIn { address, within }
    }

    /// `host:port`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// How it behaves from now on.
    pub fn be(&self, manner: Manner) {
        *self.within.manner.lock().expect("unbroken") = manner;
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        for stream in self.within.open.lock().expect("unbroken").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Connections that came so far.
    pub fn connections(&self) -> usize {
        self.within.connections.load(SeqCst)
    }

    /// What it was told so far: lines of commands, without their ends.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.within.heard.lock().expect("unbroken").clone()
    }

    /// The value under a key.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.within.shelf.lock().expect("unbroken").get(key).map(|(value, _)| value)
    }

    /// The keys of all that it holds.
    pub fn names(&self) -> Vec<String> {
        self.within.shelf.lock().expect("unbroken").names()
    }

    /// Turns its clock by so many seconds; what has ended by then is gone, and what has not lives on.
    pub fn turn_clock(&self, seconds: i64) {
        self.within.shelf.lock().expect("unbroken").turn_clock(seconds);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.within.over.store(true, SeqCst);
        self.hang_up();
        // Wakes the one who waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

impl Within {
    /// One connection, to its end.
    fn talk(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(read) if read > 0 && line.ends_with(b"\r\n") => line.truncate(line.len() - 2),
                _ => return,
            }
            self.heard.lock().expect("unbroken").push(line.clone());
            let Some(answer) = self.obey(&line, &mut reader) else { return };
            if !answer.is_empty() && self.reply(stream, &answer).is_none() {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Does what a line says; its answer, and nothing at the end of the connection.
    fn obey(&self, line: &[u8], reader: &mut impl Read) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(line).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        let length = match words.first().copied() {
            Some("set" | "add" | "cas") => words.get(4)?.parse().ok(),
            Some("ms") => words.get(2)?.parse().ok(),
            _ => None,
        };
        let value = match length {
            None => Vec::new(),
            Some(length) => {
                let mut value = vec![0; length + 2];
                reader.read_exact(&mut value).ok()?;
                value.truncate(length);
                value
            }
        };
        let manner = *self.manner.lock().expect("unbroken");
        let mut shelf = self.shelf.lock().expect("unbroken");
        Some(shelf.carry_out(&words, value, manner))
    }

    /// Answers in its manner; nothing when the connection is to be closed.
    fn reply(&self, mut stream: &TcpStream, answer: &[u8]) -> Option<()> {
        let number = self.answers.fetch_add(1, SeqCst);
        match *self.manner.lock().expect("unbroken") {
            Manner::Late(span) => {
                sleep(span);
                stream.write_all(answer).ok()
            }
            Manner::Jittery(always, more) => {
                sleep(if number.is_multiple_of(2) { always + more } else { always });
                stream.write_all(answer).ok()
            }
            Manner::Dribbling(span) => {
                for byte in answer {
                    sleep(span);
                    stream.write_all(&[*byte]).ok()?;
                }
                Some(())
            }
            Manner::Says(words) => stream.write_all(words).ok(),
            Manner::Mute => Some(()),
            Manner::Closing => None,
            _ => stream.write_all(answer).ok(),
        }
    }
}
