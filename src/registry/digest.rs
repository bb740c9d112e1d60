//! [`DigestSums`]: a hash over all stamps, kept up to date with every change.
//!
//! Two replicas that know the same have the same sums. Only stamps are hashed: equal stamps mean equal facts, including metadata.

use std::collections::{BTreeMap, HashMap};

use crate::model::{InstanceKey, Record, Stamp, StatusOverride, Tombstone};

/// The sum of the hashes of each application's instances and cancellations. Sums need no order, which would cost a search.
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

    /// Removes a fact that was added.
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

/// FNV-1a, because every build has to compute the same hash.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{AppName, DataStamp, InstanceInfo, InstanceStatus};
    use crate::time::Timestamp;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn stamp(time: u64) -> Stamp {
        Stamp::received(time, 1, NOW).unwrap()
    }

    fn record() -> Record {
        let info = InstanceInfo::new(AppName::new("orders"), "h", "10.0.0.1", NOW);
        Record {
            sent_status: info.status,
            info,
            data: DataStamp { version: NOW, registered: stamp(2), changed: stamp(3) },
            cancelled: stamp(1),
            status_override: StatusOverride { status: None, stamp: stamp(4) },
        }
    }

    #[test]
    fn facts_that_differ_in_one_stamp_have_different_hashes() {
        let (key, known) = (record().info.key(), record());
        let mut hashes = BTreeSet::from([of_record(&key, &known)]);
        let mut differs = |record: Record| assert!(hashes.insert(of_record(&key, &record)), "{record:?}");
        let data = known.data;
        differs(Record { data: DataStamp { registered: stamp(9), ..data }, ..known.clone() });
        differs(Record { data: DataStamp { changed: stamp(9), ..data }, ..known.clone() });
        differs(Record { cancelled: stamp(9), ..known.clone() });
        differs(Record { status_override: StatusOverride { status: None, stamp: stamp(9) }, ..known.clone() });
        let down = StatusOverride { status: Some(InstanceStatus::Down), stamp: stamp(4) };
        differs(Record { status_override: down, ..known.clone() });
        differs(Record { cancelled: Stamp::received(1, 2, NOW).unwrap(), ..known.clone() });
        let other = InstanceKey::new(&AppName::new("orders"), "other");
        assert!(hashes.insert(of_record(&other, &known)));
        let gone = Tombstone::new(key, &known, stamp(5));
        assert!(hashes.insert(of_tombstone(&gone)));
        assert!(hashes.insert(of_tombstone(&Tombstone { cancelled: stamp(6), ..gone.clone() })));
        let data = DataStamp { changed: stamp(6), ..gone.data };
        assert!(hashes.insert(of_tombstone(&Tombstone { data, ..gone })));
    }

    /// Replicas of two builds compare their hashes during a rolling update.
    #[test]
    fn every_build_hashes_alike() {
        let known = record();
        assert_eq!(of_record(&known.info.key(), &known), 6_060_076_630_561_658_549);
        assert_eq!(of_tombstone(&Tombstone::new(known.info.key(), &known, stamp(5))), 3_132_935_458_747_157_679);
    }

    #[test]
    fn sums_do_not_depend_on_the_order_of_facts() {
        let sums = |facts: &[(&str, u64)]| {
            let mut sums = DigestSums::default();
            facts.iter().for_each(|(app, hash)| sums.add(app, *hash));
            sums
        };
        let (mut one, other) = (sums(&[("a", 7), ("a", 9), ("b", 9)]), sums(&[("b", 9), ("a", 9), ("a", 7)]));
        assert_eq!((&one, one.total()), (&other, other.total()));
        assert_ne!(one.total(), sums(&[("a", 9), ("b", 7), ("b", 9)]).total(), "whose it is counts");
        assert_ne!(one.total(), sums(&[("a", 7), ("a", 9)]).total());
        one.remove("b", 9);
        one.remove("a", 7);
        assert_eq!(one.total(), sums(&[("a", 9)]).total(), "what is left of an application counts");
        one.remove("a", 9);
        assert_eq!((&one, one.total()), (&DigestSums::default(), 0), "nothing is kept of an application that left");
    }
}
