//! What one call of a policy did with the store, for whoever asks later why it decided so.

use super::entries::EntryError;
use super::text;
use crate::ledger::Access;
use crate::store::Versioned;

/// Accesses that are remembered; later ones are not.
const ACCESSES_MAX: usize = 32;
/// Bytes that are shown of a key, and of a value.
const SHOWN_BYTES_MAX: usize = 120;

/// The accesses of one call, in order.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<Access>);

impl Trace {
    /// Remembers an access and its answer.
    pub(super) fn note<K: Spelled, T: Shown>(&mut self, operation: &str, key: &K, answer: &Result<T, EntryError>) {
        if self.0.len() >= ACCESSES_MAX {
            return;
        }
        let answer = match answer {
            Ok(value) => value.shown(),
            Err(error) => error.word().to_owned(),
        };
        let operation = operation.replace('_', "-");
        self.0.push(Access { operation, key: text::cut(&key.spelled(), SHOWN_BYTES_MAX), answer });
    }

    pub(super) fn into_accesses(self) -> Vec<Access> {
        self.0
    }
}

/// A key as the policy spells it, or several.
pub(super) trait Spelled {
    fn spelled(&self) -> String;
}

impl Spelled for String {
    fn spelled(&self) -> String {
        self.clone()
    }
}

impl Spelled for Vec<String> {
    fn spelled(&self) -> String {
        self.join(" ")
    }
}

/// An answer for people.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for () {
    fn shown(&self) -> String {
        "done".to_owned()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Vec<u8> {
    fn shown(&self) -> String {
        text::cut(&String::from_utf8_lossy(self), SHOWN_BYTES_MAX)
    }
}

impl Shown for Versioned {
    fn shown(&self) -> String {
        self.value.shown()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".to_owned(), Shown::shown)
    }
}

impl Shown for Vec<Option<Vec<u8>>> {
    fn shown(&self) -> String {
        let all: Vec<String> = self.iter().map(Shown::shown).collect();
        text::cut(&all.join(" "), SHOWN_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_are_told_in_order_and_bounded() {
        let mut trace = Trace::default();
        trace.note("get_many", &vec!["a".to_owned(), "b".to_owned()], &Ok(vec![None, Some(b"1\n2".to_vec())]));
        trace.note("increment", &"k".repeat(1000), &Ok(7_u64));
        trace.note::<_, ()>("set", &"c".to_owned(), &Err(EntryError::Unavailable));
        for _ in 0..100 {
            trace.note("delete", &"d".to_owned(), &Ok(true));
        }
        let told = trace.into_accesses();
        assert_eq!(told.len(), ACCESSES_MAX);
        let first = Access { operation: "get-many".into(), key: "a b".into(), answer: "nothing 1\\n2".into() };
        assert_eq!(told[0], first);
        assert_eq!((told[1].key.len(), told[1].answer.as_str()), (SHOWN_BYTES_MAX, "7"));
        assert_eq!(told[2].answer, "unavailable");
    }
}
