//! A ledger that is killed at any moment forgets nothing that it acknowledged.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills.
const ROUNDS: u64 = 200;

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn writer(state: &Path, word: &str) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ban_writer"));
    command.arg(state).arg(word).stdout(Stdio::piped()).stdin(Stdio::null());
    Killed(command.spawn().expect("the writer starts"))
}

fn banned(state: &Path) -> BTreeSet<String> {
    let mut lister = writer(state, "list");
    let mut text = String::new();
    lister.0.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    assert!(lister.0.wait().expect("an end").success(), "the ledger cannot be opened");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn f_12_killed_at_two_hundred_random_moments_it_loses_nothing_acknowledged() {
    let state = tempfile::tempdir().expect("a scratch folder");
    let (mut acknowledged, mut lifted, mut unsure) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..ROUNDS {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let mut process = writer(state.path(), &round.to_string());
        let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
        let mut told: Vec<String> =
            lines.by_ref().take(1 + chance as usize % 60).map(|line| line.expect("text")).collect();
        process.0.kill().expect("killed");
        process.0.wait().expect("an end");
        // What it said before it died and nobody had read yet.
        told.extend(lines.map_while(Result::ok));
        for line in told {
            match line.split_at(1) {
                ("+", subject) => drop(acknowledged.insert(subject.to_owned())),
                ("?", subject) => drop(unsure.insert(subject.to_owned())),
                ("-", subject) => drop(lifted.insert(subject.to_owned())),
                _ => panic!("{line}"),
            }
        }
        if round % 20 == 19 || round < 5 {
            let banned = banned(state.path());
            let lost: Vec<_> = acknowledged.difference(&unsure).filter(|subject| !banned.contains(*subject)).collect();
            assert!(lost.is_empty(), "round {round}: these bans are lost: {lost:?}");
            let back: Vec<_> = lifted.intersection(&banned).collect();
            assert!(back.is_empty(), "round {round}: these bans are back: {back:?}");
        }
    }
    assert!(acknowledged.len() > 200 && lifted.len() > 50, "{} bans, {} lifts", acknowledged.len(), lifted.len());
    let aside = std::fs::read_dir(state.path()).expect("the state").filter_map(Result::ok);
    let damaged: Vec<_> =
        aside.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains("damaged")).collect();
    assert!(damaged.is_empty(), "a kill damages no record: {damaged:?}");
}
