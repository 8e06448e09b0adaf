//! What one command and one listing line cost: `cargo bench -p portcullis --bench ftp`.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::ftp::command::parse;
use portcullis::ftp::effect::{Entry, EntryKind, Input, May};
use portcullis::ftp::line::LineReader;
use portcullis::ftp::listing::{FactSet, append_facts, append_long};
use portcullis::ftp::machine::{Machine, MachineSettings};
use portcullis::moment::Moment;

const NOW: Moment = Moment::from_millis(1_700_000_000_000);
const LINE_BYTES_MAX: usize = 8192;

fn commands(c: &mut Criterion) {
    c.bench_function("ftp/read and parse a command", |b| {
        let mut reader = LineReader::new(LINE_BYTES_MAX);
        b.iter(|| {
            reader.push(black_box(b"RETR /pub/releases/portcullis.tar.gz\r\n"));
            let line = reader.next().and_then(Result::ok).map(parse);
            assert!(black_box(line).is_some());
        });
    });

    c.bench_function("ftp/NOOP from bytes to reply", |b| {
        let mut reader = LineReader::new(LINE_BYTES_MAX);
        let mut machine = admitted();
        b.iter(|| {
            reader.push(black_box(b"NOOP\r\n"));
            while let Some(Ok(line)) = reader.next() {
                for effect in machine.on(Input::Line(line), NOW) {
                    black_box(effect);
                }
            }
        });
    });
}

fn listings(c: &mut Criterion) {
    let entries: Vec<Entry> = (0..10_000).map(entry).collect();
    let mut out = Vec::new();
    let mut group = c.benchmark_group("ftp/listing");

    group.throughput(Throughput::Elements(1));
    group.bench_function("MLSD line", |b| {
        b.iter(|| {
            out.clear();
            append_facts(black_box(&entries[0]), FactSet::USUAL, &mut out);
            black_box(out.len())
        });
    });

    group.throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("LIST of 10,000 entries", |b| {
        b.iter(|| {
            out.clear();
            for entry in black_box(&entries) {
                append_long(entry, NOW, &mut out);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

fn admitted() -> Machine {
    let mut machine = Machine::new(MachineSettings {
        banner: "Hello".to_owned(),
        tls_required: false,
        tls_available: true,
        login_tries: 3,
        unknown_commands: 3,
        password_bytes: 1024,
        queued_commands: 16,
        active_mode: false,
        ascii_passthrough: false,
        idle_seconds: 300,
        idle_seconds_max: 3600,
        certificate_logins: false,
    });
    machine.on(Input::Admitted { protected: false }, NOW);
    machine
}

fn entry(number: u64) -> Entry {
    Entry {
        name: format!("report-{number:05}.csv").into_bytes(),
        what: EntryKind::File,
        size: number * 7919,
        modified: 1_700_000_000 - i64::try_from(number).unwrap_or_default() * 3600,
        mode: 0o100_644,
        links: 1,
        uid: 1000,
        gid: 1000,
        unique: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        may: May::ALL,
    }
}

criterion_group!(benches, commands, listings);
criterion_main!(benches);
