//! [`Disk`]: what of a machine survives its processes.
//!
//! Only bytes are kept here. When a snapshot is written, what stands in it, and what becomes of it at the next start, is decided by the
//! product's own code, which works with a [`Mounted`] disk as it does with a directory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use eureka_registry::snapshot::{self, Content, Job};
use eureka_registry::time::Timestamp;
use flate2::read::GzDecoder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::script::Shape;
use crate::view::{client_of, view};
use crate::world::World;

/// What the system says where there is no room (`ENOSPC`).
const NO_ROOM: i32 = 28;
/// A full disk takes so many bytes before it says so.
const LAST_BYTES: usize = 200;
/// How many older snapshots a backup has.
const OLDER: usize = 8;
/// How long a disk takes at most, in milliseconds, unless it is slow.
const PROMPT: u64 = 40;

/// The disk of a machine.
#[derive(Debug)]
pub(crate) struct Disk {
    kept: Option<Kept>,
    /// Those before it, newest first.
    older: VecDeque<Kept>,
    is_full: bool,
    /// How long it takes at most, in milliseconds.
    takes: u64,
    rng: SmallRng,
}

/// A snapshot, and what is certain of its content.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    /// Whether it can be read to its end.
    is_whole: bool,
    /// When it was written.
    pub(crate) written: u64,
    /// By how much the clock was ahead by which it was written.
    pub(crate) ahead: i64,
    /// The events that it holds, by their numbers.
    pub(crate) events: BTreeSet<usize>,
    /// The clients whose instances are in it, with the time at which each was heard, by the clock of the process.
    pub(crate) clients: BTreeMap<usize, i64>,
}

impl Disk {
    pub(crate) fn of_all(seed: u64, shape: &Shape) -> Vec<Self> {
        let disk = |replica: usize| Self {
            kept: None,
            older: VecDeque::new(),
            is_full: false,
            takes: PROMPT,
            rng: SmallRng::seed_from_u64(seed.wrapping_mul(0xd15c) ^ replica as u64),
        };
        (0..shape.replicas).filter(|_| shape.volumes).map(disk).collect()
    }

    /// The snapshot that a process finds which starts now, if it can be used.
    pub(crate) fn usable(&self) -> Option<&Kept> {
        self.kept.as_ref().filter(|kept| kept.is_whole)
    }

    /// Whether there is one that must not be used.
    pub(crate) fn is_torn(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.is_whole)
    }

    pub(crate) fn fill(&mut self) {
        self.is_full = true;
    }

    pub(crate) fn takes(&mut self, longest: u64) {
        self.takes = longest;
    }

    pub(crate) fn heal(&mut self) {
        (self.is_full, self.takes) = (false, PROMPT);
    }

    /// It is replaced by an empty one.
    pub(crate) fn lose(&mut self) {
        self.kept = None;
        self.older.clear();
    }

    /// A backup is put back.
    pub(crate) fn go_back(&mut self) {
        let back = self.rng.random_range(0..OLDER).min(self.older.len().saturating_sub(1));
        if let Some(older) = self.older.get(back).cloned() {
            self.kept = Some(older);
        }
    }

    /// The snapshot is damaged: its end is missing, or a bit of it is wrong.
    pub(crate) fn tear(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        let (at, bit) = (self.rng.random_range(0..kept.bytes.len()), self.rng.random_range(0..16));
        match kept.bytes.get_mut(at) {
            Some(byte) if bit < 8 => *byte ^= 1 << bit,
            Some(_) | None => kept.bytes.truncate(at),
        }
        // A few bits of the format mean nothing.
        kept.is_whole &= GzDecoder::new(&*kept.bytes).read_to_end(&mut Vec::new()).is_ok();
    }

    fn put(&mut self, kept: Kept) {
        if let Some(before) = self.kept.take() {
            self.older.push_front(before);
        }
        self.older.truncate(OLDER);
        self.kept = Some(kept);
    }
}

/// A disk as a process of its machine has it.
#[derive(Debug)]
pub(crate) struct Mounted {
    world: Weak<World>,
    process: usize,
    incarnation: u64,
    path: PathBuf,
}

impl Mounted {
    /// The disk of the process that begins at this place now; `None` if the machine has none.
    pub(crate) fn at(world: &Arc<World>, process: usize, incarnation: u64) -> Option<Arc<dyn snapshot::Disk>> {
        let has_one = world.net.shape.volumes && process < world.net.shape.replicas;
        let path = PathBuf::from(format!("disk-{process}"));
        has_one.then(|| Arc::new(Self { world: Arc::downgrade(world), process, incarnation, path }) as _)
    }

    fn with<T>(&self, work: impl FnOnce(&World, &mut Disk) -> T) -> io::Result<T> {
        let world = self.world.upgrade().ok_or(io::ErrorKind::NotFound)?;
        let mut state = world.state.lock();
        let disk = state.disks.get_mut(self.process).ok_or(io::ErrorKind::NotFound)?;
        Ok(work(&world, disk))
    }
}

impl snapshot::Disk for Mounted {
    fn path(&self) -> &Path {
        &self.path
    }

    fn take(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self) -> io::Result<Option<Box<dyn BufRead>>> {
        let bytes = self.with(|_, disk| disk.kept.as_ref().map(|kept| kept.bytes.clone()))?;
        Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as _))
    }

    fn write(&self, content: &Content<'_>) -> io::Result<u64> {
        let room = if self.with(|_, disk| disk.is_full)? { LAST_BYTES } else { usize::MAX };
        let mut written = Room { bytes: Vec::new(), room };
        content(&mut written)?;
        let (bytes, world) = (written.bytes, self.world.upgrade().ok_or(io::ErrorKind::NotFound)?);
        let length = bytes.len();
        world.net.trace.say(format_args!("* {} keeps a snapshot of {length} bytes", self.process));
        let mut guard = world.state.lock();
        let state = &mut *guard;
        let holds = |number: &usize| state.oracle.events[*number].holders.contains(&self.process);
        let events = (0..state.oracle.events.len()).filter(holds).collect();
        let ahead = state.slots[self.process].ahead;
        let registry = state.slots[self.process].registry.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let held = view(registry).into_iter();
        let clients = held.filter_map(|(id, held)| Some((client_of(&id)?, held.heard()))).collect();
        let disk = state.disks.get_mut(self.process).ok_or(io::ErrorKind::NotFound)?;
        disk.put(Kept { bytes, is_whole: true, written: world.now(), ahead, events, clients });
        Ok(length as u64)
    }

    fn put_aside(&self, _now: Timestamp) -> io::Result<PathBuf> {
        let (world, aside) = (self.world.upgrade().ok_or(io::ErrorKind::NotFound)?, self.path.join("refused"));
        world.net.trace.say(format_args!("* {} refuses its snapshot", self.process));
        let mut state = world.state.lock();
        let disk = state.disks.get_mut(self.process).ok_or(io::ErrorKind::NotFound)?;
        if disk.kept.take().is_some_and(|kept| kept.is_whole) {
            let what = format!("{} does not use its snapshot", self.process);
            state.violated("a whole snapshot is used", world.now(), what);
        }
        Ok(aside)
    }

    /// Work on a disk takes its time. Of a process that is gone by then nothing is written: what was under way at a kill does not count.
    fn work(&self, job: Job) -> io::Result<()> {
        let takes = self.with(|_, disk| disk.rng.random_range(1..=disk.takes))?;
        let (world, process, incarnation) = (Weak::clone(&self.world), self.process, self.incarnation);
        tokio::spawn(async move {
            sleep(Duration::from_millis(takes)).await;
            let Some(world) = world.upgrade() else { return };
            world.net.runs(process).await;
            let is_there = |world: &World| {
                let state = world.state.lock();
                state.slots.get(process).is_some_and(|slot| slot.is_taken() && slot.incarnation == incarnation)
            };
            if is_there(&world) {
                job();
            }
        });
        Ok(())
    }
}

/// The room that is left.
struct Room {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fitting = bytes.len().min(self.room - self.bytes.len());
        if fitting == 0 && !bytes.is_empty() {
            return Err(io::Error::from_raw_os_error(NO_ROOM));
        }
        self.bytes.extend_from_slice(&bytes[..fitting]);
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
