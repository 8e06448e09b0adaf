//! What the stand-in holds, and what it makes of a command. A clock that it is told to turn.

use std::collections::BTreeMap;

use portcullis::moment::Moment;

use super::Manner;

/// Longer times to live are dates.
const RELATIVE_SECONDS_MAX: i64 = 30 * 24 * 3600;

#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: BTreeMap<String, Entry>,
    version: u64,
    clock_off: i64,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    version: u64,
    end: Option<i64>,
}

impl Shelf {
    pub(super) fn turn_clock(&mut self, seconds: i64) {
        self.clock_off += seconds;
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.entries.iter().filter(|(_, entry)| entry.lives(self.now())).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn get(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        let entry = self.entries.get(key).filter(|entry| entry.lives(self.now()))?;
        Some((entry.value.clone(), entry.version))
    }

    /// The answer to one command, and what it changes. An empty one: there is nothing to say yet.
    pub(super) fn carry_out(&mut self, words: &[&str], value: Vec<u8>, manner: Manner) -> Vec<u8> {
        let full = matches!(manner, Manner::Full);
        match *words {
            ["set" | "add" | "cas", ..] if full => b"SERVER_ERROR out of memory storing object\r\n".to_vec(),
            ["ms", ..] if full => b"SERVER_ERROR out of memory storing object\r\n".to_vec(),
            ["get", ref keys @ ..] => self.values(keys, false, manner),
            ["gets", ref keys @ ..] => self.values(keys, true, manner),
            ["set", key, _, ttl, ..] => self.put(key, value, ttl, "STORED"),
            ["add", key, _, ttl, ..] => match self.get(key) {
                Some(_) => b"NOT_STORED\r\n".to_vec(),
                None => self.put(key, value, ttl, "STORED"),
            },
            ["cas", key, _, ttl, _, version, ..] => match self.get(key) {
                None => b"NOT_FOUND\r\n".to_vec(),
                Some((_, held)) if held.to_string() != version => b"EXISTS\r\n".to_vec(),
                Some(_) => self.put(key, value, ttl, "STORED"),
            },
            ["incr", key, by, ..] => self.count(key, by),
            ["delete", key, ..] => self.remove(key, "DELETED\r\n", "NOT_FOUND\r\n"),
            ["md", key, ..] => self.remove(key, "HD\r\n", "NF\r\n"),
            ["ms", key, _, ref flags @ ..] => {
                let ttl = flags.iter().find_map(|flag| flag.strip_prefix('T')).unwrap_or("0");
                self.put(key, value, ttl, "HD")
            }
            ["mg", key, ref flags @ ..] => {
                let number = flags.iter().find(|flag| flag.starts_with('O')).copied().unwrap_or_default();
                match self.get(key) {
                    Some((value, _)) => {
                        [format!("VA {} {number}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
                    }
                    None => Vec::new(),
                }
            }
            ["mn"] => b"MN\r\n".to_vec(),
            ["version"] => b"VERSION 1.6.18\r\n".to_vec(),
            _ => b"ERROR\r\n".to_vec(),
        }
    }

    fn values(&self, keys: &[&str], versions: bool, manner: Manner) -> Vec<u8> {
        let mut answer = Vec::new();
        for (number, key) in keys.iter().filter(|key| !key.is_empty()).enumerate() {
            let held = match manner {
                Manner::Huge(bytes) => Some((vec![b'x'; bytes], 1)),
                Manner::Fewer if number % 2 == 1 => None,
                _ => self.get(key),
            };
            let Some((value, version)) = held else { continue };
            let off = if let Manner::LengthOff(off) = manner { off } else { 0 };
            let said = i64::try_from(value.len()).expect("small") + off;
            let version = if versions { format!(" {version}") } else { String::new() };
            answer.extend(format!("VALUE {key} 0 {said}{version}\r\n").into_bytes());
            answer.extend(value);
            answer.extend(b"\r\n");
        }
        if matches!(manner, Manner::More) {
            answer.extend(b"VALUE nobodys-key 0 3\r\nyes\r\n");
        }
        answer.extend(b"END\r\n");
        answer
    }

    fn put(&mut self, key: &str, value: Vec<u8>, ttl: &str, said: &str) -> Vec<u8> {
        self.version += 1;
        let end = match ttl.parse::<i64>().unwrap_or_default() {
            0 => None,
            seconds if seconds <= RELATIVE_SECONDS_MAX => Some(self.now() + seconds),
            date => Some(date),
        };
        self.entries.insert(key.to_owned(), Entry { value, version: self.version, end });
        format!("{said}\r\n").into_bytes()
    }

    fn count(&mut self, key: &str, by: &str) -> Vec<u8> {
        let now = self.now();
        self.version += 1;
        let version = self.version;
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.lives(now)) else {
            return b"NOT_FOUND\r\n".to_vec();
        };
        let held = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<u64>().ok());
        let (Some(held), Ok(by)) = (held, by.parse::<u64>()) else {
            return b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n".to_vec();
        };
        entry.value = held.wrapping_add(by).to_string().into_bytes();
        entry.version = version;
        [entry.value.as_slice(), b"\r\n"].concat()
    }

    fn remove(&mut self, key: &str, done: &str, missing: &str) -> Vec<u8> {
        let now = self.now();
        let was = self.entries.remove(key).is_some_and(|entry| entry.lives(now));
        if was { done } else { missing }.as_bytes().to_vec()
    }

    fn now(&self) -> i64 {
        i64::try_from(Moment::now().seconds()).expect("before the end of time") + self.clock_off
    }
}

impl Entry {
    fn lives(&self, now: i64) -> bool {
        self.end.is_none_or(|end| now < end)
    }
}
