//! What happens to replicas with volumes, which some histories have.
//!
//! It is drawn from random numbers of its own and added to the history of a seed, so the other events are those that the seed has
//! without it.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::script::{CALM, HEALED, Op, Shape, Step};

/// So many seeds have one history with volumes.
const ONE_OF: u32 = 3;
/// How long a slow disk takes at most, in milliseconds.
const SLOWEST: u64 = 4_000;

struct Writer {
    rng: SmallRng,
    replicas: usize,
    steps: Vec<Step>,
}

/// Gives replicas volumes, in some histories, and returns what happens to them.
pub(crate) fn write(seed: u64, shape: &mut Shape) -> Vec<Step> {
    let mut rng = SmallRng::seed_from_u64(seed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    shape.volumes = rng.random_range(0..ONE_OF) == 0;
    if !shape.volumes {
        return Vec::new();
    }
    let mut writer = Writer { rng, replicas: shape.replicas, steps: Vec::new() };
    for _ in 0..writer.rng.random_range(1..3) {
        writer.all_end_at_once();
    }
    for _ in 0..writer.rng.random_range(0..3) {
        writer.one_ends();
    }
    for _ in 0..writer.rng.random_range(0..3) {
        writer.disk_fails();
    }
    writer.steps
}

impl Writer {
    fn step(&mut self, at: u64, op: Op) {
        self.steps.push(Step { at: at.min(HEALED - 1), op });
    }

    fn moment(&mut self) -> u64 {
        self.rng.random_range(CALM..HEALED)
    }

    fn replica(&mut self) -> usize {
        self.rng.random_range(0..self.replicas)
    }

    fn all_end_at_once(&mut self) {
        let (at, are_stopped) = (self.moment(), self.rng.random_range(0..4) == 0);
        let (longest, are_damaged) = (self.rng.random_range(1..9_000), self.rng.random_range(0..2) == 0);
        for replica in 0..self.replicas {
            self.step(at, if are_stopped { Op::Stop(replica) } else { Op::Crash(replica) });
            let back = at + self.rng.random_range(0..longest);
            if are_damaged && self.rng.random_range(0..3) == 0 {
                self.damage(replica, back);
            }
            self.step(back, Op::Start(replica));
        }
    }

    fn one_ends(&mut self) {
        let (replica, at) = (self.replica(), self.moment());
        let back = at + self.rng.random_range(0..9_000);
        self.step(at, Op::Crash(replica));
        if self.rng.random_range(0..2) == 0 {
            self.damage(replica, back);
        }
        self.step(back, Op::Start(replica));
    }

    fn damage(&mut self, replica: usize, at: u64) {
        let ops = [Op::DiskLost(replica), Op::DiskOld(replica), Op::DiskTorn(replica)];
        let op = ops[self.rng.random_range(0..ops.len())];
        self.step(at, op);
    }

    fn disk_fails(&mut self) {
        let (replica, at) = (self.replica(), self.moment());
        let until = at + self.rng.random_range(300..20_000);
        let slow = Op::DiskSlow { replica, takes: self.rng.random_range(100..SLOWEST) };
        let is_full = self.rng.random_range(0..2) == 0;
        self.step(at, if is_full { Op::DiskFull(replica) } else { slow });
        self.step(until, Op::DiskWell(replica));
    }
}
