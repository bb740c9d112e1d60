//! Every order of delivering up to five operations among three replicas.

use super::*;
use crate::model::{AppName, StampClock};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const REPLICAS: usize = 3;

/// What a client or an operator does at one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Register,
    /// Has an older version than all that were sent before, like a delayed request.
    RegisterOlder,
    ChangeMetadata,
    Cancel,
    SetStatus,
    RemoveStatus,
}

const OPS: [Op; 6] = [Op::Register, Op::RegisterOlder, Op::ChangeMetadata, Op::Cancel, Op::SetStatus, Op::RemoveStatus];

/// A replica, reduced to the merge.
struct Replica {
    clock: StampClock,
    known: Option<Fact>,
}

impl Replica {
    fn new(node: u64) -> Self {
        Self { clock: StampClock::new(node), known: None }
    }

    /// Carries out an operation, if the instance exists. Returns what is known then, which is replicated to peers.
    fn apply(&mut self, op: Op, number: usize, now: Timestamp) -> Option<Fact> {
        let stamp = self.clock.tick(now);
        let fact = match (op, self.known.clone()) {
            (Op::Register | Op::RegisterOlder, known) => {
                let mut info = InstanceInfo::new(AppName::new("a"), "h", "10.0.0.1", NOW);
                info.metadata = info.metadata.with([("registered", number.to_string())]);
                let sent = if op == Op::Register { 1 + i64::try_from(number).unwrap() } else { 0 };
                let earlier = known.as_ref().map_or(Timestamp::NEVER, |known| known.parts().data.version);
                let data = DataStamp { version: earlier.max(Timestamp(sent)), registered: stamp, changed: stamp };
                let cancelled = known.as_ref().map_or(Stamp::NEVER, |known| known.parts().cancelled);
                let status_override = known.map_or_else(StatusOverride::default, |known| known.parts().status_override);
                let mut record = Record { sent_status: info.status, info, data, cancelled, status_override };
                record.show();
                Fact::Registered(Box::new(record))
            }
            (_, None | Some(Fact::Cancelled(_))) => return None,
            (Op::ChangeMetadata, Some(Fact::Registered(mut record))) => {
                record.info.metadata = record.info.metadata.with([("changed", number.to_string())]);
                record.data.changed = stamp;
                record.show();
                Fact::Registered(record)
            }
            (Op::Cancel, Some(Fact::Registered(record))) => {
                Fact::Cancelled(Tombstone::new(record.info.key(), &record, stamp))
            }
            (Op::SetStatus | Op::RemoveStatus, Some(Fact::Registered(mut record))) => {
                let status = (op == Op::SetStatus).then_some(InstanceStatus::OutOfService);
                record.status_override = StatusOverride { status, stamp };
                record.show();
                Fact::Registered(record)
            }
        };
        self.known = Some(fact.clone());
        Some(fact)
    }

    fn receive(&mut self, fact: &Fact, now: Timestamp) {
        fact.stamps().into_iter().for_each(|stamp| self.clock.observe(stamp, now));
        self.known = Some(merge(self.known.take(), fact));
    }
}

fn merge(known: Option<Fact>, fact: &Fact) -> Fact {
    known.map_or_else(|| fact.clone(), |known| known.merge(fact.clone()))
}

/// Whichever of a set of facts arrives last, the result is the same. By induction that holds for every order. Merging a fact
/// twice changes nothing, and `lack` returns whether a merge changes anything.
fn all_orders_lead_to_the_same(facts: &[Fact]) {
    let mut known: Vec<Option<Fact>> = vec![None; 1 << facts.len()];
    for set in 1..known.len() {
        for (last, fact) in facts.iter().enumerate().filter(|(last, _)| set & (1 << last) != 0) {
            let before = known[set & !(1 << last)].clone();
            let lacks = before.as_ref().is_none_or(|before| before.lacks(fact));
            let merged = merge(before.clone(), fact);
            assert_eq!(before.as_ref() != Some(&merged), lacks, "{before:?} lacks {fact:?}");
            assert_eq!(merge(Some(merged.clone()), fact), merged, "merging twice");
            match &known[set] {
                Some(known) => assert_eq!(*known, merged, "the order of {facts:?}"),
                None => known[set] = Some(merged),
            }
        }
    }
}

/// Places for operations: the first is replica 0, and a new one is always the next, since replicas are alike.
fn places(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        all = all
            .into_iter()
            .flat_map(|places: Vec<usize>| {
                let next = places.iter().max().map_or(0, |last| last + 1).min(REPLICAS - 1);
                (0..=next).map(move |place| [places.clone(), vec![place]].concat())
            })
            .collect();
    }
    all
}

/// Plays every script of this many operations, each at some replica, to which the earlier ones may have been replicated. Returns
/// the number of scripts.
fn play_all(count: u32) -> usize {
    let (places, mut played) = (places(count as usize), 0);
    for script in 0..OPS.len().pow(count) {
        let ops: Vec<Op> = (0..count).map(|at| OPS[script / OPS.len().pow(at) % OPS.len()]).collect();
        for places in &places {
            // None, all, or every second one of the earlier operations were replicated to it.
            for told in 0..3 {
                let mut replicas: Vec<Replica> = (1..=REPLICAS as u64).map(Replica::new).collect();
                let mut facts: Vec<Fact> = Vec::new();
                for (number, (op, place)) in ops.iter().zip(places).enumerate() {
                    let replica = &mut replicas[*place];
                    if told == 1 || (told == 2 && number % 2 == 1) {
                        facts.iter().for_each(|fact| replica.receive(fact, NOW));
                    }
                    facts.extend(replica.apply(*op, number, NOW));
                }
                if facts.len() == ops.len() {
                    all_orders_lead_to_the_same(&facts);
                    played += 1;
                }
            }
        }
    }
    played
}

#[test]
fn every_order_of_up_to_four_operations_leads_to_the_same() {
    for count in 1..=4 {
        assert!(play_all(count) > 0, "{count}: an instance is registered somewhere");
    }
}

#[test]
fn every_order_of_five_operations_leads_to_the_same() {
    assert!(play_all(5) > 10_000);
}

/// Of two commands, the one that was given when the other was known wins at every replica that receives both.
#[test]
fn the_last_command_wins() {
    let now = |millis: i64| Timestamp(NOW.0 + millis);
    let (mut a, mut b) = (Replica::new(1), Replica::new(2));
    // The clock of the first replica is an hour ahead.
    let registered = a.apply(Op::Register, 0, now(3_600_000)).unwrap();
    b.receive(&registered, now(0));
    let set = a.apply(Op::SetStatus, 1, now(3_600_010)).unwrap();
    let removed = b.apply(Op::RemoveStatus, 2, now(20)).unwrap();
    let Fact::Registered(record) = set.clone().merge(removed.clone()) else { panic!("it is registered") };
    assert_eq!(record.info.status, InstanceStatus::Up, "removed 10 ms after it was set, where that was not known");
    let Fact::Registered(record) = removed.merge(set) else { panic!("it is registered") };
    assert_eq!(record.status_override.status, None);
}
