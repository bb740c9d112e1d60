//! [`DigestSums`]: a hash of all that is known, kept up to date change by change.
//!
//! Two replicas that know the same have the same sums. Only stamps are hashed: they name the facts that readers see, so what
//! has the same stamps is the same, metadata included.

use std::collections::{BTreeMap, HashMap};

use crate::model::{InstanceKey, Record, Stamp, StatusOverride, Tombstone};

/// The hashes of each application's instances and cancellations, added up: an order would cost a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DigestSums(HashMap<Box<str>, Sum>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    hashes: u64,
    count: usize,
}

impl DigestSums {
    /// Adds a fact of an application.
    pub(super) fn add(&mut self, app: &str, hash: u64) {
        match self.0.get_mut(app) {
            Some(sum) => *sum = Sum { hashes: sum.hashes.wrapping_add(hash), count: sum.count + 1 },
            None => drop(self.0.insert(app.into(), Sum { hashes: hash, count: 1 })),
        }
    }

    /// Takes out a fact that was added.
    pub(super) fn remove(&mut self, app: &str, hash: u64) {
        let Some(sum) = self.0.get_mut(app) else { return };
        *sum = Sum { hashes: sum.hashes.wrapping_sub(hash), count: sum.count.saturating_sub(1) };
        if sum.count == 0 {
            self.0.remove(app);
        }
    }

    /// The hash of everything.
    pub(super) fn total(&self) -> u64 {
        let of_apps = self.0.iter().map(|(app, sum)| step(bytes(app.as_bytes()), sum.hashes));
        of_apps.fold(0, u64::wrapping_add)
    }

    /// The hashes, application by application.
    pub(super) fn applications(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(app, sum)| (app.to_string(), sum.hashes)).collect()
    }
}

/// The hash of an instance that is registered.
pub(super) fn of_record(key: &InstanceKey, record: &Record) -> u64 {
    let stamps = [record.data.registered, record.data.changed, record.cancelled];
    hash(key, 1, &stamps, record.status_override)
}

/// The hash of a cancellation.
pub(super) fn of_tombstone(tombstone: &Tombstone) -> u64 {
    hash(&tombstone.key, 2, &[tombstone.cancelled, tombstone.data.changed], tombstone.status_override)
}

fn hash(key: &InstanceKey, kind: u64, stamps: &[Stamp], status_override: StatusOverride) -> u64 {
    let stamps = stamps.iter().chain([&status_override.stamp]);
    let hash = step(bytes(key.as_str().as_bytes()), kind);
    let hash = stamps.fold(hash, |hash, stamp| step(step(hash, stamp.time()), stamp.node()));
    step(hash, status_override.status.map_or(0, |status| status as u64 + 1))
}

/// FNV-1a, because every build has to hash alike.
fn bytes(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Mixes a number into a hash (the finalizer of `MurmurHash3`): sums of such hashes do not cancel each other out.
fn step(hash: u64, number: u64) -> u64 {
    let mixed = hash.rotate_left(29) ^ number;
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
