//! The writer over a disk that fails at each of its steps in turn: nothing acknowledged is ever lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::ledger::fixtures::ban;
use crate::ledger::record::Lift;
use crate::ledger::{Ban, BanId};

const START: Moment = Moment::from_millis(1_000_000);

/// A disk that keeps apart what was written and what would survive a power cut.
#[derive(Clone, Debug, Default)]
struct Pretend(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    files: Vec<Content>,
    /// Names as they are, and as they would be after a power cut.
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    steps: usize,
    fault: Option<(usize, Fault)>,
    dead: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    written: Vec<u8>,
    /// What a sync has brought to the disk; what one has failed to bring is zeros for ever.
    safe: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The power fails at this step, in the middle of it.
    PowerCut,
    /// This step fails, the next ones do not.
    Once,
}

impl World {
    /// One step; whether it happens whole.
    fn step(&mut self) -> io::Result<()> {
        let step = self.steps;
        self.steps += 1;
        if self.dead {
            return Err(io::Error::other("there is no power"));
        }
        match self.fault {
            Some((at, fault)) if at == step => {
                self.dead = fault == Fault::PowerCut;
                Err(io::Error::other("as the test says"))
            }
            _ => Ok(()),
        }
    }
}

struct PretendFile {
    disk: Pretend,
    number: usize,
}

impl Write for PretendFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.disk.0.lock();
        let dead = world.dead;
        let whole = world.step();
        let kept = match whole {
            Ok(()) => bytes,
            // A write that fails has often written something.
            Err(_) if !dead => &bytes[..bytes.len() / 2],
            Err(_) => &[],
        };
        world.files[self.number].written.extend_from_slice(kept);
        whole.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Pretend {
    type File = PretendFile;

    fn append_to(&self, name: &str) -> io::Result<PretendFile> {
        let mut world = self.0.lock();
        world.step()?;
        let number = *world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(PretendFile { disk: self.clone(), number })
    }

    fn create(&self, name: &str) -> io::Result<PretendFile> {
        let mut world = self.0.lock();
        world.step()?;
        let number = world.files.len();
        world.files.push(Content::default());
        world.names.insert(name.to_owned(), number);
        Ok(PretendFile { disk: self.clone(), number })
    }

    fn sync(&self, file: &PretendFile) -> io::Result<()> {
        let mut world = self.0.lock();
        let dead = world.dead;
        let whole = world.step();
        let content = &mut world.files[file.number];
        match whole {
            Ok(()) => content.safe.extend_from_slice(&content.written[content.safe.len()..]),
            // The system forgets which pages it could not write.
            Err(_) if !dead => content.safe.resize(content.written.len(), 0),
            Err(_) => {}
        }
        whole
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.0.lock();
        world.step()?;
        let number = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut world = self.0.lock();
        world.step()?;
        world.safe_names = world.names.clone();
        Ok(())
    }
}

impl Pretend {
    /// Everything that the journal may hold once the power is back.
    fn survivors(&self) -> Vec<Vec<u8>> {
        let world = self.0.lock();
        let numbers: BTreeSet<usize> =
            [&world.names, &world.safe_names].iter().filter_map(|names| names.get(NAME).copied()).collect();
        let mut all = Vec::new();
        for number in numbers {
            let Content { written, safe } = &world.files[number];
            let pending = &written[safe.len()..];
            let with = |more: &[u8]| [safe.as_slice(), more].concat();
            // Lost, whole, torn, and its first half lost though its second came through.
            let mut reordered = vec![0; pending.len() / 2];
            reordered.extend_from_slice(&pending[pending.len() / 2..]);
            all.extend([with(&[]), with(pending), with(&pending[..pending.len() / 2]), with(&reordered)]);
        }
        all
    }
}

/// A ledger's life: bans, lifts and new files, and what was acknowledged of it.
struct Life {
    disk: Pretend,
    writer: Writer<Pretend>,
    bans: Vec<Arc<Ban>>,
    banned: BTreeSet<BanId>,
    lifted: BTreeSet<BanId>,
    /// Lifts that were tried and not acknowledged: their bans may be there or not.
    unsure: BTreeSet<BanId>,
}

impl Life {
    fn begin() -> Life {
        let disk = Pretend::default();
        let file = disk.create(NAME).expect("no fault is set");
        disk.sync_names().expect("no fault is set");
        let table = Arc::new(RwLock::new(Table::new(1000)));
        let writer =
            Writer { disk: disk.clone(), file, fsync: Fsync::Always, later: Vec::new(), table, state: Arc::default() };
        let (banned, lifted, unsure) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Life { disk, writer, bans: Vec::new(), banned, lifted, unsure }
    }

    fn live(&mut self) {
        for number in 0..24u64 {
            let now = START.plus(Duration::from_secs(number));
            let mut batch = Batch::default();
            let banned = ban(&format!("host:192.0.2.{number}"), now, Some(3600));
            self.writer.table.write().insert(Arc::clone(&banned), now);
            batch.lines.push(&journal::line(Record::Ban(Arc::clone(&banned))));
            self.bans.push(Arc::clone(&banned));
            let mut lifted = None;
            if number % 3 == 2 {
                let victim = Arc::clone(&self.bans[self.bans.len() / 2]);
                let lift = Arc::new(Lift::of(&victim, now, "root", "a"));
                self.writer.table.write().lift(Arc::clone(&lift), now);
                batch.lines.push(&journal::line(Record::Lift(lift)));
                lifted = Some(victim.id);
            }
            let written = self.writer.write(&batch, now);
            match (written, lifted) {
                (Ok(()), lifted) => {
                    self.banned.insert(banned.id);
                    self.lifted.extend(lifted);
                }
                (Err(Unsaved), lifted) => self.unsure.extend(lifted),
            }
            // As the upkeep asks: when the file lacks something, and now and then.
            let behind = self.writer.state.behind.load(Ordering::Relaxed);
            if behind || number % 7 == 6 {
                let batch = Batch { rewrite: true, ..Batch::default() };
                if self.writer.write(&batch, now).is_ok() {
                    self.banned.extend(self.bans.iter().map(|ban| ban.id));
                    self.lifted.append(&mut self.unsure);
                }
            }
        }
    }

    /// What was acknowledged is in the journal, whatever of it survived.
    fn check(&self, about: &str) {
        let now = START.plus(Duration::from_secs(100));
        for (number, survivor) in self.disk.survivors().into_iter().enumerate() {
            let mut table = Table::new(1000);
            let filled = table.fill(now, |take| {
                journal::read(&survivor, take);
                Ok::<(), io::Error>(())
            });
            filled.expect("memory");
            for id in &self.banned {
                let gone = self.lifted.contains(id);
                let unsure = self.unsure.contains(id) && !gone;
                assert!(unsure || table.get(*id).is_some() != gone, "{about}, survivor {number}: {id} lifted: {gone}");
            }
        }
    }
}

fn steps() -> usize {
    let mut life = Life::begin();
    life.live();
    life.check("without a fault");
    assert_eq!(life.banned.len(), 24);
    life.disk.0.lock().steps
}

#[test]
fn f_13_power_cut_at_any_step_loses_nothing_acknowledged() {
    let steps = steps();
    assert!(steps > 60, "only {steps} steps");
    for at in 2..steps {
        let mut life = Life::begin();
        life.disk.0.lock().fault = Some((at, Fault::PowerCut));
        life.live();
        life.check(&format!("no power from step {at}"));
    }
}

#[test]
fn f_16_a_step_that_fails_once_is_made_good_by_a_new_file() {
    for at in 2..steps() {
        let mut life = Life::begin();
        life.disk.0.lock().fault = Some((at, Fault::Once));
        life.live();
        life.check(&format!("step {at} fails"));
        assert!(life.banned.len() == 24 && life.unsure.is_empty(), "step {at}: everything is on disk in the end");
        assert!(!life.writer.state.behind.load(Ordering::Relaxed), "step {at}");
    }
}

#[test]
fn f_14_while_the_disk_is_full_nothing_is_acknowledged_and_all_is_written_later() {
    let mut life = Life::begin();
    life.writer.state.behind.store(true, Ordering::Relaxed);
    let now = START;
    let banned = ban("host:192.0.2.1", now, Some(3600));
    life.writer.table.write().insert(Arc::clone(&banned), now);
    let mut batch = Batch::default();
    batch.lines.push(&journal::line(Record::Ban(Arc::clone(&banned))));
    assert_eq!(life.writer.write(&batch, now), Err(Unsaved));
    life.banned.insert(banned.id);
    assert_eq!(life.writer.write(&Batch { rewrite: true, ..Batch::default() }, now), Ok(()));
    life.check("after the disk was full");
}
