//! What holds for any answer of a memcached server: the body of a fuzz target (see [`crate::fuzzing`]).

use std::collections::VecDeque;
use std::future::Future;

use super::*;
use crate::fuzzing::{Choices, pieces};
use crate::store::ClusterKey;
use crate::store::seal::Seal;

const LIMITS: Limits = Limits { value_bytes: 100 };

/// A server that says what it was told to say, in pieces, and hangs up.
struct Canned(VecDeque<Vec<u8>>);

impl AsyncRead for Canned {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let count = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..count]);
            if count < piece.len() {
                self.0.push_front(piece.split_off(count));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is there already is had at once.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for what will never come"),
    }
}

fn keys() -> [Key; 3] {
    ["a", "b", "c"].map(|key| Key::parse(key).expect("key"))
}

/// Only what was asked for, and no more of it than is allowed.
fn bounded<'a>(values: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) {
    for (key, value) in values {
        assert!(["a", "b", "c"].contains(&key.as_str()), "{key}");
        assert!(value.len() <= LIMITS.value_bytes);
    }
}

/// memcached's answers: cuts change nothing; no bytes bring more than was asked for and is allowed, whichever
/// operation they answer; what is not sealed by us does not open.
pub fn store_answers(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let operation = choices.below(9);
    let sizes = choices.bytes();
    let said = choices.rest();

    let watched = |sizes: &[u8]| {
        let mut watch = Watch::new(LIMITS.value_bytes);
        if operation == 1 {
            watch.expect_numbers(3)
        } else {
            watch.expect(&keys())
        }
        let fault = pieces(said, sizes).find_map(|piece| watch.take(piece).err());
        (fault, watch.state, watch.answer)
    };
    let (fault, state, answer) = watched(&[255]);
    let cut = watched(sizes);
    assert_eq!(cut.0, fault, "cuts change nothing");
    assert!(fault.is_some() || (cut.1, cut.2) == (state, answer), "cuts change nothing");

    let canned = Canned(pieces(said, sizes).map(<[u8]>::to_vec).collect());
    let mut connection = Connection::over(Box::new(canned), LIMITS);
    let keys = keys();
    let result = at_once(async {
        match operation {
            0 => bounded(
                &connection
                    .protocol(&keys)
                    .get_multi(&keys)
                    .await?
                    .into_iter()
                    .map(|(key, value)| (key.to_string(), value))
                    .collect::<HashMap<_, _>>(),
            ),
            1 => bounded(&connection.get_encoded(&keys).await?),
            2 => {
                let found = connection.protocol(&keys[..1]).gets_cas(&keys[0]).await?;
                let _ = found;
            }
            3 => drop(connection.protocol(&[]).add(&keys[0], b"v", 0).await?),
            4 => drop(connection.protocol(&[]).increment(&keys[0], 1).await?),
            5 => drop(connection.protocol(&[]).cas(&keys[0], b"v", 7, 0).await?),
            6 => drop(connection.protocol(&[]).version().await?),
            7 => connection.exchange(b"delete a\r\n").await?,
            _ => connection.authenticate(&Secret::new("u:p".to_owned())).await?,
        }
        Ok::<_, io::Error>(())
    });
    match result {
        // What comes behind an answer makes the connection one that is not used again.
        Ok(()) => assert!(connection.is_in_step() || !connection.answer().is_empty() || fault.is_some()),
        Err(error) => {
            let meant = connection.meaning(&error).to_string();
            assert!(!meant.chars().any(char::is_control), "{meant:?}");
        }
    }

    let seal = Seal::new(&ClusterKey::parse(&format!("names {0}\nseal {0}", "0f".repeat(32))).expect("key"));
    assert!(seal.open(&keys[0], said).is_err(), "a value that nobody sealed");
    assert_eq!(seal.open(&keys[0], &seal.close(&keys[0], said)).ok().as_deref(), Some(said));
}
