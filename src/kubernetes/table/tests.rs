use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);
const AT: &str = "10.0.0.1";
/// Everything is done that can be.
const ALL: Policies = Policies { terminating: Policy::OutOfService, not_ready: Policy::OutOfService };

fn after(secs: u64) -> Timestamp {
    START + Duration::from_secs(secs)
}

fn pod(uid: &str, address: &str) -> Pod {
    Pod {
        uid: uid.into(),
        namespace: "shop".into(),
        name: uid.into(),
        node: "node-1".into(),
        addresses: vec![address.parse().unwrap()],
        is_on_host_network: false,
        phase: Phase::Running,
        is_terminating: false,
        is_ready: true,
        ready_changed: Some(START),
    }
}

/// A table that knows one pod at [`AT`] since its first list, and watches.
fn watching(pods: &[Pod]) -> Table {
    let mut table = Table::new(1);
    list(&mut table, pods, START);
    table.watch_begins(0, START);
    table
}

fn list(table: &mut Table, pods: &[Pod], now: Timestamp) {
    table.list_begins(0);
    pods.iter().for_each(|pod| table.put(0, pod.clone(), now));
    table.list_ends(0, now, now);
}

fn seen(heard: Timestamp) -> Seen {
    Seen { address: AT.parse().unwrap(), heard, is_silent: false, status: InstanceStatus::Up, set: None }
}

fn act(table: &Table, seen: &Seen) -> Option<Act> {
    table.check();
    table.concerns(ALL).verdict(seen).map(|verdict| verdict.act)
}

fn is_evicted(table: &Table, heard: Timestamp) -> bool {
    matches!(act(table, &seen(heard)), Some(Act::Evict(until)) if until >= heard)
}

#[test]
fn an_instance_goes_with_its_pod() {
    let mut table = watching(&[pod("a", AT)]);
    assert!(!is_evicted(&table, after(5)), "its pod lives");
    table.end(0, "a", after(10));
    assert!(is_evicted(&table, after(5)));
    assert!(is_evicted(&table, after(12)), "its last heartbeat was on its way");
    assert!(!is_evicted(&table, after(13)), "it is another one");
    let verdict = table.concerns(ALL).verdict(&seen(after(5))).unwrap();
    assert_eq!(verdict.reason, "pod shop/a ended");
}

#[test]
fn a_pod_whose_containers_have_ended_has_ended() {
    let mut table = watching(&[pod("a", AT)]);
    table.put(0, Pod { phase: Phase::Over, ..pod("a", AT) }, after(10));
    assert!(is_evicted(&table, after(5)));
    table.put(0, Pod { phase: Phase::Over, ..pod("a", AT) }, after(20));
    table.end(0, "a", after(30));
    assert!(!is_evicted(&table, after(15)), "it ended once");
}

#[test]
fn a_pod_whose_address_is_no_longer_said_keeps_it_until_it_ends() {
    let mut table = watching(&[pod("a", AT)]);
    table.put(0, Pod { addresses: Vec::new(), is_terminating: true, ..pod("a", AT) }, after(5));
    assert_eq!(act(&table, &seen(after(4))), Some(Act::OutOfService));
    table.put(0, pod("a", "10.0.0.2"), after(6));
    assert_eq!(act(&table, &seen(after(4))), None, "it has another one");
    table.put(0, Pod { addresses: Vec::new(), ..pod("a", AT) }, after(7));
    table.end(0, "a", after(10));
    let there = Seen { address: "10.0.0.2".parse().unwrap(), ..seen(after(5)) };
    assert!(matches!(act(&table, &there), Some(Act::Evict(_))));
}

#[test]
fn an_address_that_a_living_pod_has_is_left_alone() {
    let mut table = watching(&[pod("a", AT)]);
    table.put(0, pod("b", AT), after(9));
    table.end(0, "a", after(10));
    assert!(!is_evicted(&table, after(5)));
    table.end(0, "b", after(20));
    assert!(is_evicted(&table, after(5)), "now neither lives");
    table.put(0, pod("c", AT), after(21));
    assert!(!is_evicted(&table, after(5)));
}

#[test]
fn the_address_of_a_node_is_left_alone() {
    let mut table = watching(&[Pod { is_on_host_network: true, ..pod("a", AT) }]);
    assert!(table.at(AT.parse().unwrap()).is_none(), "whose it is is not known");
    table.end(0, "a", after(10));
    assert!(!is_evicted(&table, after(5)));
}

#[test]
fn who_was_heard_before_the_pod_lived_is_none_of_its_instances() {
    let mut table = watching(&[]);
    table.put(0, pod("a", AT), after(10));
    table.end(0, "a", after(20));
    assert!(!is_evicted(&table, after(9)));
    assert!(is_evicted(&table, after(10)));
}

#[test]
fn a_first_list_ends_nothing() {
    let mut table = Table::new(1);
    list(&mut table, &[Pod { phase: Phase::Over, ..pod("a", AT) }], after(10));
    assert!(!is_evicted(&table, after(5)));
    let mut broken = Table::new(1);
    broken.list_begins(0);
    broken.put(0, pod("a", AT), START);
    list(&mut broken, &[], after(10));
    let silent = Seen { is_silent: true, ..seen(after(5)) };
    assert_eq!(act(&broken, &silent), None, "the list before broke off");
    assert_eq!(broken.state(0).0, 0);
}

#[test]
fn a_list_after_a_gap_shows_who_vanished() {
    let mut table = watching(&[pod("a", AT)]);
    table.contact(0, after(10));
    table.watch_ends(0);
    table.list_begins(0);
    assert!(!is_evicted(&table, after(5)), "nothing is known during the gap");
    table.list_ends(0, after(70), after(71));
    assert!(is_evicted(&table, after(10)));
    assert!(!is_evicted(&table, after(30)), "it may have renewed after the pod's end");
    let silent = |heard| act(&table, &Seen { is_silent: true, ..seen(heard) });
    assert!(silent(after(30)).is_some(), "nobody hears it any more");
    assert!(silent(after(72)).is_none(), "it is another one");
}

#[test]
fn what_a_new_watch_says_first_may_be_old() {
    let mut table = watching(&[pod("a", AT), pod("b", "10.0.0.2")]);
    table.contact(0, after(10));
    table.watch_ends(0);
    table.watch_begins(0, after(70));
    table.end(0, "a", after(70));
    table.contact(0, after(70));
    assert!(!is_evicted(&table, after(30)));
    table.end(0, "b", after(72));
    let other = Seen { address: "10.0.0.2".parse().unwrap(), ..seen(after(71)) };
    assert!(matches!(act(&table, &other), Some(Act::Evict(_))), "this is news");
}

#[test]
fn an_end_is_forgotten() {
    let mut table = watching(&[pod("a", AT)]);
    table.end(0, "a", after(10));
    table.forget(after(610));
    assert!(is_evicted(&table, after(5)));
    table.forget(after(611));
    assert!(!is_evicted(&table, after(5)));
}

#[test]
fn instances_of_a_terminating_pod_are_out_of_service_where_that_is_wanted() {
    let mut table = watching(&[pod("a", AT)]);
    table.put(0, Pod { is_terminating: true, ..pod("a", AT) }, after(10));
    assert_eq!(act(&table, &seen(after(5))), Some(Act::OutOfService));
    assert_eq!(table.concerns(Policies::default()).verdict(&seen(after(5))), None, "it is only shown");
    let set = Seen { set: Some((InstanceStatus::Up, after(1))), ..seen(after(5)) };
    assert_eq!(act(&table, &set), None, "somebody wants it to be UP");
    table.watch_ends(0);
    assert_eq!(act(&table, &seen(after(5))), None, "that was long ago");
}

#[test]
fn instances_of_a_pod_that_is_not_ready_come_back_with_it() {
    let mut table = watching(&[pod("a", AT)]);
    let not_ready = Pod { is_ready: false, ready_changed: Some(after(9)), ..pod("a", AT) };
    table.put(0, not_ready.clone(), after(10));
    assert_eq!(act(&table, &seen(after(5))), Some(Act::OutOfService));
    let set = |at| {
        let out = InstanceStatus::OutOfService;
        Seen { status: out, set: Some((out, at)), ..seen(after(5)) }
    };
    assert_eq!(act(&table, &set(after(10))), None);
    table.put(0, not_ready, after(15));
    table.put(0, Pod { ready_changed: Some(after(20)), ..pod("a", AT) }, after(20));
    for at in [9, 15, 21] {
        assert_eq!(act(&table, &set(after(at))), Some(Act::BackInService), "set after {at} s, by any replica");
    }
    for at in [1, 30] {
        assert_eq!(act(&table, &set(after(at))), None, "set after {at} s, by an operator");
    }
    table.forget(after(36));
    assert_eq!(act(&table, &set(after(15))), None, "that was long ago");
}

#[test]
fn pods_above_the_limit_are_left_out() {
    let mut table = Table { most_pods: 1, ..Table::new(1) };
    list(&mut table, &[pod("a", AT), pod("b", "10.0.0.2")], START);
    assert_eq!(table.state(0), (1, false, 1));
    table.put(0, pod("b", "10.0.0.2"), START);
    assert_eq!(table.state(0), (1, false, 1), "it is counted once");
    table.put(0, pod("c", "10.0.0.3"), START);
    table.end(0, "c", START);
    assert_eq!(table.state(0), (1, false, 1), "one is gone again");
    table.check();
    table.end(0, "a", START);
    table.put(0, pod("b", "10.0.0.2"), START);
    assert_eq!(table.state(0), (1, false, 0), "there is room for it");
    table.check();
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, bool),
    End(u8),
    List(Vec<u8>),
    Gap,
    Contact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u8, 1..4_u8, any::<bool>()).prop_map(|(id, at, over)| Step::Put(id, at, over)),
        3 => (0..4_u8).prop_map(Step::End),
        1 => prop::collection::vec(0..4_u8, 0..4).prop_map(Step::List),
        1 => Just(Step::Gap),
        1 => Just(Step::Contact),
    ];
    prop::collection::vec(step, 1..30)
}

fn address(of: u8) -> String {
    format!("10.0.0.{of}")
}

proptest! {
    /// Whatever happens to pods, in whichever order it is told: nobody is evicted at an address that a living pod has, without the end of
    /// a pod there, or who was heard after that was known.
    #[test]
    fn nobody_who_may_live_is_evicted(steps in steps(), heard in 0..40_u64, is_silent in any::<bool>()) {
        let mut table = watching(&[]);
        let mut ended = HashMap::<IpAddr, Timestamp>::new();
        for (step, number) in steps.into_iter().zip(1..) {
            let now = after(number);
            let before: HashMap<_, _> = table.pods.iter().map(|(uid, known)| (uid.clone(), known.pod.addresses.clone())).collect();
            match step {
                Step::Put(id, at, over) => {
                    let phase = if over { Phase::Over } else { Phase::Running };
                    table.put(0, Pod { phase, ..pod(&format!("p{id}"), &address(at)) }, now);
                }
                Step::End(id) => table.end(0, &format!("p{id}"), now),
                Step::List(ids) => {
                    table.watch_ends(0);
                    let pods: Vec<Pod> = ids.iter().map(|id| pod(&format!("p{id}"), &address(*id + 1))).collect();
                    list(&mut table, &pods, now);
                    table.watch_begins(0, now);
                }
                Step::Gap => {
                    table.watch_ends(0);
                    table.watch_begins(0, now);
                }
                Step::Contact => table.contact(0, now),
            }
            table.check();
            for (_, addresses) in before.iter().filter(|(uid, _)| !table.pods.contains_key(*uid)) {
                ended.extend(addresses.iter().map(|address| (*address, now)));
            }
            for at in 1..5 {
                let address: IpAddr = address(at).parse().unwrap();
                let seen = Seen { address, is_silent, ..seen(after(heard)) };
                let Some(Act::Evict(_)) = act(&table, &seen) else { continue };
                prop_assert!(!table.at.contains_key(&address), "a living pod has the address");
                let known = ended.get(&address).copied();
                prop_assert!(known.is_some_and(|known| after(heard) <= known + IN_FLIGHT), "heard {heard}, ended {known:?}");
            }
        }
    }
}
