//! Random histories of three replicas, and what holds when they have compared.

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Register(usize, u8),
    Renew(usize, u8),
    Cancel(usize, u8),
    Set(usize, u8),
    RemoveOverride(usize, u8),
    Metadata(usize, u8),
    Evict(usize),
    Compare(usize, usize),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (replica, id) = (|| 0usize..3, || 0u8..3);
    prop_oneof![
        3 => (replica(), id()).prop_map(|(replica, id)| Op::Register(replica, id)),
        3 => (replica(), id()).prop_map(|(replica, id)| Op::Renew(replica, id)),
        2 => (replica(), id()).prop_map(|(replica, id)| Op::Cancel(replica, id)),
        2 => (replica(), id()).prop_map(|(replica, id)| Op::Set(replica, id)),
        2 => (replica(), id()).prop_map(|(replica, id)| Op::RemoveOverride(replica, id)),
        1 => (replica(), id()).prop_map(|(replica, id)| Op::Metadata(replica, id)),
        1 => replica().prop_map(Op::Evict),
        4 => (replica(), replica()).prop_map(|(to, from)| Op::Compare(to, from)),
        2 => (1u64..70).prop_map(Op::Wait),
    ]
}

/// What has to be true of an instance: the last command that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Registered,
    Cancelled,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// After any history, replicas that can talk agree; the last of two commands wins wherever it was given; nobody who was
    /// cancelled and not registered again is there; who was heard within its lease is.
    #[test]
    fn replicas_agree_on_the_last_of_everything(ops in proptest::collection::vec(op(), 1..60)) {
        let mut cluster = Cluster::new(3);
        // Clocks meet once, as those of replicas do that look at each other when they start.
        cluster.register(2, "first", 1);
        cluster.agree();
        let (mut last, mut heard, mut overrides) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        // Of which registration a replica heard an instance: of one that was cancelled elsewhere it is no sign of life.
        let mut registrations = BTreeMap::new();
        for (number, op) in ops.iter().enumerate() {
            cluster.secs += 1;
            let now = cluster.secs;
            let renews = |replica: usize, id: u8, cluster: &Cluster| {
                cluster.registration(replica, &id.to_string()) == registrations.get(&id).copied()
            };
            match op {
                Op::Register(replica, id) => {
                    cluster.register(*replica, &id.to_string(), i64::try_from(number).unwrap());
                    last.insert(*id, Last::Registered);
                    heard.insert(*id, now);
                    registrations.insert(*id, cluster.registration(*replica, &id.to_string()).unwrap());
                }
                Op::Renew(replica, id) if cluster.renew(*replica, &id.to_string()) => {
                    if renews(*replica, *id, &cluster) {
                        heard.insert(*id, now);
                    }
                }
                Op::Cancel(replica, id) if cluster.cancel(*replica, &id.to_string()) => {
                    last.insert(*id, Last::Cancelled);
                    overrides.remove(id);
                }
                Op::Set(replica, id) if cluster.set(*replica, &id.to_string(), InstanceStatus::OutOfService) => {
                    overrides.insert(*id, true);
                    if renews(*replica, *id, &cluster) {
                        heard.insert(*id, now);
                    }
                }
                Op::RemoveOverride(replica, id) if cluster.remove_override(*replica, &id.to_string()) => {
                    overrides.insert(*id, false);
                    if renews(*replica, *id, &cluster) {
                        heard.insert(*id, now);
                    }
                }
                Op::Metadata(replica, id) => {
                    let at = cluster.now(*replica);
                    let (key, value) = (key(&id.to_string()), number.to_string());
                    let changed = cluster.replicas[*replica].update_metadata(&key, [("k", value.as_str())], Source::Client, at).is_some();
                    if changed && renews(*replica, *id, &cluster) {
                        heard.insert(*id, now);
                    }
                }
                Op::Evict(replica) => _ = cluster.evict(*replica),
                Op::Compare(to, from) if to != from => _ = cluster.compare(*to, *from),
                Op::Wait(secs) => cluster.secs += secs,
                Op::Renew(..) | Op::Cancel(..) | Op::Set(..) | Op::RemoveOverride(..) | Op::Compare(..) => {}
            }
        }
        cluster.secs += 1;
        // Half a second decides for a moment whether somebody is overdue: at one replica, and not yet at the other.
        while cluster.is_on_the_edge() {
            cluster.secs += 5;
            prop_assert!(cluster.secs < 100_000, "somebody is heard again and again");
        }
        let seen = cluster.agree();
        let evicted = cluster.replicas.iter().flat_map(InstanceRegistry::changes_counted);
        let evicted = evicted.filter(|(kind, ..)| *kind == ChangeKind::Evicted).any(|(.., count)| count > 0);
        let known: BTreeSet<u8> = last.keys().copied().collect();
        for id in known {
            let there = seen.get(&id.to_string());
            if last[&id] == Last::Cancelled {
                prop_assert!(there.is_none(), "{id} was cancelled: {there:?}");
                continue;
            }
            // The translation of times makes it half a second older a hop, and operations are a second apart.
            let alive = cluster.secs - heard[&id] < 90 - 3;
            prop_assert!(!alive || there.is_some(), "{id} was heard {} s ago", cluster.secs - heard[&id]);
            // An eviction forgets an override, as in the Java server; so of those that live through all.
            if let (Some(there), Some(set), false) = (there, overrides.get(&id), evicted) {
                let overridden = there.split(' ').nth(1) == Some("OUT_OF_SERVICE");
                prop_assert_eq!(overridden, *set, "{} {}", id, there);
            }
        }
    }
}
