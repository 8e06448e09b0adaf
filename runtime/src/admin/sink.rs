//! Where log lines go: a thread of its own writes them, so that no session waits for a disk or a pipe. What
//! waits is bounded; when it is full, further lines are dropped and counted, and the count is told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// How long the last lines may take when the process ends.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The near end: takes lines and never waits.
#[derive(Clone, Debug)]
pub struct Sink {
    orders: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Line(Vec<u8>),
    Reopen,
    Flush(SyncSender<()>),
}

/// The far end.
#[derive(Debug)]
pub enum Out {
    /// The process's own.
    Stderr,
    /// Appended to; made with mode 0640 where it is missing.
    #[expect(missing_docs, reason = "a path and what is open there")]
    File { path: PathBuf, file: File },
}

impl Out {
    /// Opens a file to append to.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(path: PathBuf) -> io::Result<Out> {
        let file = open(&path)?;
        Ok(Out::File { path, file })
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Out::File { path, file } = self {
            *file = open(path)?;
        }
        Ok(())
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Stderr => io::stderr().write(bytes),
            Out::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Starts the thread. `queue` lines may wait; `tell` is told how many were dropped, or why the file
    /// cannot be opened anew, and gives back a line of this very log where that shall be told in it.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start<W: Write + Reopen + Send + 'static>(
        mut out: W,
        queue: usize,
        tell: impl Fn(Trouble) -> Option<Vec<u8>> + Send + 'static,
    ) -> io::Result<Sink> {
        let (orders, receiver) = sync_channel(queue);
        let dropped = Arc::new(AtomicU64::new(0));
        let sink = Sink { orders, dropped: dropped.clone() };
        let work = move || write_all(&mut out, &receiver, &dropped, &tell);
        std::thread::Builder::new().name("log".to_owned()).spawn(work)?;
        Ok(sink)
    }

    /// Takes a line, its end included, or drops and counts it.
    pub fn line(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.orders.try_send(Order::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew, behind the lines that wait: whoever rotates logs has moved the old one away.
    pub fn reopen(&self) {
        // With a full queue nobody writes; the next order to reopen will find room.
        let _ = self.orders.try_send(Order::Reopen);
    }

    /// Waits until what was taken is written, but not for ever: at the end of the process.
    pub fn flush(&self) {
        let (told, written) = sync_channel(1);
        if self.orders.try_send(Order::Flush(told)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

/// What is told about a log itself.
#[derive(Debug)]
pub enum Trouble {
    /// So many lines were dropped: it was not written fast enough, or could not be written.
    Dropped(u64),
    /// The file could not be opened anew; the old one is written on.
    NotReopened(io::Error),
}

/// What can be opened anew.
pub trait Reopen {
    /// Opens it anew.
    ///
    /// # Errors
    /// What the system says; the old one is still good.
    fn reopen(&mut self) -> io::Result<()>;
}

impl Reopen for Out {
    fn reopen(&mut self) -> io::Result<()> {
        Out::reopen(self)
    }
}

fn write_all<W: Write + Reopen>(
    out: &mut W,
    orders: &Receiver<Order>,
    dropped: &AtomicU64,
    tell: &impl Fn(Trouble) -> Option<Vec<u8>>,
) {
    while let Ok(order) = orders.recv() {
        let trouble = match order {
            Order::Line(line) => {
                if out.write_all(&line).is_err() {
                    // A full disk: the line is lost, as if it had not been taken.
                    dropped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                match dropped.swap(0, Ordering::Relaxed) {
                    0 => None,
                    count => Some(Trouble::Dropped(count)),
                }
            }
            Order::Reopen => out.reopen().err().map(Trouble::NotReopened),
            Order::Flush(told) => {
                let _ = told.try_send(());
                None
            }
        };
        if let Some(line) = trouble.and_then(tell) {
            let _ = out.write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::{Condvar, Mutex};

    use super::*;

    /// A pipe that nobody reads until it is opened.
    #[derive(Clone, Default)]
    struct Blocked(Arc<Pipe>);

    #[derive(Default)]
    struct Pipe {
        state: Mutex<(bool, Vec<u8>)>,
        opened: Condvar,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.state.lock();
            while !state.0 {
                self.0.opened.wait(&mut state);
            }
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Reopen for Blocked {
        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn f_29_with_a_blocked_sink_nobody_waits_and_what_is_dropped_is_counted() {
        let pipe = Blocked::default();
        let told = |trouble| match trouble {
            Trouble::Dropped(count) => Some(format!("dropped {count}\n").into_bytes()),
            Trouble::NotReopened(_) => None,
        };
        let sink = Sink::start(pipe.clone(), 4, told).expect("a thread");
        for count in 0..1000 {
            sink.line(format!("{count}\n").into_bytes());
        }
        let Pipe { state, opened } = &*pipe.0;
        state.lock().0 = true;
        opened.notify_all();
        // The queue may still be full of what was taken before.
        while !String::from_utf8_lossy(&state.lock().1).contains("dropped") {
            std::thread::yield_now();
        }
        sink.line(b"last\n".to_vec());
        sink.flush();
        let text = String::from_utf8(state.lock().1.clone()).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        let counts = lines.iter().filter_map(|line| line.strip_prefix("dropped ")?.parse::<usize>().ok());
        let (dropped, notices): (usize, usize) =
            counts.fold((0, 0), |(sum, notices), count| (sum + count, notices + 1));
        assert!(text.starts_with("0\n") && lines.last() == Some(&"last"), "{text}");
        assert_eq!(lines.len() - notices - 1 + dropped, 1000, "each line was written or counted");
    }

    #[test]
    fn a_file_is_opened_anew_behind_the_lines_that_wait() {
        let folder = tempfile::tempdir().expect("dir");
        let path = folder.path().join("log");
        let sink = Sink::start(Out::file(path.clone()).expect("file"), 16, |_| None).expect("a thread");
        sink.line(b"old\n".to_vec());
        sink.flush();
        std::fs::rename(&path, folder.path().join("log.1")).expect("rotate");
        sink.line(b"still old\n".to_vec());
        sink.reopen();
        sink.line(b"new\n".to_vec());
        sink.flush();
        assert_eq!(std::fs::read(folder.path().join("log.1")).expect("old"), b"old\nstill old\n");
        assert_eq!(std::fs::read(&path).expect("new"), b"new\n");
    }
}
