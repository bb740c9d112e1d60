//! [`Script`]: the events of a history with their times. It is made from a seed, played by the world, and can be shrunk.

use std::fmt;

use eureka_registry::model::InstanceStatus;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::volumes;

/// The number of clients.
pub(crate) const CLIENTS: usize = 6;
/// When faults begin: by then all replicas have started and found each other.
pub(crate) const CALM: u64 = 12_000;
/// When all faults end.
pub(crate) const HEALED: u64 = CALM + 32_000;
/// When the history ends: later than the eviction of an instance whose client is killed last.
pub(crate) const END: u64 = HEALED + 36_000;

/// The processes of a history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    /// The number of our replicas.
    pub(crate) replicas: usize,
    /// A peer that behaves as a Java server. It has the number after ours.
    pub(crate) java: bool,
    /// By how many milliseconds each replica's clock is ahead.
    pub(crate) clocks: Vec<i64>,
    /// Whether each of our replicas has a volume for its snapshots.
    pub(crate) volumes: bool,
}

impl Shape {
    /// Whether the replicas' clocks differ, now or later.
    pub(crate) fn is_skewed(&self) -> bool {
        self.clocks.iter().any(|ahead| *ahead != 0)
    }

    /// The number of the peer that behaves as a Java server.
    pub(crate) fn java(&self) -> Option<usize> {
        self.java.then_some(self.replicas)
    }

    /// The number of the replica of another cluster, to which a wrong name may lead.
    pub(crate) fn stranger(&self) -> usize {
        self.replicas + 1
    }

    /// The number of processes: our replicas, the place of a Java server, and the stranger.
    pub(crate) fn processes(&self) -> usize {
        self.replicas + 2
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Calls from one process to another get lost.
    Cut {
        from: usize,
        to: usize,
    },
    Mend {
        from: usize,
        to: usize,
    },
    /// On every link, this percentage of requests and of answers is lost, and all are late.
    Lose {
        requests: u8,
        answers: u8,
        longest_delay: u64,
    },
    LoseNothing,
    /// SIGKILL.
    Crash(usize),
    /// SIGTERM.
    Stop(usize),
    Start(usize),
    /// SIGSTOP and SIGCONT.
    Freeze(usize),
    Thaw(usize),
    /// The system's clock is set: the next process there begins with it.
    SetClock {
        replica: usize,
        ahead: i64,
    },
    /// The clock of a process leaps ahead while it runs, as when it is restored elsewhere.
    Leap {
        replica: usize,
        by: u64,
    },
    /// Its machine is suspended: it is frozen, and its clock stands still.
    Suspend(usize),
    Resume(usize),
    /// There is no room on the volume of a replica any more.
    DiskFull(usize),
    /// It takes up to so many milliseconds.
    DiskSlow {
        replica: usize,
        takes: u64,
    },
    /// It is neither full nor slow any more.
    DiskWell(usize),
    /// While no process runs there: the volume is replaced by an empty one.
    DiskLost(usize),
    /// A backup is put back.
    DiskOld(usize),
    /// The snapshot there is damaged.
    DiskTorn(usize),
    NamesFail,
    NamesAnswer,
    /// A replica's name leads to another process, or nowhere.
    NameWrong {
        name: usize,
        to: Option<usize>,
    },
    NameRight(usize),
    /// A client starts, and registers.
    Join(usize),
    /// It stops, and cancels.
    Leave(usize),
    /// It is killed.
    Die(usize),
    /// It registers with newer data.
    Change(usize),
    /// The command of an operator.
    SetStatus {
        client: usize,
        replica: usize,
        status: InstanceStatus,
    },
    RemoveStatus {
        client: usize,
        replica: usize,
    },
    PutMetadata {
        client: usize,
        replica: usize,
        value: u32,
    },
    Cancel {
        client: usize,
        replica: usize,
    },
}

/// An event and its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// Milliseconds after the start.
    pub(crate) at: u64,
    pub(crate) op: Op,
}

/// A history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Script {
    /// The seed of the network's and the replicas' randomness, too.
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} with {:?}", self.seed, self.shape)?;
        self.steps.iter().try_for_each(|Step { at, op }| writeln!(f, "{:>9.3} s  {op:?}", *at as f64 / 1000.0))
    }
}

impl Script {
    /// The script of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let replicas = if rng.random_range(0..5) == 0 { 5 } else { 3 };
        let java = rng.random_range(0..6) == 0;
        let skewed = rng.random_range(0..3) == 0;
        let clocks = (0..replicas + 2).map(|_| if skewed { ahead(&mut rng) } else { 0 }).collect();
        let mut shape = Shape { replicas, java, clocks, volumes: false };
        let mut writer = Writer { kinds: kinds(&mut rng, skewed), rng, shape: shape.clone(), steps: Vec::new() };
        writer.clients_come();
        writer.faults();
        if skewed {
            writer.leaps();
        }
        let mut steps = writer.steps;
        steps.extend(volumes::write(seed, &mut shape));
        steps.sort_by_key(|step| step.at);
        Self { seed, shape, steps }
    }
}

/// Up to an hour.
fn ahead(rng: &mut SmallRng) -> i64 {
    rng.random_range(-3_600_000..3_600_000)
}

/// The kinds of events in one history. Each kind is in some histories only, so that none hides another.
fn kinds(rng: &mut SmallRng, skewed: bool) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Kind::FAULTS
        .into_iter()
        .filter(|_| rng.random_range(0..3) == 0)
        .filter(|kind| skewed || *kind != Kind::Clock)
        .collect();
    if kinds.is_empty() {
        kinds.push(Kind::Cut);
    }
    kinds.extend(Kind::CHANGES.into_iter().filter(|_| rng.random_range(0..3) != 0));
    kinds.extend([Kind::ComeAndGo; 2]);
    kinds
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Cut,
    OneWay,
    Lossy,
    Crash,
    CrashLoop,
    Stop,
    Freeze,
    Clock,
    Names,
    WrongName,
    ComeAndGo,
    Die,
    Change,
    Status,
    Metadata,
    Cancel,
}

impl Kind {
    const FAULTS: [Self; 10] = [
        Self::Cut,
        Self::OneWay,
        Self::Lossy,
        Self::Crash,
        Self::CrashLoop,
        Self::Stop,
        Self::Freeze,
        Self::Clock,
        Self::Names,
        Self::WrongName,
    ];
    const CHANGES: [Self; 6] = [Self::Die, Self::Change, Self::Status, Self::Status, Self::Metadata, Self::Cancel];
}

struct Writer {
    rng: SmallRng,
    kinds: Vec<Kind>,
    shape: Shape,
    steps: Vec<Step>,
}

impl Writer {
    fn step(&mut self, at: u64, op: Op) {
        self.steps.push(Step { at: at.min(HEALED - 1), op });
    }

    fn clients_come(&mut self) {
        for client in 0..CLIENTS - 1 {
            let at = self.rng.random_range(500..CALM);
            self.step(at, Op::Join(client));
        }
    }

    fn faults(&mut self) {
        let mut at = CALM;
        while at < HEALED {
            let kind = self.kinds[self.rng.random_range(0..self.kinds.len())];
            self.write(kind, at);
            at += self.rng.random_range(100..1500);
        }
    }

    /// A process that is restored elsewhere, or whose machine is suspended, perhaps twice.
    fn leaps(&mut self) {
        let (replica, is_restored) = (self.replica(), self.rng.random_range(0..2) == 0);
        for _ in 0..self.rng.random_range(0..3) {
            let at = self.rng.random_range(CALM..HEALED);
            if is_restored {
                let by = self.rng.random_range(1_000..3_600_000);
                self.step(at, Op::Leap { replica, by });
            } else {
                self.step(at, Op::Suspend(replica));
                let suspended = self.rng.random_range(300..28_000);
                self.step(at + suspended, Op::Resume(replica));
            }
        }
    }

    fn replica(&mut self) -> usize {
        self.rng.random_range(0..self.shape.replicas)
    }

    /// Two different processes, a Java server among them.
    fn pair(&mut self) -> (usize, usize) {
        let all = self.shape.replicas + usize::from(self.shape.java);
        let from = self.rng.random_range(0..all);
        (from, (from + self.rng.random_range(1..all)) % all)
    }

    fn write(&mut self, kind: Kind, at: u64) {
        let until = at + self.rng.random_range(300..14_000);
        let replica = self.replica();
        match kind {
            Kind::Cut => {
                let (from, to) = self.pair();
                for (from, to) in [(from, to), (to, from)] {
                    self.step(at, Op::Cut { from, to });
                    self.step(until, Op::Mend { from, to });
                }
            }
            Kind::OneWay => {
                let (from, to) = self.pair();
                self.step(at, Op::Cut { from, to });
                self.step(until, Op::Mend { from, to });
            }
            Kind::Lossy => {
                let (requests, answers) = (self.rng.random_range(0..40), self.rng.random_range(0..40));
                let longest_delay = self.rng.random_range(1..900);
                self.step(at, Op::Lose { requests, answers, longest_delay });
                self.step(until, Op::LoseNothing);
            }
            Kind::Crash | Kind::Stop => {
                self.step(at, if kind == Kind::Crash { Op::Crash(replica) } else { Op::Stop(replica) });
                self.step(until, Op::Start(replica));
            }
            Kind::CrashLoop => {
                for round in 0..self.rng.random_range(2..5) {
                    self.step(at + round * 4000, Op::Crash(replica));
                    self.step(at + round * 4000 + 500, Op::Start(replica));
                }
            }
            Kind::Freeze => {
                self.step(at, Op::Freeze(replica));
                self.step(until, Op::Thaw(replica));
            }
            Kind::Clock => {
                let ahead = ahead(&mut self.rng);
                self.step(at, Op::SetClock { replica, ahead });
                self.step(at, Op::Crash(replica));
                self.step(at + 700, Op::Start(replica));
            }
            Kind::Names => {
                self.step(at, Op::NamesFail);
                self.step(until, Op::NamesAnswer);
            }
            Kind::WrongName => {
                let others = [None, Some(self.replica()), Some(self.shape.stranger())];
                let to = others[self.rng.random_range(0..others.len())];
                self.step(at, Op::NameWrong { name: replica, to });
                self.step(until, Op::NameRight(replica));
            }
            Kind::ComeAndGo | Kind::Die | Kind::Change | Kind::Status | Kind::Metadata | Kind::Cancel => {
                self.write_change(kind, at, replica);
            }
        }
    }

    fn write_change(&mut self, kind: Kind, at: u64, replica: usize) {
        let client = self.rng.random_range(0..CLIENTS);
        let op = match (kind, self.rng.random_range(0..3)) {
            (Kind::ComeAndGo, 0) => Op::Leave(client),
            (Kind::ComeAndGo, _) => Op::Join(client),
            (Kind::Die, _) => Op::Die(client),
            (Kind::Status, 0) => Op::SetStatus { client, replica, status: InstanceStatus::OutOfService },
            (Kind::Status, 1) => Op::SetStatus { client, replica, status: InstanceStatus::Down },
            (Kind::Status, _) => Op::RemoveStatus { client, replica },
            (Kind::Metadata, _) => Op::PutMetadata { client, replica, value: u32::try_from(self.steps.len()).unwrap() },
            (Kind::Cancel, _) => Op::Cancel { client, replica },
            _ => Op::Change(client),
        };
        self.step(at, op);
    }
}
